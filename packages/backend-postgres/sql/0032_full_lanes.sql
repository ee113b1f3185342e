-- A lane that is full keeps nobody from the others.

-- As before, but heads are looked for only in lanes that have room: those of a full one could be the best, were all that was found,
-- and nothing came of them.
create or replace function claim_lines(p_catalog bigint, p_worker text, p_instance uuid, p_claim uuid, p_ttl_ms bigint, p_max integer,
  p_lanes integer[], p_virtual double precision[], p_routes integer[], p_route_lanes integer[])
returns setof claimed language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_now bigint;
  v_known record;
  v_room bigint[];
  v_found record;
  v_admitted admitted;
  v_left integer := p_max;
  v_drops integer := 100;
  v_tids tid[];
  v_free integer[];
  v_is_skipped boolean := false;
  v_routes integer[] := p_routes;
  v_route_lanes integer[] := p_route_lanes;
begin
  perform pg_advisory_xact_lock_shared(barrier_key());
  select d.catalog_version = p_catalog as is_current,
      exists (select 1 from execution e
        where e.lifecycle_phase = 'active' and e.instance_id = p_instance and e.claim_id = p_claim) as is_repeated,
      l.* into v_known
    from deployment d cross join lateral (
      select array_agg(l.id order by l.id) as ids, array_agg(l.concurrency order by l.id) as caps, bool_or(l.concurrency is not null) as is_capped
      from unnest(p_lanes) as i (lane_id) join lane l on l.id = i.lane_id where l.state in ('active', 'draining')
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
  if v_known.ids is null or cardinality(p_routes) = 0 then return; end if;

  for v_round in 1 .. 8 loop
    v_room := case when v_known.is_capped then room_of(v_known.ids, v_known.caps, v_left)
      else array_fill(v_left::bigint, array[cardinality(v_known.ids)]) end;
    v_now := now_ms();
    if v_known.is_capped then
      select array_agg(r.route_id order by r.ord), array_agg(r.lane_id order by r.ord) into v_routes, v_route_lanes
        from unnest(p_routes, p_route_lanes) with ordinality as r (route_id, lane_id, ord)
        where v_room[array_position(v_known.ids, r.lane_id)] > 0;
      exit when v_routes is null;
    end if;
    select array_agg(h.partition_key order by f.ord) as partitions, array_agg(h.id order by f.ord) as ids,
        array_agg(f.lane_id order by f.ord) as lanes, array_agg(f.admission_key order by f.ord) as keys into v_found
      from find_heads(v_known.ids, v_routes, v_route_lanes, v_left, v_now) with ordinality as f (partition_key, id, lane_id, admission_key, ord)
      cross join lateral (
        select e.partition_key, e.id, e.eligibility_state as state from execution e
        where e.partition_key = f.partition_key and e.id = f.id limit 1 for update skip locked
      ) h
      where h.state = 'eligible_now';
    exit when v_found.ids is null;
    if v_round > 1 then
      -- What the rounds before have locked stays so: whoever waited with it could be waited for.
      v_free := try_demands(v_found.partitions, v_found.ids);
      v_is_skipped := v_is_skipped or cardinality(v_free) < cardinality(v_found.ids);
      exit when cardinality(v_free) = 0;
      select array_agg(v_found.partitions[f] order by n) as partitions, array_agg(v_found.ids[f] order by n) as ids,
          array_agg(v_found.lanes[f] order by n) as lanes, array_agg(v_found.keys[f] order by n) as keys into v_found
        from unnest(v_free) with ordinality as o (f, n);
    end if;
    v_admitted := admit_heads(v_found.partitions, v_found.ids, v_found.lanes, v_found.keys, v_known.ids, v_room, v_left, v_drops, v_now);
    if v_admitted.granted is not null then
      select array_agg(e.tid order by g.n) into v_tids from unnest(v_admitted.granted) with ordinality as g (id, n)
        cross join lateral (select x.ctid as tid from execution x where x.id = g.id limit 1) e;
      return query select * from lease_heads(v_tids, p_worker, p_instance, p_claim, p_ttl_ms, v_now);
      v_left := v_left - cardinality(v_admitted.granted);
    end if;
    v_drops := v_drops - coalesce(cardinality(v_admitted.dropped), 0);
    exit when v_left <= 0 or v_drops <= 0;
    -- Nothing came of it: what is left belongs to others, or waits for room in a lane.
    exit when v_admitted.granted is null and v_admitted.dropped is null and v_admitted.parked = 0;
  end loop;
  -- The caller must not wait for a hint now: it asks again.
  if v_is_skipped and v_left = p_max then return next null::claimed; end if;
end $$;
