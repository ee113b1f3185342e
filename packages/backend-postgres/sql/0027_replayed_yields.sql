-- Makes the next members of a replay as they were before they ran, in their next generation. The caller holds the flow's row. A
-- lease that was handed back stays known until the next claim, so that its holder's repeat is answered as at first.
create or replace function reset_members(p_partition integer, p_flow uuid, p_max integer, p_now bigint) returns integer
language plpgsql set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  v_ids uuid[];
begin
  select array_agg(m.execution_id) into v_ids from (
    select execution_id from replay_member
    where partition_key = p_partition and flow_id = p_flow and stage = 0 order by ordinal limit p_max
  ) m;
  if v_ids is null then return 0; end if;
  update edge_group g set succeeded = 0, failed = 0, skipped = 0, state = 'pending', released = false, cancel_reason = null,
      cancel_pending = false
    where g.partition_key = p_partition and g.downstream_id = any(v_ids);
  delete from pending_cancel_group p where p.partition_key = p_partition and p.flow_id = p_flow and p.downstream_id = any(v_ids);
  update edge e set state = 'pending', seen_state = null, seen_satisfied = null, exempt = false
    where e.partition_key = p_partition and e.downstream_id = any(v_ids);
  -- A sibling cancel from before does not want what runs again on purpose.
  update edge e set exempt = true from edge_group g
    where e.partition_key = p_partition and e.upstream_id = any(v_ids) and e.state = 'pending'
      and g.partition_key = e.partition_key and g.downstream_id = e.downstream_id and g.cancel_pending;
  delete from completion_event c where c.flow_id = p_flow and c.kind = 'completion' and c.execution_id = any(v_ids);
  delete from execution_result r where r.partition_key = p_partition and r.id = any(v_ids);
  delete from step s using replay_member m
    where m.partition_key = p_partition and m.flow_id = p_flow and m.execution_id = any(v_ids) and m.has_input
      and s.partition_key = m.partition_key and s.execution_id = m.execution_id;
  perform forget_signals(p_partition, array_agg(x.id))
    from replay_member m join execution x on x.partition_key = m.partition_key and x.id = m.execution_id and x.has_ties
    where m.partition_key = p_partition and m.flow_id = p_flow and m.execution_id = any(v_ids) and m.has_input
    having count(*) > 0;
  update execution_info i set input = case when m.has_input then m.input else i.input end, progress_percent = null, progress_message = null
    from replay_member m
    where m.partition_key = p_partition and m.flow_id = p_flow and m.execution_id = any(v_ids)
      and (m.has_input or i.progress_percent is not null)
      and i.partition_key = m.partition_key and i.id = m.execution_id;
  perform 1 from execution x where x.partition_key = p_partition and x.id = any(v_ids) order by x.id for no key update;
  update execution x set
    generation = x.generation + 1, generation_epoch = x.epoch, retry_count = 0, reclaim_count = 0,
    replay_count = x.replay_count + case when x.lifecycle_phase = 'terminal' then 1 else 0 end,
    lifecycle_phase = 'runnable', ownership_state = 'unowned', terminal_outcome = 'none', deps_blocked = n.waits,
    eligibility_state = runnable_eligibility(n.waits, x.held, null, p_now),
    blocking_reason = runnable_reason(n.waits, x.held, null, null, p_now),
    attempt_state = case when x.attempt_count > 0 then 'pending_replay_attempt' else 'pending_first_attempt' end::attempt_state,
    public_state = runnable_public_state(n.waits, x.held, null, false, p_now),
    not_before = null, delay_reason = null,
    first_eligible_at = case when n.is_ready then p_now end,
    ready_at = case when n.is_ready then p_now end,
    score = case when n.is_ready then score_of(p_now, x.priority, n.ageing_ms) end,
    deadline_at = case when n.is_ready then p_now + x.deadline_ms end,
    queue_ttl_at = case when n.is_ready then p_now + x.queue_ttl_ms end,
    due_at = case when n.is_ready then least(p_now + x.deadline_ms, p_now + x.queue_ttl_ms) end,
    attempt_type = null, attempt_started_at = null, attempt_used_ms = 0, attempt_deadline_at = null, attempt_has_effects = false,
    grace_ends_at = null, cancel_cause = null, wanted = null, wanted_ancestors = true, terminal_at = null
  from (
    select x.id, l.ageing_ms, g.downstream_id is not null as waits, g.downstream_id is null and not x.held as is_ready
    from unnest(v_ids) as i(id)
    join execution x on x.partition_key = p_partition and x.id = i.id
    join lane l on l.id = x.lane_id
    left join edge_group g on g.partition_key = p_partition and g.downstream_id = x.id
  ) n
  where x.partition_key = p_partition and x.id = n.id;
  update replay_member m set stage = 1 where m.partition_key = p_partition and m.flow_id = p_flow and m.execution_id = any(v_ids);
  return cardinality(v_ids);
end $$;
