-- The outbox: how the end of an execution reaches its downstreams, and how a flow ends.

-- Never due: entries of a flow in which nothing is decided now. Whoever opens the flow sets them due again.
create function parked_until() returns bigint language sql immutable parallel safe return 9000000000000000;

-- Leaves to the outbox what stood in no entry; there it gets an id of its own.
create function keep_entries(p_entries outbox_entry[], p_available_at bigint) returns void language sql set search_path from current as $$
  insert into completion_event (partition_key, kind, flow_id, execution_id, generation, available_at)
    select e.partition_key, 'completion', e.flow_id, e.execution_id, e.generation, p_available_at from unnest(p_entries) e
    order by e.ordinal
$$;

-- Sets due what waited while nothing of the flow was decided.
create function unpark_entries(p_flow uuid) returns void language sql set search_path from current as $$
  update completion_event set available_at = 0 where flow_id = p_flow and available_at = parked_until()
$$;

-- Carries out the due entries of these partitions, or one entry: of each upstream at most `p_hop` edges, and `p_call` in all.
-- Ends that this brings about in the same flows are carried on within the same bounds, unless `p_settles` is off: then each
-- end and each settlement is an entry of its own. Entries of other kinds than `completion` are only named, for the caller
-- to carry out. The entries' row locks are their claim: a crash gives them back. `p_given` are ends of this transaction
-- that stand in no entry yet: then nobody is waited for, and what isn't done becomes an entry.
create function dispatch_entries(p_partitions integer[], p_entry uuid, p_max integer, p_hop integer, p_call integer,
  p_settles boolean, p_tells boolean, p_given outbox_entry[] default null) returns jsonb
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
  v_fired jsonb;
  v_more boolean;
  v_free outbox_entry[];
begin
  if p_given is not null then
    v_entries := p_given;
    v_more := false;
  else
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
  end if;

  -- From here on nobody else changes these flows' edges and groups.
  if p_given is null then
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
  else
    with locked as materialized (
      select f.id, f.state, f.cancel_finalisers, f.unprojected from flow f
      join (select distinct partition_key, flow_id from unnest(v_entries) where flow_id is not null) e
        on f.partition_key = e.partition_key and f.id = e.flow_id
      order by f.id for no key update of f skip locked
    )
    select array_agg(f.id) filter (where f.state not in ('draft', 'replaying')),
      array_agg(f.id) filter (where f.state in ('draft', 'replaying')),
      array_agg(f.id) filter (where f.state = 'cancelling'),
      array_agg(f.id) filter (where f.state = 'cancelling' and f.cancel_finalisers),
      array_agg(f.id) filter (where not f.unprojected),
      array(select e from unnest(v_entries) e join locked l on l.id = e.flow_id order by e.ordinal)
    into v_flows, v_parked, v_cancelling, v_sparing, v_unmarked, v_free
    from locked f;
    if cardinality(v_free) < cardinality(v_entries) then
      v_more := true;
      perform keep_entries(array(select e from unnest(v_entries) e where e.id not in (select d.id from unnest(v_free) d)), 0);
      v_entries := v_free;
    end if;
  end if;
  v_now := now_ms();
  if v_parked is not null and p_given is not null then
    perform keep_entries(array(select e from unnest(v_entries) e where e.flow_id = any(v_parked)), parked_until());
  elsif v_parked is not null then
    update completion_event c set available_at = parked_until() from unnest(v_entries) e
      where c.partition_key = e.partition_key and c.id = e.id and e.flow_id = any(v_parked);
  end if;
  if v_parked is not null then
    v_entries := array(select e from unnest(v_entries) e where e.flow_id is null or e.flow_id <> all(v_parked));
  end if;

  for v_round in 1 .. 64 loop
    exit when coalesce(cardinality(v_entries), 0) = 0;
    select * into v_hop from hop_entries(v_entries, v_flows, coalesce(v_cancelling, '{}'), coalesce(v_sparing, '{}'),
      p_hop, p_call - v_edges, p_tells, p_given is not null and v_round = 1, v_now);
    v_edges := v_edges + v_hop.edges;
    v_moving := v_moving || v_hop.moving;
    v_lanes := v_lanes || v_hop.ready_lanes;
    v_due := least(v_due, v_hop.next_due_at);
    if p_tells then v_items := coalesce(v_items, '[]') || v_hop.items; end if;
    if v_hop.lost is not null then v_lost := coalesce(v_lost, '[]') || v_hop.lost; end if;
    if v_hop.fired is not null then v_fired := coalesce(v_fired, '[]') || v_hop.fired; end if;
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
  -- What this call let go is open, unless it was then cancelled as an ancestor.
  v_still := case when v_moving is null or v_lost is not null then v_flows else array(select f.id from unnest(v_flows) as f(id) where f.id <> all(v_moving)) end;
  return jsonb_build_object('items', v_items, 'others', v_others, 'lanes', v_lanes, 'due', v_due, 'lost', v_lost, 'fired', v_fired, 'more', v_more,
    -- Where losers are left to be cancelled, so that it is told at once.
    'cancels', case when v_fired is not null or v_lost is not null then (select jsonb_agg(distinct g.partition_key) from pending_cancel_group g
      where g.partition_key = any(p_partitions) and g.flow_id = any(v_flows)) end,
    'settled', case when cardinality(v_still) > 0 then settle_flows(v_still, p_settles, v_now) end);
end $$;

-- What these ends of the transaction led to, as far as no other has to be waited for: the ends hold rows already. Whatever
-- goes wrong, the ends stand, and the outbox keeps what is left. `p_edges`: of one end; the whole call may have more.
create function hop_after_ends(p_partitions integer[], p_given outbox_entry[], p_edges integer) returns finished
language plpgsql set search_path from current as $$
declare
  v_row finished;
begin
  v_row.ord := 0;
  begin
    v_row.answer := dispatch_entries(array(select distinct key from unnest(p_partitions) as p(key) order by key), null, 128, p_edges,
      8 * p_edges, true, false, p_given);
  exception when others then
    v_row.answer := '{"more":true}';
    perform keep_entries(p_given, 0);
  end;
  return v_row;
end $$;

-- One hop of these entries, whose flows are locked; `p_given` when they stand in the outbox only if something is left of them.
create function hop_entries(p_entries outbox_entry[], p_flows uuid[], p_cancelling uuid[], p_sparing uuid[], p_hop integer,
  p_call integer, p_tells boolean, p_given boolean, p_now bigint,
  out edges integer, out skipped integer, out unfinished boolean, out moving uuid[], out ready_lanes integer[], out next_due_at bigint,
  out lost jsonb, out fired jsonb, out items jsonb)
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
  v_fires boolean;
  v_steps group_step[];
  v_skipped uuid[] := '{}';
begin
  -- Edges by the upstreams' recorded ends. One whose group or node can't be read is left alone, and named.
  with upstream as materialized (
    select e.ordinal, e.partition_key, e.id, e.execution_id, u.public_state as ended,
      u.id is not null and u.lifecycle_phase = 'terminal' and u.generation = e.generation as stands,
      -- Entries that say the same are one: an edge is counted once, however often its upstream's end was told.
      row_number() over (partition by e.partition_key, e.execution_id order by e.ordinal) = 1 as is_first,
      u.cancel_cause in ('sibling', 'ancestor') and u.wanted_ancestors as pulls
    from unnest(p_entries) e left join execution u on u.partition_key = e.partition_key and u.id = e.execution_id
  ), pending as materialized (
    -- Each look is one into an index; both places come from one sort.
    select u.ordinal, u.partition_key, u.id, u.execution_id, u.ended, o.downstream_id, o.is_whole,
      row_number() over (partition by u.ordinal order by not o.is_whole, o.downstream_id) as place
    from upstream u cross join lateral (
      select o.downstream_id,
        exists (select 1 from edge_group g where g.partition_key = o.partition_key and g.downstream_id = o.downstream_id)
          and exists (select 1 from execution d where d.partition_key = o.partition_key and d.id = o.downstream_id) as is_whole
      from edge o
      where o.partition_key = u.partition_key and o.upstream_id = u.execution_id and o.state = 'pending'
      offset 0
    ) o
    where u.stands and u.is_first
  ), candidate as materialized (
    select p.*, row_number() over (order by p.ordinal, p.place) as place_in_call from pending p where p.place <= p_hop + 1
  )
  select
    (select true from execution w where w.wanted is not null and w.lifecycle_phase <> 'terminal' limit 1)
      and exists (select 1 from execution w where w.flow_id = any(p_flows) and w.wanted is not null and w.lifecycle_phase <> 'terminal'),
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
    select r.steps, r.edges, r.skipped, r.moving, r.ready_lanes, r.next_due_at, r.fires
      into v_steps, edges, v_skipped, moving, ready_lanes, next_due_at, v_fires
      from resolve_edges(v_up, v_upstreams, v_downstreams, v_ends, v_ordinals, null, '{}', p_cancelling, p_sparing, true, p_now) r;
    skipped := cardinality(v_skipped);
    if v_fires then
      select jsonb_agg(jsonb_build_object('partition', s.partition_key, 'flow', s.flow_id, 'downstream', s.downstream_id)) into fired
        from unnest(v_steps) s where s.reason is not null;
    end if;
  end if;
  if v_pulls is not null then perform want_ancestors(v_pulls); end if;
  if v_has_wanted or v_pulls is not null then lost := judge_wanted(p_flows, 1000, p_now); end if;

  -- Entries whose work is done go; one with an unreadable edge is taken again, later and later.
  if p_given then
    if v_unfinished is not null or v_corrupt is not null then
      perform keep_entries(array(select e from unnest(p_entries) e where e.id = any(coalesce(v_unfinished, '{}') || coalesce(v_corrupt_ids, '{}'))), 0);
    end if;
  else
    delete from completion_event c using unnest(p_entries) e
      where c.partition_key = e.partition_key and c.id = e.id
        and c.id <> all(coalesce(v_unfinished, '{}')) and c.id <> all(coalesce(v_corrupt_ids, '{}'));
  end if;
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
