-- Claims under somebody's old snapshot. As long as a transaction can still see work as it waited, what was claimed since
-- stays in the index in front of what waits, and each claim would read all of that again. So a session that had to pass by
-- much remembers where it found the first, and begins there for a while. What has a lower score meanwhile starts after that
-- while at the latest; where nothing else is found, after half of it.

-- From which score on the ready work of each route is read, since when, and until when, by the machine's clock. All that a
-- session knows is in settings of its own, which its transactions share and leave as they were when they are rolled back.
create type claim_floor as (score bigint, since bigint, until bigint);

-- Where looks for work of these routes begin, and from when on one that finds nothing is worth a look at the whole: null, if
-- it is one. Whoever never had to pass by much knows nothing, and pays nothing.
create function floors_of(p_routes integer[], p_clock bigint, out floors claim_floor[], out begins bigint[], out whole_at bigint)
language plpgsql volatile set search_path from current as $$
begin
  for i in 1 .. cardinality(p_routes) loop
    floors[i] := nullif(current_setting(format('flowfabric.floor_%s_%s', 'execution'::regclass::oid, p_routes[i]), true), '');
    if floors[i].until > p_clock then
      begins[i] := floors[i].score;
      whole_at := least(whole_at, (floors[i].since + floors[i].until) / 2);
    else
      begins[i] := -9223372036854775808;
    end if;
  end loop;
end $$;

-- Remembers where a look that passed by so many entries found the first of each route: not quite there, since work that is
-- told a moment late keeps its place. A look that was not a whole one saw nothing below, and prolongs nothing; nor is anything
-- prolonged for a route that had no room.
create function keep_floors(p_routes integer[], p_floors claim_floor[], p_firsts bigint[], p_looked boolean[],
  p_is_whole boolean, p_passed bigint, p_clock bigint) returns void language plpgsql volatile set search_path from current as $$
declare
  v_floor claim_floor;
begin
  for i in 1 .. cardinality(p_routes) loop
    v_floor := p_floors[i];
    v_floor.score := coalesce(p_firsts[i] - 100, v_floor.score);
    continue when v_floor.score is null or not p_looked[i];
    if p_is_whole or coalesce(v_floor.until <= p_clock, true) then
      v_floor.since := p_clock;
      v_floor.until := p_clock + least(p_passed / 50, 5000);
    end if;
    perform set_config(format('flowfabric.floor_%s_%s', 'execution'::regclass::oid, p_routes[i]), v_floor::text, false);
  end loop;
  perform set_config('flowfabric.has_floors', 'yes', false);
end $$;

-- As the one that knows no floors, but each route is read from where it begins. It tells whether there was room to look for
-- each, the first of each, and how many were seen. The other stays: a claim that is under way now still calls it.
create function lock_heads(p_lanes integer[], p_virtual double precision[], p_weights integer[], p_room bigint[], p_routes integer[],
  p_route_lanes integer[], p_begins bigint[], p_wide integer, p_max integer, p_now bigint,
  out tids tid[], out heads integer, out looked boolean[], out firsts bigint[], out seen bigint)
language plpgsql set search_path from current as $$
#variable_conflict use_column
begin
  with lanes as materialized (
    select * from unnest(p_lanes, p_virtual, p_weights, p_room) as l (lane_id, virtual, weight, room)
  ), heads as materialized (
    select h.*, r.route_id, l.virtual, l.weight, l.room, row_number() over (partition by l.lane_id order by h.score, h.seq) as place
    from unnest(p_routes, p_route_lanes, p_begins) as r (route_id, lane_id, begins)
    join lanes l on l.lane_id = r.lane_id and l.room > 0
    cross join lateral (
      select e.partition_key, e.id, e.score, e.seq from execution e
      where e.route_id = r.route_id and e.eligibility_state = 'eligible_now' and e.score >= r.begins
        and coalesce(e.deadline_at > p_now, true) and coalesce(e.queue_ttl_at > p_now, true)
        and (e.flow_id is null or not exists (select 1 from flow f where f.partition_key = e.partition_key and f.id = e.flow_id
          and holds_back(f.state, f.cancel_finalisers, e.always_node)))
      order by e.score, e.seq limit p_wide
    ) h
  ), winners as materialized (
    select h.partition_key, h.id, row_number() over (order by h.virtual + h.place::double precision / h.weight, h.score, h.seq) as rank
    from heads h where h.place <= h.room order by rank limit p_wide
  )
  select array_agg(x.tid), (select count(*) from winners), (select count(*) from heads),
      (select array_agg(exists (select 1 from lanes l where l.lane_id = r.lane_id and l.room > 0) order by r.ord)
        from unnest(p_route_lanes) with ordinality as r (lane_id, ord)),
      (select array_agg((select min(h.score) from heads h where h.route_id = r.route_id) order by r.ord)
        from unnest(p_routes) with ordinality as r (route_id, ord))
    into tids, heads, seen, looked, firsts from (
    select k.tid from winners w cross join lateral (
      select e.ctid as tid, e.eligibility_state as state from execution e
      where e.partition_key = w.partition_key and e.id = w.id limit 1 for update skip locked
    ) k
    -- Not asked in there, where it would let the planner look for each in all that waits.
    where k.state = 'eligible_now'
    order by w.rank limit p_max
  ) x;
end $$;

create or replace function claim_work(p_catalog bigint, p_worker text, p_instance uuid, p_claim uuid, p_ttl_ms bigint, p_max integer,
  p_lanes integer[], p_virtual double precision[], p_routes integer[], p_route_lanes integer[])
returns setof claimed language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_now bigint;
  v_known record;
  v_lanes integer[];
  v_room bigint[];
  v_clock bigint := date_part('epoch', clock_timestamp()) * 1000;
  v_floors claim_floor[];
  v_begins bigint[] := array_fill(-9223372036854775808, array[cardinality(p_routes)]);
  v_whole_at bigint;
  v_firsts bigint[];
  v_looked boolean[] := array[true];
  v_seen bigint;
  v_read bigint;
  v_passed bigint;
  v_tids tid[];
  v_heads integer;
  v_wide integer := p_max;
  v_left integer := p_max;
  v_got integer;
begin
  perform pg_advisory_xact_lock_shared(barrier_key());
  select d.catalog_version = p_catalog as is_current,
      exists (select 1 from execution e
        where e.lifecycle_phase = 'active' and e.instance_id = p_instance and e.claim_id = p_claim) as is_repeated,
      l.* into v_known
    from deployment d cross join lateral (
      select array_agg(l.id order by l.id) as ids, array_agg(i.virtual order by l.id) as virtual, array_agg(l.weight order by l.id) as weights,
        array_agg(l.concurrency order by l.id) as caps, bool_or(l.concurrency is not null) as is_capped
      from unnest(p_lanes, p_virtual) as i (lane_id, virtual) join lane l on l.id = i.lane_id where l.state in ('active', 'draining')
    ) l
    where d.singleton;
  if not v_known.is_current then
    return next null::claimed;
    return;
  end if;
  if v_known.is_repeated then
    return query select * from leases_of_claim(p_instance, p_claim);
    return;
  end if;
  v_lanes := v_known.ids;
  if v_lanes is null or cardinality(p_routes) = 0 then return; end if;
  v_room := case when v_known.is_capped then room_of(v_lanes, v_known.caps, p_max) else array_fill(p_max::bigint, array[cardinality(v_lanes)]) end;
  v_now := now_ms();
  if current_setting('flowfabric.has_floors', true) = 'yes' then
    select floors, begins, whole_at into v_floors, v_begins, v_whole_at from floors_of(p_routes, v_clock);
  end if;

  for v_round in 1 .. 3 loop
    v_read := pg_stat_get_xact_tuples_returned('execution_claim'::regclass);
    if cardinality(p_routes) = 1 then
      -- One route, as most workers have: its index is the order, and what others hold is stepped over.
      select array_agg(h.tid), array[min(h.score)] into v_tids, v_firsts from (
        select e.ctid as tid, e.score from execution e
        where e.route_id = p_routes[1] and e.eligibility_state = 'eligible_now' and e.score >= v_begins[1]
          and coalesce(e.deadline_at > v_now, true) and coalesce(e.queue_ttl_at > v_now, true)
          and (e.flow_id is null or not exists (select 1 from flow f where f.partition_key = e.partition_key and f.id = e.flow_id
            and holds_back(f.state, f.cancel_finalisers, e.always_node)))
        order by e.score, e.seq limit least(v_left, coalesce(v_room[array_position(v_lanes, p_route_lanes[1])], 0))
        for update skip locked
      ) h;
      v_heads := 0;
      v_seen := cardinality(v_tids);
    else
      select tids, heads, seen, looked, firsts into v_tids, v_heads, v_seen, v_looked, v_firsts
        from lock_heads(v_lanes, v_known.virtual, v_known.weights, v_room, p_routes, p_route_lanes, v_begins, v_wide, v_left, v_now);
    end if;
    v_passed := pg_stat_get_xact_tuples_returned('execution_claim'::regclass) - v_read - coalesce(v_seen, 0);
    if v_passed > 1000 then
      perform keep_floors(p_routes, v_floors, v_firsts, v_looked, v_whole_at is null, v_passed, v_clock);
    end if;
    if v_tids is null and v_whole_at <= v_clock then
      v_begins := array_fill(-9223372036854775808, array[cardinality(p_routes)]);
      v_whole_at := null;
      continue;
    end if;
    exit when v_tids is null and v_heads < v_wide;

    return query select * from lease_heads(v_tids, p_worker, p_instance, p_claim, p_ttl_ms, v_now);
    get diagnostics v_got = row_count;
    v_left := v_left - v_got;
    -- Others may hold the heads that were seen: then look further, past them.
    exit when v_left <= 0 or v_heads < v_wide or v_known.is_capped;
    v_wide := v_wide * 4;
  end loop;
end $$;
