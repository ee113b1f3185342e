-- Submission, claim, and every end of an attempt. Each function is one round trip for a batch.
--
-- Those that are called from outside fix how they are planned: once, without regard to parameters (planning such a
-- statement costs more than running it), never by reading a whole table (a plan made while tables were small is kept
-- while they grow), never compiled.

-- ---- Policies, the same as core's.

create function default_retry() returns jsonb language sql immutable parallel safe
  return '{"maxAttempts":3,"backoff":{"kind":"exponential","initialMs":1000,"multiplier":2,"maxMs":300000,"jitter":true},"nonRetryable":[]}'::jsonb;

-- The pause before retry number `p_retry` (1 is the first). `p_random` is in [0, 1).
create function backoff_ms(p_backoff jsonb, p_retry integer, p_random double precision) returns bigint
language plpgsql immutable parallel safe set search_path from current as $$
declare
  v_initial double precision := (p_backoff ->> 'initialMs')::double precision;
  v_factor double precision := (p_backoff ->> 'multiplier')::double precision;
  v_max double precision := (p_backoff ->> 'maxMs')::double precision;
  v_bounded double precision;
begin
  if p_backoff ->> 'kind' = 'fixed' or v_initial <= 0 then
    v_bounded := least(v_initial, v_max);
  elsif v_factor > 1 and (p_retry - 1) * ln(v_factor) + ln(v_initial) > ln(greatest(v_max, 1)) + 1 then
    -- Past the bound by far: the power itself might overflow.
    v_bounded := v_max;
  else
    v_bounded := least(v_initial * power(v_factor, p_retry - 1), v_max);
  end if;
  if (p_backoff ->> 'jitter')::boolean then return floor(p_random * (v_bounded + 1))::bigint; end if;
  return floor(v_bounded)::bigint;
end $$;

create function reclaim_backoff_ms(p_reclaim integer, p_random double precision) returns bigint
language sql immutable parallel safe
  return case when p_reclaim <= 1 then 0
    else floor(least(1000 * power(2, least(p_reclaim - 2, 20)), 60000) * (0.5 + p_random / 2))::bigint end;

-- ---- Submit

-- What an item is whose id was taken, or null when it wasn't: a statement of its own, so that it sees whoever took it and
-- has committed since.
create function judge_taken_id(p_partition integer, p_id uuid, p_namespace text, p_kind text, p_hash bytea) returns text
language plpgsql volatile set search_path from current as $$
declare v_same boolean;
begin
  select i.namespace = p_namespace and i.kind = p_kind and i.input_hash = p_hash into v_same
    from execution_info i where i.partition_key = p_partition and i.id = p_id;
  return case v_same when true then 'duplicate' when false then 'execution_conflict' end;
end $$;

-- Solo executions, in the order given; an id occurs once. An item's options, null where it has none, hold what is seldom
-- there. Answers per item accepted, duplicate, execution_conflict or lane_not_accepting.
create function submit_executions(p_namespace text, p_partitions integer[], p_ids uuid[], p_routes integer[], p_hashes text[],
  p_inputs bytea[], p_options jsonb[])
returns table (ord integer, outcome text, partition_key integer, id uuid, lane_id integer, lane_state text, eligible boolean, due_at bigint)
language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_now bigint;
begin
  perform pg_advisory_xact_lock_shared(barrier_key());
  v_now := now_ms();
  return query
  with input as materialized (
    select i.ord, i.partition_key, i.id, i.route_id, i.input, i.options, convert_to(i.hash, 'UTF8') as hash,
      r.lane_id, r.kind, l.state as lane_state, l.ageing_ms, l.state not in ('draining', 'disabled') as is_open,
      coalesce((i.options ->> 'priority')::integer, 0) as priority,
      (i.options ->> 'deadlineMs')::bigint as deadline_ms, (i.options ->> 'queueTtlMs')::bigint as queue_ttl_ms, s.not_before,
      case when s.not_before is null then v_now end as ready_at
    from unnest(p_partitions, p_ids, p_routes, p_hashes, p_inputs, p_options) with ordinality
      as i (partition_key, id, route_id, hash, input, options, ord)
    join route r on r.id = i.route_id join lane l on l.id = r.lane_id
    -- A start in the past is no delay.
    cross join lateral (select nullif(greatest(coalesce((i.options ->> 'startAtMs')::bigint,
      v_now + (i.options ->> 'delayMs')::bigint), v_now), v_now) as not_before) s
  ), made as (
    insert into execution as e (partition_key, id, lane_id, route_id, lifecycle_phase, eligibility_state, blocking_reason, attempt_state,
      priority, ready_at, score, first_eligible_at, not_before, delay_reason, deadline_ms, queue_ttl_ms, attempt_timeout_ms,
      max_reclaims, retention_ms, deadline_at, queue_ttl_at, due_at, created_at)
    select f.partition_key, f.id, f.lane_id, f.route_id, 'runnable', runnable_eligibility(false, false, f.not_before, v_now),
      runnable_reason(false, false, f.not_before, 'start_time', v_now), 'pending_first_attempt',
      f.priority, f.ready_at, score_of(f.ready_at, f.priority, f.ageing_ms), f.ready_at, f.not_before,
      case when f.not_before is not null then 'start_time'::delay_reason end, f.deadline_ms, f.queue_ttl_ms,
      (f.options ->> 'attemptTimeoutMs')::bigint, coalesce((f.options ->> 'maxReclaims')::integer, 20),
      (f.options ->> 'retentionMs')::bigint, f.ready_at + f.deadline_ms, f.ready_at + f.queue_ttl_ms,
      runnable_due(false, false, f.not_before, v_now, f.ready_at + f.deadline_ms, f.ready_at + f.queue_ttl_ms), v_now
    from input f where f.is_open order by f.ord
    on conflict (partition_key, id) do nothing
    returning e.partition_key, e.id, e.due_at, e.not_before is null as eligible
  ), described as (
    insert into execution_info (partition_key, id, namespace, lane_id, kind, tags, input, input_hash, retry, trace_context, created_at)
    select f.partition_key, f.id, p_namespace, f.lane_id, f.kind, coalesce(f.options -> 'tags', '{}'), f.input, f.hash,
      f.options -> 'retry', f.options ->> 'traceContext', v_now
    from input f join made m on m.partition_key = f.partition_key and m.id = f.id
  )
  select n.ord::integer, case when m.id is not null then 'accepted'
      else coalesce(judge_taken_id(n.partition_key, n.id, p_namespace, n.kind, n.hash),
        case when n.is_open then 'execution_conflict' else 'lane_not_accepting' end) end,
    n.partition_key, n.id, n.lane_id, n.lane_state, m.eligible, m.due_at
  from input n left join made m on m.partition_key = n.partition_key and m.id = n.id;
end $$;

-- The same for items with idempotency keys: a live key decides the id, and is recorded with what was accepted or known
-- under it, in one step.
create function submit_keyed(p_namespace text, p_partitions integer[], p_ids uuid[], p_routes integer[], p_hashes text[],
  p_inputs bytea[], p_options jsonb[], p_keys text[], p_ttls bigint[])
returns table (ord integer, outcome text, partition_key integer, id uuid, lane_id integer, lane_state text, eligible boolean, due_at bigint)
language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_key idempotency_key;
  v_kind text;
  v_partition integer;
  v_id uuid;
  v_known boolean;
  i integer;
begin
  -- Sorted, so that two batches never wait for each other.
  perform pg_advisory_xact_lock(k.lock) from (
    select distinct hashtextextended('flowfabric/key/' || p_namespace || '/' || key, barrier_key()) as lock from unnest(p_keys) as key order by 1) k;
  for i in 1 .. cardinality(p_keys) loop
    ord := i;
    partition_key := p_partitions[i];
    id := p_ids[i];
    lane_id := null; lane_state := null; eligible := null; due_at := null;
    select r.kind into v_kind from route r where r.id = p_routes[i];
    select k.* into v_key from idempotency_key k where k.namespace = p_namespace and k.key = p_keys[i] and k.expires_at > now_ms();
    v_known := found;
    if v_known and (v_key.kind <> v_kind or v_key.content_hash <> convert_to(p_hashes[i], 'UTF8')) then
      outcome := 'idempotency_conflict';
      return next;
      continue;
    end if;
    if v_known then
      v_partition := split_part(substr(v_key.target, 5), '}', 1)::integer;
      v_id := right(v_key.target, 36)::uuid;
    else
      v_partition := p_partitions[i];
      v_id := p_ids[i];
    end if;
    select s.outcome, s.partition_key, s.id, s.lane_id, s.lane_state, s.eligible, s.due_at
      into outcome, partition_key, id, lane_id, lane_state, eligible, due_at
      from submit_executions(p_namespace, array[v_partition], array[v_id], p_routes[i:i], p_hashes[i:i], p_inputs[i:i], p_options[i:i]) s;
    if not v_known and outcome in ('accepted', 'duplicate') then
      insert into idempotency_key as k (namespace, key, target, kind, content_hash, expires_at)
      values (p_namespace, p_keys[i], format('{fp:%s}:%s', v_partition, v_id), v_kind, convert_to(p_hashes[i], 'UTF8'), now_ms() + p_ttls[i])
      on conflict (namespace, key) do update set target = excluded.target, kind = excluded.kind,
        content_hash = excluded.content_hash, expires_at = excluded.expires_at;
    end if;
    return next;
  end loop;
end $$;

-- ---- Claim

-- One row for each leased execution; a row without an id says that the caller's catalogue is old.
create type claimed as (
  partition_key integer, id uuid, lane_id integer, route_id integer, flow_id uuid, name text, priority integer, input bytea,
  attempt_index integer, attempt_type attempt_type, generation integer, lease_id uuid, epoch bigint, lease_expires_at bigint,
  attempt_deadline_at bigint, claimed_at bigint, tags json, trace_context text, due_at bigint,
  up_names text[], up_ids uuid[], up_states text[], up_satisfied boolean[], up_results bytea[], up_truncated boolean,
  step_names text[], step_types text[], step_results bytea[], step_attempts integer[], step_times bigint[], steps_truncated boolean);

-- What the upstreams of a node handed down, and its journal, up to a number of bytes together.
create type inlined as (up_names text[], up_ids uuid[], up_states text[], up_satisfied boolean[], up_results bytea[], up_truncated boolean,
  step_names text[], step_types text[], step_results bytea[], step_attempts integer[], step_times bigint[], steps_truncated boolean);

create function load_inlined(p_partition integer, p_id uuid, p_bytes_max integer) returns inlined
language plpgsql stable set search_path from current as $$
#variable_conflict use_column
declare v_inlined inlined;
begin
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
    (h.more).*
  from held h order by h.score, h.seq;
end $$;

-- Leases up to `p_max` of what the routes hold, best first in each lane. Lanes share by weight: `p_virtual` is how much
-- service each had, in the caller's count. Heads are looked up without locks; the winners are locked if nobody else has
-- them, and looked at again.
create function claim_work(p_catalog bigint, p_worker text, p_instance uuid, p_claim uuid, p_ttl_ms bigint, p_max integer,
  p_lanes integer[], p_virtual double precision[], p_routes integer[], p_route_lanes integer[])
returns setof claimed language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_now bigint;
  v_open integer[];
  v_room bigint[];
  v_virtual double precision[];
  v_weights integer[];
  v_capped integer[];
  v_lane integer;
  v_wide integer := p_max;
  v_left integer := p_max;
  v_heads integer;
  v_got integer;
begin
  perform pg_advisory_xact_lock_shared(barrier_key());
  if (select catalog_version from deployment where singleton) <> p_catalog then
    return next null::claimed;
    return;
  end if;

  return query select * from leases_of_claim(p_instance, p_claim);
  if found then return; end if;

  select array_agg(l.id order by l.id) into v_capped from lane l
    where l.id = any (p_lanes) and l.concurrency is not null and l.state in ('active', 'draining');
  if v_capped is not null then
    -- One at a time: between the count and the lease nobody else may start work of a capped lane.
    foreach v_lane in array v_capped loop
      perform pg_advisory_xact_lock(lane_key(v_lane));
    end loop;
  end if;

  select array_agg(l.id), array_agg(i.virtual), array_agg(l.weight),
    array_agg(case when l.concurrency is null then p_max else greatest(0, l.concurrency
      - coalesce((select sum(d.n) from lane_depth d where d.lane_id = l.id and d.public_state = 'active'), 0)) end)
    into v_open, v_virtual, v_weights, v_room
  from unnest(p_lanes, p_virtual) as i (lane_id, virtual) join lane l on l.id = i.lane_id
  where l.state in ('active', 'draining');
  if v_open is null then return; end if;

  v_now := now_ms();
  for v_round in 1 .. 3 loop
    with lanes as materialized (
      select * from unnest(v_open, v_virtual, v_weights, v_room) as l (lane_id, virtual, weight, room)
    ), heads as materialized (
      select h.partition_key, h.id, h.score, h.seq, r.lane_id,
        row_number() over (partition by r.lane_id order by h.score, h.seq) as place
      from unnest(p_routes, p_route_lanes) as r (route_id, lane_id)
      join lanes l on l.lane_id = r.lane_id and l.room > 0
      cross join lateral (
        select e.partition_key, e.id, e.score, e.seq from execution e
        where e.route_id = r.route_id and e.eligibility_state = 'eligible_now'
          and coalesce(e.deadline_at > v_now, true) and coalesce(e.queue_ttl_at > v_now, true)
          and (e.flow_id is null or not exists (select 1 from flow f where f.partition_key = e.partition_key and f.id = e.flow_id
            and (f.state in ('draft', 'replaying')
              or (f.state = 'cancelling' and not (e.always_node and coalesce(f.cancel_finalisers, true))))))
        order by e.score, e.seq limit v_wide
      ) h
    ), winners as materialized (
      select h.* from heads h join lanes l on l.lane_id = h.lane_id
      where h.place <= l.room
      order by l.virtual + h.place::double precision / l.weight, h.score, h.seq limit v_wide
    ), locked as materialized (
      select e.partition_key, e.id from winners w join execution e on e.partition_key = w.partition_key and e.id = w.id
      where e.eligibility_state = 'eligible_now'
      order by w.score, w.seq limit v_left for update of e skip locked
    ), leased as (
      update execution e set
        lifecycle_phase = 'active', ownership_state = 'leased', eligibility_state = 'not_applicable', blocking_reason = 'none',
        attempt_state = 'running_attempt', epoch = e.epoch + 1,
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
      from locked k where e.partition_key = k.partition_key and e.id = k.id
      returning e.partition_key
    )
    select (select count(*) from winners), (select count(*) from leased) into v_heads, v_got;
    v_left := v_left - v_got;
    -- Others may hold the heads that were seen: then look further, past them.
    exit when v_left <= 0 or v_heads < v_wide or v_capped is not null;
    v_wide := v_wide * 4;
  end loop;

  if v_left < p_max then
    return query select * from leases_of_claim(p_instance, p_claim);
  end if;
end $$;

-- ---- Fencing

-- Why a write with this handle is not accepted, in the documented order; the holder's repeat answers what it answered
-- first. Called for what was found not to be held, after its row was locked.
create type refusal as (outcome text, ended_by ended_by, terminal_outcome terminal_outcome, answer jsonb);

create function refusal_of(p_partition integer, p_id uuid, p_index integer, p_lease uuid, p_epoch bigint, p_op text, p_namespaces text[])
returns refusal language plpgsql stable set search_path from current as $$
declare
  e execution;
  a attempt;
begin
  select x.* into e from execution x join lane l on l.id = x.lane_id
    where x.partition_key = p_partition and x.id = p_id and l.namespace = any (p_namespaces);
  if not found then return row ('stale_lease', null, null, null)::refusal; end if;
  if p_op = 'yield' and e.yielded_lease_id = p_lease then return row ('repeated', null, null, '{"outcome":"yielded"}')::refusal; end if;
  select x.* into a from attempt x where x.partition_key = p_partition and x.execution_id = p_id and x.idx = p_index;
  -- While it is active, the row itself is the record of its last attempt, and it was found to be another lease's.
  if not found or a.lease_id <> p_lease or a.epoch <> p_epoch or (e.lifecycle_phase = 'active' and e.attempt_count - 1 = p_index) then
    return row ('stale_lease', null, null, null)::refusal;
  end if;
  if a.end_op is not null then
    if a.end_op = p_op then
      return row ('repeated', a.ended_by, e.terminal_outcome,
        coalesce(a.end_answer, jsonb_build_object('outcome', 'completed', 'late', a.late)))::refusal;
    end if;
    return row ('execution_not_active', coalesce(a.ended_by, 'holder'), e.terminal_outcome, null)::refusal;
  end if;
  if a.ended_by = 'attempt_timeout' then return row ('attempt_timed_out', null, null, null)::refusal; end if;
  if a.ended_by = 'revocation' then return row ('lease_revoked', null, null, null)::refusal; end if;
  if a.ended_by = 'lease_expiry' then
    if e.attempt_count - 1 > p_index then return row ('stale_lease', null, null, null)::refusal; end if;
    if e.ownership_state = 'lease_expired_reclaimable' then return row ('lease_expired', null, null, null)::refusal; end if;
    -- Claimed again, and handed back unstarted.
    if e.lifecycle_phase <> 'terminal' and e.generation = a.generation then return row ('stale_lease', null, null, null)::refusal; end if;
  end if;
  return row ('execution_not_active', a.ended_by, e.terminal_outcome, null)::refusal;
end $$;

-- ---- Ends

-- What became of an item. `lane_id`, `flow_id` and `due_at` tell the caller whom to wake.
create type finished as (ord integer, outcome text, late boolean, retry_at bigint, partition_key integer, id uuid, lane_id integer,
  flow_id uuid, is_terminal boolean, is_eligible boolean, due_at bigint,
  refusal text, ended_by ended_by, terminal_outcome terminal_outcome, answer jsonb);

-- The answers to the items that were not accepted.
create function refusals_of(p_partitions integer[], p_ids uuid[], p_indexes integer[], p_leases uuid[], p_epochs bigint[], p_op text,
  p_namespaces text[], p_accepted integer[])
returns setof finished language plpgsql stable set search_path from current as $$
#variable_conflict use_column
begin
  return query
  select i.ord::integer, null::text, null::boolean, null::bigint, i.partition_key, i.id, null::integer, null::uuid, false, false, null::bigint,
    r.outcome, r.ended_by, r.terminal_outcome, r.answer
  from unnest(p_partitions, p_ids, p_indexes, p_leases, p_epochs) with ordinality as i (partition_key, id, idx, lease_id, epoch, ord),
    refusal_of(i.partition_key, i.id, i.idx, i.lease_id, i.epoch, p_op, p_namespaces) r
  where p_accepted is null or not i.ord::integer = any (p_accepted);
end $$;

create function complete_leases(p_partitions integer[], p_ids uuid[], p_indexes integer[], p_leases uuid[], p_epochs bigint[],
  p_results bytea[], p_namespaces text[])
returns setof finished language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
begin
  return query
  with input as materialized (
    select * from unnest(p_partitions, p_ids, p_indexes, p_leases, p_epochs, p_results) with ordinality
      as i (partition_key, id, idx, lease_id, epoch, result, ord)
  ), held as materialized (
    select i.ord, i.result, i.lease_id as handle_lease, i.idx, e.partition_key, e.id, e.lane_id, e.flow_id, e.lifecycle_phase, e.epoch,
      e.lease_id, e.worker_id, e.instance_id, e.attempt_type, e.generation, e.attempt_started_at,
      coalesce(e.retention_ms, l.retention_ms) as keep_ms
    from input i
    join execution e on e.partition_key = i.partition_key and e.id = i.id
    join lane l on l.id = e.lane_id and l.namespace = any (p_namespaces)
    where e.attempt_count = i.idx + 1 and e.epoch = i.epoch
      and (e.lease_id = i.lease_id or e.ownership_state = 'lease_expired_reclaimable')
    order by e.id for update of e
  ), clock as materialized (
    -- Read after the locks are held.
    select now_ms() as now, count(*) from held
  ), accepted as materialized (
    select h.*, c.now, h.lifecycle_phase <> 'active' as late from held h, clock c
    where h.lifecycle_phase = 'active' or exists (select 1 from attempt a where a.partition_key = h.partition_key
      and a.execution_id = h.id and a.idx = h.idx and a.lease_id = h.handle_lease and a.ended_by = 'lease_expiry')
  ), ended as (
    update execution e set
      lifecycle_phase = 'terminal', ownership_state = 'unowned', eligibility_state = 'not_applicable', blocking_reason = 'none',
      terminal_outcome = 'success', attempt_state = 'attempt_terminal', lease_id = null, worker_id = null, instance_id = null, claim_id = null,
      reclaim_count = e.reclaim_count - case when a.late then 1 else 0 end, held = false, not_before = null, delay_reason = null,
      grace_ends_at = null, cancel_cause = null, terminal_at = a.now,
      due_at = case when e.flow_id is null then a.now + a.keep_ms end
    from accepted a where e.partition_key = a.partition_key and e.id = a.id
  ), recorded as (
    insert into execution_result as r (partition_key, id, result)
    select partition_key, id, result from accepted where result is not null
    on conflict (partition_key, id) do update set result = excluded.result, failure = null
  ), attempts as (
    insert into attempt (partition_key, execution_id, idx, type, generation, state, epoch, lease_id, worker_id, instance_id,
      started_at, ended_at, ended_by, end_op)
    select partition_key, id, idx, attempt_type, generation, 'ended_success', epoch, lease_id, worker_id, instance_id,
      attempt_started_at, now, 'holder', 'complete'
    from accepted where not late
    on conflict (partition_key, execution_id, idx) do update set state = excluded.state, epoch = excluded.epoch,
      lease_id = excluded.lease_id, worker_id = excluded.worker_id, instance_id = excluded.instance_id, ended_at = excluded.ended_at,
      ended_by = excluded.ended_by, end_op = excluded.end_op, end_answer = null
  ), late_attempts as (
    update attempt t set state = 'ended_success', ended_at = a.now, ended_by = 'holder', end_op = 'complete', late = true
    from accepted a where a.late and t.partition_key = a.partition_key and t.execution_id = a.id and t.idx = a.idx
  ), outcomes as materialized (
    select i.ord, i.partition_key, i.id, a.id as accepted_id, a.late, a.lane_id, a.flow_id, case when a.id is null then
      refusal_of(i.partition_key, i.id, i.idx, i.lease_id, i.epoch, 'complete', p_namespaces) end as refused
    from input i left join accepted a on a.ord = i.ord
  )
  -- Judged in a CASE: a join would call the function for each item, also for those that need no judgement.
  select o.ord::integer, case when o.accepted_id is not null then 'completed' end, o.late, null::bigint, o.partition_key, o.id, o.lane_id,
    o.flow_id, o.accepted_id is not null, false, null::bigint, (o.refused).outcome, (o.refused).ended_by, (o.refused).terminal_outcome,
    (o.refused).answer
  from outcomes o;
end $$;

-- Ends attempts as failed and decides what follows: the order is a cancel that waits for them, an end for good, a retry.
-- The caller holds the rows' locks and knows that they may end so. Wishes: policy, never, at, after.
create function end_as_failed(p_partitions integer[], p_ids uuid[], p_failures jsonb[], p_wishes text[], p_wish_ms bigint[],
  p_ended_by ended_by, p_now bigint)
returns setof finished language plpgsql set search_path from current as $$
#variable_conflict use_column
begin
  return query
  with facts as materialized (
    select i.ord, i.failure, i.wish, i.wish_ms, e.*, l.retention_ms as lane_retention_ms, e.lifecycle_phase <> 'active' as is_late,
      coalesce(n.retry, default_retry()) as retry,
      is_doomed(e.grace_ends_at, e.always_node, f.state, f.cancel_finalisers) as doomed
    from unnest(p_partitions, p_ids, p_failures, p_wishes, p_wish_ms) with ordinality as i (partition_key, id, failure, wish, wish_ms, ord)
    join execution e on e.partition_key = i.partition_key and e.id = i.id
    join lane l on l.id = e.lane_id
    join execution_info n on n.partition_key = e.partition_key and n.id = e.id
    left join flow f on f.partition_key = e.partition_key and f.id = e.flow_id
  ), decided as materialized (
    select x.*, case
        when x.doomed then 'cancelled'
        when x.wish = 'never' or x.retry -> 'nonRetryable' ? (x.failure ->> 'category')
          or x.retry_count >= (x.retry ->> 'maxAttempts')::integer then 'failed'
        else 'retrying' end as fate,
      greatest(p_now, case x.wish when 'at' then x.wish_ms when 'after' then p_now + x.wish_ms
        else p_now + backoff_ms(x.retry -> 'backoff', greatest(1, x.retry_count), random()) end) as retry_at
    from facts x
  ), planned as materialized (
    -- Only a hold of a late one can stand here; what runs has none.
    select d.*, d.fate <> 'retrying' as is_final, case when d.retry_at > p_now then d.retry_at end as not_before_new,
      d.fate = 'retrying' and is_eligible(false, d.held, case when d.retry_at > p_now then d.retry_at end, p_now) as eligible
    from decided d
  ), changed as (
    update execution e set
      lifecycle_phase = case when d.is_final then 'terminal' else 'runnable' end::lifecycle_phase,
      ownership_state = 'unowned',
      eligibility_state = case when d.is_final then 'not_applicable' else runnable_eligibility(false, d.held, d.not_before_new, p_now) end,
      blocking_reason = case when d.is_final then 'none' else runnable_reason(false, d.held, d.not_before_new, 'retry_backoff', p_now) end,
      terminal_outcome = case d.fate when 'cancelled' then 'cancelled' when 'failed' then 'failed' else 'none' end::terminal_outcome,
      attempt_state = case when d.is_final then 'attempt_terminal' else 'pending_retry_attempt' end::attempt_state,
      lease_id = null, worker_id = null, instance_id = null, claim_id = null,
      reclaim_count = e.reclaim_count - case when d.is_late then 1 else 0 end,
      held = d.held and not d.is_final,
      not_before = case when not d.is_final then d.not_before_new end,
      delay_reason = case when not d.is_final and d.not_before_new is not null then 'retry_backoff'::delay_reason end,
      ready_at = case when d.is_final then e.ready_at when d.eligible then p_now end,
      score = case when d.is_final then e.score when d.eligible then score_of(p_now, e.priority, (select ageing_ms from lane where id = e.lane_id)) end,
      grace_ends_at = null,
      cancel_cause = case when d.fate = 'cancelled' then coalesce(e.cancel_cause, 'flow') end,
      terminal_at = case when d.is_final then p_now end,
      due_at = case when not d.is_final then runnable_due(false, d.held, d.not_before_new, p_now, e.deadline_at, e.queue_ttl_at)
        when e.flow_id is null then p_now + coalesce(e.retention_ms, d.lane_retention_ms) end
    from planned d where e.partition_key = d.partition_key and e.id = d.id
    returning e.partition_key, e.id, e.due_at
  ), recorded as (
    insert into execution_result as r (partition_key, id, failure)
    select partition_key, id, failure from planned where fate = 'failed'
    on conflict (partition_key, id) do update set result = null, failure = excluded.failure
  ), attempts as (
    insert into attempt as t (partition_key, execution_id, idx, type, generation, state, epoch, lease_id, worker_id, instance_id,
      started_at, ended_at, ended_by, end_op, end_answer, failure)
    select partition_key, id, attempt_count - 1, attempt_type, generation, 'ended_failure', epoch, lease_id, worker_id, instance_id,
      attempt_started_at, p_now, p_ended_by, case when p_ended_by = 'holder' then 'fail' end,
      case when p_ended_by = 'holder' then jsonb_strip_nulls(jsonb_build_object('outcome', fate, 'late', false,
        'retryAtMs', case when fate = 'retrying' then retry_at end)) end,
      failure
    from planned where not is_late
    on conflict (partition_key, execution_id, idx) do update set state = excluded.state, epoch = excluded.epoch,
      lease_id = excluded.lease_id, worker_id = excluded.worker_id, instance_id = excluded.instance_id, ended_at = excluded.ended_at,
      ended_by = excluded.ended_by, end_op = excluded.end_op, end_answer = excluded.end_answer, failure = excluded.failure
  ), late_attempts as (
    update attempt t set state = 'ended_failure', ended_at = p_now, ended_by = 'holder', end_op = 'fail', late = true, failure = d.failure,
      end_answer = jsonb_strip_nulls(jsonb_build_object('outcome', d.fate, 'late', true, 'retryAtMs', case when d.fate = 'retrying' then d.retry_at end))
    from planned d where d.is_late and t.partition_key = d.partition_key and t.execution_id = d.id and t.idx = d.attempt_count - 1
  )
  select d.ord::integer, d.fate, d.is_late, case when d.fate = 'retrying' then d.retry_at end, d.partition_key, d.id, d.lane_id, d.flow_id,
    d.is_final, d.eligible, c.due_at, null::text, null::ended_by, null::terminal_outcome, null::jsonb
  from planned d join changed c on c.partition_key = d.partition_key and c.id = d.id;
end $$;

create function fail_leases(p_partitions integer[], p_ids uuid[], p_indexes integer[], p_leases uuid[], p_epochs bigint[],
  p_failures jsonb[], p_wishes text[], p_wish_ms bigint[], p_namespaces text[])
returns setof finished language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_accepted integer[];
begin
  perform pg_advisory_xact_lock_shared(barrier_key());
  with held as materialized (
    select i.ord, i.lease_id as handle_lease, i.idx, e.partition_key, e.id, e.lifecycle_phase
    from unnest(p_partitions, p_ids, p_indexes, p_leases, p_epochs) with ordinality as i (partition_key, id, idx, lease_id, epoch, ord)
    join execution e on e.partition_key = i.partition_key and e.id = i.id
    join lane l on l.id = e.lane_id and l.namespace = any (p_namespaces)
    where e.attempt_count = i.idx + 1 and e.epoch = i.epoch
      and (e.lease_id = i.lease_id or e.ownership_state = 'lease_expired_reclaimable')
    order by e.id for update of e
  )
  select array_agg(h.ord::integer order by h.ord) into v_accepted from held h
  where h.lifecycle_phase = 'active' or exists (select 1 from attempt a where a.partition_key = h.partition_key
    and a.execution_id = h.id and a.idx = h.idx and a.lease_id = h.handle_lease and a.ended_by = 'lease_expiry');

  if v_accepted is not null then
    return query
    select v_accepted[x.ord], x.outcome, x.late, x.retry_at, x.partition_key, x.id, x.lane_id, x.flow_id, x.is_terminal, x.is_eligible, x.due_at,
      x.refusal, x.ended_by, x.terminal_outcome, x.answer
    from end_as_failed(
      array(select p_partitions[o] from unnest(v_accepted) as o), array(select p_ids[o] from unnest(v_accepted) as o),
      array(select p_failures[o] from unnest(v_accepted) as o), array(select p_wishes[o] from unnest(v_accepted) as o),
      array(select p_wish_ms[o] from unnest(v_accepted) as o), 'holder', now_ms()) x;
  end if;

  if coalesce(cardinality(v_accepted), 0) < cardinality(p_ids) then
    return query select * from refusals_of(p_partitions, p_ids, p_indexes, p_leases, p_epochs, 'fail', p_namespaces, v_accepted);
  end if;
end $$;

-- Gives leases back and keeps the attempts until a time.
create function delay_leases(p_partitions integer[], p_ids uuid[], p_indexes integer[], p_leases uuid[], p_epochs bigint[],
  p_untils bigint[], p_namespaces text[])
returns setof finished language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_accepted integer[];
  v_doomed integer[];
  v_now bigint;
begin
  perform pg_advisory_xact_lock_shared(barrier_key());
  select array_agg(h.ord order by h.ord), array_agg(h.ord order by h.ord) filter (where h.doomed) into v_accepted, v_doomed
  from lock_held(p_partitions, p_ids, p_indexes, p_leases, p_epochs, p_namespaces) h;
  v_now := now_ms();

  if v_doomed is not null then
    return query select * from cancel_held(p_partitions, p_ids, v_doomed, 'delay', v_now);
  end if;

  return query
  with delayed as materialized (
    select i.ord::integer as ord, i.until, e.*, l.ageing_ms, i.until > v_now as waits
    from unnest(p_partitions, p_ids, p_untils) with ordinality as i (partition_key, id, until, ord)
    join execution e on e.partition_key = i.partition_key and e.id = i.id
    join lane l on l.id = e.lane_id
    where i.ord::integer = any (v_accepted) and not coalesce(i.ord::integer = any (v_doomed), false)
  ), put_aside as (
    insert into attempt (partition_key, execution_id, idx, type, generation, state, epoch, lease_id, worker_id, instance_id,
      started_at, end_op, end_answer)
    select partition_key, id, attempt_count - 1, attempt_type, generation, 'suspended', epoch, lease_id, worker_id, instance_id,
      attempt_started_at, 'delay', jsonb_build_object('outcome', 'delayed', 'untilMs', until)
    from delayed
    on conflict (partition_key, execution_id, idx) do update set state = excluded.state, epoch = excluded.epoch,
      lease_id = excluded.lease_id, worker_id = excluded.worker_id, instance_id = excluded.instance_id, end_op = excluded.end_op,
      end_answer = excluded.end_answer
  ), changed as (
    update execution e set lifecycle_phase = 'runnable', ownership_state = 'unowned',
      eligibility_state = runnable_eligibility(false, false, d.until, v_now),
      blocking_reason = runnable_reason(false, false, d.until, 'start_time', v_now),
      attempt_state = case when d.waits then 'attempt_interrupted' else 'pending_resume' end::attempt_state,
      lease_id = null, worker_id = null, instance_id = null, claim_id = null,
      attempt_used_ms = e.attempt_used_ms + greatest(0, v_now - e.lease_started_at),
      not_before = case when d.waits then d.until end,
      delay_reason = case when d.waits then 'start_time'::delay_reason end,
      ready_at = case when not d.waits then v_now end,
      score = case when not d.waits then score_of(v_now, e.priority, d.ageing_ms) end,
      due_at = runnable_due(false, false, d.until, v_now, e.deadline_at, e.queue_ttl_at)
    from delayed d where e.partition_key = d.partition_key and e.id = d.id
    returning e.id, e.partition_key, e.due_at
  )
  select d.ord, 'delayed', false, d.until, d.partition_key, d.id, d.lane_id, d.flow_id, false, not d.waits, c.due_at,
    null::text, null::ended_by, null::terminal_outcome, null::jsonb
  from delayed d join changed c on c.partition_key = d.partition_key and c.id = d.id;

  if coalesce(cardinality(v_accepted), 0) < cardinality(p_ids) then
    return query select * from refusals_of(p_partitions, p_ids, p_indexes, p_leases, p_epochs, 'delay', p_namespaces, v_accepted);
  end if;
end $$;

-- Hands work back unstarted: the attempt was never, but for the epoch.
create function yield_leases(p_partitions integer[], p_ids uuid[], p_indexes integer[], p_leases uuid[], p_epochs bigint[], p_namespaces text[])
returns setof finished language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_accepted integer[];
  v_doomed integer[];
  v_now bigint;
begin
  perform pg_advisory_xact_lock_shared(barrier_key());
  select array_agg(h.ord order by h.ord), array_agg(h.ord order by h.ord) filter (where h.doomed and not h.has_effects)
    into v_accepted, v_doomed
  from lock_held(p_partitions, p_ids, p_indexes, p_leases, p_epochs, p_namespaces) h;
  v_now := now_ms();

  if v_doomed is not null then
    return query select * from cancel_held(p_partitions, p_ids, v_doomed, 'yield', v_now);
  end if;

  return query
  with yielded as materialized (
    select i.ord::integer as ord, e.* from unnest(p_partitions, p_ids) with ordinality as i (partition_key, id, ord)
    join execution e on e.partition_key = i.partition_key and e.id = i.id
    where i.ord::integer = any (v_accepted) and not coalesce(i.ord::integer = any (v_doomed), false)
  ), changed as (
    update execution e set lifecycle_phase = 'runnable', ownership_state = 'unowned', eligibility_state = 'eligible_now',
      blocking_reason = 'waiting_for_worker',
      attempt_state = case y.attempt_type when 'retry' then 'pending_retry_attempt' when 'reclaim' then 'pending_reclaim_attempt'
        when 'replay' then 'pending_replay_attempt' else 'pending_first_attempt' end::attempt_state,
      attempt_count = e.attempt_count - 1,
      retry_count = e.retry_count - case when y.attempt_type = 'reclaim' then 0 else 1 end,
      yielded_lease_id = y.lease_id, lease_id = null, worker_id = null, instance_id = null, claim_id = null,
      due_at = e.deadline_at
    from yielded y
    where e.partition_key = y.partition_key and e.id = y.id and not y.attempt_has_effects
    returning e.partition_key, e.id, e.due_at
  )
  select y.ord, case when y.attempt_has_effects then 'attempt_has_effects' else 'yielded' end, false, null::bigint, y.partition_key, y.id,
    y.lane_id, y.flow_id, false, not y.attempt_has_effects, c.due_at, null::text, null::ended_by, null::terminal_outcome, null::jsonb
  from yielded y left join changed c on c.partition_key = y.partition_key and c.id = y.id;

  if coalesce(cardinality(v_accepted), 0) < cardinality(p_ids) then
    return query select * from refusals_of(p_partitions, p_ids, p_indexes, p_leases, p_epochs, 'yield', p_namespaces, v_accepted);
  end if;
end $$;

-- Locks, in order of id, what is active under these handles.
create function lock_held(p_partitions integer[], p_ids uuid[], p_indexes integer[], p_leases uuid[], p_epochs bigint[], p_namespaces text[])
returns table (ord integer, doomed boolean, has_effects boolean)
language plpgsql set search_path from current as $$
#variable_conflict use_column
begin
  return query
  with held as materialized (
    select i.ord::integer as ord, e.partition_key, e.flow_id, e.grace_ends_at, e.always_node, e.attempt_has_effects
    from unnest(p_partitions, p_ids, p_indexes, p_leases, p_epochs) with ordinality as i (partition_key, id, idx, lease_id, epoch, ord)
    join execution e on e.partition_key = i.partition_key and e.id = i.id
    join lane l on l.id = e.lane_id and l.namespace = any (p_namespaces)
    where e.attempt_count = i.idx + 1 and e.epoch = i.epoch and e.lease_id = i.lease_id
    order by e.id for update of e
  )
  select h.ord, is_doomed(h.grace_ends_at, h.always_node, f.state, f.cancel_finalisers), h.attempt_has_effects
  from held h left join flow f on f.partition_key = h.partition_key and f.id = h.flow_id;
end $$;

-- Ends as cancelled what its holder gave back while it was to be cancelled anyway.
create function cancel_held(p_partitions integer[], p_ids uuid[], p_ords integer[], p_op text, p_now bigint)
returns setof finished language plpgsql set search_path from current as $$
#variable_conflict use_column
begin
  return query
  select i.ord::integer, 'cancelled', false, null::bigint, x.partition_key, x.id, x.lane_id, x.flow_id, true, false, null::bigint,
    null::text, null::ended_by, null::terminal_outcome, null::jsonb
  from end_executions(array(select p_partitions[o] from unnest(p_ords) as o), array(select p_ids[o] from unnest(p_ords) as o),
    'cancelled', 'holder', 'ended_cancelled', 'flow', null, p_now) x
  join unnest(p_ids) with ordinality as i (id, ord) on i.id = x.id and i.ord::integer = any (p_ords);
  -- The holder's repeat is answered the same.
  update attempt a set end_op = p_op, end_answer = '{"outcome":"cancelled"}'
  from unnest(p_ords) as o join execution e on e.partition_key = p_partitions[o] and e.id = p_ids[o]
  where a.partition_key = e.partition_key and a.execution_id = e.id and a.idx = e.attempt_count - 1;
end $$;

-- Extends leases, never shortens one. The timer stays: it finds the lease renewed and is set again.
create function renew_leases(p_partitions integer[], p_ids uuid[], p_indexes integer[], p_leases uuid[], p_epochs bigint[],
  p_ttls bigint[], p_namespaces text[])
returns table (ord integer, expires_at bigint, grace_ends_at bigint, cancel_cause cancel_cause,
  refusal text, ended_by ended_by, terminal_outcome terminal_outcome, answer jsonb)
language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
begin
  return query
  with input as materialized (
    select * from unnest(p_partitions, p_ids, p_indexes, p_leases, p_epochs, p_ttls) with ordinality
      as i (partition_key, id, idx, lease_id, epoch, ttl, ord)
  ), held as materialized (
    select i.ord, i.ttl, e.partition_key, e.id
    from input i join execution e on e.partition_key = i.partition_key and e.id = i.id
    join lane l on l.id = e.lane_id and l.namespace = any (p_namespaces)
    where e.attempt_count = i.idx + 1 and e.epoch = i.epoch and e.lease_id = i.lease_id
    order by e.id for update of e
  ), clock as materialized (
    select now_ms() as now, count(*) from held
  ), renewed as (
    update execution e set lease_expires_at = greatest(e.lease_expires_at, c.now + h.ttl)
    from held h, clock c where e.partition_key = h.partition_key and e.id = h.id
    returning h.ord, e.lease_expires_at, e.grace_ends_at, e.cancel_cause
  ), outcomes as materialized (
    select i.ord, n.lease_expires_at, n.grace_ends_at, n.cancel_cause, case when n.ord is null then
      refusal_of(i.partition_key, i.id, i.idx, i.lease_id, i.epoch, 'renew', p_namespaces) end as refused
    from input i left join renewed n on n.ord = i.ord
  )
  select o.ord::integer, o.lease_expires_at, o.grace_ends_at, case when o.grace_ends_at is not null then o.cancel_cause end,
    (o.refused).outcome, (o.refused).ended_by, (o.refused).terminal_outcome, (o.refused).answer
  from outcomes o;
end $$;

-- ---- Leases lost

-- Takes attempts from their holders: cancelled if that was to come anyway, failed past the bound, else claimable again,
-- the first time at once. The caller holds the rows' locks and they are active.
create function reclaim(p_partitions integer[], p_ids uuid[], p_ended_by ended_by, p_now bigint)
returns setof finished language plpgsql set search_path from current as $$
#variable_conflict use_column
declare
  v_doomed_partitions integer[];
  v_doomed uuid[];
  v_worn_partitions integer[];
  v_worn uuid[];
begin
  select array_agg(e.partition_key) filter (where x.doomed), array_agg(e.id) filter (where x.doomed),
    array_agg(e.partition_key) filter (where not x.doomed and e.reclaim_count >= e.max_reclaims),
    array_agg(e.id) filter (where not x.doomed and e.reclaim_count >= e.max_reclaims)
    into v_doomed_partitions, v_doomed, v_worn_partitions, v_worn
  from unnest(p_partitions, p_ids) as i (partition_key, id)
  join execution e on e.partition_key = i.partition_key and e.id = i.id
  left join flow f on f.partition_key = e.partition_key and f.id = e.flow_id
  cross join lateral (select is_doomed(e.grace_ends_at, e.always_node, f.state, f.cancel_finalisers) as doomed) x;

  if v_doomed is not null then
    return query select 0, 'cancelled', false, null::bigint, x.partition_key, x.id, x.lane_id, x.flow_id, true, false, null::bigint,
      null::text, null::ended_by, null::terminal_outcome, null::jsonb
    from end_executions(v_doomed_partitions, v_doomed, 'cancelled', p_ended_by, 'interrupted_reclaimed', 'flow', null, p_now) x;
  end if;
  if v_worn is not null then
    for i in 1 .. cardinality(v_worn) loop
      return query select 0, 'failed', false, null::bigint, x.partition_key, x.id, x.lane_id, x.flow_id, true, false, null::bigint,
        null::text, null::ended_by, null::terminal_outcome, null::jsonb
      from execution e cross join lateral end_executions(v_worn_partitions[i:i], v_worn[i:i], 'failed', p_ended_by, 'interrupted_reclaimed', null,
        jsonb_build_object('category', 'max_reclaims_exceeded', 'message', format('more than %s leases were lost', e.max_reclaims)), p_now) x
      where e.partition_key = v_worn_partitions[i] and e.id = v_worn[i];
    end loop;
  end if;

  return query
  with lost as materialized (
    select e.*, p_now + reclaim_backoff_ms(e.reclaim_count + 1, random()) as again_at
    from unnest(p_partitions, p_ids) as i (partition_key, id)
    join execution e on e.partition_key = i.partition_key and e.id = i.id
    where e.lifecycle_phase = 'active'
  ), attempts as (
    insert into attempt (partition_key, execution_id, idx, type, generation, state, epoch, lease_id, worker_id, instance_id,
      started_at, ended_at, ended_by)
    select partition_key, id, attempt_count - 1, attempt_type, generation, 'interrupted_reclaimed', epoch, lease_id, worker_id, instance_id,
      attempt_started_at, p_now, p_ended_by
    from lost
    on conflict (partition_key, execution_id, idx) do update set state = excluded.state, epoch = excluded.epoch,
      lease_id = excluded.lease_id, worker_id = excluded.worker_id, instance_id = excluded.instance_id, ended_at = excluded.ended_at,
      ended_by = excluded.ended_by, end_op = null, end_answer = null
  ), changed as (
    update execution e set lifecycle_phase = 'runnable', ownership_state = 'lease_expired_reclaimable',
      eligibility_state = runnable_eligibility(false, false, x.again_at, p_now),
      blocking_reason = runnable_reason(false, false, x.again_at, 'reclaim_backoff', p_now),
      attempt_state = 'pending_reclaim_attempt', reclaim_count = e.reclaim_count + 1,
      lease_id = null, worker_id = null, instance_id = null, claim_id = null,
      not_before = case when x.again_at > p_now then x.again_at end,
      delay_reason = case when x.again_at > p_now then 'reclaim_backoff'::delay_reason end,
      due_at = runnable_due(false, false, x.again_at, p_now, e.deadline_at, e.queue_ttl_at)
    from lost x where e.partition_key = x.partition_key and e.id = x.id
    returning e.partition_key, e.id, e.due_at
  )
  select 0, 'reclaimable', false, x.again_at, x.partition_key, x.id, x.lane_id, x.flow_id, false, x.again_at <= p_now, c.due_at,
    null::text, null::ended_by, null::terminal_outcome, null::jsonb
  from lost x join changed c on c.partition_key = x.partition_key and c.id = x.id;
end $$;

-- ---- Timers

-- Applies what is due in a partition, one timer per execution: the earliest of those that belong to its state. What somebody
-- holds is left for the next pass.
create function drain_timers(p_partition integer, p_max integer)
returns table (timer text, due_at bigint, outcome text, id uuid, lane_id integer, flow_id uuid, is_terminal boolean, is_eligible boolean,
  was_active boolean, next_due_at bigint)
language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_now bigint;
  v_ids uuid[];
  v_timers text[];
  v_times bigint[];
  v_timer text;
  v_some uuid[];
  v_partitions integer[];
begin
  perform pg_advisory_xact_lock_shared(barrier_key());
  v_now := now_ms();
  with due as materialized (
    select e.* from execution e
    where e.partition_key = p_partition and e.due_at <= v_now and e.lifecycle_phase <> 'terminal'
    order by e.due_at limit p_max for update skip locked
  )
  select array_agg(d.id), array_agg(n.timer), array_agg(n.at) into v_ids, v_timers, v_times
  from due d cross join lateral (
    select t.timer, t.at from (values
      (1, 'cancel_grace', case when d.lifecycle_phase = 'active' then d.grace_ends_at end),
      (2, 'execution_deadline', d.deadline_at),
      (3, 'queue_ttl', d.queue_ttl_at),
      (4, 'attempt_timeout', case when d.lifecycle_phase = 'active' then d.attempt_deadline_at end),
      (5, 'lease_expiry', case when d.lifecycle_phase = 'active' then d.lease_expires_at end),
      (6, 'delayed_promotion', case when d.eligibility_state = 'not_eligible_until_time' then d.not_before end)
    ) as t (rank, timer, at) where t.at is not null order by t.at, t.rank limit 1
  ) n;
  if v_ids is null then return; end if;

  -- Its lease was renewed since the timer was set.
  return query
  with changed as (
    update execution e set due_at = i.at
    from unnest(v_ids, v_times) as i (id, at)
    where i.at > v_now and e.partition_key = p_partition and e.id = i.id
    returning e.id, e.lane_id, e.flow_id, e.due_at
  )
  select 'lease_expiry', c.due_at, 'rearmed', c.id, c.lane_id, c.flow_id, false, false, false, c.due_at from changed c;

  foreach v_timer in array array['cancel_grace', 'execution_deadline', 'queue_ttl', 'attempt_timeout', 'lease_expiry', 'delayed_promotion'] loop
    select array_agg(i.id), array_agg(p_partition) into v_some, v_partitions
      from unnest(v_ids, v_timers, v_times) as i (id, timer, at) where i.timer = v_timer and i.at <= v_now;
    continue when v_some is null;
    if v_timer in ('cancel_grace', 'execution_deadline', 'queue_ttl') then
      return query
      select v_timer, i.at, 'applied', x.id, x.lane_id, x.flow_id, true, false, x.was_active, null::bigint
      from end_executions(v_partitions, v_some,
        case v_timer when 'cancel_grace' then 'cancelled' else 'expired' end::terminal_outcome,
        case v_timer when 'cancel_grace' then 'cancel' else 'deadline' end::ended_by, 'ended_cancelled', 'operator',
        case v_timer
          when 'execution_deadline' then '{"category":"deadline","message":"its deadline passed"}'::jsonb
          when 'queue_ttl' then '{"category":"queue_ttl","message":"it was not started in time"}'::jsonb end,
        v_now) x
      join unnest(v_ids, v_times) as i (id, at) on i.id = x.id;
    elsif v_timer = 'attempt_timeout' then
      return query
      select v_timer, i.at, 'applied', x.id, x.lane_id, x.flow_id, x.is_terminal, x.is_eligible, true, x.due_at
      from end_as_failed(v_partitions, v_some,
        array(select jsonb_build_object('category', 'timeout', 'message', format('the attempt ran longer than %s ms', e.attempt_timeout_ms))
          from unnest(v_some) with ordinality as s (id, ord)
          join execution e on e.partition_key = p_partition and e.id = s.id order by s.ord),
        array_fill('policy'::text, array[cardinality(v_some)]), array_fill(null::bigint, array[cardinality(v_some)]),
        'attempt_timeout', v_now) x
      join unnest(v_ids, v_times) as i (id, at) on i.id = x.id;
    elsif v_timer = 'lease_expiry' then
      return query
      select v_timer, i.at, 'applied', x.id, x.lane_id, x.flow_id, x.is_terminal, x.is_eligible, true, x.due_at
      from reclaim(v_partitions, v_some, 'lease_expiry', v_now) x
      join unnest(v_ids, v_times) as i (id, at) on i.id = x.id;
    else
      return query
      select v_timer, i.at, 'applied', x.id, x.lane_id, x.flow_id, false, x.eligibility_state = 'eligible_now', false, x.due_at
      from set_blocks(v_partitions, v_some, null, null, true, false, v_now) x
      join unnest(v_ids, v_times) as i (id, at) on i.id = x.id;
    end if;
  end loop;
end $$;
