-- How incoming edges are joined: the decision of groups, and what it does to their nodes.
--
-- Locks are taken in the order flow, group, edge, execution. Whoever changes a group or an edge holds its flow's row
-- exclusively, so that two dispatchers never work on one flow at the same time and a group decides once.

-- ---- Decisions, the same as core's; a test holds the two against each other.

-- Whether this version can judge a stored policy. What it can't is never read as something else: its group stays pending.
create function is_known_policy(p_kind text, p_k integer, p_on_decided text, p_run_on text, p_n integer)
  returns boolean language sql immutable parallel safe
  return coalesce(p_kind, 'all_of') in ('all_of', 'any_of', 'quorum')
    and coalesce(p_on_decided, 'let_run') in ('cancel_remaining', 'let_run')
    and p_run_on in ('groupSatisfied', 'groupImpossible', 'always')
    and (coalesce(p_kind, 'all_of') <> 'quorum' or coalesce(p_k, 1) between 1 and p_n);

create function decide_group(p_kind text, p_k integer, p_on_decided text, p_run_on text, p_n integer,
    p_succeeded integer, p_failed integer, p_skipped integer)
  returns edge_state language sql immutable parallel safe
  return case
    when p_n = 0 or not is_known_policy(p_kind, p_k, p_on_decided, p_run_on, p_n) then 'pending'::edge_state
    when p_run_on = 'always' and p_succeeded + p_failed + p_skipped < p_n then 'pending'::edge_state
    else case coalesce(p_kind, 'all_of')
      when 'all_of' then case
        when p_succeeded = p_n then 'satisfied'::edge_state
        when p_failed + p_skipped > 0 then 'impossible'::edge_state
        else 'pending'::edge_state end
      when 'any_of' then case
        when p_succeeded >= 1 then 'satisfied'::edge_state
        when p_failed + p_skipped = p_n then 'impossible'::edge_state
        else 'pending'::edge_state end
      else case
        when p_succeeded >= coalesce(p_k, 1) then 'satisfied'::edge_state
        when p_failed + p_skipped > p_n - coalesce(p_k, 1) then 'impossible'::edge_state
        else 'pending'::edge_state end
      end
    end;

-- Whether a decision cancels upstreams that still run, and the reason that the group then records.
create function sibling_cancel_reason(p_kind text, p_on_decided text, p_decision edge_state)
  returns text language sql immutable parallel safe
  return case
    when coalesce(p_kind, 'all_of') = 'all_of' then
      case when p_decision = 'impossible' and p_on_decided = 'cancel_remaining' then 'sibling_quorum_impossible' end
    when p_on_decided = 'let_run' then null
    when p_decision = 'satisfied' then 'sibling_quorum_satisfied'
    else 'sibling_quorum_impossible' end;

-- What a decided group does to its node.
create function node_fate(p_run_on text, p_decision edge_state)
  returns text language sql immutable parallel safe
  return case
    when p_run_on = 'always' then 'run'
    when (p_run_on = 'groupSatisfied') = (p_decision = 'satisfied') then 'run'
    else 'skip' end;

-- ---- Resolution

-- What one step made of a group.
create type group_step as (
  partition_key integer,
  downstream_id uuid,
  flow_id uuid,
  -- Place of the last outbox entry among those that moved it.
  ordinal integer,
  -- Edges of it that this step resolved, of `n`.
  picked integer,
  n integer,
  -- Null unless this step decided it.
  decided edge_state,
  -- What becomes of its node in this step, if anything: 'run', 'skip', or 'cancel' in a cancelling flow that doesn't spare it.
  fate text,
  reason text
);

-- Resolves edges by the recorded ends of their upstreams, counts each once in its group, and carries out what the groups
-- then decide. Judges the groups of `p_judged` too, with whatever they have counted. The callers hold the flows' rows,
-- and have looked at the upstreams since. Of the flows that are cancelling, those of `p_sparing` let their `always` nodes run.
create function resolve_edges(
  p_partitions integer[], p_upstreams uuid[], p_downstreams uuid[], p_ends public_state[], p_ordinals integer[],
  p_judged_partition integer, p_judged uuid[], p_cancelling uuid[], p_sparing uuid[], p_cancels_siblings boolean, p_now bigint,
  out steps group_step[], out edges integer, out skipped uuid[], out moving uuid[], out ready_lanes integer[], out next_due_at bigint,
  out fires boolean)
language plpgsql set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  -- Known from one look at the steps: every statement that need not run is time saved on each hop.
  v_sees_more boolean;
  v_run_partitions integer[]; v_run uuid[];
  v_skip_partitions integer[]; v_skip uuid[];
  v_cancel_partitions integer[]; v_cancel uuid[];
begin
  with picked as (
    select p.partition_key, p.downstream_id, max(p.ordinal) as ordinal, count(*)::integer as picked,
      (count(*) filter (where p.ended = 'completed'))::integer as succeeded,
      (count(*) filter (where p.ended in ('failed', 'cancelled', 'expired')))::integer as failed,
      (count(*) filter (where p.ended = 'skipped'))::integer as skipped
    from unnest(p_partitions, p_downstreams, p_ends, p_ordinals) as p(partition_key, downstream_id, ended, ordinal)
    group by p.partition_key, p.downstream_id
    union all
    select p_judged_partition, d.id, null, 0, 0, 0, 0 from unnest(p_judged) as d(id)
  ), counted as materialized (
    -- By itself, so that each decision is made once, and what follows from it is part of the statement.
    select g.partition_key, g.downstream_id, p.ordinal, p.picked, g.state as was, g.released as was_released,
      g.succeeded + p.succeeded as succeeded, g.failed + p.failed as failed, g.skipped + p.skipped as skipped,
      case when g.state <> 'pending' then g.state else decide_group(g.policy_kind, g.k, g.on_decided, g.run_on, g.n,
        g.succeeded + p.succeeded, g.failed + p.failed, g.skipped + p.skipped) end as state
    from picked p join edge_group g on g.partition_key = p.partition_key and g.downstream_id = p.downstream_id
  ), changed as (
    update edge_group g set
      succeeded = c.succeeded, failed = c.failed, skipped = c.skipped, state = c.state,
      released = c.was_released or (c.state <> 'pending' and (not g.settled or c.succeeded + c.failed + c.skipped = g.n)),
      cancel_reason = case when c.was = 'pending' and p_cancels_siblings and c.state <> 'pending'
        then sibling_cancel_reason(g.policy_kind, g.on_decided, c.state) else g.cancel_reason end,
      cancel_pending = g.cancel_pending or (c.was = 'pending' and p_cancels_siblings and c.state <> 'pending'
        and sibling_cancel_reason(g.policy_kind, g.on_decided, c.state) is not null)
    from counted c
    where g.partition_key = c.partition_key and g.downstream_id = c.downstream_id
    returning g.partition_key, g.downstream_id, g.flow_id, c.ordinal, c.picked, g.n,
      case when c.was = 'pending' and g.state <> 'pending' then g.state end as decided,
      case when g.released and not c.was_released then
        case when g.flow_id = any(p_cancelling) and not (g.run_on = 'always' and g.flow_id = any(p_sparing)) then 'cancel'
          else node_fate(g.run_on, g.state) end
      end as fate,
      case when c.was = 'pending' then g.cancel_reason end as reason
  )
  select array_agg((partition_key, downstream_id, flow_id, ordinal, picked, n, decided, fate, reason)::group_step),
    bool_or(decided is not null and picked < n), bool_or(reason is not null),
    array_agg(partition_key) filter (where fate = 'run'), array_agg(downstream_id) filter (where fate = 'run'),
    array_agg(partition_key) filter (where fate = 'skip'), array_agg(downstream_id) filter (where fate = 'skip'),
    array_agg(partition_key) filter (where fate = 'cancel'), array_agg(downstream_id) filter (where fate = 'cancel')
  into steps, v_sees_more, fires, v_run_partitions, v_run, v_skip_partitions, v_skip, v_cancel_partitions, v_cancel
  from changed;

  edges := coalesce(cardinality(p_upstreams), 0);
  if edges > 0 then
    -- A named edge keeps what its node will see of the upstream: its state when the group decided.
    update edge e set
      state = case when p.ended = 'completed' then 'satisfied'::edge_state else 'impossible'::edge_state end,
      seen_state = case when g.state <> 'pending' and e.as_name is not null and e.seen_state is null then p.ended else e.seen_state end,
      seen_satisfied = case when g.state <> 'pending' and e.as_name is not null and e.seen_state is null
        then p.ended = 'completed' else e.seen_satisfied end
    from unnest(p_partitions, p_upstreams, p_downstreams, p_ends) as p(partition_key, upstream_id, downstream_id, ended)
    join edge_group g on g.partition_key = p.partition_key and g.downstream_id = p.downstream_id
    where e.partition_key = p.partition_key and e.upstream_id = p.upstream_id and e.downstream_id = p.downstream_id
      and e.state = 'pending';
    get diagnostics edges = row_count;
  end if;
  if v_sees_more then
    update edge e set seen_state = u.public_state, seen_satisfied = e.state = 'satisfied'
    from unnest(steps) s, execution u
    where s.decided is not null and s.picked < s.n
      and e.partition_key = s.partition_key and e.downstream_id = s.downstream_id
      and e.as_name is not null and e.seen_state is null
      and u.partition_key = e.partition_key and u.id = e.upstream_id;
  end if;
  if fires then
    insert into pending_cancel_group (partition_key, flow_id, downstream_id, enqueued_at)
      select s.partition_key, s.flow_id, s.downstream_id, p_now from unnest(steps) s where s.reason is not null
      on conflict do nothing;
  end if;
  if v_run is not null then
    select l.moving, l.ready_lanes, l.next_due_at into moving, ready_lanes, next_due_at from lift_dependencies(v_run_partitions, v_run, p_now) l;
  end if;
  skipped := '{}';
  if v_skip is not null then
    skipped := end_blocked(v_skip_partitions, v_skip, 'skipped', null, p_now);
  end if;
  if v_cancel is not null then
    perform end_blocked(v_cancel_partitions, v_cancel, 'cancelled', 'flow', p_now);
  end if;
end $$;

-- Lifts the dependency block, and nothing else: a start time and an operator's hold stay. Tells the flows that so have an
-- open member.
create function lift_dependencies(p_partitions integer[], p_ids uuid[], p_now bigint,
  out moving uuid[], out ready_lanes integer[], out next_due_at bigint)
language plpgsql set search_path from current set plan_cache_mode = force_generic_plan as $$
begin
  -- Everything is said of the row's own present columns, so that no lock has to be taken beforehand.
  with let_go as (
    update execution x set
      deps_blocked = false,
      eligibility_state = runnable_eligibility(false, x.held, x.not_before, p_now),
      blocking_reason = runnable_reason(false, x.held, x.not_before, x.delay_reason, p_now),
      public_state = runnable_public_state(false, x.held, x.not_before, false, p_now),
      not_before = case when is_eligible(false, x.held, x.not_before, p_now) then null else x.not_before end,
      delay_reason = case when is_eligible(false, x.held, x.not_before, p_now) then null else x.delay_reason end,
      first_eligible_at = case when is_eligible(false, x.held, x.not_before, p_now) then coalesce(x.first_eligible_at, p_now) else x.first_eligible_at end,
      ready_at = case when is_eligible(false, x.held, x.not_before, p_now) then coalesce(x.ready_at, p_now) else x.ready_at end,
      score = case when is_eligible(false, x.held, x.not_before, p_now) and x.ready_at is null then score_of(p_now, x.priority, l.ageing_ms) else x.score end,
      deadline_at = case when is_eligible(false, x.held, x.not_before, p_now) then coalesce(x.deadline_at, p_now + x.deadline_ms) else x.deadline_at end,
      queue_ttl_at = case when is_eligible(false, x.held, x.not_before, p_now) then coalesce(x.queue_ttl_at, p_now + x.queue_ttl_ms) else x.queue_ttl_at end,
      due_at = case when is_eligible(false, x.held, x.not_before, p_now)
        then least(coalesce(x.deadline_at, p_now + x.deadline_ms), coalesce(x.queue_ttl_at, p_now + x.queue_ttl_ms))
        else runnable_due(false, x.held, x.not_before, p_now, x.deadline_at, x.queue_ttl_at) end
    from unnest(p_partitions, p_ids) as p(partition_key, id), lane l
    where x.partition_key = p.partition_key and x.id = p.id and l.id = x.lane_id
      and x.lifecycle_phase = 'runnable' and x.deps_blocked
    returning x.flow_id, x.lane_id, x.eligibility_state, x.due_at
  )
  select array_agg(flow_id), array_agg(lane_id) filter (where eligibility_state = 'eligible_now'), min(due_at)
    into moving, ready_lanes, next_due_at from let_go;
end $$;

-- Ends nodes that wait for a group, and so have neither lease nor open attempt. Answers those that had not ended before.
create function end_blocked(p_partitions integer[], p_ids uuid[], p_outcome terminal_outcome, p_cause cancel_cause, p_now bigint)
returns uuid[] language plpgsql set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  v_ended uuid[];
begin
  with ended as (
    update execution x set
      lifecycle_phase = 'terminal', ownership_state = 'unowned', eligibility_state = 'not_applicable', blocking_reason = 'none',
      terminal_outcome = p_outcome, attempt_state = 'attempt_terminal', public_state = ended_public_state(p_outcome), deps_blocked = false, held = false, not_before = null,
      delay_reason = null, queue_ttl_at = null, grace_ends_at = null, cancel_cause = p_cause, terminal_at = p_now, due_at = null
    from unnest(p_partitions, p_ids) as p(partition_key, id)
    where x.partition_key = p.partition_key and x.id = p.id and x.lifecycle_phase = 'runnable' and x.deps_blocked
    returning x.id
  )
  select array_agg(id) into v_ended from ended;
  return coalesce(v_ended, '{}');
end $$;
