-- Submission of solo executions: one round trip for a batch.
--
-- Functions that are called from outside fix how they are planned: once, without regard to parameters (planning such a
-- statement costs more than running it), never by reading a whole table (a plan made while tables were small is kept
-- while they grow), never compiled.

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

create type submitted as (ord integer, outcome text, partition_key integer, id uuid, lane_id integer, lane_state text, eligible boolean,
  due_at bigint);

-- Solo executions, in the order given; an id occurs once. An item's options, null where it has none, hold what is seldom
-- there. Answers per item accepted, duplicate, execution_conflict or lane_not_accepting.
create function submit_executions(p_namespace text, p_partitions integer[], p_ids uuid[], p_routes integer[], p_hashes text[],
  p_inputs bytea[], p_options jsonb[])
returns setof submitted
language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_now bigint;
  v_made uuid[];
begin
  perform pg_advisory_xact_lock_shared(barrier_key());
  v_now := now_ms();

  -- The info first: its key says whose the id is.
  with made as (
    insert into execution_info as x (partition_key, id, namespace, lane_id, kind, tags, input, input_hash, retry, trace_context, created_at)
    select i.partition_key, i.id, p_namespace, r.lane_id, r.kind, coalesce(i.options -> 'tags', '{}'), i.input,
      convert_to(i.hash, 'UTF8'), i.options -> 'retry', i.options ->> 'traceContext', v_now
    from unnest(p_partitions, p_ids, p_routes, p_hashes, p_inputs, p_options) as i (partition_key, id, route_id, hash, input, options)
    join route r on r.id = i.route_id join lane l on l.id = r.lane_id
    where l.state not in ('draining', 'disabled')
    on conflict (partition_key, id) do nothing
    returning x.id
  )
  select array_agg(m.id) into v_made from made m;

  return query
  with made as (
    insert into execution as e (partition_key, id, lane_id, route_id, lifecycle_phase, eligibility_state, blocking_reason, attempt_state,
      public_state, priority, ready_at, score, first_eligible_at, not_before, delay_reason, deadline_ms, queue_ttl_ms, attempt_timeout_ms,
      max_reclaims, retention_ms, deadline_at, queue_ttl_at, due_at, created_at)
    select f.partition_key, f.id, f.lane_id, f.route_id, 'runnable', runnable_eligibility(false, false, f.not_before, v_now),
      runnable_reason(false, false, f.not_before, 'start_time', v_now), 'pending_first_attempt',
      runnable_public_state(false, false, f.not_before, false, v_now), f.priority, f.ready_at, score_of(f.ready_at, f.priority, f.ageing_ms), f.ready_at, f.not_before,
      case when f.not_before is not null then 'start_time'::delay_reason end, f.deadline_ms, f.queue_ttl_ms,
      (f.options ->> 'attemptTimeoutMs')::bigint, coalesce((f.options ->> 'maxReclaims')::integer, 20),
      (f.options ->> 'retentionMs')::bigint, f.ready_at + f.deadline_ms, f.ready_at + f.queue_ttl_ms,
      runnable_due(false, false, f.not_before, v_now, f.ready_at + f.deadline_ms, f.ready_at + f.queue_ttl_ms), v_now
    from (
      select i.*, r.lane_id, l.ageing_ms, coalesce((i.options ->> 'priority')::integer, 0) as priority,
        (i.options ->> 'deadlineMs')::bigint as deadline_ms, (i.options ->> 'queueTtlMs')::bigint as queue_ttl_ms, s.not_before,
        case when s.not_before is null then v_now end as ready_at
      from unnest(p_partitions, p_ids, p_routes, p_options) with ordinality as i (partition_key, id, route_id, options, ord)
      join route r on r.id = i.route_id join lane l on l.id = r.lane_id
      -- A start in the past is no delay.
      cross join lateral (select nullif(greatest(coalesce((i.options ->> 'startAtMs')::bigint,
        v_now + (i.options ->> 'delayMs')::bigint), v_now), v_now) as not_before) s
      where i.id = any (v_made)
    ) f order by f.ord
    returning e.partition_key, e.id, e.lane_id, e.due_at, e.not_before is null as eligible
  )
  select array_position(p_ids, m.id), 'accepted', m.partition_key, m.id, m.lane_id, null::text, m.eligible, m.due_at from made m;

  if coalesce(cardinality(v_made), 0) < cardinality(p_ids) then
    return query
    select i.ord::integer, coalesce(judge_taken_id(i.partition_key, i.id, p_namespace, r.kind, convert_to(i.hash, 'UTF8')),
        case when l.state in ('draining', 'disabled') then 'lane_not_accepting' else 'execution_conflict' end),
      i.partition_key, i.id, r.lane_id, l.state, null::boolean, null::bigint
    from unnest(p_partitions, p_ids, p_routes, p_hashes) with ordinality as i (partition_key, id, route_id, hash, ord)
    join route r on r.id = i.route_id join lane l on l.id = r.lane_id
    where v_made is null or i.id <> all (v_made);
  end if;
end $$;

-- The same for items with idempotency keys: a live key decides the id, and is recorded with what was accepted or known
-- under it, in one step.
create function submit_keyed(p_namespace text, p_partitions integer[], p_ids uuid[], p_routes integer[], p_hashes text[],
  p_inputs bytea[], p_options jsonb[], p_keys text[], p_ttls bigint[])
returns setof submitted
language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_key idempotency_key;
  v_kind text;
  v_partition integer;
  v_id uuid;
  v_known boolean;
  v_row submitted;
  i integer;
begin
  -- Sorted, so that two batches never wait for each other.
  perform pg_advisory_xact_lock(k.lock) from (
    select distinct hashtextextended('flowfabric/key/' || p_namespace || '/' || key, barrier_key()) as lock from unnest(p_keys) as key order by 1) k;
  for i in 1 .. cardinality(p_keys) loop
    select r.kind into v_kind from route r where r.id = p_routes[i];
    select k.* into v_key from idempotency_key k where k.namespace = p_namespace and k.key = p_keys[i] and k.expires_at > now_ms();
    v_known := found;
    if v_known and (v_key.kind <> v_kind or v_key.content_hash <> convert_to(p_hashes[i], 'UTF8')) then
      return next (i, 'idempotency_conflict', p_partitions[i], p_ids[i], null, null, null, null)::submitted;
      continue;
    end if;
    if v_known then
      v_partition := split_part(substr(v_key.target, 5), '}', 1)::integer;
      v_id := right(v_key.target, 36)::uuid;
    else
      v_partition := p_partitions[i];
      v_id := p_ids[i];
    end if;
    select i, s.outcome, s.partition_key, s.id, s.lane_id, s.lane_state, s.eligible, s.due_at into v_row
      from submit_executions(p_namespace, array[v_partition], array[v_id], p_routes[i:i], p_hashes[i:i], p_inputs[i:i], p_options[i:i]) s;
    if not v_known and v_row.outcome in ('accepted', 'duplicate') then
      insert into idempotency_key as k (namespace, key, target, kind, content_hash, expires_at)
      values (p_namespace, p_keys[i], format('{fp:%s}:%s', v_partition, v_id), v_kind, convert_to(p_hashes[i], 'UTF8'), now_ms() + p_ttls[i])
      on conflict (namespace, key) do update set target = excluded.target, kind = excluded.kind,
        content_hash = excluded.content_hash, expires_at = excluded.expires_at;
    end if;
    return next v_row;
  end loop;
end $$;

