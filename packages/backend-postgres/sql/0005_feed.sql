-- The feed: its numbers, given after the commit, and its end.

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
