-- Clock, barrier, derivations, and the one place that emits. Everything here is called by 0003 and later too.
--
-- How statements over many rows are written, here and later: rows are read one by one through `lateral (… limit 1)`, so
-- that each costs one look into an index, and changed by `ctid`, under a lock that an earlier statement took. A join
-- would leave the order to a plan that may have been made while the tables were empty.

-- The store's clock. `prepare` replaces it in a store for tests by one that stands still.
create function now_ms() returns bigint language sql volatile parallel safe
  return floor(date_part('epoch', clock_timestamp()) * 1000)::bigint;

-- Taken shared by whatever hands out or holds back work, first thing in its transaction, so that the statements after it
-- see every flag whose writer has taken it exclusively (`quiesce`). It is a number of this schema.
create function barrier_key() returns bigint language plpgsql immutable parallel safe as $$ begin return 0; end $$;
do $$
begin
  execute format('create or replace function barrier_key() returns bigint language sql immutable parallel safe return %s::bigint',
    hashtextextended('flowfabric/barrier/' || current_schema(), 0));
end $$;

create function lane_key(p_lane integer) returns bigint language sql immutable parallel safe
  return barrier_key() # (p_lane::bigint + 1);

-- Whoever holds it gives the feed its numbers.
create function feed_key() returns bigint language sql immutable parallel safe
  return barrier_key() # -1;

create function enter_barrier() returns void language plpgsql set search_path from current as $$
begin
  perform pg_advisory_xact_lock_shared(barrier_key());
end $$;

-- Waits until every transaction that may not have seen a flag committed before this call has ended.
create function quiesce() returns void language plpgsql set search_path from current set lock_timeout = '10s' as $$
begin
  perform pg_advisory_xact_lock(barrier_key());
end $$;

-- ---- Derivations, the same as core's `publicStateOf` and `runnableVector`; inlined into the statements that use them.

create function ended_public_state(p_outcome terminal_outcome) returns public_state language sql immutable parallel safe
  return case p_outcome when 'success' then 'completed'::public_state when 'failed' then 'failed'::public_state
    when 'cancelled' then 'cancelled'::public_state when 'expired' then 'expired'::public_state
    when 'skipped' then 'skipped'::public_state end;

-- For the triggers' check; statements write what they know.
create function public_state_of(p_phase lifecycle_phase, p_outcome terminal_outcome, p_eligibility eligibility_state, p_attempt attempt_state)
  returns public_state language sql immutable parallel safe
  return case p_phase
    when 'terminal' then ended_public_state(p_outcome)
    when 'suspended' then 'suspended'::public_state
    when 'active' then 'active'::public_state
    when 'submitted' then 'waiting_children'::public_state
    when 'runnable' then case p_eligibility
      when 'eligible_now' then case when p_attempt = 'pending_resume' then 'resumable'::public_state else 'waiting'::public_state end
      when 'not_eligible_until_time' then 'delayed'::public_state
      when 'blocked_by_dependencies' then 'waiting_children'::public_state
      when 'blocked_by_budget' then 'rate_limited'::public_state
      when 'blocked_by_quota' then 'rate_limited'::public_state
      else 'waiting'::public_state end
  end;

create function runnable_eligibility(p_deps boolean, p_held boolean, p_not_before bigint, p_now bigint)
  returns eligibility_state language sql immutable parallel safe
  return case
    when p_deps then 'blocked_by_dependencies'::eligibility_state
    when p_held then 'blocked_by_operator'::eligibility_state
    when p_not_before > p_now then 'not_eligible_until_time'::eligibility_state
    else 'eligible_now'::eligibility_state end;

create function runnable_reason(p_deps boolean, p_held boolean, p_not_before bigint, p_delay delay_reason, p_now bigint)
  returns blocking_reason language sql immutable parallel safe
  return case
    when p_deps then 'waiting_for_children'::blocking_reason
    when p_held then 'paused_by_operator'::blocking_reason
    when p_not_before > p_now then case p_delay
      when 'retry_backoff' then 'waiting_for_retry_backoff'::blocking_reason
      when 'reclaim_backoff' then 'waiting_for_reclaim_backoff'::blocking_reason
      when 'resume_delay' then 'waiting_for_resume_delay'::blocking_reason
      else 'waiting_for_delay'::blocking_reason end
    else 'waiting_for_worker'::blocking_reason end;

create function runnable_public_state(p_deps boolean, p_held boolean, p_not_before bigint, p_resumes boolean, p_now bigint)
  returns public_state language sql immutable parallel safe
  return case
    when p_deps then 'waiting_children'::public_state
    when p_held then 'waiting'::public_state
    when p_not_before > p_now then 'delayed'::public_state
    when p_resumes then 'resumable'::public_state
    else 'waiting'::public_state end;

-- No fact blocks it.
create function is_eligible(p_deps boolean, p_held boolean, p_not_before bigint, p_now bigint)
  returns boolean language sql immutable parallel safe
  return not p_deps and not p_held and coalesce(p_not_before <= p_now, true);

-- What the claim orders by: lower first.
create function score_of(p_ready_at bigint, p_priority integer, p_ageing_ms bigint)
  returns bigint language sql immutable parallel safe
  return p_ready_at - p_priority * coalesce(p_ageing_ms, 1000000000000);

-- The next timer of a runnable execution: its start when only time blocks it, its deadline, its queue's time to live.
create function runnable_due(p_deps boolean, p_held boolean, p_not_before bigint, p_now bigint, p_deadline_at bigint, p_queue_ttl_at bigint)
  returns bigint language sql immutable parallel safe
  return least(case when not p_deps and not p_held and p_not_before > p_now then p_not_before end, p_deadline_at, p_queue_ttl_at);

-- Whether whatever would make an active execution runnable again ends it as cancelled instead.
create function is_doomed(p_grace_ends_at bigint, p_always_node boolean, p_flow_state flow_state, p_cancel_finalisers boolean)
  returns boolean language sql immutable parallel safe
  return p_grace_ends_at is not null
    or (coalesce(p_flow_state = 'cancelling', false) and not (p_always_node and coalesce(p_cancel_finalisers, true)));

-- Writes what follows from the facts that hold rows back, after changing the facts that are given (null: unchanged). The
-- caller holds the rows' locks. Rows that become eligible for the first time start their deadline and time to live; by
-- `p_by_time` they count as eligible since their due time. Draft roots change only with `p_seal`.
create function set_blocks(p_partitions integer[], p_ids uuid[], p_deps boolean, p_held boolean, p_by_time boolean, p_seal boolean,
  p_now bigint) returns table (partition_key integer, id uuid, lane_id integer, flow_id uuid, eligibility_state eligibility_state, due_at bigint)
language plpgsql set search_path from current set enable_seqscan = off as $$
#variable_conflict use_column
begin
  return query
  update execution e set
    lifecycle_phase = case when n.stays then e.lifecycle_phase else 'runnable' end,
    deps_blocked = n.deps,
    held = n.held,
    not_before = case when n.eligible then null else e.not_before end,
    delay_reason = case when n.eligible then null else e.delay_reason end,
    eligibility_state = case when n.stays then e.eligibility_state else runnable_eligibility(n.deps, n.held, e.not_before, p_now) end,
    blocking_reason = case when n.stays then e.blocking_reason
      else runnable_reason(n.deps, n.held, e.not_before, e.delay_reason, p_now) end,
    attempt_state = case when n.eligible and e.attempt_state = 'attempt_interrupted' then 'pending_resume' else e.attempt_state end,
    public_state = case when n.stays then e.public_state
      else runnable_public_state(n.deps, n.held, e.not_before, e.attempt_state in ('attempt_interrupted', 'pending_resume'), p_now) end,
    first_eligible_at = n.first_eligible_at,
    ready_at = n.ready_at,
    score = case when not n.eligible or (e.score is not null and e.ready_at is not null) then e.score
      else score_of(n.ready_at, e.priority, n.ageing_ms) end,
    deadline_at = n.deadline_at,
    queue_ttl_at = n.queue_ttl_at,
    due_at = runnable_due(n.deps, n.held, e.not_before, p_now, n.deadline_at, n.queue_ttl_at)
  from (
    select g.tid, g.stays, g.deps, g.held, g.eligible, g.ageing_ms,
      case when g.eligible then coalesce(g.first_eligible_at, g.eligible_at) else g.first_eligible_at end as first_eligible_at,
      case when g.eligible then coalesce(g.ready_at, g.eligible_at) else g.ready_at end as ready_at,
      case when g.eligible and g.first_eligible_at is null then g.eligible_at + g.deadline_ms else g.deadline_at end as deadline_at,
      case when g.eligible and g.first_eligible_at is null then g.eligible_at + g.queue_ttl_ms else g.queue_ttl_at end as queue_ttl_at
    from unnest(p_partitions, p_ids) as i (partition_key, id)
    cross join lateral (
      select f.*, not f.stays and is_eligible(f.deps, f.held, f.not_before, p_now) as eligible from (
        select x.ctid as tid, x.not_before, x.first_eligible_at, x.ready_at, x.deadline_ms, x.deadline_at, x.queue_ttl_ms, x.queue_ttl_at,
          (select l.ageing_ms from lane l where l.id = x.lane_id) as ageing_ms,
          x.lifecycle_phase = 'submitted' and not p_seal as stays,
          coalesce(p_deps, x.deps_blocked) as deps,
          coalesce(p_held, x.held) as held,
          case when p_by_time then coalesce(x.not_before, p_now) else p_now end as eligible_at
        from execution x
        where x.partition_key = i.partition_key and x.id = i.id and x.lifecycle_phase in ('submitted', 'runnable') limit 1
      ) f
    ) g
  ) n
  where e.ctid = n.tid
  returning e.partition_key, e.id, e.lane_id, e.flow_id, e.eligibility_state, e.due_at;
end $$;

-- Ends executions that are not terminal, by other hands than the holder's: the one way for deadlines, cancels, skips and
-- lost leases. Open attempts end as cancelled, unless `p_attempt_state` says otherwise. The caller holds the rows' locks.
create function end_executions(p_partitions integer[], p_ids uuid[], p_outcome terminal_outcome, p_ended_by ended_by,
  p_attempt_state attempt_record_state, p_cause cancel_cause, p_failure jsonb, p_now bigint)
returns table (partition_key integer, id uuid, flow_id uuid, lane_id integer, was_active boolean)
language plpgsql set search_path from current set enable_seqscan = off as $$
#variable_conflict use_column
begin
  return query
  with doomed as materialized (
    select x.* from unnest(p_partitions, p_ids) as i (partition_key, id)
    cross join lateral (
      select e.ctid as tid, e.partition_key, e.id, e.flow_id, e.lifecycle_phase, e.attempt_state, e.attempt_count, e.attempt_type,
        e.generation, e.epoch, e.lease_id, e.worker_id, e.instance_id, e.attempt_started_at,
        coalesce(e.retention_ms, (select l.retention_ms from lane l where l.id = e.lane_id)) as keep_ms
      from execution e
      where e.partition_key = i.partition_key and e.id = i.id and e.lifecycle_phase <> 'terminal' limit 1
    ) x
  ), running as (
    insert into attempt (partition_key, execution_id, idx, type, generation, state, epoch, lease_id, worker_id, instance_id,
      started_at, ended_at, ended_by, failure)
    select d.partition_key, d.id, d.attempt_count - 1, d.attempt_type, d.generation, p_attempt_state, d.epoch, d.lease_id, d.worker_id,
      d.instance_id, d.attempt_started_at, p_now, p_ended_by,
      case when p_attempt_state = 'ended_failure' then p_failure end
    from doomed d where d.lifecycle_phase = 'active'
    on conflict (partition_key, execution_id, idx) do update set state = excluded.state, epoch = excluded.epoch,
      lease_id = excluded.lease_id, worker_id = excluded.worker_id, instance_id = excluded.instance_id, ended_at = excluded.ended_at,
      ended_by = excluded.ended_by, end_op = null, end_answer = null, failure = excluded.failure
  ), put_aside as (
    update attempt a set state = case when p_attempt_state = 'ended_failure' then p_attempt_state else 'ended_cancelled' end,
      ended_at = p_now, ended_by = p_ended_by, failure = case when p_attempt_state = 'ended_failure' then p_failure end
    from doomed d cross join lateral (
      select o.ctid as tid from attempt o
      where o.partition_key = d.partition_key and o.execution_id = d.id and o.idx = d.attempt_count - 1 limit 1
    ) t
    where d.attempt_state in ('attempt_interrupted', 'pending_resume') and a.ctid = t.tid
  ), recorded as (
    insert into execution_result (partition_key, id, failure)
    select d.partition_key, d.id, p_failure from doomed d where p_failure is not null
    on conflict (partition_key, id) do update set result = null, failure = excluded.failure
  )
  update execution e set
    lifecycle_phase = 'terminal', ownership_state = 'unowned', eligibility_state = 'not_applicable', blocking_reason = 'none',
    terminal_outcome = p_outcome, attempt_state = 'attempt_terminal', public_state = ended_public_state(p_outcome),
    deps_blocked = false, held = false, not_before = null, delay_reason = null, queue_ttl_at = null, grace_ends_at = null,
    cancel_cause = case when p_outcome = 'cancelled' then coalesce(e.cancel_cause, p_cause) end,
    terminal_at = p_now, due_at = case when e.flow_id is null then p_now + d.keep_ms end
  from doomed d
  where e.ctid = d.tid
  returning e.partition_key, e.id, e.flow_id, e.lane_id, d.lifecycle_phase = 'active';
end $$;

-- ---- Lanes and routes

create function ensure_lane(p_namespace text, p_lane text) returns integer language plpgsql set search_path from current as $$
declare v_id integer;
begin
  select id into v_id from lane where namespace = p_namespace and name = p_lane;
  if v_id is null then
    insert into lane (namespace, name) values (p_namespace, p_lane) on conflict (namespace, name) do nothing;
    select id into v_id from lane where namespace = p_namespace and name = p_lane;
  end if;
  return v_id;
end $$;

-- The route's id, or null when its lane has `p_max` others.
create function ensure_route(p_namespace text, p_lane text, p_kind text, p_capabilities text[], p_max integer)
  returns integer language plpgsql set search_path from current as $$
declare
  v_lane integer := ensure_lane(p_namespace, p_lane);
  v_id integer;
begin
  select id into v_id from route where lane_id = v_lane and kind = p_kind and capabilities = p_capabilities;
  if v_id is null then
    perform 1 from lane where id = v_lane for no key update;
    -- Routes are never removed; those without work don't count, but for the ones that were made a moment ago and whose
    -- work is on its way. The long look is only for lanes that ever had so many.
    if (select count(*) from route where lane_id = v_lane) >= p_max and (
      select count(*) from (
        select e.route_id from execution e where e.lane_id = v_lane and e.lifecycle_phase <> 'terminal'
        union select r.id from route r where r.lane_id = v_lane and r.made_at > clock_timestamp() - interval '5 s'
      ) live) >= p_max then
      return null;
    end if;
    insert into route (lane_id, kind, capabilities) values (v_lane, p_kind, p_capabilities) on conflict do nothing;
    select id into v_id from route where lane_id = v_lane and kind = p_kind and capabilities = p_capabilities;
  end if;
  return v_id;
end $$;

create function raise_catalog_version() returns trigger language plpgsql set search_path from current as $$
begin
  update deployment set catalog_version = catalog_version + 1;
  return null;
end $$;
-- For each row: a lane that was there already must not lock the deployment's row before its own.
create trigger lane_changed after insert or update on lane for each row execute function raise_catalog_version();
create trigger route_changed after insert or delete on route for each statement execute function raise_catalog_version();

-- ---- The one place that emits: depth, events and the outbox follow from what a statement changed. What it must not have
-- written is refused here too.

-- V1 to V6 and V9 to V11 of the state vector, and the state that follows from it.
create function is_possible(p_phase lifecycle_phase, p_ownership ownership_state, p_eligibility eligibility_state,
  p_outcome terminal_outcome, p_attempt attempt_state, p_public public_state, p_lease uuid, p_score bigint, p_terminal_at bigint)
  returns boolean language sql immutable parallel safe
  return (p_phase = 'terminal') = (p_outcome <> 'none')
    and (p_phase = 'active') = (p_ownership = 'leased')
    and (p_ownership <> 'lease_expired_reclaimable' or p_phase = 'runnable')
    and (p_phase = 'runnable') = (p_eligibility <> 'not_applicable')
    and (p_phase = 'active') = (p_attempt = 'running_attempt')
    and (p_phase = 'terminal') = (p_attempt = 'attempt_terminal')
    and (p_phase <> 'active' or p_lease is not null)
    and (p_eligibility <> 'eligible_now' or p_score is not null)
    and (p_phase = 'terminal') = (p_terminal_at is not null)
    and (p_phase <> 'suspended' or p_attempt = 'attempt_interrupted')
    and p_public = public_state_of(p_phase, p_outcome, p_eligibility, p_attempt);

-- Set for one statement by whoever carries its ends on in the same transaction, so that no entry has to stand for them.
create function carries_ends() returns boolean language sql stable parallel safe
  return coalesce(current_setting('flowfabric.carries_ends', true) = 'on', false);

create function refuse_impossible() returns void language plpgsql as $$
begin
  raise exception 'a statement wrote an impossible state vector' using errcode = 'check_violation';
end $$;

-- One transition in the feed's form.
create function transition_entry(p_lane lane, p_kind text, p_id uuid, p_flow uuid, p_name text, p_state public_state, p_previous public_state,
  p_attempts integer, p_generation integer, p_cause cancel_cause) returns json language sql stable parallel safe
  return json_build_array('x', p_lane.namespace, p_lane.name, p_kind, p_id, p_flow, p_name, p_state, p_previous,
    case when p_attempts > 0 then p_attempts - 1 end, p_generation, p_cause);

create function execution_inserted() returns trigger language plpgsql set search_path from current set enable_seqscan = off as $$
declare
  v_tells boolean;
  v_possible boolean;
begin
  with deeper as (
    insert into lane_depth (lane_id, public_state, n)
      select lane_id, public_state, count(*) from new_rows group by lane_id, public_state
  )
  select bool_or(n.flow_id is not null or l.event_level = 'all'),
    bool_and(is_possible(n.lifecycle_phase, n.ownership_state, n.eligibility_state, n.terminal_outcome, n.attempt_state,
      n.public_state, n.lease_id, n.score, n.terminal_at))
    into v_tells, v_possible
    from new_rows n join lane l on l.id = n.lane_id;
  if not v_possible then perform refuse_impossible(); end if;

  -- Most statements concern solo executions of lanes that tell only of their ends.
  if v_tells then
    insert into event_batch (at, partitions, bodies)
      select now_ms(), array_agg(t.partition_key), array_agg(t.body) from (
        select n.partition_key, transition_entry(l, r.kind, n.id, n.flow_id,
          -- Members' infos are written before their rows.
          case when n.flow_id is not null then
            (select i.name from execution_info i where i.partition_key = n.partition_key and i.id = n.id) end,
          n.public_state, null, 0, n.generation, n.cancel_cause) as body
        from new_rows n
        join lane l on l.id = n.lane_id
        join route r on r.id = n.route_id
        where n.flow_id is not null or l.event_level = 'all'
        order by n.seq
      ) t having count(*) > 0;
  end if;
  return null;
end $$;

create function execution_updated() returns trigger language plpgsql set search_path from current set enable_seqscan = off as $$
declare
  v_ends boolean;
  v_tells boolean;
  v_possible boolean;
  v_members boolean;
  v_ties boolean;
  v_count integer;
begin
  with deeper as (
    insert into lane_depth (lane_id, public_state, n)
      select lane_id, public_state, sum(change) from (
        select lane_id, public_state, 1 as change from new_rows
        union all select lane_id, public_state, -1 from old_rows
      ) moves group by lane_id, public_state having sum(change) <> 0
  )
  select bool_or(n.terminal_outcome <> 'none'), bool_or(n.flow_id is not null or l.event_level = 'all'),
    bool_and(is_possible(n.lifecycle_phase, n.ownership_state, n.eligibility_state, n.terminal_outcome, n.attempt_state,
      n.public_state, n.lease_id, n.score, n.terminal_at)),
    bool_or(n.flow_id is not null), bool_or(n.has_ties and n.terminal_outcome <> 'none'), count(*)
    into v_ends, v_tells, v_possible, v_members, v_ties, v_count
    from new_rows n join lane l on l.id = n.lane_id;
  if not v_possible then perform refuse_impossible(); end if;

  -- Most other statements concern solo executions of lanes that tell only of their ends.
  if not v_ends and not v_tells then return null; end if;
  if v_ties then
    perform end_ties(n.partition_key, n.id) from new_rows n join old_rows o on o.id = n.id and o.partition_key = n.partition_key
      where n.has_ties and n.terminal_outcome <> 'none' and (o.terminal_outcome = 'none' or n.generation <> o.generation);
  end if;

  if v_count = 1 then
    -- As below, without what only many need: joins by hash, groups and sorting cost a single row more than its change.
    if v_ends and not carries_ends() and (v_members or (select solo_entries from deployment where singleton)) then
      insert into completion_event (partition_key, kind, flow_id, execution_id, generation)
        select n.partition_key, 'completion', n.flow_id, n.id, n.generation from new_rows n cross join old_rows o
        where o.terminal_outcome = 'none' or n.generation <> o.generation;
    end if;
    insert into event_batch (at, partitions, bodies)
      select now_ms(), array[n.partition_key], array[transition_entry(l, r.kind, n.id, n.flow_id,
        case when n.flow_id is not null then
          (select i.name from execution_info i where i.partition_key = n.partition_key and i.id = n.id) end,
        n.public_state, o.public_state, n.attempt_count, n.generation, n.cancel_cause)]
      from new_rows n cross join old_rows o
      join lane l on l.id = n.lane_id
      join route r on r.id = n.route_id
      where (n.public_state <> o.public_state or n.generation <> o.generation)
        and (n.flow_id is not null or l.event_level = 'all' or (l.event_level = 'terminal' and n.terminal_outcome <> 'none'));
    return null;
  end if;

  -- Full joins whose conditions aren't strict, behind a fence, though every row has its partner: so they are by hash, also in
  -- a plan that was made for one row.
  if v_ends and not carries_ends() then
    insert into completion_event (partition_key, kind, flow_id, execution_id, generation)
      select c.partition_key, 'completion', c.flow_id, c.id, c.generation from (
        select n.partition_key, n.flow_id, n.id, n.generation, n.seq, n.terminal_outcome
        from new_rows n full join old_rows o on o.id = n.id and o.partition_key = n.partition_key
        where coalesce(o.terminal_outcome = 'none' or n.generation <> o.generation, true) offset 0
      ) c
      where c.terminal_outcome <> 'none' and (c.flow_id is not null or (select solo_entries from deployment where singleton))
      order by c.seq;
  end if;
  insert into event_batch (at, partitions, bodies)
    select now_ms(), array_agg(t.partition_key), array_agg(t.body) from (
      select c.partition_key, transition_entry(l, r.kind, c.id, c.flow_id,
        case when c.flow_id is not null then
          (select i.name from execution_info i where i.partition_key = c.partition_key and i.id = c.id) end,
        c.public_state, c.previous_state, c.attempt_count, c.generation, c.cancel_cause) as body
      from (
        select n.partition_key, n.id, n.seq, n.flow_id, n.lane_id, n.route_id, n.public_state, o.public_state as previous_state,
          n.terminal_outcome, n.attempt_count, n.generation, n.cancel_cause
        from new_rows n full join old_rows o on o.id = n.id and o.partition_key = n.partition_key
        where coalesce(n.public_state <> o.public_state or n.generation <> o.generation, true) offset 0
      ) c
      join lane l on l.id = c.lane_id
      join route r on r.id = c.route_id
      where c.flow_id is not null or l.event_level = 'all' or (l.event_level = 'terminal' and c.terminal_outcome <> 'none')
      order by c.seq
    ) t having count(*) > 0;
  return null;
end $$;

create function execution_deleted() returns trigger language plpgsql set search_path from current set enable_seqscan = off as $$
begin
  insert into lane_depth (lane_id, public_state, n)
    select lane_id, public_state, -count(*) from old_rows group by lane_id, public_state;
  return null;
end $$;

create trigger execution_inserted after insert on execution
  referencing new table as new_rows for each statement execute function execution_inserted();
create trigger execution_updated after update on execution
  referencing old table as old_rows new table as new_rows for each statement execute function execution_updated();
create trigger execution_deleted after delete on execution
  referencing old table as old_rows for each statement execute function execution_deleted();

create function flow_changed() returns trigger language plpgsql set search_path from current as $$
begin
  if tg_op = 'UPDATE' and new.state = old.state and new.graph_revision = old.graph_revision and new.generation = old.generation then
    return null;
  end if;
  if new.has_ties and new.state in ('completed', 'failed', 'cancelled')
    and (tg_op = 'INSERT' or old.state not in ('completed', 'failed', 'cancelled')) then
    perform tell_end(new.partition_key, new.id::text, new.namespace, new.parent, new.generation,
      case new.state when 'completed' then 'success' when 'failed' then 'failed' else 'cancelled' end);
  end if;
  insert into event_batch (at, partitions, bodies) values (now_ms(), array[new.partition_key],
    array[json_build_array('f', new.namespace, new.id, new.state,
      case when tg_op = 'UPDATE' then old.state end, new.graph_revision, new.generation)]);
  return null;
end $$;
create trigger flow_changed after insert or update of state, graph_revision, generation on flow
  for each row execute function flow_changed();
