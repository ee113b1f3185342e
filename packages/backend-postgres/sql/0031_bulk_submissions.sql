-- Many items of one call cost each what one of few costs: nothing is looked for in an array again for each of them.

-- As before, but for the two places where each item was looked for among all of them, and for the order of the first insert.
create or replace function submit_executions(p_namespace text, p_partitions integer[], p_ids uuid[], p_routes integer[], p_hashes text[],
  p_inputs bytea[], p_options jsonb[])
returns setof submitted
language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_now bigint;
  v_made uuid[];
  v_are_all boolean;
begin
  -- A caller's transaction may stay open for long: whoever closes a lane does not wait for it.
  if not is_inside() then perform pg_advisory_xact_lock_shared(barrier_key()); end if;
  v_now := now_ms();

  -- The info first: its key says whose the id is.
  with made as (
    insert into execution_info as x (partition_key, id, namespace, lane_id, kind, tags, input, input_hash, retry, trace_context, created_at,
      demands)
    select i.partition_key, i.id, p_namespace, r.lane_id, r.kind, coalesce(i.options -> 'tags', '{}'), i.input,
      convert_to(i.hash, 'UTF8'), i.options -> 'retry', i.options ->> 'traceContext', v_now,
      i.options -> 'demands'
    from unnest(p_partitions, p_ids, p_routes, p_hashes, p_inputs, p_options) as i (partition_key, id, route_id, hash, input, options)
    join route r on r.id = i.route_id join lane l on l.id = r.lane_id
    where l.state not in ('draining', 'disabled')
    -- In one order for all, so that two calls with the same ids never wait for each other.
    order by i.id
    on conflict (partition_key, id) do nothing
    returning x.id
  )
  select array_agg(m.id) into v_made from made m;
  v_are_all := coalesce(cardinality(v_made), 0) = cardinality(p_ids);

  return query
  with made as (
    insert into execution as e (partition_key, id, lane_id, route_id, lifecycle_phase, eligibility_state, blocking_reason, attempt_state,
      public_state, priority, ready_at, score, first_eligible_at, not_before, delay_reason, deadline_ms, queue_ttl_ms, attempt_timeout_ms,
      max_reclaims, retention_ms, deadline_at, queue_ttl_at, due_at, created_at, admission_key, has_demands)
    select f.partition_key, f.id, f.lane_id, f.route_id, 'runnable', runnable_eligibility(false, false, f.not_before, v_now),
      runnable_reason(false, false, f.not_before, 'start_time', v_now), 'pending_first_attempt',
      runnable_public_state(false, false, f.not_before, false, v_now), f.priority, f.ready_at, score_of(f.ready_at, f.priority, f.ageing_ms), f.ready_at, f.not_before,
      case when f.not_before is not null then 'start_time'::delay_reason end, f.deadline_ms, f.queue_ttl_ms,
      (f.options ->> 'attemptTimeoutMs')::bigint, coalesce((f.options ->> 'maxReclaims')::integer, 20),
      (f.options ->> 'retentionMs')::bigint, f.ready_at + f.deadline_ms, f.ready_at + f.queue_ttl_ms,
      runnable_due(false, false, f.not_before, v_now, f.ready_at + f.deadline_ms, f.ready_at + f.queue_ttl_ms), v_now,
      admission_hash(f.options ->> 'admissionKey'), case when f.options ? 'admissionKey' then true end
    from (
      select i.*, r.lane_id, l.ageing_ms, coalesce((i.options ->> 'priority')::integer, 0) as priority,
        (i.options ->> 'deadlineMs')::bigint as deadline_ms, (i.options ->> 'queueTtlMs')::bigint as queue_ttl_ms, s.not_before,
        case when s.not_before is null then v_now end as ready_at
      from unnest(p_partitions, p_ids, p_routes, p_options) with ordinality as i (partition_key, id, route_id, options, ord)
      join route r on r.id = i.route_id join lane l on l.id = r.lane_id
      -- A start in the past is no delay.
      cross join lateral (select nullif(greatest(coalesce((i.options ->> 'startAtMs')::bigint,
        v_now + (i.options ->> 'delayMs')::bigint), v_now), v_now) as not_before) s
      where v_are_all or i.id = any (v_made)
    ) f order by f.ord
    returning e.partition_key, e.id, e.lane_id, e.due_at, e.not_before is null as eligible
  )
  -- They come back in the order in which they were written: where none is missing, the nth is the nth of the call.
  select case when p_ids[m.nth] = m.id then m.nth else array_position(p_ids, m.id) end, 'accepted', m.partition_key, m.id, m.lane_id,
    null::text, m.eligible, m.due_at
  from (select made.*, row_number() over ()::integer as nth from made) m;

  if not v_are_all then
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
-- under it, in one step. All at once; whatever shares its key or its id with an item before it comes after those, alone.
create or replace function submit_keyed(p_namespace text, p_partitions integer[], p_ids uuid[], p_routes integer[], p_hashes text[],
  p_inputs bytea[], p_options jsonb[], p_keys text[], p_ttls bigint[])
returns setof submitted
language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_now bigint;
  v record;
  v_late integer;
begin
  -- Sorted, so that two batches never wait for each other.
  perform pg_advisory_xact_lock(k.lock) from (
    select distinct hashtextextended('flowfabric/key/' || p_namespace || '/' || key, barrier_key()) as lock from unnest(p_keys) as key order by 1) k;
  v_now := now_ms();
  -- Everything of those that are submitted in one order; a key that is known already is not recorded again.
  select array_agg(f.ord order by f.ord) filter (where f.is_sent) as ords,
    array_agg(f.partition_key order by f.ord) filter (where f.is_sent) as partitions,
    array_agg(f.id order by f.ord) filter (where f.is_sent) as ids,
    array_agg(f.route_id order by f.ord) filter (where f.is_sent) as routes,
    array_agg(f.kind order by f.ord) filter (where f.is_sent) as kinds,
    array_agg(f.hash order by f.ord) filter (where f.is_sent) as hashes,
    array_agg(f.input order by f.ord) filter (where f.is_sent) as inputs,
    array_agg(f.options order by f.ord) filter (where f.is_sent) as options,
    array_agg(case when not f.is_known then f.key end order by f.ord) filter (where f.is_sent) as keys,
    array_agg(f.ttl order by f.ord) filter (where f.is_sent) as ttls,
    array_agg(f.ord) filter (where f.is_first and not f.fits) as conflicts,
    array_agg(f.ord order by f.ord) filter (where not f.is_first) as late
  into v
  from (
    select t.*, t.is_first and t.fits as is_sent from (
      select i.ord::integer, i.route_id, i.hash, i.input, i.options, i.key, i.ttl, r.kind, k.id is not null as is_known,
        coalesce(k.kind = r.kind and k.content_hash = convert_to(i.hash, 'UTF8'), true) as fits,
        coalesce(k.partition_key, i.partition_key) as partition_key, coalesce(k.id, i.id) as id,
        row_number() over (partition by i.key order by i.ord) = 1
          and row_number() over (partition by coalesce(k.id, i.id) order by i.ord) = 1 as is_first
      from unnest(p_partitions, p_ids, p_routes, p_hashes, p_inputs, p_options, p_keys, p_ttls) with ordinality
        as i (partition_key, id, route_id, hash, input, options, key, ttl, ord)
      join route r on r.id = i.route_id
      left join lateral (
        select x.kind, x.content_hash, split_part(substr(x.target, 5), '}', 1)::integer as partition_key, right(x.target, 36)::uuid as id
        from idempotency_key x where x.namespace = p_namespace and x.key = i.key and x.expires_at > v_now limit 1
      ) k on true
    ) t
  ) f;

  return query select c.ord, 'idempotency_conflict', p_partitions[c.ord], p_ids[c.ord], null::integer, null::text, null::boolean, null::bigint
    from unnest(v.conflicts) as c (ord);
  if v.ords is not null then
    return query
    with done as materialized (
      select s.* from submit_executions(p_namespace, v.partitions, v.ids, v.routes, v.hashes, v.inputs, v.options) s
    ), recorded as (
      insert into idempotency_key as k (namespace, key, target, kind, content_hash, expires_at)
      select p_namespace, i.key, format('{fp:%s}:%s', i.partition_key, i.id), i.kind, convert_to(i.hash, 'UTF8'), v_now + i.ttl
      from unnest(v.partitions, v.ids, v.kinds, v.hashes, v.keys, v.ttls) with ordinality as i (partition_key, id, kind, hash, key, ttl, ord)
      join done d on d.ord = i.ord
      where i.key is not null and d.outcome in ('accepted', 'duplicate')
      on conflict (namespace, key) do update set target = excluded.target, kind = excluded.kind,
        content_hash = excluded.content_hash, expires_at = excluded.expires_at
    )
    select v.ords[d.ord], d.outcome, d.partition_key, d.id, d.lane_id, d.lane_state, d.eligible, d.due_at from done d;
  end if;
  foreach v_late in array coalesce(v.late, '{}') loop
    return query select v_late, s.outcome, s.partition_key, s.id, s.lane_id, s.lane_state, s.eligible, s.due_at
      from submit_keyed(p_namespace, p_partitions[v_late:v_late], p_ids[v_late:v_late], p_routes[v_late:v_late], p_hashes[v_late:v_late],
        p_inputs[v_late:v_late], p_options[v_late:v_late], p_keys[v_late:v_late], p_ttls[v_late:v_late]) s;
  end loop;
end $$;
