-- Whoever ends something learns in the same round trip that a message was left by it, and carries it at once. Few ends leave
-- one, and which do is known only inside: so the transaction says it to whoever reads its answer.
create or replace function leave_message(p_partition integer, p_kind text, p_message jsonb) returns boolean language sql set search_path from current as $$
  select set_config('flowfabric.messages', 'left', true);
  insert into completion_event (partition_key, kind, message) values (p_partition, p_kind, p_message) returning true
$$;
