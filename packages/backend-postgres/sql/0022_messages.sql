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
