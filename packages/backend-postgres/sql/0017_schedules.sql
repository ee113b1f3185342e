-- Schedules: records that are written on condition of their version, and found by who is due. What their texts mean is decided
-- by the process that writes them.

create table schedule (
  partition_key smallint not null,    -- of the quota family
  namespace text not null,
  id uuid not null,
  label text collate "C" not null,
  version bigint not null,
  due_at bigint,                      -- null: never
  definition text not null,
  work text not null,
  progress text not null,
  primary key (namespace, id)
);
create index schedule_due on schedule (partition_key, due_at, namespace collate "C", id) where due_at is not null;
create index schedule_listing on schedule (namespace, label, id);

-- The cheap look over partitions of the quota family: when the next schedule of each is due.
create function pulse_of_quotas(p_partitions integer[]) returns table (partition_key integer, now bigint, schedules_due_at bigint)
language plpgsql stable set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  v_now bigint := now_ms();
begin
  return query
  select p.key, v_now,
    (select s.due_at from schedule s where s.partition_key = p.key and s.due_at is not null order by s.due_at limit 1)
  from unnest(p_partitions) as p (key);
end $$;
