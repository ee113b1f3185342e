-- Flows: submission, the decision of groups, and the hop that carries an end to its downstreams.
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

-- ---- Submission

-- Stores nodes, groups and edges of several flows at once. `f` of a node or edge is the index of its flow in the arrays;
-- those whose flow is null there are left out. Roots of drafts wait for the seal. Upstreams' ends are not looked at here.
create function insert_members(p_partitions integer[], p_flows uuid[], p_namespaces text[], p_drafts boolean[],
  p_nodes json, p_edges json, p_now bigint) returns void
language plpgsql set search_path from current set plan_cache_mode = force_generic_plan as $$
begin
  with node as materialized (
    select n.*, p_partitions[n.f] as partition_key, p_flows[n.f] as flow_id, p_namespaces[n.f] as namespace, l.ageing_ms,
      p_drafts[n.f] and n.n is null as is_draft_root,
      not p_drafts[n.f] and n.n is null and coalesce(coalesce(n.start, p_now + n.delay) <= p_now, true) as is_ready,
      case when coalesce(n.start, p_now + n.delay) > p_now then coalesce(n.start, p_now + n.delay) end as not_before
    from json_to_recordset(p_nodes) as n(
      o integer, f integer, id uuid, lane integer, route integer, kind text, name text, priority integer, start bigint, delay bigint,
      deadline bigint, ttl bigint, timeout bigint, reclaims integer, retention bigint, tags jsonb, input text, hash text, retry jsonb,
      trace text, n integer, policy text, k integer, decided text, run text, settled boolean, shared boolean, ancestors text)
    join lane l on l.id = n.lane
    where p_flows[n.f] is not null
  ), infos as (
    insert into execution_info (partition_key, id, namespace, lane_id, kind, name, tags, input, input_hash, retry, trace_context, created_at)
    select partition_key, id, namespace, lane, kind, name, coalesce(tags, '{}'), decode(input, 'base64'), convert_to(hash, 'UTF8'),
      retry, trace, p_now
    from node
  ), groups as (
    insert into edge_group (partition_key, downstream_id, flow_id, policy_kind, k, on_decided, run_on, settled, cancel_shared, ancestors, n)
    select partition_key, id, flow_id, policy, k, decided, coalesce(run, 'groupSatisfied'), coalesce(settled, false),
      coalesce(shared, false), coalesce(ancestors, 'cancel'), n
    from node where n is not null
  )
  insert into execution (partition_key, id, lane_id, route_id, flow_id, lifecycle_phase, eligibility_state, blocking_reason,
    attempt_state, priority, score, ready_at, first_eligible_at, deps_blocked, not_before, delay_reason, always_node, deadline_ms,
    queue_ttl_ms, attempt_timeout_ms, max_reclaims, retention_ms, deadline_at, queue_ttl_at, due_at, created_at)
  select partition_key, id, lane, route, flow_id,
    case when is_draft_root then 'submitted' else 'runnable' end::lifecycle_phase,
    case when is_draft_root then 'not_applicable' else runnable_eligibility(n is not null, false, not_before, p_now) end,
    case when is_draft_root then 'none' else runnable_reason(n is not null, false, not_before, 'start_time', p_now) end,
    'pending_first_attempt', priority,
    case when is_ready then score_of(p_now, priority, ageing_ms) end,
    case when is_ready then p_now end,
    case when is_ready then p_now end,
    n is not null, not_before, case when not_before is not null then 'start_time'::delay_reason end, coalesce(run = 'always', false),
    deadline, ttl, timeout, reclaims, retention,
    case when is_ready then p_now + deadline end,
    case when is_ready then p_now + ttl end,
    case when is_ready then least(p_now + deadline, p_now + ttl) when n is null and not is_draft_root then not_before end,
    p_now
  from node order by o;

  insert into edge (partition_key, upstream_id, downstream_id, id, flow_id, as_name)
  select p_partitions[e.f], e.up, e.down, e.id, p_flows[e.f], e."as"
  from json_to_recordset(p_edges) as e(f integer, up uuid, down uuid, id uuid, "as" text)
  where p_flows[e.f] is not null;
end $$;

-- What a live idempotency key says of a submission: whether it conflicts, or which flow it is that still stands.
create function recorded_flow(p_namespace text, p_key text, p_kind text, p_content bytea, p_now bigint, out outcome text, out flow_id uuid)
language plpgsql stable set search_path from current as $$
declare
  v_key record;
begin
  select kind, content_hash, target into v_key from idempotency_key
    where namespace = p_namespace and key = p_key and expires_at > p_now;
  if not found then return; end if;
  if v_key.kind <> p_kind or v_key.content_hash <> p_content then
    outcome := 'idempotency_conflict';
    return;
  end if;
  -- A recorded id without a flow is of no use to nodes of another partition: the key is then recorded anew.
  select f.id into flow_id from flow f
    where f.partition_key = substring(v_key.target from 5 for position('}' in v_key.target) - 5)::integer
      and f.id = right(v_key.target, 36)::uuid;
  if found then outcome := 'duplicate'; end if;
end $$;

-- Records a key. Who committed a live one since the look makes this step start again.
create function record_flow_key(p_namespace text, p_key text, p_kind text, p_content bytea, p_partition integer, p_flow uuid,
  p_expires_at bigint, p_now bigint) returns void
language plpgsql set search_path from current set plan_cache_mode = force_generic_plan as $$
begin
  insert into idempotency_key (namespace, key, target, kind, content_hash, expires_at)
    values (p_namespace, p_key, format('{fp:%s}:%s', p_partition, p_flow), p_kind, p_content, p_expires_at)
    on conflict (namespace, key) do update set target = excluded.target, kind = excluded.kind,
      content_hash = excluded.content_hash, expires_at = excluded.expires_at
    where idempotency_key.expires_at <= p_now or not exists (select 1 from flow f where f.id = right(idempotency_key.target, 36)::uuid
      and f.partition_key = substring(idempotency_key.target from 5 for position('}' in idempotency_key.target) - 5)::integer);
  if not found and (select outcome from recorded_flow(p_namespace, p_key, p_kind, p_content, p_now)) is distinct from 'duplicate' then
    raise exception 'an idempotency key was recorded meanwhile' using errcode = '40001';
  end if;
end $$;

-- Accepts whole graphs, each all or nothing; a refused one leaves its neighbours unharmed.
create function submit_flows(p_flows json, p_nodes json, p_edges json)
returns table (i integer, outcome text, flow_id uuid, lane_id integer, lane_state text)
language plpgsql set search_path from current set plan_cache_mode = force_generic_plan set jit = off set lock_timeout = '2s' as $$
#variable_conflict use_column
declare
  v_now bigint := now_ms();
  v record;
  v_known record;
  v_count integer := json_array_length(p_flows);
  v_partitions integer[] := array_fill(null::integer, array[v_count]);
  v_accepted uuid[] := array_fill(null::uuid, array[v_count]);
  v_namespaces text[] := array_fill(null::text, array[v_count]);
begin
  -- In order, so that two calls never wait for each other's keys and flows in a circle.
  for v in select f.*, decode(f.hash, 'hex') as graph_hash, decode(f.content, 'hex') as key_hash
    from json_to_recordset(p_flows) as f(
      i integer, pk integer, id uuid, ns text, name text, hash text, content text, deadline bigint, tags jsonb, key text, ttl bigint,
      lanes integer[])
    order by f.key, f.id
  loop
    i := v.i;
    flow_id := v.id;
    lane_id := null;
    lane_state := null;
    outcome := null;
    if v.key is not null then
      select k.outcome, coalesce(k.flow_id, v.id) into outcome, flow_id from recorded_flow(v.ns, v.key, '@flow', v.key_hash, v_now) k;
    end if;
    if outcome is null then
      select f.namespace, f.graph_hash into v_known from flow f where f.partition_key = v.pk and f.id = v.id;
      if found then
        outcome := case when v_known.namespace = v.ns and v_known.graph_hash = v.graph_hash then 'duplicate' else 'flow_conflict' end;
      else
        select l.id, l.state into lane_id, lane_state from lane l
          where l.id = any(v.lanes) and l.state in ('draining', 'disabled') order by array_position(v.lanes, l.id) limit 1;
        if found then
          outcome := 'lane_not_accepting';
        else
          insert into flow (partition_key, id, namespace, name, state, tags, graph_hash, created_at, deadline_ms, deadline_at, due_at)
            values (v.pk, v.id, v.ns, v.name, 'open', coalesce(v.tags, '{}'), v.graph_hash, v_now, v.deadline,
              v_now + v.deadline, v_now + v.deadline)
            on conflict do nothing;
          if not found then raise exception 'the flow was submitted meanwhile' using errcode = '40001'; end if;
          outcome := 'accepted';
          v_partitions[v.i] := v.pk;
          v_accepted[v.i] := v.id;
          v_namespaces[v.i] := v.ns;
        end if;
      end if;
      if v.key is not null and outcome in ('accepted', 'duplicate') then
        perform record_flow_key(v.ns, v.key, '@flow', v.key_hash, v.pk, v.id, v_now + v.ttl, v_now);
      end if;
    end if;
    return next;
  end loop;
  perform insert_members(v_partitions, v_accepted, v_namespaces, array_fill(false, array[v_count]), p_nodes, p_edges, v_now);
end $$;

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
  out steps group_step[], out edges integer, out skipped uuid[], out moving uuid[], out ready_lanes integer[], out next_due_at bigint)
language plpgsql set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  -- Known from one look at the steps: every statement that need not run is time saved on each hop.
  v_sees_more boolean; v_has_reason boolean;
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
  ), counted as (
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
  into steps, v_sees_more, v_has_reason, v_run_partitions, v_run, v_skip_partitions, v_skip, v_cancel_partitions, v_cancel
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
  if v_has_reason then
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
      terminal_outcome = p_outcome, attempt_state = 'attempt_terminal', deps_blocked = false, held = false, not_before = null,
      delay_reason = null, queue_ttl_at = null, grace_ends_at = null, cancel_cause = p_cause, terminal_at = p_now, due_at = null
    from unnest(p_partitions, p_ids) as p(partition_key, id)
    where x.partition_key = p.partition_key and x.id = p.id and x.lifecycle_phase = 'runnable' and x.deps_blocked
    returning x.id
  )
  select array_agg(id) into v_ended from ended;
  return coalesce(v_ended, '{}');
end $$;

-- ---- The hop

create type outbox_entry as (
  ordinal integer,
  partition_key integer,
  id uuid,
  flow_id uuid,
  execution_id uuid,
  generation integer
);

-- Never due: entries of a flow in which nothing is decided now. Whoever opens the flow sets them due again.
create function parked_until() returns bigint language sql immutable parallel safe return 9000000000000000;

-- Carries out the due entries of these partitions, or one entry: of each upstream at most `p_hop` edges, and `p_call` in all.
-- Ends that this brings about in the same flows are carried on within the same bounds, unless `p_settles` is off: then each
-- end and each settlement is an entry of its own. Entries of other kinds than `completion` are only named, for the caller
-- to carry out. The entries' row locks are their claim: a crash gives them back.
create function dispatch_entries(p_partitions integer[], p_entry uuid, p_max integer, p_hop integer, p_call integer,
  p_settles boolean, p_tells boolean) returns jsonb
language plpgsql set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off set lock_timeout = '100ms' as $$
#variable_conflict use_column
declare
  v_now bigint := now_ms();
  v_entries outbox_entry[];
  v_others jsonb;
  v_taken integer;
  v_flows uuid[]; v_parked uuid[]; v_cancelling uuid[]; v_sparing uuid[]; v_unmarked uuid[]; v_still uuid[];
  v_hop record;
  v_items jsonb;
  v_edges integer := 0;
  v_moving uuid[];
  v_lanes integer[];
  v_due bigint;
  v_lost jsonb;
  v_more boolean;
begin
  with due as materialized (
    select e.partition_key, e.id, e.kind, e.flow_id, e.execution_id, e.generation, e.seq
    from unnest(p_partitions) as p(key)
    cross join lateral (
      select c.* from completion_event c
      where c.partition_key = p.key and (p_entry is null or c.id = p_entry) and (c.available_at <= v_now or c.id = p_entry)
      order by c.available_at, c.seq limit p_max for update skip locked
    ) e
    limit p_max
  )
  select count(*)::integer,
    array_agg((row_number, partition_key, id, flow_id, execution_id, generation)::outbox_entry) filter (where kind = 'completion'),
    jsonb_agg(jsonb_build_object('id', id, 'kind', kind, 'partition', partition_key, 'flow', flow_id)) filter (where kind <> 'completion')
  into v_taken, v_entries, v_others
  from (select due.*, row_number() over (order by seq)::integer as row_number from due) numbered;
  if v_taken = 0 then return null; end if;
  v_more := v_taken = p_max;

  -- From here on nobody else changes these flows' edges and groups.
  select array_agg(f.id) filter (where f.state not in ('draft', 'replaying')),
    array_agg(f.id) filter (where f.state in ('draft', 'replaying')),
    array_agg(f.id) filter (where f.state = 'cancelling'),
    array_agg(f.id) filter (where f.state = 'cancelling' and f.cancel_finalisers),
    array_agg(f.id) filter (where not f.unprojected)
  into v_flows, v_parked, v_cancelling, v_sparing, v_unmarked
  from (
    select f.id, f.state, f.cancel_finalisers, f.unprojected from flow f
    join (select distinct partition_key, flow_id from unnest(v_entries) where flow_id is not null) e
      on f.partition_key = e.partition_key and f.id = e.flow_id
    order by f.id for no key update of f
  ) f;
  v_now := now_ms();
  if v_parked is not null then
    update completion_event c set available_at = parked_until() from unnest(v_entries) e
      where c.partition_key = e.partition_key and c.id = e.id and e.flow_id = any(v_parked);
    v_entries := array(select e from unnest(v_entries) e where e.flow_id is null or e.flow_id <> all(v_parked));
  end if;

  for v_round in 1 .. 64 loop
    exit when coalesce(cardinality(v_entries), 0) = 0;
    select * into v_hop from hop_entries(v_entries, v_flows, coalesce(v_cancelling, '{}'), coalesce(v_sparing, '{}'),
      p_hop, p_call - v_edges, p_tells, v_now);
    v_edges := v_edges + v_hop.edges;
    v_moving := v_moving || v_hop.moving;
    v_lanes := v_lanes || v_hop.ready_lanes;
    v_due := least(v_due, v_hop.next_due_at);
    if p_tells then v_items := coalesce(v_items, '[]') || v_hop.items; end if;
    if v_hop.lost is not null then v_lost := coalesce(v_lost, '[]') || v_hop.lost; end if;
    v_more := v_more or v_hop.unfinished;
    exit when v_hop.skipped = 0 and v_hop.lost is null;
    if not p_settles or p_entry is not null or v_edges >= p_call or v_round = 64 then
      v_more := true;
      exit;
    end if;
    -- The ends that came of it, of flows that are locked already: no other lock is taken late.
    select array_agg((row_number, partition_key, id, flow_id, execution_id, generation)::outbox_entry) into v_entries
    from (
      select c.*, row_number() over (order by seq)::integer from (
        select c.partition_key, c.id, c.flow_id, c.execution_id, c.generation, c.seq from completion_event c
        where c.flow_id = any(v_flows) and c.kind = 'completion' and c.available_at <= v_now
        order by c.seq limit p_max for update skip locked
      ) c
    ) numbered;
  end loop;

  if v_unmarked is not null then update flow f set unprojected = true where f.id = any(v_unmarked); end if;
  v_still := case when v_moving is null then v_flows else array(select f.id from unnest(v_flows) as f(id) where f.id <> all(v_moving)) end;
  return jsonb_build_object('items', v_items, 'others', v_others, 'lanes', v_lanes, 'due', v_due, 'lost', v_lost, 'more', v_more,
    -- Where losers are left to be cancelled, so that it is told at once.
    'cancels', (select jsonb_agg(distinct g.partition_key) from pending_cancel_group g
      where g.partition_key = any(p_partitions) and g.flow_id = any(v_flows)),
    'settled', case when cardinality(v_still) > 0 then settle_flows(v_still, p_settles, v_now) end);
end $$;

-- One hop of these entries, whose flows are locked.
create function hop_entries(p_entries outbox_entry[], p_flows uuid[], p_cancelling uuid[], p_sparing uuid[], p_hop integer,
  p_call integer, p_tells boolean, p_now bigint,
  out edges integer, out skipped integer, out unfinished boolean, out moving uuid[], out ready_lanes integer[], out next_due_at bigint,
  out lost jsonb, out items jsonb)
language plpgsql set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  v_up integer[]; v_upstreams uuid[]; v_downstreams uuid[]; v_ends public_state[]; v_ordinals integer[];
  v_noops uuid[];
  v_unfinished uuid[];
  v_corrupt jsonb;
  v_corrupt_ids uuid[];
  v_pulls outbox_entry[];
  v_has_wanted boolean;
  v_steps group_step[];
  v_skipped uuid[] := '{}';
begin
  -- Edges by the upstreams' recorded ends. One whose group or node can't be read is left alone, and named.
  with upstream as materialized (
    select e.ordinal, e.partition_key, e.id, e.execution_id, u.public_state as ended,
      u.id is not null and u.lifecycle_phase = 'terminal' and u.generation = e.generation as stands,
      u.cancel_cause in ('sibling', 'ancestor') and u.wanted_ancestors as pulls
    from unnest(p_entries) e left join execution u on u.partition_key = e.partition_key and u.id = e.execution_id
  ), candidate as materialized (
    select u.ordinal, u.partition_key, u.id, u.execution_id, u.ended, o.downstream_id, o.is_whole, o.place,
      row_number() over (order by u.ordinal, o.place) as place_in_call
    from upstream u cross join lateral (
      select o.downstream_id, g.downstream_id is not null and d.id is not null as is_whole,
        row_number() over (order by g.downstream_id is null or d.id is null, o.downstream_id) as place
      from edge o
      left join edge_group g on g.partition_key = o.partition_key and g.downstream_id = o.downstream_id
      left join execution d on d.partition_key = o.partition_key and d.id = o.downstream_id
      where o.partition_key = u.partition_key and o.upstream_id = u.execution_id and o.state = 'pending'
      order by place limit p_hop + 1
    ) o
    where u.stands
  )
  select
    exists (select 1 from execution w where w.flow_id = any(p_flows) and w.wanted is not null and w.lifecycle_phase <> 'terminal'),
    (select array_agg(u.id) from upstream u where not u.stands),
    (select array_agg((u.ordinal, u.partition_key, u.id, null, u.execution_id, null)::outbox_entry) from upstream u where u.stands and u.pulls),
    array_agg(c.partition_key) filter (where c.taken), array_agg(c.execution_id) filter (where c.taken),
    array_agg(c.downstream_id) filter (where c.taken), array_agg(c.ended) filter (where c.taken),
    array_agg(c.ordinal) filter (where c.taken),
    array_agg(c.id) filter (where not c.taken and c.is_whole),
    jsonb_agg(jsonb_build_object('id', c.id, 'edge', c.execution_id::text || '>' || c.downstream_id::text)) filter (where not c.is_whole),
    array_agg(c.id) filter (where not c.is_whole)
  into v_has_wanted, v_noops, v_pulls, v_up, v_upstreams, v_downstreams, v_ends, v_ordinals, v_unfinished, v_corrupt, v_corrupt_ids
  from (select candidate.*, is_whole and place <= p_hop and place_in_call <= p_call as taken from candidate) c;

  edges := 0;
  skipped := 0;
  unfinished := v_unfinished is not null;
  if v_up is not null then
    select r.steps, r.edges, r.skipped, r.moving, r.ready_lanes, r.next_due_at
      into v_steps, edges, v_skipped, moving, ready_lanes, next_due_at
      from resolve_edges(v_up, v_upstreams, v_downstreams, v_ends, v_ordinals, null, '{}', p_cancelling, p_sparing, true, p_now) r;
    skipped := cardinality(v_skipped);
  end if;
  if v_pulls is not null then perform want_ancestors(v_pulls); end if;
  if v_has_wanted or v_pulls is not null then lost := judge_wanted(p_flows, 1000, p_now); end if;

  -- Entries whose work is done go; one with an unreadable edge is taken again, later and later.
  delete from completion_event c using unnest(p_entries) e
    where c.partition_key = e.partition_key and c.id = e.id
      and c.id <> all(coalesce(v_unfinished, '{}')) and c.id <> all(coalesce(v_corrupt_ids, '{}'));
  if v_corrupt is not null then
    update completion_event c set failures = c.failures + 1, available_at = p_now + least(60000, 100 * 2 ^ least(c.failures, 10))::bigint
      from unnest(p_entries) e
      where c.partition_key = e.partition_key and c.id = e.id and c.id = any(v_corrupt_ids) and c.id <> all(coalesce(v_unfinished, '{}'));
  end if;

  if not p_tells then return; end if;
  select jsonb_agg(jsonb_build_object('id', e.id, 'partition', e.partition_key, 'flow', e.flow_id, 'execution', e.execution_id,
    'noop', e.id = any(coalesce(v_noops, '{}')), 'edges', coalesce(a.edges, 0), 'satisfied', coalesce(a.satisfied, 0),
    'impossible', coalesce(a.impossible, 0), 'skipped', coalesce(a.skipped, 0),
    'corrupt', case when e.id = any(v_corrupt_ids)
      then (select jsonb_agg(c -> 'edge') from jsonb_array_elements(v_corrupt) c where c ->> 'id' = e.id::text) end) order by e.ordinal)
  into items
  from unnest(p_entries) e
  left join (
    -- A group's decision is the work of the last of its edges that came.
    select w.ordinal, sum(w.edges) as edges, sum(w.satisfied) as satisfied, sum(w.impossible) as impossible, sum(w.skipped) as skipped
    from (
      select o.ordinal, 1 as edges, 0 as satisfied, 0 as impossible, 0 as skipped from unnest(v_ordinals) as o(ordinal)
      union all
      select s.ordinal, 0, (s.decided = 'satisfied')::integer, (s.decided = 'impossible')::integer,
        (s.downstream_id = any(v_skipped))::integer
      from unnest(v_steps) s
    ) w group by w.ordinal
  ) a on a.ordinal = e.ordinal;
end $$;

-- Settles those of these flows, which the caller holds, whose members have all ended and whose ends have all been looked
-- at. A flow in which something ended other than well leaves an entry instead, without `p_settles` each does: judging it
-- takes the whole graph.
create function settle_flows(p_flows uuid[], p_settles boolean, p_now bigint) returns jsonb language plpgsql
set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  v_settled jsonb;
begin
  with ended as materialized (
    select f.partition_key, f.id, f.state, f.generation
    from flow f
    where f.id = any(p_flows)
      and (f.state in ('open', 'cancelling') or (f.state = 'cancelled' and f.due_at is null))
      and not exists (select 1 from execution m where m.flow_id = f.id and m.lifecycle_phase <> 'terminal')
      and not exists (select 1 from completion_event c where c.flow_id = f.id and c.kind in ('completion', 'flow_settled'))
  ), judged as materialized (
    select n.*, coalesce(m.went_well, true) as went_well, coalesce(m.purge_at, p_now + 86400000) as purge_at
    from ended n cross join lateral (
      select bool_and(x.terminal_outcome in ('success', 'skipped')
          or (x.terminal_outcome = 'cancelled' and x.cancel_cause in ('sibling', 'ancestor'))) as went_well,
        max(x.terminal_at + coalesce(x.retention_ms, l.retention_ms)) as purge_at
      from execution x join lane l on l.id = x.lane_id where x.flow_id = n.id
    ) m
  ), left_over as (
    insert into completion_event (partition_key, kind, flow_id, generation)
    select partition_key, 'flow_settled', id, generation from judged where state <> 'cancelled' and not (p_settles and (went_well or state = 'cancelling'))
    returning partition_key, id, flow_id
  ), written as (
    update flow f set
      state = case j.state when 'open' then 'completed'::flow_state else 'cancelled'::flow_state end,
      terminal_at = coalesce(f.terminal_at, p_now), due_at = j.purge_at, unprojected = true
    from judged j
    where f.partition_key = j.partition_key and f.id = j.id
      and (j.state = 'cancelled' or (p_settles and (j.went_well or j.state = 'cancelling')))
    returning f.id, f.state, j.state as was
  )
  select jsonb_build_object(
    'flows', (select jsonb_agg(jsonb_build_object('id', id, 'state', state)) from written where was <> 'cancelled'),
    'others', (select jsonb_agg(jsonb_build_object('id', id, 'kind', 'flow_settled', 'partition', partition_key, 'flow', flow_id)) from left_over))
  into v_settled;
  return v_settled;
end $$;

-- ---- Sibling and ancestor cancels

-- Marks the upstreams of members that were cancelled as losers: nobody may need those either.
create function want_ancestors(p_cancelled outbox_entry[]) returns void language plpgsql
set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
begin
  update execution u set wanted = 'ancestor', wanted_ancestors = true
  from unnest(p_cancelled) c, edge e
  where e.partition_key = c.partition_key and e.downstream_id = c.execution_id
    and u.partition_key = e.partition_key and u.id = e.upstream_id
    and u.lifecycle_phase <> 'terminal' and u.wanted is null;
end $$;

-- Whether an execution is still of use: an edge leads to a node that is not terminal, is no `always` node, and whose group
-- has not decided. The same as core's `isNeeded`.
create function is_needed(p_partition integer, p_id uuid) returns boolean language sql stable
set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
  select exists (
    select 1 from edge o
    join edge_group g on g.partition_key = o.partition_key and g.downstream_id = o.downstream_id
    join execution d on d.partition_key = o.partition_key and d.id = o.downstream_id
    where o.partition_key = p_partition and o.upstream_id = p_id
      and d.lifecycle_phase <> 'terminal' and not d.always_node and g.state = 'pending')
$$;

-- Cancels the marked members of these flows that nobody needs any more. Their ends go on upwards by the outbox.
create function judge_wanted(p_flows uuid[], p_max integer, p_now bigint) returns jsonb language plpgsql
set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  v record;
  v_lost jsonb;
begin
  for v in
    select w.partition_key, array_agg(w.id) as ids from (
      select x.partition_key, x.id from execution x
      where x.flow_id = any(p_flows) and x.wanted is not null and x.lifecycle_phase <> 'terminal' and not is_needed(x.partition_key, x.id)
      limit p_max
    ) w group by w.partition_key order by w.partition_key
  loop
    v_lost := coalesce(v_lost, '[]') || coalesce(cancel_wanted(v.partition_key, v.ids, p_now), '[]');
  end loop;
  return v_lost;
end $$;

-- Cancels marked members, by the cause of their mark. Answers null when all of them had ended.
create function cancel_wanted(p_partition integer, p_ids uuid[], p_now bigint) returns jsonb language plpgsql
set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  v_siblings uuid[];
  v_ancestors uuid[];
  v_lost jsonb;
begin
  select array_agg(x.id) filter (where x.wanted = 'sibling'), array_agg(x.id) filter (where x.wanted = 'ancestor')
  into v_siblings, v_ancestors
  from (
    select x.id, x.wanted from unnest(p_ids) as p(id) join execution x on x.partition_key = p_partition and x.id = p.id
    order by x.id for no key update of x
  ) x;
  select jsonb_agg(jsonb_build_object('partition', partition_key, 'id', id, 'wasActive', was_active, 'via', via)) into v_lost from (
    select e.partition_key, e.id, e.was_active, c.cause as via
    from (values ('sibling'::cancel_cause, v_siblings), ('ancestor'::cancel_cause, v_ancestors)) as c(cause, ids)
    cross join lateral end_executions(array_fill(p_partition, array[cardinality(c.ids)]), c.ids,
      'cancelled', 'cancel', 'ended_cancelled', c.cause, null, p_now) e
    where c.ids is not null
  ) ended;
  return v_lost;
end $$;

-- Carries out the sibling cancel of one fired group, and of what only its losers were fed by: at most `p_max` members a
-- call. Tuple and flag go together, last. Answers null when the flow is in a state in which cancels wait.
create function drain_sibling_cancel(p_partition integer, p_flow uuid, p_downstream uuid, p_max integer) returns jsonb
language plpgsql set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off set lock_timeout = '100ms' as $$
#variable_conflict use_column
declare
  v_flow record;
  v_group record;
  v_now bigint;
  v_siblings jsonb;
  v_lost jsonb := '[]';
  v_more jsonb;
  v_left integer := p_max;
  v_pulls outbox_entry[];
begin
  select f.state into v_flow from flow f where f.partition_key = p_partition and f.id = p_flow for no key update;
  if not found then
    delete from pending_cancel_group where partition_key = p_partition and flow_id = p_flow and downstream_id = p_downstream;
    return jsonb_build_object('siblings', v_lost, 'lost', v_lost, 'drained', true);
  end if;
  if v_flow.state in ('draft', 'replaying') then return null; end if;
  v_now := now_ms();
  select g.cancel_shared, g.ancestors, g.cancel_pending into v_group from edge_group g
    where g.partition_key = p_partition and g.downstream_id = p_downstream;

  if found and v_group.cancel_pending then
    -- What each sibling is, before anything changes.
    select jsonb_agg(jsonb_build_object('id', e.upstream_id, 'via', 'sibling', 'disposition',
      case when x.id is null then 'not_found' when x.lifecycle_phase = 'terminal' then 'already_terminal' else 'spared' end) order by e.upstream_id)
    into v_siblings
    from edge e left join execution x on x.partition_key = e.partition_key and x.id = e.upstream_id
    where e.partition_key = p_partition and e.downstream_id = p_downstream and e.state = 'pending' and not e.exempt;

    update execution x set wanted = 'sibling', wanted_ancestors = v_group.ancestors <> 'let_run'
    from edge e
    where e.partition_key = p_partition and e.downstream_id = p_downstream and e.state = 'pending' and not e.exempt
      and x.partition_key = e.partition_key and x.id = e.upstream_id and x.lifecycle_phase <> 'terminal' and x.wanted is null;

    if v_group.cancel_shared then
      v_more := cancel_wanted(p_partition,
        array(select e.upstream_id from edge e where e.partition_key = p_partition and e.downstream_id = p_downstream
          and e.state = 'pending' and not e.exempt order by e.upstream_id limit v_left), v_now);
    else
      v_more := judge_wanted(array[p_flow], v_left, v_now);
    end if;
    -- Upwards, wave by wave: whom the losers' upstreams still serve is judged in the step that would cancel them.
    while v_more is not null loop
      v_lost := v_lost || v_more;
      v_left := v_left - jsonb_array_length(v_more);
      select array_agg((0, x.partition_key, null, x.flow_id, x.id, null)::outbox_entry) into v_pulls
        from jsonb_array_elements(v_more) l join execution x on x.partition_key = p_partition and x.id = (l ->> 'id')::uuid
        where x.wanted_ancestors;
      if v_pulls is not null then perform want_ancestors(v_pulls); end if;
      exit when v_left <= 0;
      v_more := judge_wanted(array[p_flow], v_left, v_now);
    end loop;
  end if;

  if v_left > 0 then
    delete from pending_cancel_group where partition_key = p_partition and flow_id = p_flow and downstream_id = p_downstream;
    update edge_group set cancel_pending = false where partition_key = p_partition and downstream_id = p_downstream and cancel_pending;
  end if;
  update flow f set unprojected = true where f.partition_key = p_partition and f.id = p_flow and not f.unprojected;
  return jsonb_build_object('siblings', coalesce(v_siblings, '[]'), 'lost', v_lost, 'drained', v_left > 0);
end $$;

-- ---- Drafts and seals

-- A draft under its id, or under the one that its key stands for.
create function create_draft(p_partition integer, p_id uuid, p_namespace text, p_name text, p_tags jsonb, p_deadline bigint,
  p_ttl bigint, p_key text, p_content bytea, p_key_ttl bigint, out outcome text, out flow_id uuid, out expires_at bigint)
language plpgsql set search_path from current set plan_cache_mode = force_generic_plan set jit = off set lock_timeout = '2s' as $$
#variable_conflict use_column
declare
  v_now bigint := now_ms();
  v_known record;
begin
  if p_key is not null then
    select k.outcome, k.flow_id into outcome, flow_id from recorded_flow(p_namespace, p_key, '@draft', p_content, v_now) k;
    if outcome is not null then return; end if;
  end if;
  flow_id := p_id;
  select f.namespace, f.graph_hash into v_known from flow f where f.partition_key = p_partition and f.id = p_id;
  if found then
    outcome := case when v_known.namespace = p_namespace and v_known.graph_hash is null then 'duplicate' else 'flow_conflict' end;
  else
    expires_at := v_now + p_ttl;
    insert into flow (partition_key, id, namespace, name, state, tags, created_at, deadline_ms, draft_expires_at, due_at)
      values (p_partition, p_id, p_namespace, p_name, 'draft', coalesce(p_tags, '{}'), v_now, p_deadline, expires_at, expires_at)
      on conflict do nothing;
    if not found then raise exception 'the flow was created meanwhile' using errcode = '40001'; end if;
    outcome := 'created';
  end if;
  if p_key is not null and outcome <> 'flow_conflict' then
    perform record_flow_key(p_namespace, p_key, '@draft', p_content, p_partition, p_id, v_now + p_key_ttl, v_now);
  end if;
end $$;

-- Sets due what waited while nothing of the flow was decided.
create function unpark_entries(p_flow uuid) returns void language sql set search_path from current as $$
  update completion_event set available_at = 0 where flow_id = p_flow and available_at = parked_until()
$$;

-- Makes the next roots of a sealed draft runnable. The caller holds the flow's row.
create function release_roots(p_partition integer, p_flow uuid, p_max integer, p_now bigint,
  out released integer, out ready_lanes integer[], out next_due_at bigint)
language plpgsql set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  v_ids uuid[];
begin
  select array_agg(x.id) into v_ids from (
    select id from execution where flow_id = p_flow and lifecycle_phase = 'submitted' order by id limit p_max for no key update
  ) x;
  released := 0;
  if v_ids is null then return; end if;
  select count(*)::integer, array_agg(b.lane_id) filter (where b.eligibility_state = 'eligible_now'), min(b.due_at)
    into released, ready_lanes, next_due_at
    from set_blocks(array_fill(p_partition, array[cardinality(v_ids)]), v_ids, null, null, false, true, p_now) b;
end $$;

-- ---- Cancel

-- Ends the next members that the flow's cancel does not spare. The caller holds the flow's row.
create function cancel_members(p_partition integer, p_flow uuid, p_cause cancel_cause, p_spares_active boolean, p_spares_always boolean,
  p_max integer, p_now bigint) returns jsonb
language plpgsql set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  v_ids uuid[];
  v_ended jsonb;
begin
  select array_agg(x.id) into v_ids from (
    select x.id from execution x
    where x.flow_id = p_flow and x.lifecycle_phase <> 'terminal'
      and not (p_spares_active and x.lifecycle_phase = 'active') and not (p_spares_always and x.always_node)
    order by x.id limit p_max for no key update of x
  ) x;
  if v_ids is null then return '[]'; end if;
  select jsonb_agg(jsonb_build_object('partition', e.partition_key, 'id', e.id, 'wasActive', e.was_active)) into v_ended
    from end_executions(array_fill(p_partition, array[cardinality(v_ids)]), v_ids, 'cancelled', 'cancel', 'ended_cancelled',
      p_cause, null, p_now) e;
  return coalesce(v_ended, '[]');
end $$;

-- ---- Replay

-- Makes the next members of a replay as they were before they ran, in their next generation. The caller holds the flow's row.
create function reset_members(p_partition integer, p_flow uuid, p_max integer, p_now bigint) returns integer
language plpgsql set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  v_ids uuid[];
begin
  select array_agg(m.execution_id) into v_ids from (
    select execution_id from replay_member
    where partition_key = p_partition and flow_id = p_flow and stage = 0 order by ordinal limit p_max
  ) m;
  if v_ids is null then return 0; end if;
  update edge_group g set succeeded = 0, failed = 0, skipped = 0, state = 'pending', released = false, cancel_reason = null,
      cancel_pending = false
    where g.partition_key = p_partition and g.downstream_id = any(v_ids);
  delete from pending_cancel_group p where p.partition_key = p_partition and p.flow_id = p_flow and p.downstream_id = any(v_ids);
  update edge e set state = 'pending', seen_state = null, seen_satisfied = null, exempt = false
    where e.partition_key = p_partition and e.downstream_id = any(v_ids);
  -- A sibling cancel from before does not want what runs again on purpose.
  update edge e set exempt = true from edge_group g
    where e.partition_key = p_partition and e.upstream_id = any(v_ids) and e.state = 'pending'
      and g.partition_key = e.partition_key and g.downstream_id = e.downstream_id and g.cancel_pending;
  delete from completion_event c where c.flow_id = p_flow and c.kind = 'completion' and c.execution_id = any(v_ids);
  delete from execution_result r where r.partition_key = p_partition and r.id = any(v_ids);
  delete from step s using replay_member m
    where m.partition_key = p_partition and m.flow_id = p_flow and m.execution_id = any(v_ids) and m.has_input
      and s.partition_key = m.partition_key and s.execution_id = m.execution_id;
  update execution_info i set input = case when m.has_input then m.input else i.input end, progress_percent = null, progress_message = null
    from replay_member m
    where m.partition_key = p_partition and m.flow_id = p_flow and m.execution_id = any(v_ids)
      and (m.has_input or i.progress_percent is not null)
      and i.partition_key = m.partition_key and i.id = m.execution_id;
  perform 1 from execution x where x.partition_key = p_partition and x.id = any(v_ids) order by x.id for no key update;
  update execution x set
    generation = x.generation + 1, generation_epoch = x.epoch, retry_count = 0, reclaim_count = 0,
    replay_count = x.replay_count + case when x.lifecycle_phase = 'terminal' then 1 else 0 end,
    lifecycle_phase = 'runnable', ownership_state = 'unowned', terminal_outcome = 'none', deps_blocked = n.waits,
    eligibility_state = runnable_eligibility(n.waits, x.held, null, p_now),
    blocking_reason = runnable_reason(n.waits, x.held, null, null, p_now),
    attempt_state = case when x.attempt_count > 0 then 'pending_replay_attempt' else 'pending_first_attempt' end::attempt_state,
    not_before = null, delay_reason = null,
    first_eligible_at = case when n.is_ready then p_now end,
    ready_at = case when n.is_ready then p_now end,
    score = case when n.is_ready then score_of(p_now, x.priority, n.ageing_ms) end,
    deadline_at = case when n.is_ready then p_now + x.deadline_ms end,
    queue_ttl_at = case when n.is_ready then p_now + x.queue_ttl_ms end,
    due_at = case when n.is_ready then least(p_now + x.deadline_ms, p_now + x.queue_ttl_ms) end,
    attempt_type = null, attempt_started_at = null, attempt_used_ms = 0, attempt_deadline_at = null, attempt_has_effects = false,
    yielded_lease_id = null, grace_ends_at = null, cancel_cause = null, wanted = null, wanted_ancestors = true, terminal_at = null
  from (
    select x.id, l.ageing_ms, g.downstream_id is not null as waits, g.downstream_id is null and not x.held as is_ready
    from unnest(v_ids) as i(id)
    join execution x on x.partition_key = p_partition and x.id = i.id
    join lane l on l.id = x.lane_id
    left join edge_group g on g.partition_key = p_partition and g.downstream_id = x.id
  ) n
  where x.partition_key = p_partition and x.id = n.id;
  update replay_member m set stage = 1 where m.partition_key = p_partition and m.flow_id = p_flow and m.execution_id = any(v_ids);
  return cardinality(v_ids);
end $$;

-- Counts, for the next members of a replay, what upstreams outside it have come to. A group that these decide fires without
-- sibling cancel: the siblings may be what the replay is for. The caller holds the flow's row.
create function count_outside(p_partition integer, p_flow uuid, p_max integer, p_now bigint) returns integer
language plpgsql set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  v_ids uuid[];
  v_up integer[]; v_upstreams uuid[]; v_downstreams uuid[]; v_ends public_state[];
begin
  select array_agg(m.execution_id) into v_ids from (
    select execution_id from replay_member
    where partition_key = p_partition and flow_id = p_flow and stage = 1 order by ordinal limit p_max
  ) m;
  if v_ids is null then return 0; end if;
  select array_agg(e.partition_key), array_agg(e.upstream_id), array_agg(e.downstream_id), array_agg(u.public_state)
  into v_up, v_upstreams, v_downstreams, v_ends
  from unnest(v_ids) as i(id)
  join edge e on e.partition_key = p_partition and e.downstream_id = i.id and e.state = 'pending'
  join execution u on u.partition_key = e.partition_key and u.id = e.upstream_id and u.lifecycle_phase = 'terminal'
  where not exists (select 1 from replay_member r where r.partition_key = p_partition and r.execution_id = e.upstream_id);
  if v_up is not null then
    perform resolve_edges(v_up, v_upstreams, v_downstreams, v_ends, null, null, '{}', '{}', '{}', false, p_now);
  end if;
  update replay_member m set stage = 2 where m.partition_key = p_partition and m.flow_id = p_flow and m.execution_id = any(v_ids);
  return cardinality(v_ids);
end $$;

-- The next batch of a replay. Answers how many members were reset, and whether the flow is open again.
create function advance_replay(p_partition integer, p_flow uuid, p_max integer, out members integer, out done boolean, out ready_lanes integer[])
language plpgsql set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off set lock_timeout = '2s' as $$
declare
  v_now bigint;
begin
  perform 1 from flow f where f.partition_key = p_partition and f.id = p_flow for no key update;
  v_now := now_ms();
  members := reset_members(p_partition, p_flow, p_max, v_now);
  done := false;
  if members > 0 then return; end if;
  if count_outside(p_partition, p_flow, p_max, v_now) > 0 then return; end if;
  done := true;
  select array_agg(x.lane_id) into ready_lanes
    from replay_member m join execution x on x.partition_key = m.partition_key and x.id = m.execution_id
    where m.partition_key = p_partition and m.flow_id = p_flow and x.eligibility_state = 'eligible_now';
  delete from replay_member m where m.partition_key = p_partition and m.flow_id = p_flow;
  delete from completion_event c where c.flow_id = p_flow and c.kind in ('replay_reset', 'flow_settled');
  update flow f set state = 'open', unprojected = true where f.partition_key = p_partition and f.id = p_flow and f.state = 'replaying';
  perform unpark_entries(p_flow);
end $$;

-- ---- Extend

-- Adds nodes and edges to a flow whose row the caller holds, after all checks. Existing targets wait again before anything
-- is counted for them; upstreams that have ended count at once, and what that decides is carried out in the same step.
create function grow_flow(p_partition integer, p_flow uuid, p_targets uuid[], p_nodes json, p_edges json,
  out graph_revision integer, out ready_lanes integer[], out next_due_at bigint)
language plpgsql set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  v_now bigint := now_ms();
  v_flow record;
  v_up integer[]; v_upstreams uuid[]; v_downstreams uuid[]; v_ends public_state[];
  v_result record;
begin
  update flow f set graph_revision = f.graph_revision + 1, unprojected = true
    where f.partition_key = p_partition and f.id = p_flow returning f.graph_revision, f.namespace, f.state into v_flow;
  graph_revision := v_flow.graph_revision;
  if cardinality(p_targets) > 0 then
    insert into edge_group (partition_key, downstream_id, flow_id, policy_kind, on_decided, n)
      select p_partition, t.id, p_flow, 'all_of', 'let_run', 0 from unnest(p_targets) as t(id)
      on conflict do nothing;
    update edge_group g set n = g.n + e.added
      from (select e.down, count(*)::integer as added from json_to_recordset(p_edges) as e(down uuid) group by e.down) e
      where g.partition_key = p_partition and g.downstream_id = e.down and g.downstream_id = any(p_targets);
    perform 1 from execution x where x.partition_key = p_partition and x.id = any(p_targets) order by x.id for no key update;
    perform set_blocks(array_fill(p_partition, array[cardinality(p_targets)]), p_targets, true, null, false, true, v_now);
  end if;
  perform insert_members(array[p_partition], array[p_flow], array[v_flow.namespace], array[v_flow.state = 'draft'], p_nodes, p_edges, v_now);
  if v_flow.state = 'draft' then return; end if;

  select array_agg(x.lane_id) filter (where x.eligibility_state = 'eligible_now'), min(x.due_at) into ready_lanes, next_due_at
    from json_to_recordset(p_nodes) as n(id uuid) join execution x on x.partition_key = p_partition and x.id = n.id;
  select array_agg(p_partition), array_agg(e.up), array_agg(e.down), array_agg(u.public_state)
  into v_up, v_upstreams, v_downstreams, v_ends
  from json_to_recordset(p_edges) as e(up uuid, down uuid)
  join execution u on u.partition_key = p_partition and u.id = e.up and u.lifecycle_phase = 'terminal';
  if v_up is null then return; end if;
  select * into v_result from resolve_edges(v_up, v_upstreams, v_downstreams, v_ends, null, null, '{}', '{}', '{}', true, v_now);
  ready_lanes := ready_lanes || v_result.ready_lanes;
  next_due_at := least(next_due_at, v_result.next_due_at);
end $$;

-- ---- Reconcilers

-- What a drain's crash left of one tuple. Takes only a flow that nobody holds.
create function reconcile_sibling_cancel(p_partition integer, p_flow uuid, p_downstream uuid) returns text
language plpgsql set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  v_pending boolean;
begin
  if exists (select 1 from flow f where f.partition_key = p_partition and f.id = p_flow) then
    perform 1 from flow f where f.partition_key = p_partition and f.id = p_flow for no key update skip locked;
    if not found then return 'no_op'; end if;
  end if;
  perform 1 from pending_cancel_group t
    where t.partition_key = p_partition and t.flow_id = p_flow and t.downstream_id = p_downstream;
  -- Drained between the sample and here.
  if not found then return 'no_op'; end if;
  select g.cancel_pending into v_pending from edge_group g where g.partition_key = p_partition and g.downstream_id = p_downstream;
  if v_pending and exists (
    select 1 from edge e join execution x on x.partition_key = e.partition_key and x.id = e.upstream_id
    where e.partition_key = p_partition and e.downstream_id = p_downstream and e.state = 'pending' and x.lifecycle_phase <> 'terminal'
  ) then
    return 'no_op';
  end if;
  delete from pending_cancel_group t
    where t.partition_key = p_partition and t.flow_id = p_flow and t.downstream_id = p_downstream;
  if not coalesce(v_pending, false) then return 'sremmed_stale'; end if;
  update edge_group g set cancel_pending = false where g.partition_key = p_partition and g.downstream_id = p_downstream;
  return 'completed_drain';
end $$;

-- What is not as the ends of upstreams and the counters of groups say it should be, in the partition's live flows.
create function find_undone(p_partition integer, p_max integer) returns table (flow_id uuid, node uuid, outcome text)
language plpgsql stable set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
begin
  return query
  with live as materialized (
    select f.id from flow f
    where f.partition_key = p_partition and (f.state in ('open', 'cancelling')
      or (f.state = 'cancelled' and f.cancel_policy = 'flow_only' and f.due_at is null))
  )
  (select f.id, e.downstream_id, 'edge_resolved'
    from live f join execution u on u.flow_id = f.id and u.lifecycle_phase = 'terminal'
    join edge e on e.partition_key = p_partition and e.upstream_id = u.id and e.state = 'pending'
    where exists (select 1 from edge_group g where g.partition_key = p_partition and g.downstream_id = e.downstream_id)
    limit p_max)
  union all
  (select f.id, g.downstream_id,
      case when is_known_policy(g.policy_kind, g.k, g.on_decided, g.run_on, g.n) then 'group_decided' else 'unknown_policy' end
    from live f join execution x on x.flow_id = f.id and x.lifecycle_phase <> 'terminal'
    join edge_group g on g.partition_key = p_partition and g.downstream_id = x.id
    where (g.state = 'pending' and (not is_known_policy(g.policy_kind, g.k, g.on_decided, g.run_on, g.n)
        or decide_group(g.policy_kind, g.k, g.on_decided, g.run_on, g.n, g.succeeded, g.failed, g.skipped) <> 'pending'))
      or (g.state <> 'pending' and not g.released and (not g.settled or g.succeeded + g.failed + g.skipped = g.n))
    limit p_max);
end $$;

-- Does for one flow what its dispatcher should have done.
create function repair_flow(p_partition integer, p_flow uuid, p_max integer) returns jsonb
language plpgsql set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off set lock_timeout = '100ms' as $$
#variable_conflict use_column
declare
  v_flow record;
  v_now bigint;
  v_up integer[]; v_upstreams uuid[]; v_downstreams uuid[]; v_ends public_state[];
  v_judged uuid[];
  v_result record;
begin
  select f.state, f.cancel_finalisers into v_flow from flow f where f.partition_key = p_partition and f.id = p_flow for no key update;
  if not found or v_flow.state in ('draft', 'replaying') then return null; end if;
  v_now := now_ms();
  select array_agg(p_partition), array_agg(e.upstream_id), array_agg(e.downstream_id), array_agg(e.ended)
  into v_up, v_upstreams, v_downstreams, v_ends
  from (
    select e.upstream_id, e.downstream_id, u.public_state as ended
    from execution u join edge e on e.partition_key = p_partition and e.upstream_id = u.id and e.state = 'pending'
    where u.flow_id = p_flow and u.lifecycle_phase = 'terminal'
      and exists (select 1 from edge_group g where g.partition_key = p_partition and g.downstream_id = e.downstream_id)
    limit p_max
  ) e;
  select array_agg(g.downstream_id) into v_judged
  from execution x join edge_group g on g.partition_key = p_partition and g.downstream_id = x.id
  where x.flow_id = p_flow and x.lifecycle_phase <> 'terminal' and g.downstream_id <> all(coalesce(v_downstreams, '{}'))
    and ((g.state = 'pending' and decide_group(g.policy_kind, g.k, g.on_decided, g.run_on, g.n, g.succeeded, g.failed, g.skipped) <> 'pending')
      or (g.state <> 'pending' and not g.released and (not g.settled or g.succeeded + g.failed + g.skipped = g.n)));
  if v_up is null and v_judged is null then return null; end if;
  select * into v_result from resolve_edges(coalesce(v_up, '{}'), coalesce(v_upstreams, '{}'), coalesce(v_downstreams, '{}'),
    coalesce(v_ends, '{}'), null, p_partition, coalesce(v_judged, '{}'),
    case when v_flow.state = 'cancelling' then array[p_flow] else '{}' end,
    case when v_flow.state = 'cancelling' and v_flow.cancel_finalisers then array[p_flow] else '{}' end, true, v_now);
  update flow f set unprojected = true where f.partition_key = p_partition and f.id = p_flow and not f.unprojected;
  -- Its last end may be among them: the entry settles it, or finds that there is nothing to settle.
  insert into completion_event (partition_key, kind, flow_id)
    select p_partition, 'flow_settled', p_flow
    where not exists (select 1 from completion_event c where c.flow_id = p_flow and c.kind in ('completion', 'flow_settled'))
      and not exists (select 1 from execution x where x.flow_id = p_flow and x.lifecycle_phase <> 'terminal');
  return jsonb_build_object('lanes', v_result.ready_lanes, 'items', (
    select jsonb_agg(i) from (
      select jsonb_build_object('outcome', 'edge_resolved', 'node', d.id) as i from unnest(v_downstreams) as d(id)
      union all
      select jsonb_build_object('outcome', 'group_decided', 'node', s.downstream_id) from unnest(v_result.steps) s where s.decided is not null
    ) items));
end $$;
