-- Whoever ends something learns in the same round trip that a message was left by it, and carries it at once. Few ends leave
-- one, and which do is known only inside: so the transaction says it to whoever reads its answer.
create or replace function leave_message(p_partition integer, p_kind text, p_message jsonb) returns boolean language sql set search_path from current as $$
  select set_config('flowfabric.messages', 'left', true);
  insert into completion_event (partition_key, kind, message) values (p_partition, p_kind, p_message) returning true
$$;

-- The lane of an execution that is claimable now. Claims step over a row that is locked, and who waits believes them that
-- nothing is there. So whoever locks one and leaves it as it is says afterwards that there is work. Volatile: called behind
-- what locks the row in the same statement, it sees what was committed while the lock was waited for.
create function claimable_lane(p_partition integer, p_id uuid) returns integer language sql volatile set search_path from current as $$
  select e.lane_id from execution e where e.partition_key = p_partition and e.id = p_id and e.eligibility_state = 'eligible_now' limit 1
$$;

-- A verdict may come with the first call, from a process that remembers what is waited for. `of` is what it has judged: a
-- suspension that was begun anew has the revisions of the one before.
create or replace function deliver_signal(p_partition integer, p_waitpoint uuid, p_namespace text, p_signal uuid, p_name text, p_payload bytea,
  p_source text, p_key text, p_key_ttl bigint, p_early_max integer, p_verdict jsonb, p_state text) returns jsonb
language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  e execution;
  w waitpoint;
  s suspension;
  v_now bigint;
  v_known uuid;
  v_sequence bigint;
  v_outcome text := 'buffered';
  v_moved moved;
begin
  select x.* into e from waitpoint y join execution x on x.partition_key = y.partition_key and x.id = y.execution_id
    join lane l on l.id = x.lane_id and l.namespace = p_namespace
    where y.id = p_waitpoint and y.partition_key = p_partition for no key update of x;
  if found then
    select y.* into w from waitpoint y where y.id = p_waitpoint and y.partition_key = p_partition and y.execution_id = e.id;
  end if;
  if not found then return '{"outcome":"waitpoint_not_found"}'; end if;
  v_now := now_ms();
  select x.id into v_known from signal x
    where x.waitpoint_id = p_waitpoint and x.idempotency_key = p_key and x.partition_key = p_partition and x.received_at > v_now - p_key_ttl
    order by x.sequence limit 1;
  if found then return jsonb_build_object('outcome', 'duplicate', 'id', v_known); end if;
  if waitpoint_state(w.closed, w.expires_at, e.lifecycle_phase = 'terminal', v_now) <> 'open' then
    return '{"outcome":"waitpoint_closed"}';
  end if;

  v_sequence := next_sequence(p_partition, e.id);
  if e.lifecycle_phase = 'suspended' then
    select x.* into s from suspension x
      where x.partition_key = p_partition and x.execution_id = e.id and p_waitpoint = any (x.waitpoint_ids);
  end if;
  if s.id is not null then
    if p_verdict is null or p_verdict ->> 'revision' <> s.id::text || ':' || s.revision
      or (p_verdict ->> 'sequence')::bigint <> v_sequence
      or p_verdict ->> 'of' <> encode(sha256(convert_to(s.condition || s.state, 'UTF8')), 'hex') then
      return to_judge(s) || jsonb_build_object('sequence', v_sequence);
    end if;
    if (p_verdict ->> 'counted')::boolean then
      v_outcome := case when (p_verdict ->> 'holds')::boolean then 'satisfied' else 'accepted' end;
    end if;
  end if;
  if v_outcome = 'buffered' and w.signal_count >= p_early_max then return '{"outcome":"too_many_signals"}'; end if;

  insert into signal (partition_key, execution_id, sequence, id, waitpoint_id, name, payload, source, received_at, idempotency_key)
    values (p_partition, e.id, v_sequence, p_signal, p_waitpoint, p_name, p_payload, p_source, v_now, p_key);
  update waitpoint y set signal_count = y.signal_count + 1 where y.id = p_waitpoint and y.partition_key = p_partition;
  perform tell_signal(p_partition, e.id, p_signal, p_waitpoint, p_name, v_outcome);
  if v_outcome <> 'buffered' then v_moved := apply_verdict(p_partition, e.id, p_verdict, p_state, v_now); end if;
  return jsonb_build_object('outcome', v_outcome, 'moved', case when v_moved.id is not null then to_jsonb(v_moved) end);
end $$;
