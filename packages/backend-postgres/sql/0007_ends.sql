-- The ends of attempts: fencing, success, failure.

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

-- ---- Locking

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

-- Locks, in order of id, what is held under these handles, or was until it was reaped and not claimed again (`late`). Handles
-- that name anything else have no row.
create function lock_handles(p_partitions integer[], p_ids uuid[], p_indexes integer[], p_leases uuid[], p_epochs bigint[], p_namespaces text[])
returns table (ord integer, tid tid, late boolean, has_effects boolean, flow_id uuid, always_node boolean, grace_ends_at bigint, keep_ms bigint)
language plpgsql set search_path from current as $$
#variable_conflict use_column
begin
  for ord, tid, late, has_effects, flow_id, always_node, grace_ends_at, keep_ms in
    select i.ord::integer, h.tid, h.late, h.attempt_has_effects, h.flow_id, h.always_node, h.grace_ends_at, h.keep_ms
    from (select * from unnest(p_partitions, p_ids, p_indexes, p_leases, p_epochs) with ordinality
      as u (partition_key, id, idx, lease_id, epoch, ord) order by u.id) i
    cross join lateral (
      select e.ctid as tid, e.lifecycle_phase <> 'active' as late, e.attempt_has_effects, e.flow_id, e.always_node, e.grace_ends_at,
        coalesce(e.retention_ms, l.retention_ms) as keep_ms
      from execution e join lane l on l.id = e.lane_id
      where e.partition_key = i.partition_key and e.id = i.id and e.attempt_count = i.idx + 1 and e.epoch = i.epoch and e.lease_id = i.lease_id
        and (e.lifecycle_phase = 'active' or e.ownership_state = 'lease_expired_reclaimable') and l.namespace = any (p_namespaces)
      limit 1 for update of e
    ) h
  loop
    -- A lease that was revoked leaves the execution reclaimable too, but takes nothing late. Looked up by a statement of its
    -- own: the row may have been reaped while its lock was waited for, after the snapshot of the statement above.
    if not late or exists (select 1 from attempt a where a.partition_key = p_partitions[ord] and a.execution_id = p_ids[ord]
      and a.idx = p_indexes[ord] and a.ended_by = 'lease_expiry') then
      return next;
    end if;
  end loop;
end $$;

-- An end to be carried on, in the outbox or not.
create type outbox_entry as (
  ordinal integer,
  partition_key integer,
  id uuid,
  flow_id uuid,
  execution_id uuid,
  generation integer
);

-- ---- Success

-- What is in time is ended as it is looked up, in order of id. What isn't found so is locked and looked at again: it may be
-- late, or refused. With `p_inline` edges to resolve, the row with `ord` 0 answers what the ends led to.
create function complete_leases(p_partitions integer[], p_ids uuid[], p_indexes integer[], p_leases uuid[], p_epochs bigint[],
  p_results bytea[], p_namespaces text[], p_inline integer)
returns setof finished language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_now bigint := now_ms();
  v_locked integer[];
  v_late integer[] := '{}';
  v_ended finished[];
  v_accepted integer[] := '{}';
  v_members outbox_entry[];
  v_given outbox_entry[];
begin
  -- This transaction carries its members' ends on: they need no entry in the outbox, unless something of that is left.
  if p_inline > 0 then perform set_config('flowfabric.carries_ends', 'on', true); end if;
  for v_look in 1 .. 2 loop
    with ended as (
      update execution e set
        lifecycle_phase = 'terminal', ownership_state = 'unowned', eligibility_state = 'not_applicable', blocking_reason = 'none',
        terminal_outcome = 'success', attempt_state = 'attempt_terminal', public_state = 'completed',
        reclaim_count = e.reclaim_count - i.late::integer,
        held = false, not_before = null, delay_reason = null, grace_ends_at = null, cancel_cause = null, terminal_at = v_now,
        due_at = case when e.flow_id is null then v_now + coalesce(e.retention_ms, l.retention_ms) end
      from (
        select u.*, u.ord = any (v_late) as late from unnest(p_partitions, p_ids, p_indexes, p_leases, p_epochs) with ordinality
          as u (partition_key, id, idx, lease_id, epoch, ord)
        where v_look = 1 or u.ord = any (v_locked)
        order by u.id
      ) i, lane l
      where e.partition_key = i.partition_key and e.id = i.id and e.attempt_count = i.idx + 1 and e.epoch = i.epoch
        and e.lease_id = i.lease_id and (e.lifecycle_phase = 'active' or i.late)
        and l.id = e.lane_id and l.namespace = any (p_namespaces)
      returning i.ord::integer, i.late, e.partition_key, e.id, e.lane_id, e.flow_id, e.attempt_count, e.attempt_type, e.generation,
        e.epoch, e.lease_id, e.worker_id, e.instance_id, e.attempt_started_at
    ), recorded as (
      insert into execution_result as r (partition_key, id, result)
      select partition_key, id, p_results[ord] from ended where p_results[ord] is not null
      on conflict (partition_key, id) do update set result = excluded.result, failure = null
    ), attempts as (
      -- Those that a delay or a lost lease had put into a record already are changed there.
      insert into attempt as t (partition_key, execution_id, idx, type, generation, state, epoch, lease_id, worker_id, instance_id,
        started_at, ended_at, ended_by, end_op, late)
      select partition_key, id, attempt_count - 1, attempt_type, generation, 'ended_success', epoch, lease_id, worker_id, instance_id,
        attempt_started_at, v_now, 'holder', 'complete', late
      from ended
      on conflict (partition_key, execution_id, idx) do update set state = excluded.state, epoch = excluded.epoch,
        lease_id = excluded.lease_id, worker_id = excluded.worker_id, instance_id = excluded.instance_id, ended_at = excluded.ended_at,
        ended_by = excluded.ended_by, end_op = excluded.end_op, end_answer = null, late = excluded.late
    )
    select array_agg((e.ord, 'completed', e.late, null, e.partition_key, e.id, e.lane_id, e.flow_id, true, false, null,
        null, null, null, null)::finished), v_accepted || array_agg(e.ord),
        array_agg((e.ord, e.partition_key, e.id, e.flow_id, e.id, e.generation)::outbox_entry) filter (where e.flow_id is not null)
      into v_ended, v_accepted, v_members from ended e;
    v_given := v_given || v_members;
    return query select * from unnest(v_ended);

    exit when v_look = 2 or cardinality(v_accepted) = cardinality(p_ids);
    select array_agg(h.ord), coalesce(array_agg(h.ord) filter (where h.late), '{}') into v_locked, v_late
      from lock_handles(p_partitions, p_ids, p_indexes, p_leases, p_epochs, p_namespaces) h;
    exit when v_locked is null;
    v_now := now_ms();
  end loop;
  if p_inline > 0 then perform set_config('flowfabric.carries_ends', 'off', true); end if;

  if cardinality(v_accepted) < cardinality(p_ids) then
    return query select * from refusals_of(p_partitions, p_ids, p_indexes, p_leases, p_epochs, 'complete', p_namespaces, v_accepted);
  end if;
  if v_given is not null and p_inline > 0 then return next hop_after_ends(p_partitions, v_given, p_inline); end if;
end $$;

-- ---- Failure

-- The policies are the same as core's.

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

-- Ends attempts as failed and decides what follows: the order is a cancel that waits for them, an end for good, a retry.
-- The caller holds the rows' locks and knows that they may end so. Wishes: policy, never, at, after.
create function end_as_failed(p_partitions integer[], p_ids uuid[], p_failures jsonb[], p_wishes text[], p_wish_ms bigint[],
  p_ended_by ended_by, p_now bigint)
returns setof finished language plpgsql set search_path from current set enable_seqscan = off as $$
#variable_conflict use_column
begin
  return query
  with facts as materialized (
    select i.ord, i.failure, i.wish, i.wish_ms, x.*, x.phase <> 'active' as late, coalesce(n.retry, default_retry()) as retry
    from unnest(p_partitions, p_ids, p_failures, p_wishes, p_wish_ms) with ordinality as i (partition_key, id, failure, wish, wish_ms, ord)
    cross join lateral (
      select e.ctid as tid, e.partition_key, e.id, e.lifecycle_phase as phase, e.held, e.retry_count, l.ageing_ms,
        coalesce(e.retention_ms, l.retention_ms) as keep_ms,
        is_doomed(e.grace_ends_at, e.always_node, f.state, f.cancel_finalisers) as doomed
      from execution e join lane l on l.id = e.lane_id
      left join lateral (
        select y.state, y.cancel_finalisers from flow y where y.partition_key = e.partition_key and y.id = e.flow_id limit 1) f on true
      where e.partition_key = i.partition_key and e.id = i.id limit 1
    ) x
    cross join lateral (
      select y.retry from execution_info y where y.partition_key = i.partition_key and y.id = i.id limit 1) n
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
    -- Only one that comes late can be held: what runs cannot.
    select d.*, d.fate <> 'retrying' as is_final, nullif(d.retry_at, p_now) as again_at,
      case d.fate when 'cancelled' then 'cancelled' when 'failed' then 'failed' else 'none' end::terminal_outcome as outcome,
      d.fate = 'retrying' and is_eligible(false, d.held, d.retry_at, p_now) as eligible
    from decided d
  ), changed as (
    update execution e set
      lifecycle_phase = case when d.is_final then 'terminal' else 'runnable' end::lifecycle_phase,
      ownership_state = 'unowned',
      eligibility_state = case when d.is_final then 'not_applicable' else runnable_eligibility(false, d.held, d.retry_at, p_now) end,
      blocking_reason = case when d.is_final then 'none' else runnable_reason(false, d.held, d.retry_at, 'retry_backoff', p_now) end,
      terminal_outcome = d.outcome,
      attempt_state = case when d.is_final then 'attempt_terminal' else 'pending_retry_attempt' end::attempt_state,
      public_state = case when d.is_final then ended_public_state(d.outcome) else runnable_public_state(false, d.held, d.retry_at, false, p_now) end,
      reclaim_count = e.reclaim_count - case when d.late then 1 else 0 end,
      held = d.held and not d.is_final,
      not_before = case when not d.is_final and not d.eligible then d.again_at end,
      delay_reason = case when not d.is_final and not d.eligible and d.again_at is not null then 'retry_backoff'::delay_reason end,
      ready_at = case when d.is_final then e.ready_at when d.eligible then p_now end,
      score = case when d.is_final then e.score when d.eligible then score_of(p_now, e.priority, d.ageing_ms) end,
      grace_ends_at = null,
      cancel_cause = case when d.fate = 'cancelled' then coalesce(e.cancel_cause, 'flow') end,
      terminal_at = case when d.is_final then p_now end,
      due_at = case when not d.is_final then runnable_due(false, d.held, d.retry_at, p_now, e.deadline_at, e.queue_ttl_at)
        when e.flow_id is null then p_now + d.keep_ms end
    from planned d where e.ctid = d.tid
    returning d.ord, d.fate, d.late, d.retry_at, d.failure, d.is_final, d.eligible, e.partition_key, e.id, e.lane_id, e.flow_id, e.due_at,
      e.attempt_count, e.attempt_type, e.generation, e.epoch, e.lease_id, e.worker_id, e.instance_id, e.attempt_started_at
  ), recorded as (
    insert into execution_result as r (partition_key, id, failure)
    select partition_key, id, failure from changed where fate = 'failed'
    on conflict (partition_key, id) do update set result = null, failure = excluded.failure
  ), attempts as (
    insert into attempt as t (partition_key, execution_id, idx, type, generation, state, epoch, lease_id, worker_id, instance_id,
      started_at, ended_at, ended_by, end_op, end_answer, late, failure)
    select partition_key, id, attempt_count - 1, attempt_type, generation, 'ended_failure', epoch, lease_id, worker_id, instance_id,
      attempt_started_at, p_now, p_ended_by, case when p_ended_by = 'holder' then 'fail' end,
      case when p_ended_by = 'holder' then jsonb_strip_nulls(jsonb_build_object('outcome', fate, 'late', late,
        'retryAtMs', case when fate = 'retrying' then retry_at end)) end,
      late, failure
    from changed
    on conflict (partition_key, execution_id, idx) do update set state = excluded.state, epoch = excluded.epoch,
      lease_id = excluded.lease_id, worker_id = excluded.worker_id, instance_id = excluded.instance_id, ended_at = excluded.ended_at,
      ended_by = excluded.ended_by, end_op = excluded.end_op, end_answer = excluded.end_answer, late = excluded.late, failure = excluded.failure
  )
  select c.ord::integer, c.fate, c.late, case when c.fate = 'retrying' then c.retry_at end, c.partition_key, c.id, c.lane_id, c.flow_id,
    c.is_final, c.eligible, c.due_at, null::text, null::ended_by, null::terminal_outcome, null::jsonb
  from changed c;
end $$;

create function fail_leases(p_partitions integer[], p_ids uuid[], p_indexes integer[], p_leases uuid[], p_epochs bigint[],
  p_failures jsonb[], p_wishes text[], p_wish_ms bigint[], p_namespaces text[], p_inline integer)
returns setof finished language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_ords integer[];
  v_ended finished[];
  v_given outbox_entry[];
begin
  perform pg_advisory_xact_lock_shared(barrier_key());
  select array_agg(h.ord) into v_ords
    from lock_handles(p_partitions, p_ids, p_indexes, p_leases, p_epochs, p_namespaces) h;

  if v_ords is not null then
    if p_inline > 0 then perform set_config('flowfabric.carries_ends', 'on', true); end if;
    v_ended := array(
      select (v_ords[x.ord], x.outcome, x.late, x.retry_at, x.partition_key, x.id, x.lane_id, x.flow_id, x.is_terminal, x.is_eligible,
        x.due_at, x.refusal, x.ended_by, x.terminal_outcome, x.answer)::finished
      from end_as_failed(
        array(select p_partitions[o] from unnest(v_ords) as o), array(select p_ids[o] from unnest(v_ords) as o),
        array(select p_failures[o] from unnest(v_ords) as o), array(select p_wishes[o] from unnest(v_ords) as o),
        array(select p_wish_ms[o] from unnest(v_ords) as o), 'holder', now_ms()) x);
    if p_inline > 0 then perform set_config('flowfabric.carries_ends', 'off', true); end if;
    return query select * from unnest(v_ended);
  end if;

  if coalesce(cardinality(v_ords), 0) < cardinality(p_ids) then
    return query select * from refusals_of(p_partitions, p_ids, p_indexes, p_leases, p_epochs, 'fail', p_namespaces, v_ords);
  end if;
  if p_inline > 0 then
    select array_agg((x.ord, x.partition_key, x.id, x.flow_id, x.id, g.generation)::outbox_entry) into v_given
      from unnest(v_ended) x cross join lateral (
        select e.generation from execution e where e.partition_key = x.partition_key and e.id = x.id limit 1) g
      where x.is_terminal and x.flow_id is not null;
    if v_given is not null then return next hop_after_ends(p_partitions, v_given, p_inline); end if;
  end if;
end $$;
