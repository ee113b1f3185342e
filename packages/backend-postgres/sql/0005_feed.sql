-- The feed's numbers, and what goes when its time is over.

-- Numbers the committed events of these partitions, in the order in which their statements ran. The head's row is the
-- right to number; who can't have it leaves the work to its holder.
create function number_events(p_partitions integer[]) returns integer
language plpgsql set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  v_partition integer;
  v_next bigint;
  v_rows integer;
  v_numbered integer := 0;
begin
  for v_partition in
    select p.key from unnest(p_partitions) as p(key)
    where exists (select 1 from event e where e.partition_key = p.key and e.first_number is null)
    order by p.key
  loop
    insert into event_head (partition_key) values (v_partition) on conflict do nothing;
    select next_number into v_next from event_head where partition_key = v_partition for update skip locked;
    continue when not found;
    with numbered as (
      select e.seq, e.count, v_next + coalesce(sum(e.count) over (order by e.seq rows between unbounded preceding and 1 preceding), 0) as number
      from (select seq, count from event where partition_key = v_partition and first_number is null order by seq limit 5000) e
    ), written as (
      update event e set first_number = n.number from numbered n where e.seq = n.seq returning e.count
    )
    select count(*)::integer, v_next + coalesce(sum(count), 0) into v_rows, v_next from written;
    update event_head set next_number = v_next where partition_key = v_partition;
    v_numbered := v_numbered + v_rows;
  end loop;
  return v_numbered;
end $$;

-- Removes events that are further back than `p_keep` numbers, whole rows only.
create function trim_events(p_partition integer, p_keep bigint, p_max integer) returns integer
language plpgsql set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  v_below bigint;
  v_removed integer;
  v_last bigint;
begin
  select next_number - p_keep into v_below from event_head where partition_key = p_partition for update skip locked;
  if not found or v_below <= 1 then return 0; end if;
  with gone as (
    delete from event e where e.seq in (
      select o.seq from event o where o.partition_key = p_partition and o.first_number is not null and o.first_number + o.count <= v_below
        and o.first_number < v_below order by o.first_number limit p_max)
    returning e.count, e.first_number + e.count as next
  )
  select coalesce(sum(count), 0)::integer, max(next) into v_removed, v_last from gone;
  if v_last is not null then
    update event_head set trimmed_below = greatest(trimmed_below, v_last) where partition_key = p_partition;
  end if;
  return v_removed;
end $$;

-- Removes executions with everything that belongs to them. The caller holds their rows.
create function remove_executions(p_partition integer, p_ids uuid[]) returns void
language plpgsql set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
begin
  delete from execution_info where partition_key = p_partition and id = any(p_ids);
  delete from execution_result where partition_key = p_partition and id = any(p_ids);
  delete from attempt where partition_key = p_partition and execution_id = any(p_ids);
  delete from step where partition_key = p_partition and execution_id = any(p_ids);
  delete from edge where partition_key = p_partition and upstream_id = any(p_ids);
  delete from edge where partition_key = p_partition and downstream_id = any(p_ids);
  delete from edge_group where partition_key = p_partition and downstream_id = any(p_ids);
  delete from replay_member where partition_key = p_partition and execution_id = any(p_ids);
  delete from execution where partition_key = p_partition and id = any(p_ids);
end $$;

-- The next solo executions past their retention.
create function trim_executions(p_partition integer, p_max integer) returns integer
language plpgsql set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  v_now bigint := now_ms();
  v_ids uuid[];
begin
  select array_agg(x.id) into v_ids from (
    select x.id from execution x
    where x.partition_key = p_partition and x.due_at <= v_now and x.lifecycle_phase = 'terminal' and x.flow_id is null
    order by x.due_at limit p_max for update skip locked
  ) x;
  if v_ids is null then return 0; end if;
  delete from completion_event c where c.partition_key = p_partition and c.execution_id = any(v_ids);
  perform remove_executions(p_partition, v_ids);
  return cardinality(v_ids);
end $$;

-- One batch of a flow past its retention: members first, the flow with the last of them. Answers null when the flow is
-- not to go, else whether it is gone.
create function trim_flow(p_partition integer, p_flow uuid, p_max integer) returns boolean
language plpgsql set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  v_now bigint := now_ms();
  v_purge_at bigint;
  v_ids uuid[];
begin
  perform 1 from flow f where f.partition_key = p_partition and f.id = p_flow and f.state in ('completed', 'failed', 'cancelled')
    and f.due_at <= v_now for update skip locked;
  if not found then return null; end if;
  -- A lane may keep its executions longer by now.
  select max(x.terminal_at + coalesce(x.retention_ms, l.retention_ms)) into v_purge_at
    from execution x join lane l on l.id = x.lane_id where x.flow_id = p_flow;
  if v_purge_at > v_now then
    update flow f set due_at = v_purge_at where f.partition_key = p_partition and f.id = p_flow;
    return null;
  end if;
  select array_agg(x.id) into v_ids from (select id from execution where flow_id = p_flow limit p_max) x;
  if v_ids is not null then perform remove_executions(p_partition, v_ids); end if;
  if cardinality(v_ids) = p_max then return false; end if;
  delete from completion_event c where c.flow_id = p_flow;
  delete from pending_cancel_group t where t.partition_key = p_partition and t.flow_id = p_flow;
  delete from cancel_backlog b where b.partition_key = p_partition and b.flow_id = p_flow;
  delete from replay_member m where m.partition_key = p_partition and m.flow_id = p_flow;
  delete from flow f where f.partition_key = p_partition and f.id = p_flow;
  return true;
end $$;

-- ---- What records and their state demand of each other

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
  select s.id, 'it has no description', false
    from sample s where not exists (select 1 from execution_info i where i.partition_key = p_partition and i.id = s.id);
end $$;
