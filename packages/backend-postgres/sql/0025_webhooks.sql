-- Webhooks: records that are written on condition of their version, and found by who is due and by time, as bulk operations are.
-- What their texts mean is decided by the process that writes them. No secret is in them.

create table webhook (
  partition_key smallint not null,    -- of the quota family
  namespace text not null,
  id uuid not null,
  version bigint not null,
  created_at bigint not null,
  due_at bigint,                      -- null: never
  definition text not null,
  progress text not null,
  primary key (namespace, id)
);
create index webhook_due on webhook (partition_key, due_at, namespace collate "C", id) where due_at is not null;
create index webhook_listing on webhook (namespace, created_at desc, id desc);

-- The cheap look over partitions of the quota family: when the next schedule, bulk operation, webhook and window of each is due.
drop function pulse_of_quotas(integer[]);
create function pulse_of_quotas(p_partitions integer[])
returns table (partition_key integer, now bigint, schedules_due_at bigint, operations_due_at bigint, webhooks_due_at bigint,
  retry_at bigint, parked boolean)
language plpgsql stable set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  v_now bigint := now_ms();
begin
  return query
  select p.key, v_now,
    (select s.due_at from schedule s where s.partition_key = p.key and s.due_at is not null order by s.due_at limit 1),
    (select o.due_at from operation o where o.partition_key = p.key and o.due_at is not null order by o.due_at limit 1),
    (select w.due_at from webhook w where w.partition_key = p.key and w.due_at is not null order by w.due_at limit 1),
    (select min(l.retry_at) from admission_line l where l.home = p.key and l.by_quota is not null),
    exists (select 1 from admission_line l where l.home = p.key and l.by_quota is not null)
      and exists (select 1 from wakeable_quotas(p.key))
  from unnest(p_partitions) as p (key);
end $$;
