-- What goes when its time is over, with everything that belongs to it.

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

-- The next solo executions past their retention. Answers how many went; null where so many of their frames or signals went that the rest
-- is left for another transaction.
create function trim_executions(p_partition integer, p_max integer, p_frames_max integer) returns integer
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
  if not remove_streams(p_partition, v_ids, p_frames_max) then return null; end if;
  if not remove_ties(p_partition, v_ids, p_frames_max) then return null; end if;
  delete from completion_event c where c.partition_key = p_partition and c.execution_id = any(v_ids);
  perform remove_executions(p_partition, v_ids);
  return cardinality(v_ids);
end $$;

-- One batch of a flow past its retention: members first, the flow with the last of them. Answers null when the flow is
-- not to go, else whether it is gone.
create function trim_flow(p_partition integer, p_flow uuid, p_max integer, p_frames_max integer) returns boolean
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
  if not remove_streams(p_partition, v_ids, p_frames_max) then return false; end if;
  if not remove_ties(p_partition, v_ids, p_frames_max) then return false; end if;
  if v_ids is not null then perform remove_executions(p_partition, v_ids); end if;
  if cardinality(v_ids) = p_max then return false; end if;
  delete from completion_event c where c.flow_id = p_flow;
  delete from pending_cancel_group t where t.partition_key = p_partition and t.flow_id = p_flow;
  delete from cancel_backlog b where b.partition_key = p_partition and b.flow_id = p_flow;
  delete from replay_member m where m.partition_key = p_partition and m.flow_id = p_flow;
  delete from flow f where f.partition_key = p_partition and f.id = p_flow;
  return true;
end $$;
