-- The nets: each compares what is recorded with what should be, and finds nothing in a healthy system.

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

-- Looks at some executions of a partition and says what does not fit. A lost or late timer is set again; what a constraint
-- or a transition should never have let through is only named.
create function reconcile_sample(p_partition integer, p_from uuid, p_max integer) returns table (id uuid, finding text, repaired boolean)
language plpgsql set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
begin
  return query
  with sample as materialized (
    select x.* from execution x where x.partition_key = p_partition and x.id >= p_from order by x.id limit p_max for update skip locked
  ), timed as (
    select s.id, s.due_at, least(s.deadline_at, s.queue_ttl_at,
      case when s.lifecycle_phase = 'active' then least(s.grace_ends_at, s.attempt_deadline_at, s.lease_expires_at) end,
      case when s.lifecycle_phase = 'suspended' then timeout_of(s.partition_key, s.id) end,
      case when s.eligibility_state = 'not_eligible_until_time' then s.not_before end) as expected
    from sample s where s.lifecycle_phase <> 'terminal'
  ), reset as (
    update execution x set due_at = t.expected from timed t
    where x.partition_key = p_partition and x.id = t.id
      -- An early timer is right: it finds the lease renewed, and is set again.
      and (x.due_at is null or x.due_at > t.expected) and t.expected is not null
    returning x.id
  )
  select r.id, 'its next timer was not set', true from reset r
  union all
  select s.id, 'a timer is set, and nothing is waited for', false
    from sample s join timed t on t.id = s.id where t.due_at is not null and t.expected is null
  union all
  select s.id, 'it is blocked by dependencies, and no group will let it go', false
    from sample s left join edge_group g on g.partition_key = p_partition and g.downstream_id = s.id
    where s.deps_blocked and s.lifecycle_phase = 'runnable' and (g.downstream_id is null or g.released)
  union all
  select s.id, 'its group let it go, and it is still blocked by dependencies', false
    from sample s join edge_group g on g.partition_key = p_partition and g.downstream_id = s.id
    where not s.deps_blocked and s.lifecycle_phase = 'runnable' and not g.released
  union all
  select s.id, 'the counters of its group are not those of its edges', false
    from sample s join edge_group g on g.partition_key = p_partition and g.downstream_id = s.id
    cross join lateral (
      select count(*) as n, count(*) filter (where e.state = 'satisfied') as satisfied, count(*) filter (where e.state = 'impossible') as impossible
      from edge e where e.partition_key = p_partition and e.downstream_id = s.id
    ) e
    where e.n <> g.n or e.satisfied <> g.succeeded or e.impossible <> g.failed + g.skipped
  union all
  select s.id, 'it is suspended, and nothing says for what', false
    from sample s where s.lifecycle_phase = 'suspended'
      and not exists (select 1 from suspension u where u.partition_key = p_partition and u.execution_id = s.id)
  union all
  select s.id, 'a suspension stands, and it is not suspended', false
    from sample s where s.lifecycle_phase <> 'suspended'
      and exists (select 1 from suspension u where u.partition_key = p_partition and u.execution_id = s.id)
  union all
  select s.id, 'it has no description', false
    from sample s where not exists (select 1 from execution_info i where i.partition_key = p_partition and i.id = s.id);
end $$;

-- Leaves an entry for each live flow that has neither an open member nor an end to look at, and so would never settle.
create function leave_settlements(p_partition integer, p_max integer) returns integer
language plpgsql set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  v_left integer;
begin
  insert into completion_event (partition_key, kind, flow_id)
    select f.partition_key, 'flow_settled', f.id from flow f
    where f.partition_key = p_partition and f.state in ('open', 'cancelling')
      and not exists (select 1 from execution x where x.flow_id = f.id and x.lifecycle_phase <> 'terminal')
      and not exists (select 1 from completion_event c where c.flow_id = f.id)
    order by f.id limit p_max;
  get diagnostics v_left = row_count;
  return v_left;
end $$;
