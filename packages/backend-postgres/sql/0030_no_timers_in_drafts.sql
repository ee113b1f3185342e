-- Blocks of a member of a draft change what it is once the draft is sealed, and set no timer before that: there was one where
-- a member with a start time was held and released, and passes came to it in vain, again and again, until the seal.
create or replace function set_blocks(p_partitions integer[], p_ids uuid[], p_deps boolean, p_held boolean, p_by_time boolean, p_seal boolean,
  p_now bigint) returns table (partition_key integer, id uuid, lane_id integer, flow_id uuid, eligibility_state eligibility_state, due_at bigint)
language plpgsql set search_path from current set enable_seqscan = off as $$
#variable_conflict use_column
begin
  return query
  update execution e set
    lifecycle_phase = case when n.stays then e.lifecycle_phase else 'runnable' end,
    deps_blocked = n.deps,
    held = n.held,
    not_before = case when n.eligible then null else e.not_before end,
    delay_reason = case when n.eligible then null else e.delay_reason end,
    eligibility_state = case when n.stays then e.eligibility_state else runnable_eligibility(n.deps, n.held, e.not_before, p_now) end,
    blocking_reason = case when n.stays then e.blocking_reason
      else runnable_reason(n.deps, n.held, e.not_before, e.delay_reason, p_now) end,
    attempt_state = case when n.eligible and e.attempt_state = 'attempt_interrupted' then 'pending_resume' else e.attempt_state end,
    public_state = case when n.stays then e.public_state
      else runnable_public_state(n.deps, n.held, e.not_before, e.attempt_state in ('attempt_interrupted', 'pending_resume'), p_now) end,
    first_eligible_at = n.first_eligible_at,
    ready_at = n.ready_at,
    score = case when not n.eligible or (e.score is not null and e.ready_at is not null) then e.score
      else score_of(n.ready_at, e.priority, n.ageing_ms) end,
    deadline_at = n.deadline_at,
    queue_ttl_at = n.queue_ttl_at,
    due_at = case when not n.stays then runnable_due(n.deps, n.held, e.not_before, p_now, n.deadline_at, n.queue_ttl_at) end
  from (
    select g.tid, g.stays, g.deps, g.held, g.eligible, g.ageing_ms,
      case when g.eligible then coalesce(g.first_eligible_at, g.eligible_at) else g.first_eligible_at end as first_eligible_at,
      case when g.eligible then coalesce(g.ready_at, g.eligible_at) else g.ready_at end as ready_at,
      case when g.eligible and g.first_eligible_at is null then g.eligible_at + g.deadline_ms else g.deadline_at end as deadline_at,
      case when g.eligible and g.first_eligible_at is null then g.eligible_at + g.queue_ttl_ms else g.queue_ttl_at end as queue_ttl_at
    from unnest(p_partitions, p_ids) as i (partition_key, id)
    cross join lateral (
      select f.*, not f.stays and is_eligible(f.deps, f.held, f.not_before, p_now) as eligible from (
        select x.ctid as tid, x.not_before, x.first_eligible_at, x.ready_at, x.deadline_ms, x.deadline_at, x.queue_ttl_ms, x.queue_ttl_at,
          (select l.ageing_ms from lane l where l.id = x.lane_id) as ageing_ms,
          x.lifecycle_phase = 'submitted' and not p_seal as stays,
          coalesce(p_deps, x.deps_blocked) as deps,
          coalesce(p_held, x.held) as held,
          case when p_by_time then coalesce(x.not_before, p_now) else p_now end as eligible_at
        from execution x
        where x.partition_key = i.partition_key and x.id = i.id and x.lifecycle_phase in ('submitted', 'runnable') limit 1
      ) f
    ) g
  ) n
  where e.ctid = n.tid
  returning e.partition_key, e.id, e.lane_id, e.flow_id, e.eligibility_state, e.due_at;
end $$;
