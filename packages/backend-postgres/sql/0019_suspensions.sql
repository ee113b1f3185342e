-- Suspensions, waitpoints and signals, and what parents and children tell each other. Conditions are judged by the caller
-- (`decisions/condition.ts` in core); here a verdict is applied, if the suspension still is as it was judged. Whoever has a
-- row here has `has_ties` set: others are not looked up.

-- The suspension that stands. `state` is the judge's, and never looked into; what has counted by it is repeated beside it, for
-- the steps that need no judgement.
create table suspension (
  partition_key integer not null,
  execution_id uuid not null,
  id uuid not null,
  revision integer not null default 1, -- raised by each new state
  reason text not null,
  condition text not null,
  state text not null,
  signals bigint[] not null,          -- that have counted, by their sequence
  ends jsonb not null,                -- of children, that have counted
  waitpoint_ids uuid[] not null,      -- that the condition names
  child_ids text[] not null,
  since bigint not null,
  times_out_at bigint,
  behaviour text,
  delay_ms bigint not null,
  closes_waitpoints boolean not null,
  escalated boolean not null default false,
  primary key (execution_id, partition_key)
);

-- How the last one was resumed. Its signals are those that name it.
create table resumption (
  partition_key integer not null,
  execution_id uuid not null,
  suspension_id uuid not null,
  resumed_by text not null check (resumed_by in ('condition', 'timeout', 'operator')),
  at bigint not null,
  ends jsonb not null,
  primary key (execution_id, partition_key)
);

create table waitpoint (
  partition_key integer not null,
  id uuid not null,
  execution_id uuid not null,
  seq bigint generated always as identity,
  name text not null,
  created_at bigint not null,
  expires_at bigint,
  closed boolean not null default false,
  signal_count integer not null default 0,
  primary key (id, partition_key),
  unique (execution_id, name, partition_key)
) with (fillfactor = 80);

create table signal (
  partition_key integer not null,
  execution_id uuid not null,
  sequence bigint not null,
  id uuid not null,
  waitpoint_id uuid,                  -- null for a timeout that the engine sent
  name text not null,
  payload bytea,
  source text,
  received_at bigint not null,
  idempotency_key text,
  suspension_id uuid,                 -- that it resumed
  primary key (execution_id, sequence, partition_key)
);
create index signal_key on signal (waitpoint_id, idempotency_key, received_at) where waitpoint_id is not null;
create index signal_used on signal (execution_id, suspension_id, sequence) where suspension_id is not null;

-- What a parent knows of a child: in its own partition, by the child's full id.
create table child (
  partition_key integer not null,
  parent_id uuid not null,
  child text not null,
  seq bigint generated always as identity,
  linked boolean not null,            -- it names this one as its parent
  detached boolean not null,
  end_generation integer,
  end_outcome text,
  stopped boolean not null default false,
  primary key (parent_id, child, partition_key)
);
create index child_to_stop on child (parent_id, seq) where linked and not detached and end_generation is null and not stopped;

-- Who is to be told of a child's end: in the child's partition, and there until it was told, also when the child is gone.
create table child_watcher (
  partition_key integer not null,
  child text not null,
  watcher text not null,
  primary key (child, watcher, partition_key)
);

-- ---- What the other files look up

create function timeout_of(p_partition integer, p_id uuid) returns bigint language sql stable set search_path from current as $$
  select s.times_out_at from suspension s where s.partition_key = p_partition and s.execution_id = p_id and not s.escalated limit 1
$$;

create function waitpoint_state(p_closed boolean, p_expires_at bigint, p_is_terminal boolean, p_now bigint) returns text
  language sql immutable parallel safe
  return case when p_closed then 'closed' when p_expires_at <= p_now then 'expired' when p_is_terminal then 'closed' else 'open' end;

create function signal_entry(s signal, p_bytes boolean) returns json language sql stable parallel safe
  return json_build_object('sequence', s.sequence, 'id', s.id, 'waitpoint', s.waitpoint_id, 'name', s.name,
    'payload', case when p_bytes then encode(s.payload, 'base64') end, 'source', s.source, 'receivedAtMs', s.received_at,
    'suspension', s.suspension_id);

-- How an execution was resumed last, as its claim carries it: signals up to 256 KiB of payloads.
create function resumption_of(p_partition integer, p_id uuid) returns json
language plpgsql stable set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  r resumption;
  v_signals json;
  v_truncated boolean;
begin
  select x.* into r from resumption x where x.partition_key = p_partition and x.execution_id = p_id;
  if not found then return null; end if;
  select json_agg(signal_entry(u.used, true) order by (u.used).sequence) filter (where u.bytes <= 262144),
    coalesce(bool_or(u.bytes > 262144), false)
  into v_signals, v_truncated
  from (
    select s as used, sum(coalesce(octet_length(s.payload), 0)) over (order by s.sequence) as bytes
    from signal s where s.partition_key = p_partition and s.execution_id = p_id and s.suspension_id = r.suspension_id
  ) u;
  return json_build_object('suspension', r.suspension_id, 'by', r.resumed_by, 'atMs', r.at, 'children', r.ends,
    'signals', coalesce(v_signals, '[]'), 'truncated', v_truncated);
end $$;

-- Removes waitpoints, signals and what was resumed: a fork is another run.
create function forget_signals(p_partition integer, p_ids uuid[]) returns void
language plpgsql set search_path from current set enable_seqscan = off as $$
begin
  delete from signal s where s.partition_key = p_partition and s.execution_id = any (p_ids);
  delete from waitpoint w where w.partition_key = p_partition and w.execution_id = any (p_ids);
  delete from resumption r where r.partition_key = p_partition and r.execution_id = any (p_ids);
end $$;

-- Removes what executions have here, at most `p_max` signals. Answers whether it is gone. Watchers stay until they were told.
create function remove_ties(p_partition integer, p_ids uuid[], p_max integer) returns boolean
language plpgsql set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  v_ids uuid[];
  v_count integer;
begin
  select array_agg(x.id) into v_ids from execution x where x.partition_key = p_partition and x.id = any (p_ids) and x.has_ties;
  if v_ids is null then return true; end if;
  delete from signal s where s.ctid = any (array(
    select x.ctid from signal x where x.partition_key = p_partition and x.execution_id = any (v_ids) limit p_max));
  get diagnostics v_count = row_count;
  if v_count >= p_max then return false; end if;
  perform forget_signals(p_partition, v_ids);
  delete from suspension s where s.partition_key = p_partition and s.execution_id = any (v_ids);
  delete from child c where c.partition_key = p_partition and c.parent_id = any (v_ids);
  return true;
end $$;

-- ---- Steps of a suspension. The callers hold the execution's row.

-- Says of a signal that it was kept.
create function tell_signal(p_partition integer, p_id uuid, p_signal uuid, p_waitpoint uuid, p_name text, p_outcome text) returns void
language sql set search_path from current as $$
  insert into event_batch (at, partitions, bodies)
    select now_ms(), array[p_partition],
      array[json_build_array('s', l.namespace, l.name, e.id, e.flow_id, p_signal, p_waitpoint, p_name, p_outcome)]
    from execution e join lane l on l.id = e.lane_id
    where e.partition_key = p_partition and e.id = p_id and (e.flow_id is not null or l.event_level = 'all')
$$;

create function next_sequence(p_partition integer, p_id uuid) returns bigint language sql stable set search_path from current as $$
  select coalesce((select s.sequence from signal s where s.execution_id = p_id and s.partition_key = p_partition
    order by s.sequence desc limit 1), 0) + 1
$$;

-- Writes down how a suspension ended: what it used is used up, and what it waited on is closed.
create function record_resumption(p_partition integer, p_id uuid, p_suspension uuid, p_by text, p_signals bigint[], p_ends jsonb,
  p_waitpoints uuid[], p_closes boolean, p_now bigint) returns void
language plpgsql set search_path from current set enable_seqscan = off as $$
begin
  insert into resumption (partition_key, execution_id, suspension_id, resumed_by, at, ends)
    values (p_partition, p_id, p_suspension, p_by, p_now, p_ends)
    on conflict (execution_id, partition_key) do update set suspension_id = excluded.suspension_id, resumed_by = excluded.resumed_by,
      at = excluded.at, ends = excluded.ends;
  update signal s set suspension_id = p_suspension
    where s.partition_key = p_partition and s.execution_id = p_id and s.sequence = any (p_signals);
  if p_closes then
    update waitpoint w set closed = true
      where w.partition_key = p_partition and w.id = any (p_waitpoints) and w.execution_id = p_id
        and waitpoint_state(w.closed, w.expires_at, false, p_now) = 'open';
  end if;
end $$;

-- What a step made of an execution, for those who wait.
create type moved as (partition_key integer, id uuid, lane_id integer, flow_id uuid, is_terminal boolean, is_eligible boolean,
  was_active boolean, due_at bigint);

-- The same attempt goes on, after the delay that its suspension asked for.
create function resume_suspended(p_partition integer, p_id uuid, p_by text, p_now bigint) returns moved
language plpgsql set search_path from current set enable_seqscan = off as $$
#variable_conflict use_column
declare
  s suspension;
  v_moved moved;
begin
  delete from suspension x where x.partition_key = p_partition and x.execution_id = p_id returning x.* into s;
  perform record_resumption(p_partition, p_id, s.id, p_by, s.signals, s.ends, s.waitpoint_ids, s.closes_waitpoints, p_now);
  update execution e set
    lifecycle_phase = 'runnable', ownership_state = 'unowned',
    eligibility_state = runnable_eligibility(false, e.held, p_now + s.delay_ms, p_now),
    blocking_reason = runnable_reason(false, e.held, p_now + s.delay_ms, 'resume_delay', p_now),
    attempt_state = case when is_eligible(false, e.held, p_now + s.delay_ms, p_now) then 'pending_resume' else 'attempt_interrupted'
      end::attempt_state,
    public_state = runnable_public_state(false, e.held, p_now + s.delay_ms, true, p_now),
    not_before = case when s.delay_ms > 0 then p_now + s.delay_ms end,
    delay_reason = case when s.delay_ms > 0 then 'resume_delay'::delay_reason end,
    ready_at = case when is_eligible(false, e.held, p_now + s.delay_ms, p_now) then p_now end,
    score = case when is_eligible(false, e.held, p_now + s.delay_ms, p_now) then score_of(p_now, e.priority, l.ageing_ms) end,
    due_at = runnable_due(false, e.held, p_now + s.delay_ms, p_now, e.deadline_at, e.queue_ttl_at)
  from lane l where l.id = e.lane_id and e.partition_key = p_partition and e.id = p_id
  returning e.partition_key, e.id, e.lane_id, e.flow_id, false, e.eligibility_state = 'eligible_now', false, e.due_at into v_moved;
  return v_moved;
end $$;

-- Suspensions whose conditions did not hold in time.
create function time_out_suspensions(p_partition integer, p_ids uuid[], p_now bigint) returns setof moved
language plpgsql set search_path from current set enable_seqscan = off as $$
#variable_conflict use_column
declare
  s suspension;
begin
  for s in select x.* from suspension x where x.partition_key = p_partition and x.execution_id = any (p_ids) loop
    if s.behaviour in ('fail', 'cancel', 'expire') then
      return query
      select x.partition_key, x.id, x.lane_id, x.flow_id, true, false, x.was_active, null::bigint
      from end_executions(array[p_partition], array[s.execution_id],
        case s.behaviour when 'fail' then 'failed' when 'cancel' then 'cancelled' else 'expired' end::terminal_outcome,
        'suspension_timeout', case s.behaviour when 'fail' then 'ended_failure' else 'ended_cancelled' end::attempt_record_state,
        'suspension_timeout', case when s.behaviour <> 'cancel' then
          '{"category":"suspension_timeout","message":"what it waited for did not come in time"}'::jsonb end, p_now) x;
    elsif s.behaviour = 'escalate' then
      update suspension x set escalated = true where x.partition_key = p_partition and x.execution_id = s.execution_id;
      return query
      update execution e set blocking_reason = 'paused_by_operator', due_at = e.deadline_at
        where e.partition_key = p_partition and e.id = s.execution_id
        returning e.partition_key, e.id, e.lane_id, e.flow_id, false, false, false, e.due_at;
    else
      if s.behaviour = 'auto_resume_with_timeout_signal' then
        insert into signal (partition_key, execution_id, sequence, id, name, received_at, suspension_id)
          values (p_partition, s.execution_id, next_sequence(p_partition, s.execution_id), s.id, 'timeout', p_now, s.id);
        perform tell_signal(p_partition, s.execution_id, s.id, null, 'timeout', 'satisfied');
      end if;
      return query select r.* from resume_suspended(p_partition, s.execution_id, 'timeout', p_now) r;
    end if;
  end loop;
end $$;

-- Writes the state that a verdict led to, and resumes when the condition holds by it. Answers what was moved, if it was.
create function apply_verdict(p_partition integer, p_id uuid, p_verdict jsonb, p_state text, p_now bigint) returns moved
language plpgsql set search_path from current set enable_seqscan = off as $$
begin
  update suspension s set state = p_state, revision = s.revision + 1,
      signals = array(select value::bigint from jsonb_array_elements_text(p_verdict -> 'signals')), ends = p_verdict -> 'ends'
    where s.partition_key = p_partition and s.execution_id = p_id;
  if not (p_verdict ->> 'holds')::boolean then return null; end if;
  return resume_suspended(p_partition, p_id, 'condition', p_now);
end $$;

-- What the judge is to see of a suspension; `revision` names this state of this suspension.
create function to_judge(s suspension) returns jsonb language sql stable parallel safe
  return jsonb_build_object('outcome', 'judge', 'revision', s.id::text || ':' || s.revision, 'condition', s.condition, 'state', s.state);

-- ---- Waitpoints

create type waitpoint_row as (id uuid, execution_id uuid, name text, state text, created_at bigint, expires_at bigint, signal_count integer);

-- Whether the id or the name is taken by another waitpoint.
create function has_waitpoint_conflict(p_partition integer, p_id uuid, p_waitpoint uuid, p_name text) returns boolean
language sql stable set search_path from current as $$
  select exists (select 1 from waitpoint w where w.id = p_waitpoint and w.partition_key = p_partition
      and (w.execution_id <> p_id or w.name <> p_name))
    or exists (select 1 from waitpoint w where w.execution_id = p_id and w.name = p_name and w.partition_key = p_partition
      and w.id <> p_waitpoint)
$$;

-- Without `p_lease` for whoever may name a point of an execution that has not ended, with it for its holder.
create function create_waitpoint(p_partition integer, p_id uuid, p_namespace text, p_waitpoint uuid, p_name text, p_expires_at bigint,
  p_index integer, p_lease uuid, p_epoch bigint, p_max integer,
  out outcome text, out actual integer, out waitpoint waitpoint_row, out is_terminal boolean,
  out refusal text, out ended_by ended_by, out terminal_outcome terminal_outcome, out answer jsonb)
language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  e execution;
  v_held record;
  v_now bigint;
begin
  select x.* into e from execution x join lane l on l.id = x.lane_id
    where x.partition_key = p_partition and x.id = p_id and l.namespace = p_namespace for no key update of x;
  if not found then outcome := 'execution_not_found'; return; end if;
  v_now := now_ms();
  if p_lease is not null then
    select h.* into v_held from lock_handles(array[p_partition], array[p_id], array[p_index], array[p_lease], array[p_epoch],
      array[p_namespace]) h where not h.late;
    if not found then
      select r.refusal, r.ended_by, r.terminal_outcome, r.answer into refusal, ended_by, terminal_outcome, answer
        from refusals_of(array[p_partition], array[p_id], array[p_index], array[p_lease], array[p_epoch], 'waitpoint',
          array[p_namespace], null) r;
      return;
    end if;
  elsif e.lifecycle_phase = 'terminal' then
    outcome := 'execution_terminal';
    terminal_outcome := e.terminal_outcome;
    return;
  end if;
  if has_waitpoint_conflict(p_partition, p_id, p_waitpoint, p_name) then outcome := 'waitpoint_conflict'; return; end if;
  outcome := 'duplicate';
  if not exists (select 1 from waitpoint w where w.id = p_waitpoint and w.partition_key = p_partition) then
    select count(*)::integer + 1 into actual from waitpoint w where w.execution_id = p_id and w.partition_key = p_partition;
    if actual > p_max then outcome := 'too_many_waitpoints'; return; end if;
    insert into waitpoint (partition_key, id, execution_id, name, created_at, expires_at)
      values (p_partition, p_waitpoint, p_id, p_name, v_now, p_expires_at)
      on conflict (id, partition_key) do nothing;
    if not found then raise exception 'the waitpoint was created meanwhile' using errcode = '40001'; end if;
    update execution x set has_ties = true, attempt_has_effects = x.attempt_has_effects or p_lease is not null
      where x.partition_key = p_partition and x.id = p_id
        and (x.has_ties is null or (p_lease is not null and not x.attempt_has_effects));
    outcome := 'created';
  end if;
  select w.id, w.execution_id, w.name, waitpoint_state(w.closed, w.expires_at, e.lifecycle_phase = 'terminal', v_now), w.created_at,
    w.expires_at, w.signal_count into waitpoint
    from waitpoint w where w.id = p_waitpoint and w.partition_key = p_partition;
end $$;

-- Takes no more signals. Answers the state before; null for an unknown waitpoint.
create function close_waitpoint(p_partition integer, p_waitpoint uuid, p_namespace text) returns text
language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
declare
  e execution;
  v_state text;
begin
  select x.* into e from waitpoint w join execution x on x.partition_key = w.partition_key and x.id = w.execution_id
    join lane l on l.id = x.lane_id and l.namespace = p_namespace
    where w.id = p_waitpoint and w.partition_key = p_partition for no key update of x;
  if not found then return null; end if;
  select waitpoint_state(w.closed, w.expires_at, e.lifecycle_phase = 'terminal', now_ms()) into v_state from waitpoint w
    where w.id = p_waitpoint and w.partition_key = p_partition and w.execution_id = e.id;
  if v_state is distinct from 'expired' then
    update waitpoint w set closed = true where w.id = p_waitpoint and w.partition_key = p_partition and not w.closed;
  end if;
  return v_state;
end $$;

-- ---- Suspend

-- Gives a lease back until a condition holds. `p_judged` is what came of the signals and ends that were answered before, null
-- at first; without any to look at, or with them judged, it is carried out. `p_spec` is what doesn't need the judge.
create function suspend_lease(p_partition integer, p_id uuid, p_index integer, p_lease uuid, p_epoch bigint, p_namespaces text[],
  p_suspension uuid, p_reason text, p_condition text, p_state text, p_spec jsonb, p_waitpoint_ids uuid[], p_child_ids text[],
  p_judged jsonb, p_waitpoints_max integer, p_signals_max integer, p_bytes_max integer) returns jsonb
language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_held record;
  v_now bigint;
  v_answer jsonb;
  v_conflict uuid;
  v_fresh jsonb;
  v_count integer;
  v_unknown uuid;
  v_ends jsonb;
  v_signals bigint[];
  v_batch json;
  v_times_out_at bigint;
  v_moved moved;
begin
  perform pg_advisory_xact_lock_shared(barrier_key());
  select h.* into v_held from lock_held(array[p_partition], array[p_id], array[p_index], array[p_lease], array[p_epoch], p_namespaces) h;
  if not found then
    return (select jsonb_build_object('refusal', r.refusal, 'ended_by', r.ended_by, 'terminal_outcome', r.terminal_outcome,
        'answer', r.answer)
      from refusals_of(array[p_partition], array[p_id], array[p_index], array[p_lease], array[p_epoch], 'suspend', p_namespaces, null) r);
  end if;
  v_now := now_ms();
  if v_held.doomed then
    select jsonb_build_object('outcome', 'cancelled', 'moved', jsonb_build_object('partition_key', x.partition_key, 'id', x.id,
        'lane_id', x.lane_id, 'flow_id', x.flow_id, 'is_terminal', true, 'is_eligible', false))
      into v_answer from cancel_held(array[p_partition], array[p_id], array[1], 'suspend', v_now) x;
    return v_answer;
  end if;
  if exists (select 1 from resumption r where r.execution_id = p_id and r.partition_key = p_partition and r.suspension_id = p_suspension) then
    return jsonb_build_object('outcome', 'already_satisfied', 'resumption', resumption_of(p_partition, p_id));
  end if;

  select (w.value ->> 'id')::uuid into v_conflict from jsonb_array_elements(p_spec -> 'waitpoints') with ordinality as w
    where has_waitpoint_conflict(p_partition, p_id, (w.value ->> 'id')::uuid, w.value ->> 'name') order by w.ordinality limit 1;
  if v_conflict is not null then return jsonb_build_object('outcome', 'waitpoint_conflict', 'id', v_conflict); end if;
  select coalesce(jsonb_agg(w.value order by w.ordinality), '[]') into v_fresh
    from jsonb_array_elements(p_spec -> 'waitpoints') with ordinality as w
    where not exists (select 1 from waitpoint o where o.id = (w.value ->> 'id')::uuid and o.partition_key = p_partition);
  if jsonb_array_length(v_fresh) > 0 then
    select count(*) + jsonb_array_length(v_fresh) into v_count from waitpoint w where w.execution_id = p_id and w.partition_key = p_partition;
    if v_count > p_waitpoints_max then return jsonb_build_object('error', 'too_many_waitpoints', 'actual', v_count); end if;
  end if;
  select n.id into v_unknown from unnest(p_waitpoint_ids) with ordinality as n (id, ord)
    where not exists (select 1 from waitpoint w where w.id = n.id and w.partition_key = p_partition and w.execution_id = p_id)
      and not exists (select 1 from jsonb_array_elements(v_fresh) f where (f.value ->> 'id')::uuid = n.id)
    order by n.ord limit 1;
  if v_unknown is not null then return jsonb_build_object('error', 'waitpoint_not_found', 'id', v_unknown); end if;
  if exists (select 1 from execution e where e.ctid = v_held.tid and e.flow_id::text = any (p_child_ids)) then
    return jsonb_build_object('error', 'condition_unsatisfiable');
  end if;

  select coalesce(jsonb_agg(jsonb_build_object('id', c.child, 'generation', c.end_generation, 'outcome', c.end_outcome)
      order by array_position(p_child_ids, c.child)), '[]') into v_ends
    from child c where c.partition_key = p_partition and c.parent_id = p_id and c.child = any (p_child_ids) and c.end_generation is not null;
  if p_judged is not null then
    v_signals := array(select value::bigint from jsonb_array_elements_text(p_judged -> 'signals'));
    -- What was judged has changed: another end came, or another call of the same holder used a signal.
    if p_judged -> 'seen' <> v_ends or cardinality(v_signals) <> (
      select count(*) from signal s where s.partition_key = p_partition and s.execution_id = p_id and s.sequence = any (v_signals)
        and (s.suspension_id is null or s.suspension_id = p_suspension)) then
      p_judged := null;
    end if;
  end if;
  if p_judged is null or not (p_judged ->> 'holds')::boolean then
    select json_agg(signal_entry(b.came, (p_spec ->> 'looks')::boolean) order by (b.came).sequence) into v_batch from (
      select s.came, row_number() over w as place,
        sum(case when (p_spec ->> 'looks')::boolean then coalesce(octet_length((s.came).payload), 0) else 0 end) over w as bytes
      from (
        select x as came from signal x
        where x.partition_key = p_partition and x.execution_id = p_id and x.sequence > coalesce((p_judged ->> 'upTo')::bigint, 0)
          and x.waitpoint_id = any (p_waitpoint_ids) and (x.suspension_id is null or x.suspension_id = p_suspension)
        order by x.sequence limit p_signals_max
      ) s window w as (order by (s.came).sequence)
    ) b where b.place = 1 or b.bytes <= p_bytes_max;
    if v_batch is not null or (p_judged is null and v_ends <> '[]') then
      return jsonb_build_object('outcome', 'judge', 'afresh', p_judged is null, 'signals', coalesce(v_batch, '[]'), 'ends', v_ends);
    end if;
  end if;

  insert into waitpoint (partition_key, id, execution_id, name, created_at, expires_at)
    select p_partition, (w.value ->> 'id')::uuid, p_id, w.value ->> 'name', v_now, (w.value ->> 'expiresAtMs')::bigint
    from jsonb_array_elements(v_fresh) with ordinality as w order by w.ordinality
    on conflict (id, partition_key) do nothing;
  get diagnostics v_count = row_count;
  if v_count < jsonb_array_length(v_fresh) then raise exception 'a waitpoint was created meanwhile' using errcode = '40001'; end if;
  if (p_judged ->> 'holds')::boolean then
    perform record_resumption(p_partition, p_id, p_suspension, 'condition', v_signals, p_judged -> 'ends', p_waitpoint_ids,
      (p_spec ->> 'closes')::boolean, v_now);
    update execution e set attempt_has_effects = true, has_ties = true
      where e.partition_key = p_partition and e.id = p_id and (e.has_ties is null or not e.attempt_has_effects);
    return jsonb_build_object('outcome', 'already_satisfied', 'resumption', resumption_of(p_partition, p_id));
  end if;

  v_times_out_at := v_now + (p_spec ->> 'afterMs')::bigint;
  delete from resumption r where r.execution_id = p_id and r.partition_key = p_partition;
  insert into suspension (partition_key, execution_id, id, reason, condition, state, signals, ends, waitpoint_ids, child_ids, since,
      times_out_at, behaviour, delay_ms, closes_waitpoints)
    values (p_partition, p_id, p_suspension, p_reason, p_condition, p_state, coalesce(v_signals, '{}'), coalesce(p_judged -> 'ends', '[]'),
      p_waitpoint_ids, p_child_ids, v_now, v_times_out_at, p_spec ->> 'behaviour', (p_spec ->> 'delayMs')::bigint,
      (p_spec ->> 'closes')::boolean);
  with watched as (
    insert into child (partition_key, parent_id, child, linked, detached)
      select p_partition, p_id, c.id, false, true from unnest(p_child_ids) as c (id)
      on conflict (parent_id, child, partition_key) do nothing
    returning child
  )
  select count(leave_message(p_partition, 'child_watched', jsonb_build_object('namespace', l.namespace, 'child', w.child,
      'parent', format('{fp:%s}:%s', p_partition, p_id)))) into v_count
    from watched w, execution e join lane l on l.id = e.lane_id where e.ctid = v_held.tid;
  with changed as (
    update execution e set
      lifecycle_phase = 'suspended', ownership_state = 'unowned', eligibility_state = 'not_applicable',
      blocking_reason = ('waiting_for_' || p_reason)::blocking_reason, attempt_state = 'attempt_interrupted', public_state = 'suspended',
      attempt_used_ms = e.attempt_used_ms + greatest(0, v_now - e.lease_started_at),
      ready_at = null, score = null, attempt_has_effects = true, has_ties = true, due_at = least(e.deadline_at, v_times_out_at)
    where e.partition_key = p_partition and e.id = p_id
    returning e.*
  ), put_aside as (
    insert into attempt (partition_key, execution_id, idx, type, generation, state, epoch, lease_id, worker_id, instance_id,
      started_at, end_op, end_answer)
    select partition_key, id, attempt_count - 1, attempt_type, generation, 'suspended', epoch, lease_id, worker_id, instance_id,
      attempt_started_at, 'suspend', jsonb_build_object('outcome', 'suspended',
        'suspensionId', format('{fp:%s}:%s', p_partition, p_suspension), 'timesOutAtMs', v_times_out_at)
    from changed
    on conflict (partition_key, execution_id, idx) do update set state = excluded.state, epoch = excluded.epoch,
      lease_id = excluded.lease_id, worker_id = excluded.worker_id, instance_id = excluded.instance_id, end_op = excluded.end_op,
      end_answer = excluded.end_answer
  )
  select c.partition_key, c.id, c.lane_id, c.flow_id, false, false, false, c.due_at into v_moved from changed c;
  return jsonb_build_object('outcome', 'suspended', 'timesOutAtMs', v_times_out_at, 'moved', to_jsonb(v_moved), 'watches', v_count > 0);
end $$;

-- ---- Signals

-- Keeps a signal, counts it by the verdict of the caller, or turns it away. `judge` answers what is to be judged: when a
-- suspension waits on the waitpoint, and isn't, or is no more, what the verdict is about.
create function deliver_signal(p_partition integer, p_waitpoint uuid, p_namespace text, p_signal uuid, p_name text, p_payload bytea,
  p_source text, p_key text, p_key_ttl bigint, p_early_max integer, p_verdict jsonb, p_state text) returns jsonb
language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  e execution;
  w waitpoint;
  s suspension;
  v_now bigint;
  v_known uuid;
  v_sequence bigint;
  v_outcome text := 'buffered';
  v_moved moved;
begin
  select x.* into e from waitpoint y join execution x on x.partition_key = y.partition_key and x.id = y.execution_id
    join lane l on l.id = x.lane_id and l.namespace = p_namespace
    where y.id = p_waitpoint and y.partition_key = p_partition for no key update of x;
  if found then
    select y.* into w from waitpoint y where y.id = p_waitpoint and y.partition_key = p_partition and y.execution_id = e.id;
  end if;
  if not found then return '{"outcome":"waitpoint_not_found"}'; end if;
  v_now := now_ms();
  select x.id into v_known from signal x
    where x.waitpoint_id = p_waitpoint and x.idempotency_key = p_key and x.partition_key = p_partition and x.received_at > v_now - p_key_ttl
    order by x.sequence limit 1;
  if found then return jsonb_build_object('outcome', 'duplicate', 'id', v_known); end if;
  if waitpoint_state(w.closed, w.expires_at, e.lifecycle_phase = 'terminal', v_now) <> 'open' then
    return '{"outcome":"waitpoint_closed"}';
  end if;

  v_sequence := next_sequence(p_partition, e.id);
  if e.lifecycle_phase = 'suspended' then
    select x.* into s from suspension x
      where x.partition_key = p_partition and x.execution_id = e.id and p_waitpoint = any (x.waitpoint_ids);
  end if;
  if s.id is not null then
    if p_verdict is null or p_verdict ->> 'revision' <> s.id::text || ':' || s.revision
      or (p_verdict ->> 'sequence')::bigint <> v_sequence then
      return to_judge(s) || jsonb_build_object('sequence', v_sequence);
    end if;
    if (p_verdict ->> 'counted')::boolean then
      v_outcome := case when (p_verdict ->> 'holds')::boolean then 'satisfied' else 'accepted' end;
    end if;
  end if;
  if v_outcome = 'buffered' and w.signal_count >= p_early_max then return '{"outcome":"too_many_signals"}'; end if;

  insert into signal (partition_key, execution_id, sequence, id, waitpoint_id, name, payload, source, received_at, idempotency_key)
    values (p_partition, e.id, v_sequence, p_signal, p_waitpoint, p_name, p_payload, p_source, v_now, p_key);
  update waitpoint y set signal_count = y.signal_count + 1 where y.id = p_waitpoint and y.partition_key = p_partition;
  perform tell_signal(p_partition, e.id, p_signal, p_waitpoint, p_name, v_outcome);
  if v_outcome <> 'buffered' then v_moved := apply_verdict(p_partition, e.id, p_verdict, p_state, v_now); end if;
  return jsonb_build_object('outcome', v_outcome, 'moved', case when v_moved.id is not null then to_jsonb(v_moved) end);
end $$;

-- ---- Parents and children

create function leave_message(p_partition integer, p_kind text, p_message jsonb) returns boolean language sql set search_path from current as $$
  insert into completion_event (partition_key, kind, message) values (p_partition, p_kind, p_message) returning true
$$;

-- A child was submitted.
create function leave_link(p_partition integer, p_namespace text, p_child text, p_parent jsonb) returns boolean
language sql set search_path from current as $$
  select leave_message(p_partition, 'child_linked', jsonb_build_object('namespace', p_namespace, 'child', p_child,
    'parent', p_parent ->> 'id', 'detached', p_parent -> 'detached'))
$$;

-- As `submit_executions` and `submit_keyed` (where an item has a key), for items that may have a parent.
create function submit_linked(p_namespace text, p_partitions integer[], p_ids uuid[], p_routes integer[], p_hashes text[],
  p_inputs bytea[], p_options jsonb[], p_keys text[], p_ttls bigint[], p_parents jsonb[])
returns setof submitted language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_row submitted;
begin
  -- All keys before the first item, as `submit_keyed` takes them.
  perform pg_advisory_xact_lock(k.lock) from (
    select distinct hashtextextended('flowfabric/key/' || p_namespace || '/' || key, barrier_key()) as lock
    from unnest(p_keys) as key where key is not null order by 1) k;
  for i in 1 .. cardinality(p_ids) loop
    if p_keys[i] is null then
      select x.* into v_row from submit_executions(p_namespace, p_partitions[i:i], p_ids[i:i], p_routes[i:i], p_hashes[i:i], p_inputs[i:i],
        p_options[i:i]) x;
    else
      select x.* into v_row from submit_keyed(p_namespace, p_partitions[i:i], p_ids[i:i], p_routes[i:i], p_hashes[i:i], p_inputs[i:i],
        p_options[i:i], p_keys[i:i], p_ttls[i:i]) x;
    end if;
    v_row.ord := i;
    if v_row.outcome = 'accepted' and p_parents[i] is not null then
      update execution_info x set parent = p_parents[i] where x.partition_key = v_row.partition_key and x.id = v_row.id;
      update execution x set has_ties = true where x.partition_key = v_row.partition_key and x.id = v_row.id;
      perform leave_link(v_row.partition_key, p_namespace, format('{fp:%s}:%s', v_row.partition_key, v_row.id), p_parents[i]);
    end if;
    return next v_row;
  end loop;
end $$;

-- Something has ended: its parent and whoever else waits for it are to be told.
create function tell_end(p_partition integer, p_child text, p_namespace text, p_parent jsonb, p_generation integer, p_outcome text)
returns void language plpgsql set search_path from current set enable_seqscan = off as $$
begin
  if p_parent is not null then
    insert into child_watcher (partition_key, child, watcher) values (p_partition, p_child, p_parent ->> 'id') on conflict do nothing;
  end if;
  if exists (select 1 from child_watcher w where w.child = p_child and w.partition_key = p_partition) then
    perform leave_message(p_partition, 'child_ended', jsonb_build_object('namespace', p_namespace, 'child', p_child,
      'generation', p_generation, 'outcome', p_outcome));
  end if;
end $$;

create function has_children_to_stop(p_partition integer, p_id uuid) returns boolean language sql stable set search_path from current as $$
  select exists (select 1 from child c where c.partition_key = p_partition and c.parent_id = p_id
    and c.linked and not c.detached and c.end_generation is null and not c.stopped)
$$;

create function leave_stop(p_partition integer, p_id uuid, p_namespace text, p_generation integer) returns boolean
language sql set search_path from current as $$
  select leave_message(p_partition, 'parent_stopped', jsonb_build_object('namespace', p_namespace,
    'parent', format('{fp:%s}:%s', p_partition, p_id), 'generation', p_generation))
$$;

-- What the end of an execution with ties means to them: in the step that ended it.
create function end_ties(p_partition integer, p_id uuid) returns void
language plpgsql set search_path from current set enable_seqscan = off as $$
declare
  v record;
begin
  delete from suspension s where s.partition_key = p_partition and s.execution_id = p_id;
  select i.namespace, i.parent, e.generation, e.terminal_outcome into v
    from execution e join execution_info i on i.partition_key = e.partition_key and i.id = e.id
    where e.partition_key = p_partition and e.id = p_id;
  perform tell_end(p_partition, format('{fp:%s}:%s', p_partition, p_id), v.namespace, v.parent, v.generation, v.terminal_outcome::text);
  if v.terminal_outcome in ('cancelled', 'expired', 'skipped') and has_children_to_stop(p_partition, p_id) then
    perform leave_stop(p_partition, p_id, v.namespace, v.generation);
  end if;
end $$;

-- A parent comes to know a child of its.
create function link_child(p_partition integer, p_parent uuid, p_namespace text, p_child text, p_detached boolean) returns void
language plpgsql set search_path from current set lock_timeout = '2s' set enable_seqscan = off as $$
declare
  e execution;
begin
  select x.* into e from execution x join lane l on l.id = x.lane_id and l.namespace = p_namespace
    where x.partition_key = p_partition and x.id = p_parent for no key update of x;
  if not found then return; end if;
  insert into child (partition_key, parent_id, child, linked, detached) values (p_partition, p_parent, p_child, true, p_detached)
    on conflict (parent_id, child, partition_key) do update set linked = true, detached = excluded.detached;
  update execution x set has_ties = true where x.partition_key = p_partition and x.id = p_parent and x.has_ties is null;
  if e.terminal_outcome in ('cancelled', 'expired', 'skipped') and has_children_to_stop(p_partition, p_parent) then
    perform leave_stop(p_partition, p_parent, p_namespace, e.generation);
  end if;
end $$;

-- Whoever adds a watcher of a child, or takes away the message that no watcher is left for, holds this.
create function lock_watchers(p_child text) returns void language sql set search_path from current as $$
  select pg_advisory_xact_lock(hashtextextended('flowfabric/watch/' || p_child, barrier_key()))
$$;

-- A watcher is to be told of the end of an execution or a flow (`p_is_flow`). Answers false where there is none to be told of.
create function watch_child(p_partition integer, p_child text, p_id uuid, p_is_flow boolean, p_namespace text, p_watcher text)
returns boolean language plpgsql set search_path from current set lock_timeout = '2s' set enable_seqscan = off as $$
declare
  v record;
  v_found boolean;
begin
  perform lock_watchers(p_child);
  if p_is_flow then
    select f.generation, f.parent, case f.state when 'completed' then 'success' when 'failed' then 'failed' when 'cancelled' then 'cancelled' end
        as outcome into v
      from flow f where f.partition_key = p_partition and f.id = p_id and f.namespace = p_namespace for no key update;
  else
    select e.generation, i.parent, nullif(e.terminal_outcome, 'none')::text as outcome into v
      from execution e join execution_info i on i.partition_key = e.partition_key and i.id = e.id and i.namespace = p_namespace
      where e.partition_key = p_partition and e.id = p_id for no key update of e;
  end if;
  v_found := found;
  -- One that is gone may still have its end on its way.
  if not v_found and not exists (select 1 from child_watcher w where w.child = p_child and w.partition_key = p_partition) then
    return false;
  end if;
  insert into child_watcher (partition_key, child, watcher) values (p_partition, p_child, p_watcher) on conflict do nothing;
  if not v_found then return true; end if;
  if p_is_flow then
    update flow f set has_ties = true where f.partition_key = p_partition and f.id = p_id and f.has_ties is null;
  else
    update execution e set has_ties = true where e.partition_key = p_partition and e.id = p_id and e.has_ties is null;
  end if;
  if v.outcome is not null then perform tell_end(p_partition, p_child, p_namespace, v.parent, v.generation, v.outcome); end if;
  return true;
end $$;

-- The next who are to be told of an end; null when the end does not stand any more, since the child runs again.
create function watchers_to_tell(p_partition integer, p_child text, p_id uuid, p_is_flow boolean, p_namespace text, p_generation integer,
  p_max integer) returns text[] language plpgsql stable set search_path from current set enable_seqscan = off as $$
declare
  v_generation integer;
begin
  if p_is_flow then
    select f.generation into v_generation from flow f where f.partition_key = p_partition and f.id = p_id and f.namespace = p_namespace;
  else
    select e.generation into v_generation from execution e join lane l on l.id = e.lane_id and l.namespace = p_namespace
      where e.partition_key = p_partition and e.id = p_id;
  end if;
  if v_generation <> p_generation then return null; end if;
  return array(select w.watcher from child_watcher w where w.child = p_child and w.partition_key = p_partition order by w.watcher limit p_max);
end $$;

-- These were told. The message goes when none is left; answers whether some are.
create function end_telling(p_partition integer, p_entry uuid, p_child text, p_told text[]) returns boolean
language plpgsql set search_path from current set lock_timeout = '2s' set enable_seqscan = off as $$
begin
  perform lock_watchers(p_child);
  delete from child_watcher w where w.child = p_child and w.partition_key = p_partition and w.watcher = any (p_told);
  if exists (select 1 from child_watcher w where w.child = p_child and w.partition_key = p_partition) then return true; end if;
  delete from completion_event c where c.id = p_entry and c.partition_key = p_partition;
  return false;
end $$;

-- Tells a parent how a child has ended. An end that is not news, by its generation, changes nothing. `judge` as for a signal.
create function hear_of_end(p_partition integer, p_parent uuid, p_namespace text, p_child text, p_generation integer, p_outcome text,
  p_verdict jsonb, p_state text) returns jsonb
language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  s suspension;
  v_moved moved;
begin
  perform 1 from execution x join lane l on l.id = x.lane_id and l.namespace = p_namespace
    where x.partition_key = p_partition and x.id = p_parent for no key update of x;
  if not found or exists (select 1 from child c where c.parent_id = p_parent and c.child = p_child and c.partition_key = p_partition
    and c.end_generation >= p_generation) then
    return '{"outcome":"told"}';
  end if;
  select x.* into s from suspension x where x.partition_key = p_partition and x.execution_id = p_parent and p_child = any (x.child_ids);
  if found and (p_verdict is null or p_verdict ->> 'revision' <> s.id::text || ':' || s.revision) then return to_judge(s); end if;
  insert into child (partition_key, parent_id, child, linked, detached, end_generation, end_outcome)
    values (p_partition, p_parent, p_child, false, true, p_generation, p_outcome)
    on conflict (parent_id, child, partition_key) do update set end_generation = excluded.end_generation, end_outcome = excluded.end_outcome;
  update execution x set has_ties = true where x.partition_key = p_partition and x.id = p_parent and x.has_ties is null;
  if s.id is not null and (p_verdict ->> 'counted')::boolean then
    v_moved := apply_verdict(p_partition, p_parent, p_verdict, p_state, now_ms());
  end if;
  return jsonb_build_object('outcome', 'told', 'moved', case when v_moved.id is not null then to_jsonb(v_moved) end);
end $$;

-- Cancels the next children of a stopped parent: executions here, flows by the caller, who then calls `end_stopping`. Null
-- when it is not stopped any more.
create function stop_children(p_partition integer, p_parent uuid, p_namespace text, p_generation integer, p_max integer) returns jsonb
language plpgsql set search_path from current set lock_timeout = '2s' set enable_seqscan = off as $$
#variable_conflict use_column
declare
  e execution;
  v_children text[];
  v_partitions integer[];
  v_ids uuid[];
  v_ended jsonb;
begin
  select x.* into e from execution x join lane l on l.id = x.lane_id and l.namespace = p_namespace
    where x.partition_key = p_partition and x.id = p_parent for no key update of x;
  if not found or e.lifecycle_phase <> 'terminal' or e.generation <> p_generation then return null; end if;
  select array_agg(c.child) into v_children from (
    select y.child from child y where y.partition_key = p_partition and y.parent_id = p_parent
      and y.linked and not y.detached and y.end_generation is null and not y.stopped
    order by y.seq limit p_max
  ) c;
  select array_agg(x.partition_key), array_agg(x.id) into v_partitions, v_ids from (
    select x.partition_key, x.id from unnest(v_children) as c (child)
    join execution x on x.partition_key = split_part(substr(c.child, 5), '}', 1)::integer and x.id = right(c.child, 36)::uuid
    join lane l on l.id = x.lane_id and l.namespace = p_namespace
    where c.child like '{fp:%' and x.lifecycle_phase <> 'terminal'
    order by x.id for no key update of x
  ) x;
  if v_ids is not null then
    select jsonb_agg(jsonb_build_object('partition_key', x.partition_key, 'id', x.id, 'lane_id', x.lane_id, 'flow_id', x.flow_id,
        'is_terminal', true, 'is_eligible', false, 'was_active', x.was_active)) into v_ended
      from end_executions(v_partitions, v_ids, 'cancelled', 'cancel', 'ended_cancelled', 'parent', null, now_ms()) x;
  end if;
  update child c set stopped = true
    where c.partition_key = p_partition and c.parent_id = p_parent and c.child = any (v_children) and c.child like '{fp:%';
  return jsonb_build_object('ended', coalesce(v_ended, '[]'),
    'flows', (select coalesce(jsonb_agg(c.child), '[]') from unnest(v_children) as c (child) where c.child not like '{fp:%'));
end $$;

-- These flows were cancelled too. The message goes when no child is left; answers whether some are.
create function end_stopping(p_partition integer, p_entry uuid, p_parent uuid, p_flows text[]) returns boolean
language plpgsql set search_path from current set lock_timeout = '2s' set enable_seqscan = off as $$
begin
  update child c set stopped = true where c.partition_key = p_partition and c.parent_id = p_parent and c.child = any (p_flows);
  if has_children_to_stop(p_partition, p_parent) then return true; end if;
  delete from completion_event c where c.id = p_entry and c.partition_key = p_partition;
  return false;
end $$;
