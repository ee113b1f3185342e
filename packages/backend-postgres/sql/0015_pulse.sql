-- The cheap look over many partitions: what is pending in each, and when its next timer is due.

create type partition_pulse as (partition_key integer, now bigint, next_due_at bigint, outbox boolean, sibling_cancels boolean,
  cancel_backlog boolean, projection boolean, retention boolean, upkeep boolean, waiting jsonb);

-- Index probes only: each asks for the first entry of an index, since a condition on its value would be judged by
-- statistics, which are old just when there is much to do. Waiting lanes and what belongs to no partition are told with
-- the first partition asked for, and with partition 0.
create function pulse_of(p_partitions integer[], p_fold_rows integer, p_waiting_ms bigint, p_number_ms bigint, p_feed_age bigint)
returns setof partition_pulse
language plpgsql stable set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  v_now bigint := now_ms();
begin
  return query
  select p.key, v_now,
    least(
      (select x.due_at from execution x where x.partition_key = p.key and x.due_at is not null and x.lifecycle_phase <> 'terminal'
        order by x.due_at limit 1),
      (select f.due_at from flow f where f.partition_key = p.key and f.due_at is not null and f.state in ('draft', 'open', 'cancelling')
        order by f.due_at limit 1)),
    exists (select 1 from completion_event c left join flow f on f.partition_key = c.partition_key and f.id = c.flow_id
      where c.partition_key = p.key and c.available_at <= v_now and f.state is distinct from 'draft'),
    exists (select 1 from pending_cancel_group g where g.partition_key = p.key),
    exists (select 1 from cancel_backlog b where b.partition_key = p.key),
    exists (select 1 from flow f where f.partition_key = p.key and f.unprojected),
    coalesce(v_now >= least(
      (select x.due_at from execution x where x.partition_key = p.key and x.due_at is not null and x.lifecycle_phase = 'terminal'
        order by x.due_at limit 1),
      (select f.due_at from flow f where f.partition_key = p.key and f.due_at is not null and f.state in ('completed', 'failed', 'cancelled')
        order by f.due_at limit 1),
      (select o.at from event o where o.partition_key = p.key order by o.first_number limit 1) + p_feed_age,
      case when p.key = 0 then (select k.expires_at from idempotency_key k order by k.expires_at limit 1) end), false),
    -- Who reads the feed numbers it: without readers it is done in larger lots.
    p.key = 0 and (coalesce((select b.at from event_batch b order by b.seq limit 1) <= v_now - p_number_ms, false)
      or (select count(*) from (select 1 from lane_depth limit p_fold_rows) d) >= p_fold_rows),
    case when p.place = 1 then (
      select jsonb_agg(jsonb_build_object('namespace', w.namespace, 'lane', w.name, 'readyAtMs', w.ready_at)) from (
        select l.namespace, l.name, min(h.ready_at) as ready_at
        from lane l join route r on r.lane_id = l.id
        cross join lateral (select x.ready_at from execution x
          where x.route_id = r.id and x.eligibility_state = 'eligible_now' order by x.score, x.seq limit 1) h
        where l.state in ('active', 'draining') and h.ready_at < v_now - p_waiting_ms
        group by l.namespace, l.name
      ) w) end
  from unnest(p_partitions) with ordinality as p (key, place);
end $$;
