-- Cancels within flows: of the losers of races and what only fed them, and of whole flows.

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
      and x.partition_key = e.partition_key and x.id = e.upstream_id and x.lifecycle_phase <> 'terminal'
      -- What spares it as an ancestor does not spare it from a shared cancel, which then is what ends it.
      and (x.wanted is null or v_group.cancel_shared);

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

-- ---- Whole flows

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
