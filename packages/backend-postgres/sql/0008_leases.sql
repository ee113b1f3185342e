-- Leases that go on, that are given back, that are lost; and the timers.

-- Extends leases, never shortens one. The timer stays: it finds the lease renewed and is set again.
create function renew_leases(p_partitions integer[], p_ids uuid[], p_indexes integer[], p_leases uuid[], p_epochs bigint[],
  p_ttls bigint[], p_namespaces text[])
returns table (ord integer, expires_at bigint, grace_ends_at bigint, cancel_cause cancel_cause,
  refusal text, ended_by ended_by, terminal_outcome terminal_outcome, answer jsonb)
language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_ords integer[];
  v_tids tid[];
  v_now bigint;
begin
  select array_agg(h.ord), array_agg(h.tid) into v_ords, v_tids
    from lock_handles(p_partitions, p_ids, p_indexes, p_leases, p_epochs, p_namespaces) h where not h.late;
  v_now := now_ms();

  return query
  update execution e set lease_expires_at = greatest(e.lease_expires_at, v_now + p_ttls[h.ord])
  from unnest(v_tids, v_ords) as h (tid, ord) where e.ctid = h.tid
  returning h.ord, e.lease_expires_at, e.grace_ends_at, case when e.grace_ends_at is not null then e.cancel_cause end,
    null::text, null::ended_by, null::terminal_outcome, null::jsonb;

  if coalesce(cardinality(v_ords), 0) < cardinality(p_ids) then
    return query select r.ord, null::bigint, null::bigint, null::cancel_cause, r.refusal, r.ended_by, r.terminal_outcome, r.answer
      from refusals_of(p_partitions, p_ids, p_indexes, p_leases, p_epochs, 'renew', p_namespaces, v_ords) r;
  end if;
end $$;

-- ---- Given back

-- As `lock_handles`, with whether the execution is to be cancelled anyway; without what was reaped.
create function lock_held(p_partitions integer[], p_ids uuid[], p_indexes integer[], p_leases uuid[], p_epochs bigint[], p_namespaces text[])
returns table (ord integer, tid tid, doomed boolean, has_effects boolean)
language plpgsql set search_path from current as $$
#variable_conflict use_column
begin
  return query
  select h.ord, h.tid, is_doomed(h.grace_ends_at, h.always_node, f.state, f.cancel_finalisers), h.has_effects
  from lock_handles(p_partitions, p_ids, p_indexes, p_leases, p_epochs, p_namespaces) h
  left join lateral (
    select y.state, y.cancel_finalisers from flow y where y.partition_key = p_partitions[h.ord] and y.id = h.flow_id limit 1) f on true
  where not h.late;
end $$;

-- Ends as cancelled what its holder gave back while it was to be cancelled anyway.
create function cancel_held(p_partitions integer[], p_ids uuid[], p_ords integer[], p_op text, p_now bigint)
returns setof finished language plpgsql set search_path from current as $$
#variable_conflict use_column
begin
  return query
  select array_position(p_ids, x.id), 'cancelled', false, null::bigint, x.partition_key, x.id, x.lane_id, x.flow_id, true, false, null::bigint,
    null::text, null::ended_by, null::terminal_outcome, null::jsonb
  from end_executions(array(select p_partitions[o] from unnest(p_ords) as o), array(select p_ids[o] from unnest(p_ords) as o),
    'cancelled', 'holder', 'ended_cancelled', 'flow', null, p_now) x;
  -- The holder's repeat is answered the same.
  update attempt a set end_op = p_op, end_answer = '{"outcome":"cancelled"}'
  from unnest(p_ords) as o cross join lateral (
    select t.ctid as tid from attempt t join execution e on e.partition_key = t.partition_key and e.id = t.execution_id
    where t.partition_key = p_partitions[o] and t.execution_id = p_ids[o] and t.idx = e.attempt_count - 1 limit 1) x
  where a.ctid = x.tid;
end $$;

-- Gives leases back and keeps the attempts until a time.
create function delay_leases(p_partitions integer[], p_ids uuid[], p_indexes integer[], p_leases uuid[], p_epochs bigint[],
  p_untils bigint[], p_namespaces text[])
returns setof finished language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_ords integer[];
  v_doomed integer[];
  v_tids tid[];
  v_delayed integer[];
  v_now bigint;
begin
  perform pg_advisory_xact_lock_shared(barrier_key());
  select array_agg(h.ord), array_agg(h.ord) filter (where h.doomed), array_agg(h.ord) filter (where not h.doomed),
    array_agg(h.tid) filter (where not h.doomed)
    into v_ords, v_doomed, v_delayed, v_tids
  from lock_held(p_partitions, p_ids, p_indexes, p_leases, p_epochs, p_namespaces) h;
  v_now := now_ms();

  if v_doomed is not null then
    return query select * from cancel_held(p_partitions, p_ids, v_doomed, 'delay', v_now);
  end if;

  return query
  with changed as (
    update execution e set lifecycle_phase = 'runnable', ownership_state = 'unowned',
      eligibility_state = runnable_eligibility(false, false, d.until, v_now),
      blocking_reason = runnable_reason(false, false, d.until, 'start_time', v_now),
      attempt_state = case when d.waits then 'attempt_interrupted' else 'pending_resume' end::attempt_state,
      public_state = runnable_public_state(false, false, d.until, true, v_now),
      attempt_used_ms = e.attempt_used_ms + greatest(0, v_now - e.lease_started_at),
      not_before = case when d.waits then d.until end,
      delay_reason = case when d.waits then 'start_time'::delay_reason end,
      ready_at = case when not d.waits then v_now end,
      score = case when not d.waits then score_of(v_now, e.priority, (select l.ageing_ms from lane l where l.id = e.lane_id)) end,
      due_at = runnable_due(false, false, d.until, v_now, e.deadline_at, e.queue_ttl_at)
    from (select u.tid, u.ord, p_untils[u.ord] as until, p_untils[u.ord] > v_now as waits from unnest(v_tids, v_delayed) as u (tid, ord)) d
    where e.ctid = d.tid
    returning d.ord, d.until, d.waits, e.due_at, e.partition_key, e.id, e.lane_id, e.flow_id, e.attempt_count, e.attempt_type, e.generation, e.epoch, e.lease_id, e.worker_id,
        e.instance_id, e.attempt_started_at
  ), put_aside as (
    insert into attempt (partition_key, execution_id, idx, type, generation, state, epoch, lease_id, worker_id, instance_id,
      started_at, end_op, end_answer)
    select partition_key, id, attempt_count - 1, attempt_type, generation, 'suspended', epoch, lease_id, worker_id, instance_id,
      attempt_started_at, 'delay', jsonb_build_object('outcome', 'delayed', 'untilMs', until)
    from changed
    on conflict (partition_key, execution_id, idx) do update set state = excluded.state, epoch = excluded.epoch,
      lease_id = excluded.lease_id, worker_id = excluded.worker_id, instance_id = excluded.instance_id, end_op = excluded.end_op,
      end_answer = excluded.end_answer
  )
  select c.ord, 'delayed', false, c.until, c.partition_key, c.id, c.lane_id, c.flow_id, false, not c.waits, c.due_at,
    null::text, null::ended_by, null::terminal_outcome, null::jsonb
  from changed c;

  if coalesce(cardinality(v_ords), 0) < cardinality(p_ids) then
    return query select * from refusals_of(p_partitions, p_ids, p_indexes, p_leases, p_epochs, 'delay', p_namespaces, v_ords);
  end if;
end $$;

-- Hands work back unstarted: the attempt was never, but for the epoch.
create function yield_leases(p_partitions integer[], p_ids uuid[], p_indexes integer[], p_leases uuid[], p_epochs bigint[], p_namespaces text[])
returns setof finished language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_ords integer[];
  v_doomed integer[];
  v_tids tid[];
  v_yielded integer[];
  v_effective integer[];
  v_now bigint;
begin
  perform pg_advisory_xact_lock_shared(barrier_key());
  select array_agg(h.ord), array_agg(h.ord) filter (where h.has_effects), array_agg(h.ord) filter (where h.doomed and not h.has_effects),
    array_agg(h.ord) filter (where not h.doomed and not h.has_effects), array_agg(h.tid) filter (where not h.doomed and not h.has_effects)
    into v_ords, v_effective, v_doomed, v_yielded, v_tids
  from lock_held(p_partitions, p_ids, p_indexes, p_leases, p_epochs, p_namespaces) h;
  v_now := now_ms();

  if v_doomed is not null then
    return query select * from cancel_held(p_partitions, p_ids, v_doomed, 'yield', v_now);
  end if;

  return query
  select o, 'attempt_has_effects', false, null::bigint, p_partitions[o], p_ids[o], null::integer, null::uuid, false, false, null::bigint,
    null::text, null::ended_by, null::terminal_outcome, null::jsonb
  from unnest(v_effective) as o;

  return query
  update execution e set lifecycle_phase = 'runnable', ownership_state = 'unowned', eligibility_state = 'eligible_now',
    blocking_reason = 'waiting_for_worker', public_state = 'waiting',
    attempt_state = case e.attempt_type when 'retry' then 'pending_retry_attempt' when 'reclaim' then 'pending_reclaim_attempt'
      when 'replay' then 'pending_replay_attempt' else 'pending_first_attempt' end::attempt_state,
    attempt_count = e.attempt_count - 1,
    retry_count = e.retry_count - case when e.attempt_type = 'reclaim' then 0 else 1 end,
    yielded_lease_id = e.lease_id, due_at = e.deadline_at
  from unnest(v_tids, v_yielded) as y (tid, ord) where e.ctid = y.tid
  returning y.ord, 'yielded', false, null::bigint, e.partition_key, e.id, e.lane_id, e.flow_id, false, true, e.due_at,
    null::text, null::ended_by, null::terminal_outcome, null::jsonb;

  if coalesce(cardinality(v_ords), 0) < cardinality(p_ids) then
    return query select * from refusals_of(p_partitions, p_ids, p_indexes, p_leases, p_epochs, 'yield', p_namespaces, v_ords);
  end if;
end $$;

-- ---- Lost

-- Takes attempts from their holders: cancelled if that was to come anyway, failed past the bound, else claimable again,
-- the first time at once. The caller holds the rows' locks and they are active.
create function reclaim(p_partitions integer[], p_ids uuid[], p_ended_by ended_by, p_now bigint)
returns setof finished language plpgsql set search_path from current set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_lost record;
begin
  -- Ends are rare here: one by one.
  for v_lost in
    select i.partition_key, i.id, x.doomed, x.max_reclaims
    from unnest(p_partitions, p_ids) as i (partition_key, id)
    cross join lateral (
      select e.max_reclaims, e.reclaim_count, is_doomed(e.grace_ends_at, e.always_node, f.state, f.cancel_finalisers) as doomed
      from execution e
      left join lateral (
        select y.state, y.cancel_finalisers from flow y where y.partition_key = e.partition_key and y.id = e.flow_id limit 1) f on true
      where e.partition_key = i.partition_key and e.id = i.id limit 1
    ) x
    where x.doomed or x.reclaim_count >= x.max_reclaims
  loop
    return query
    select 0, case when v_lost.doomed then 'cancelled' else 'failed' end, false, null::bigint, x.partition_key, x.id, x.lane_id, x.flow_id,
      true, false, null::bigint, null::text, null::ended_by, null::terminal_outcome, null::jsonb
    from end_executions(array[v_lost.partition_key], array[v_lost.id],
      case when v_lost.doomed then 'cancelled' else 'failed' end::terminal_outcome, p_ended_by, 'interrupted_reclaimed', 'flow',
      case when not v_lost.doomed then jsonb_build_object('category', 'max_reclaims_exceeded',
        'message', format('more than %s leases were lost', v_lost.max_reclaims)) end, p_now) x;
  end loop;

  return query
  with changed as (
    update execution e set lifecycle_phase = 'runnable', ownership_state = 'lease_expired_reclaimable',
      eligibility_state = runnable_eligibility(false, false, x.again_at, p_now),
      blocking_reason = runnable_reason(false, false, x.again_at, 'reclaim_backoff', p_now),
      attempt_state = 'pending_reclaim_attempt', public_state = runnable_public_state(false, false, x.again_at, false, p_now),
      reclaim_count = e.reclaim_count + 1,
      not_before = nullif(x.again_at, p_now),
      delay_reason = case when x.again_at > p_now then 'reclaim_backoff'::delay_reason end,
      due_at = runnable_due(false, false, x.again_at, p_now, e.deadline_at, e.queue_ttl_at)
    from (
      select l.tid, l.again_at from unnest(p_partitions, p_ids) as i (partition_key, id)
      cross join lateral (
        select o.ctid as tid, p_now + reclaim_backoff_ms(o.reclaim_count + 1, random()) as again_at from execution o
        where o.partition_key = i.partition_key and o.id = i.id and o.lifecycle_phase = 'active' limit 1
      ) l
    ) x
    where e.ctid = x.tid
    returning x.again_at, e.due_at, e.partition_key, e.id, e.lane_id, e.flow_id, e.attempt_count, e.attempt_type, e.generation, e.epoch, e.lease_id, e.worker_id,
        e.instance_id, e.attempt_started_at
  ), attempts as (
    insert into attempt (partition_key, execution_id, idx, type, generation, state, epoch, lease_id, worker_id, instance_id,
      started_at, ended_at, ended_by)
    select partition_key, id, attempt_count - 1, attempt_type, generation, 'interrupted_reclaimed', epoch, lease_id, worker_id, instance_id,
      attempt_started_at, p_now, p_ended_by
    from changed
    on conflict (partition_key, execution_id, idx) do update set state = excluded.state, epoch = excluded.epoch,
      lease_id = excluded.lease_id, worker_id = excluded.worker_id, instance_id = excluded.instance_id, ended_at = excluded.ended_at,
      ended_by = excluded.ended_by, end_op = null, end_answer = null
  )
  select 0, 'reclaimable', false, c.again_at, c.partition_key, c.id, c.lane_id, c.flow_id, false, c.again_at <= p_now, c.due_at,
    null::text, null::ended_by, null::terminal_outcome, null::jsonb
  from changed c;
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
      (6, 'suspension_timeout', case when d.lifecycle_phase = 'suspended' then timeout_of(d.partition_key, d.id) end),
      (7, 'delayed_promotion', case when d.eligibility_state = 'not_eligible_until_time' then d.not_before end)
    ) as t (rank, timer, at) where t.at is not null order by t.at, t.rank limit 1
  ) n;
  if v_ids is null then return; end if;

  -- Its lease was renewed since the timer was set.
  return query
  with changed as (
    update execution e set due_at = i.at
    from (
      select x.tid, u.at from unnest(v_ids, v_times) as u (id, at)
      cross join lateral (select o.ctid as tid from execution o where o.partition_key = p_partition and o.id = u.id limit 1) x
      where u.at > v_now
    ) i
    where e.ctid = i.tid
    returning e.id, e.lane_id, e.flow_id, e.due_at
  )
  select 'lease_expiry', c.due_at, 'rearmed', c.id, c.lane_id, c.flow_id, false, false, false, c.due_at from changed c;

  foreach v_timer in array array['cancel_grace', 'execution_deadline', 'queue_ttl', 'attempt_timeout', 'lease_expiry', 'suspension_timeout',
    'delayed_promotion'] loop
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
          from unnest(v_some) with ordinality as s (id, ord) cross join lateral (
            select o.attempt_timeout_ms from execution o where o.partition_key = p_partition and o.id = s.id limit 1) e order by s.ord),
        array_fill('policy'::text, array[cardinality(v_some)]), array_fill(null::bigint, array[cardinality(v_some)]),
        'attempt_timeout', v_now) x
      join unnest(v_ids, v_times) as i (id, at) on i.id = x.id;
    elsif v_timer = 'lease_expiry' then
      return query
      select v_timer, i.at, 'applied', x.id, x.lane_id, x.flow_id, x.is_terminal, x.is_eligible, true, x.due_at
      from reclaim(v_partitions, v_some, 'lease_expiry', v_now) x
      join unnest(v_ids, v_times) as i (id, at) on i.id = x.id;
    elsif v_timer = 'suspension_timeout' then
      return query
      select v_timer, i.at, 'applied', x.id, x.lane_id, x.flow_id, x.is_terminal, x.is_eligible, false, x.due_at
      from time_out_suspensions(p_partition, v_some, v_now) x
      join unnest(v_ids, v_times) as i (id, at) on i.id = x.id;
    else
      return query
      select v_timer, i.at, 'applied', x.id, x.lane_id, x.flow_id, false, x.eligibility_state = 'eligible_now', false, x.due_at
      from set_blocks(v_partitions, v_some, null, null, true, false, v_now) x
      join unnest(v_ids, v_times) as i (id, at) on i.id = x.id;
    end if;
  end loop;
end $$;
