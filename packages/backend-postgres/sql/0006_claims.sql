-- Claims: what a worker is handed, and in which order.

-- One row for each leased execution; a row without an id says that the caller's catalogue is old.
create type claimed as (
  partition_key integer, id uuid, lane_id integer, route_id integer, flow_id uuid, name text, priority integer, input bytea,
  attempt_index integer, attempt_type attempt_type, generation integer, lease_id uuid, epoch bigint, lease_expires_at bigint,
  attempt_deadline_at bigint, claimed_at bigint, tags json, trace_context text, due_at bigint,
  up_names text[], up_ids uuid[], up_states text[], up_satisfied boolean[], up_results bytea[], up_truncated boolean,
  step_names text[], step_types text[], step_results bytea[], step_attempts integer[], step_times bigint[], steps_truncated boolean,
  resumption json);

-- What the upstreams of a node handed down, and its journal, up to a number of bytes together.
create type inlined as (up_names text[], up_ids uuid[], up_states text[], up_satisfied boolean[], up_results bytea[], up_truncated boolean,
  step_names text[], step_types text[], step_results bytea[], step_attempts integer[], step_times bigint[], steps_truncated boolean);

create function load_inlined(p_partition integer, p_id uuid, p_bytes_max integer) returns inlined
language plpgsql stable set search_path from current as $$
#variable_conflict use_column
declare
  v_inlined inlined;
begin
  -- Most have neither.
  if not exists (select 1 from edge x where x.partition_key = p_partition and x.downstream_id = p_id and x.as_name is not null)
    and not exists (select 1 from step s where s.partition_key = p_partition and s.execution_id = p_id) then
    v_inlined.up_truncated := false;
    v_inlined.steps_truncated := false;
    return v_inlined;
  end if;
  with up as materialized (
    select x.as_name collate "C" as as_name, x.upstream_id, x.seen_state::text as state, coalesce(x.seen_satisfied, false) as satisfied,
      r.result, sum(coalesce(length(r.result), 0)) over (order by x.as_name collate "C") as bytes
    from edge x
    left join execution_result r on x.seen_satisfied and r.partition_key = x.partition_key and r.id = x.upstream_id
    where x.partition_key = p_partition and x.downstream_id = p_id and x.as_name is not null and x.seen_state is not null
  ), own as materialized (
    select s.*, sum(coalesce(length(s.result), 0)) over (order by s.ordinal) + coalesce((select max(bytes) from up), 0) as bytes
    from step s where s.partition_key = p_partition and s.execution_id = p_id
  )
  select u.*, o.* into v_inlined from
    (select array_agg(as_name order by as_name), array_agg(upstream_id order by as_name), array_agg(state order by as_name),
      array_agg(satisfied order by as_name), array_agg(result order by as_name), (select count(*) from up where bytes > p_bytes_max) > 0
     from up where bytes <= p_bytes_max) u,
    (select array_agg(name order by ordinal), array_agg(type order by ordinal), array_agg(result order by ordinal),
      array_agg(attempt_index order by ordinal), array_agg(recorded_at order by ordinal), (select count(*) from own where bytes > p_bytes_max) > 0
     from own where bytes <= p_bytes_max) o;
  return v_inlined;
end $$;

-- The leases that an instance holds by a claim, as the claim answered them.
create function leases_of_claim(p_instance uuid, p_claim uuid) returns setof claimed language plpgsql stable set search_path from current as $$
#variable_conflict use_column
begin
  return query
  with held as materialized (
    select e.*, i.name, i.input, i.tags, i.trace_context,
      case when e.flow_id is not null or e.attempt_count > 1 or e.attempt_has_effects then load_inlined(e.partition_key, e.id, 262144) end as more
    from execution e
    join execution_info i on i.partition_key = e.partition_key and i.id = e.id
    where e.lifecycle_phase = 'active' and e.instance_id = p_instance and e.claim_id = p_claim
  )
  select h.partition_key, h.id, h.lane_id, h.route_id, h.flow_id, h.name, h.priority, h.input, h.attempt_count - 1, h.attempt_type,
    h.generation, h.lease_id, h.epoch, h.lease_expires_at, h.attempt_deadline_at, h.lease_started_at, h.tags::json, h.trace_context, h.due_at,
    (h.more).*, case when h.has_ties then resumption_of(h.partition_key, h.id) end
  from held h order by h.score, h.seq;
end $$;

-- Whether a flow keeps a member from starting. Over columns, so that it becomes part of the statement that asks: a look of
-- its own would be planned anew by each claim.
create function holds_back(p_state flow_state, p_cancel_finalisers boolean, p_always_node boolean) returns boolean language sql immutable parallel safe
  return p_state in ('draft', 'replaying') or (p_state = 'cancelling' and not (p_always_node and coalesce(p_cancel_finalisers, true)));

-- Finds and locks what a claim may have of several routes. Lanes share by weight: `p_virtual` is how much service each had
-- so far, and none gives more than its room. Heads are looked up without locks; the winners are locked if nobody else
-- has them, and looked at again.
create function lock_heads(p_lanes integer[], p_virtual double precision[], p_weights integer[], p_room bigint[], p_routes integer[],
  p_route_lanes integer[], p_wide integer, p_max integer, p_now bigint, out tids tid[], out heads integer)
language plpgsql set search_path from current as $$
#variable_conflict use_column
begin
  with lanes as materialized (
    select * from unnest(p_lanes, p_virtual, p_weights, p_room) as l (lane_id, virtual, weight, room)
  ), heads as materialized (
    select h.*, l.virtual, l.weight, l.room, row_number() over (partition by l.lane_id order by h.score, h.seq) as place
    from unnest(p_routes, p_route_lanes) as r (route_id, lane_id)
    join lanes l on l.lane_id = r.lane_id and l.room > 0
    cross join lateral (
      select e.partition_key, e.id, e.score, e.seq from execution e
      where e.route_id = r.route_id and e.eligibility_state = 'eligible_now'
        and coalesce(e.deadline_at > p_now, true) and coalesce(e.queue_ttl_at > p_now, true)
        and (e.flow_id is null or not exists (select 1 from flow f where f.partition_key = e.partition_key and f.id = e.flow_id
          and holds_back(f.state, f.cancel_finalisers, e.always_node)))
      order by e.score, e.seq limit p_wide
    ) h
  ), winners as materialized (
    select h.partition_key, h.id, row_number() over (order by h.virtual + h.place::double precision / h.weight, h.score, h.seq) as rank
    from heads h where h.place <= h.room order by rank limit p_wide
  )
  select array_agg(x.tid), (select count(*) from winners) into tids, heads from (
    select k.tid from winners w cross join lateral (
      select e.ctid as tid from execution e
      where e.partition_key = w.partition_key and e.id = w.id and e.eligibility_state = 'eligible_now'
      limit 1 for update skip locked
    ) k order by w.rank limit p_max
  ) x;
end $$;

-- How much each of these lanes may still start, up to `p_max`. One claim of a capped lane at a time: between the count and
-- the lease nobody else may start work of it.
create function room_of(p_lanes integer[], p_caps integer[], p_max integer) returns bigint[]
language plpgsql set search_path from current as $$
declare
  v_room bigint[];
begin
  for i in 1 .. cardinality(p_lanes) loop
    if p_caps[i] is null then
      v_room[i] := p_max;
    else
      perform pg_advisory_xact_lock(lane_key(p_lanes[i]));
      v_room[i] := greatest(0, p_caps[i]
        - coalesce((select sum(d.n) from lane_depth d where d.lane_id = p_lanes[i] and d.public_state = 'active'), 0));
    end if;
  end loop;
  return v_room;
end $$;

-- Leases up to `p_max` of what the routes hold, best first in each lane.
create function claim_work(p_catalog bigint, p_worker text, p_instance uuid, p_claim uuid, p_ttl_ms bigint, p_max integer,
  p_lanes integer[], p_virtual double precision[], p_routes integer[], p_route_lanes integer[])
returns setof claimed language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_now bigint;
  v_known record;
  v_lanes integer[];
  v_room bigint[];
  v_tids tid[];
  v_heads integer;
  v_wide integer := p_max;
  v_left integer := p_max;
  v_got integer;
begin
  perform pg_advisory_xact_lock_shared(barrier_key());
  select d.catalog_version = p_catalog as is_current,
      exists (select 1 from execution e
        where e.lifecycle_phase = 'active' and e.instance_id = p_instance and e.claim_id = p_claim) as is_repeated,
      l.* into v_known
    from deployment d cross join lateral (
      select array_agg(l.id order by l.id) as ids, array_agg(i.virtual order by l.id) as virtual, array_agg(l.weight order by l.id) as weights,
        array_agg(l.concurrency order by l.id) as caps, bool_or(l.concurrency is not null) as is_capped
      from unnest(p_lanes, p_virtual) as i (lane_id, virtual) join lane l on l.id = i.lane_id where l.state in ('active', 'draining')
    ) l
    where d.singleton;
  if not v_known.is_current then
    return next null::claimed;
    return;
  end if;
  if v_known.is_repeated then
    return query select * from leases_of_claim(p_instance, p_claim);
    return;
  end if;
  v_lanes := v_known.ids;
  if v_lanes is null or cardinality(p_routes) = 0 then return; end if;
  v_room := case when v_known.is_capped then room_of(v_lanes, v_known.caps, p_max) else array_fill(p_max::bigint, array[cardinality(v_lanes)]) end;
  v_now := now_ms();

  for v_round in 1 .. 3 loop
    if cardinality(p_routes) = 1 then
      -- One route, as most workers have: its index is the order, and what others hold is stepped over.
      select array_agg(h.tid) into v_tids from (
        select e.ctid as tid from execution e
        where e.route_id = p_routes[1] and e.eligibility_state = 'eligible_now'
          and coalesce(e.deadline_at > v_now, true) and coalesce(e.queue_ttl_at > v_now, true)
          and (e.flow_id is null or not exists (select 1 from flow f where f.partition_key = e.partition_key and f.id = e.flow_id
            and holds_back(f.state, f.cancel_finalisers, e.always_node)))
        order by e.score, e.seq limit least(v_left, coalesce(v_room[array_position(v_lanes, p_route_lanes[1])], 0))
        for update skip locked
      ) h;
      v_heads := 0;
    else
      select tids, heads into v_tids, v_heads
        from lock_heads(v_lanes, v_known.virtual, v_known.weights, v_room, p_routes, p_route_lanes, v_wide, v_left, v_now);
    end if;
    exit when v_tids is null and v_heads < v_wide;

    return query
    with leased as (
      update execution e set
        lifecycle_phase = 'active', ownership_state = 'leased', eligibility_state = 'not_applicable', blocking_reason = 'none',
        attempt_state = 'running_attempt', public_state = 'active', epoch = e.epoch + 1,
        attempt_count = e.attempt_count + case when e.attempt_state = 'pending_resume' then 0 else 1 end,
        retry_count = e.retry_count + case when e.attempt_state in ('pending_resume', 'pending_reclaim_attempt') then 0 else 1 end,
        attempt_type = case e.attempt_state when 'pending_resume' then e.attempt_type when 'pending_retry_attempt' then 'retry'
          when 'pending_reclaim_attempt' then 'reclaim' when 'pending_replay_attempt' then 'replay' else 'initial' end,
        lease_id = gen_random_uuid(), lease_expires_at = v_now + p_ttl_ms, lease_started_at = v_now,
        worker_id = p_worker, instance_id = p_instance, claim_id = p_claim,
        attempt_started_at = case when e.attempt_state = 'pending_resume' then e.attempt_started_at else v_now end,
        attempt_used_ms = case when e.attempt_state = 'pending_resume' then e.attempt_used_ms else 0 end,
        attempt_deadline_at = v_now + e.attempt_timeout_ms - case when e.attempt_state = 'pending_resume' then e.attempt_used_ms else 0 end,
        attempt_has_effects = e.attempt_state = 'pending_resume', yielded_lease_id = null, queue_ttl_at = null,
        due_at = least(e.deadline_at, v_now + p_ttl_ms,
          v_now + e.attempt_timeout_ms - case when e.attempt_state = 'pending_resume' then e.attempt_used_ms else 0 end)
      from unnest(v_tids) as k (tid) where e.ctid = k.tid
      returning e.partition_key, e.id, e.lane_id, e.route_id, e.flow_id, e.priority, e.attempt_count, e.attempt_type, e.generation,
        e.lease_id, e.epoch, e.lease_expires_at, e.attempt_deadline_at, e.due_at, e.attempt_has_effects, e.has_ties, e.score, e.seq
    ), handed as materialized (
      -- Looked at here, since most have neither upstreams to hand down nor steps, and a call for each costs more than the look.
      select l.*, i.name, i.input, i.tags, i.trace_context,
        case when (l.flow_id is not null and exists (select 1 from edge x
            where x.partition_key = l.partition_key and x.downstream_id = l.id and x.as_name is not null))
          or ((l.attempt_count > 1 or l.attempt_has_effects) and exists (select 1 from step s
            where s.partition_key = l.partition_key and s.execution_id = l.id))
        then load_inlined(l.partition_key, l.id, 262144) end as more
      from leased l cross join lateral (
        select x.name, x.input, x.tags, x.trace_context from execution_info x
        where x.partition_key = l.partition_key and x.id = l.id limit 1
      ) i
    )
    select h.partition_key, h.id, h.lane_id, h.route_id, h.flow_id, h.name, h.priority, h.input, h.attempt_count - 1, h.attempt_type,
      h.generation, h.lease_id, h.epoch, h.lease_expires_at, h.attempt_deadline_at, v_now, h.tags::json, h.trace_context, h.due_at,
      (h.more).*, case when h.has_ties then resumption_of(h.partition_key, h.id) end
    from handed h order by h.score, h.seq;
    get diagnostics v_got = row_count;
    v_left := v_left - v_got;
    -- Others may hold the heads that were seen: then look further, past them.
    exit when v_left <= 0 or v_heads < v_wide or v_known.is_capped;
    v_wide := v_wide * 4;
  end loop;
end $$;

-- What became of one submission that came along with a claim; leased where the claim was handed it.
create type handed as (outcome text, lane_state text, eligible boolean, due_at bigint, lease_id uuid, leased_at bigint,
  attempt_deadline_at bigint);

-- Accepts one solo execution for a claim that waits for such. Where nothing else is ready that the claim might have, it is
-- written as leased at once: what `submit_executions` and then `claim_work` would leave, in one insert. Where anything is
-- not as simple, it is submitted, and the claim looks for itself. It starts at once: no item with a delay comes here.
create function submit_to_claim(p_namespace text, p_partition integer, p_id uuid, p_route integer, p_hash text, p_input bytea, p_options jsonb,
  p_catalog bigint, p_worker text, p_instance uuid, p_claim uuid, p_ttl_ms bigint, p_lanes integer[], p_routes integer[])
returns setof handed language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_now bigint;
  v_known record;
  v_priority integer := coalesce((p_options ->> 'priority')::integer, 0);
  v_deadline_ms bigint := (p_options ->> 'deadlineMs')::bigint;
  v_timeout_ms bigint := (p_options ->> 'attemptTimeoutMs')::bigint;
  v_lease uuid := gen_random_uuid();
  v_due bigint;
begin
  perform pg_advisory_xact_lock_shared(barrier_key());
  select r.kind, r.lane_id, l.ageing_ms,
      p_route = any (p_routes) and r.lane_id = any (p_lanes) and l.state = 'active' and l.concurrency is null
        and l.event_level <> 'all' -- that would have to tell of two transitions
        and d.catalog_version = p_catalog
        and not exists (select 1 from execution e
          where e.lifecycle_phase = 'active' and e.instance_id = p_instance and e.claim_id = p_claim)
        and not exists (select 1 from unnest(p_routes) as s (id) cross join lateral (
          select 1 from execution e where e.route_id = s.id and e.eligibility_state = 'eligible_now' limit 1) w) as is_simple
    into v_known
    from route r join lane l on l.id = r.lane_id cross join deployment d where r.id = p_route and d.singleton;
  v_now := now_ms();

  if v_known.is_simple then
    insert into execution_info as x (partition_key, id, namespace, lane_id, kind, tags, input, input_hash, retry, trace_context, created_at)
      values (p_partition, p_id, p_namespace, v_known.lane_id, v_known.kind, coalesce(p_options -> 'tags', '{}'), p_input,
        convert_to(p_hash, 'UTF8'), p_options -> 'retry', p_options ->> 'traceContext', v_now)
      on conflict (partition_key, id) do nothing;
    if found then
      v_due := least(v_now + v_deadline_ms, v_now + p_ttl_ms, v_now + v_timeout_ms);
      insert into execution (partition_key, id, lane_id, route_id, lifecycle_phase, ownership_state, eligibility_state, blocking_reason,
        attempt_state, public_state, epoch, attempt_count, retry_count, priority, ready_at, score, first_eligible_at, deadline_ms,
        queue_ttl_ms, attempt_timeout_ms, max_reclaims, retention_ms, deadline_at, lease_id, lease_expires_at, lease_started_at, worker_id,
        instance_id, claim_id, attempt_type, attempt_started_at, attempt_deadline_at, due_at, created_at)
      values (p_partition, p_id, v_known.lane_id, p_route, 'active', 'leased', 'not_applicable', 'none',
        'running_attempt', 'active', 1, 1, 1, v_priority, v_now, score_of(v_now, v_priority, v_known.ageing_ms), v_now, v_deadline_ms,
        (p_options ->> 'queueTtlMs')::bigint, v_timeout_ms, coalesce((p_options ->> 'maxReclaims')::integer, 20),
        (p_options ->> 'retentionMs')::bigint, v_now + v_deadline_ms, v_lease, v_now + p_ttl_ms, v_now, p_worker,
        p_instance, p_claim, 'initial', v_now, v_now + v_timeout_ms, v_due, v_now);
      return next ('accepted', null, false, v_due, v_lease, v_now, v_now + v_timeout_ms)::handed;
      return;
    end if;
  end if;

  return query select s.outcome, s.lane_state, s.eligible, s.due_at, null::uuid, null::bigint, null::bigint
    from submit_executions(p_namespace, array[p_partition], array[p_id], array[p_route], array[p_hash], array[p_input], array[p_options]) s;
end $$;
