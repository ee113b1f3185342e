-- Looks at some executions of a partition and says what does not fit. A lost or late timer is set again; what a constraint
-- or a transition should never have let through is only named. They are locked first, and all is read behind the locks: one
-- statement would see a row as it is when it gets the lock, and everything beside it as it was when the statement began.
create or replace function reconcile_sample(p_partition integer, p_from uuid, p_max integer) returns table (id uuid, finding text, repaired boolean)
language plpgsql set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  v_ids uuid[];
begin
  select array_agg(l.id) into v_ids from (
    select x.id from execution x where x.partition_key = p_partition and x.id >= p_from order by x.id limit p_max for update skip locked) l;
  return query
  with sample as materialized (
    select x.* from execution x where x.partition_key = p_partition and x.id = any (v_ids)
  ), timed as (
    select s.id, s.due_at, least(s.deadline_at, s.queue_ttl_at,
      case when s.lifecycle_phase = 'active' then least(s.grace_ends_at, s.attempt_deadline_at, s.lease_expires_at) end,
      case when s.lifecycle_phase = 'suspended' then timeout_of(s.partition_key, s.id) end,
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
  select s.id, 'it is suspended, and nothing says for what', false
    from sample s where s.lifecycle_phase = 'suspended'
      and not exists (select 1 from suspension u where u.partition_key = p_partition and u.execution_id = s.id)
  union all
  select s.id, 'a suspension stands, and it is not suspended', false
    from sample s where s.lifecycle_phase <> 'suspended'
      and exists (select 1 from suspension u where u.partition_key = p_partition and u.execution_id = s.id)
  union all
  select s.id, 'it has no description', false
    from sample s where not exists (select 1 from execution_info i where i.partition_key = p_partition and i.id = s.id);
end $$;
