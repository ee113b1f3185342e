-- Accepting graphs: whole, as drafts, and piece by piece.

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
    attempt_state, public_state, priority, score, ready_at, first_eligible_at, deps_blocked, not_before, delay_reason, always_node, deadline_ms,
    queue_ttl_ms, attempt_timeout_ms, max_reclaims, retention_ms, deadline_at, queue_ttl_at, due_at, created_at)
  select partition_key, id, lane, route, flow_id,
    case when is_draft_root then 'submitted' else 'runnable' end::lifecycle_phase,
    case when is_draft_root then 'not_applicable' else runnable_eligibility(n is not null, false, not_before, p_now) end,
    case when is_draft_root then 'none' else runnable_reason(n is not null, false, not_before, 'start_time', p_now) end,
    'pending_first_attempt',
    case when is_draft_root then 'waiting_children' else runnable_public_state(n is not null, false, not_before, false, p_now) end,
    priority,
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
      lanes integer[], parent jsonb)
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
          insert into flow (partition_key, id, namespace, name, state, tags, graph_hash, created_at, deadline_ms, deadline_at, due_at,
              parent, has_ties)
            values (v.pk, v.id, v.ns, v.name, 'open', coalesce(v.tags, '{}'), v.graph_hash, v_now, v.deadline,
              v_now + v.deadline, v_now + v.deadline, v.parent, case when v.parent is not null then true end)
            on conflict do nothing;
          if not found then raise exception 'the flow was submitted meanwhile' using errcode = '40001'; end if;
          if v.parent is not null then perform leave_link(v.pk, v.ns, v.id::text, v.parent); end if;
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

-- ---- Drafts and seals

-- A draft under its id, or under the one that its key stands for.
create function create_draft(p_partition integer, p_id uuid, p_namespace text, p_name text, p_tags jsonb, p_deadline bigint,
  p_ttl bigint, p_key text, p_content bytea, p_key_ttl bigint, p_parent jsonb, out outcome text, out flow_id uuid, out expires_at bigint)
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
    insert into flow (partition_key, id, namespace, name, state, tags, created_at, deadline_ms, draft_expires_at, due_at, parent, has_ties)
      values (p_partition, p_id, p_namespace, p_name, 'draft', coalesce(p_tags, '{}'), v_now, p_deadline, expires_at, expires_at,
        p_parent, case when p_parent is not null then true end)
      on conflict do nothing;
    if not found then raise exception 'the flow was created meanwhile' using errcode = '40001'; end if;
    if p_parent is not null then perform leave_link(p_partition, p_namespace, p_id::text, p_parent); end if;
    outcome := 'created';
  end if;
  if p_key is not null and outcome <> 'flow_conflict' then
    perform record_flow_key(p_namespace, p_key, '@draft', p_content, p_partition, p_id, v_now + p_key_ttl, v_now);
  end if;
end $$;

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

-- ---- Extend

-- Adds nodes and edges to a flow whose row the caller holds, after all checks. Existing targets wait again before anything
-- is counted for them; upstreams that have ended count at once, and what that decides is carried out in the same step.
create function grow_flow(p_partition integer, p_flow uuid, p_targets uuid[], p_nodes json, p_edges json,
  out graph_revision integer, out ready_lanes integer[], out next_due_at bigint, out lost jsonb)
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
  -- A group that an edge from an ended upstream decided may have been the last that needed a marked loser.
  if exists (select 1 from unnest(v_result.steps) s where s.decided is not null) then
    lost := judge_wanted(array[p_flow], 1000, v_now);
  end if;
end $$;
