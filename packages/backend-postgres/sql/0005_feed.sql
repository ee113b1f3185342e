-- The feed: its numbers, given after the commit, and its end.

-- Gives committed events their numbers, in the order in which their statements ran: at most `p_max` batches, so that no
-- transaction is long, and none after `p_last`, by default the last there is, so that who calls on comes to an end. One at a
-- time does: who reads waits for it, so that what was committed before is seen; others leave the work to whoever is at it.
create function number_events(p_waits boolean, p_last bigint, p_max integer,
  out numbered integer, out last bigint, out more boolean)
language plpgsql set search_path from current set lock_timeout = '2s'
  set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  v_batches integer;
begin
  numbered := 0;
  more := false;
  if p_waits then
    -- Before the lock: nothing to number is what most readers find.
    if not exists (select 1 from event_batch) then return; end if;
    perform pg_advisory_xact_lock(feed_key());
  elsif not pg_try_advisory_xact_lock(feed_key()) then
    return;
  end if;
  last := coalesce(p_last, (select seq from event_batch order by seq desc limit 1));
  with taken as (
    delete from event_batch b
      where b.ctid = any (array(select o.ctid from event_batch o where o.seq <= last order by o.seq limit p_max))
    returning b.seq, b.at, b.partitions, b.bodies
  ), told as (
    select u.partition_key, t.at, json_build_array(t.at, u.body) as body,
      row_number() over (partition by u.partition_key order by t.seq, u.ordinality) - 1 as place
    from taken t cross join lateral unnest(t.partitions, t.bodies) with ordinality as u (partition_key, body)
  ), rows as materialized (
    -- Rows of a bounded length, so that a reader's look is one too.
    select partition_key, place / 64 as part, count(*)::integer as count, max(at) as at, json_agg(body order by place) as body
    from told group by partition_key, place / 64
  ), heads as (
    insert into event_head as h (partition_key, next_number) select partition_key, 1 + sum(count) from rows group by partition_key
    on conflict (partition_key) do update set next_number = h.next_number + excluded.next_number - 1
    returning h.partition_key, h.next_number
  ), written as (
    insert into event (partition_key, first_number, count, at, body)
    select r.partition_key, h.next_number - sum(r.count) over (partition by r.partition_key) + r.part * 64, r.count, r.at, r.body
    from rows r join heads h on h.partition_key = r.partition_key
    returning count
  )
  select (select count(*) from taken), (select coalesce(sum(count), 0) from written) into v_batches, numbered;
  more := v_batches = p_max;
end $$;

-- Removes events that are further back than `p_keep` numbers, or older than `p_age`: rows that hold nothing else, at most
-- `p_max`. From the row that is first then readers are shown only what is younger. Answers how many events readers lost.
create function trim_events(p_partition integer, p_keep bigint, p_age bigint, p_max integer, out removed integer, out more boolean)
language plpgsql set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  v_until bigint := now_ms() - p_age;
  v_head event_head;
  v_first event;
  v_below bigint;
begin
  removed := 0;
  more := false;
  select * into v_head from event_head where partition_key = p_partition for update skip locked;
  if not found then return; end if;
  v_below := v_head.trimmed_below;
  select * into v_first from event where partition_key = p_partition order by first_number limit 1;
  if v_first.at <= v_until or v_first.first_number + v_first.count <= v_head.next_number - p_keep then
    with looked as (
      -- Of a row and those before it, how many are to be kept.
      select o.first_number, count(*) filter (where o.at > v_until and o.first_number + o.count > v_head.next_number - p_keep)
        over (order by o.first_number) as kept
      from (select * from event e where e.partition_key = p_partition order by e.first_number limit p_max) o
    ), gone as (
      delete from event e using looked o where e.partition_key = p_partition and e.first_number = o.first_number and o.kept = 0
      returning e.first_number + e.count as next
    )
    select greatest(max(next), v_below), count(*) = p_max into v_below, more from gone;
    select * into v_first from event where partition_key = p_partition order by first_number limit 1;
  end if;
  if not more and v_first is not null then
    select greatest(v_first.first_number + count(*), v_below) into v_below from (
      select bool_and((b.value->>0)::bigint <= v_until) over (order by b.ordinality) as is_old
      from json_array_elements(v_first.body) with ordinality b
    ) b where b.is_old;
  end if;
  removed := v_below - v_head.trimmed_below;
  if removed > 0 then update event_head set trimmed_below = v_below where partition_key = p_partition; end if;
end $$;
