-- Submissions inside a transaction of the caller's: what the statements of its own process do, without what would make others
-- wait for its commit, and with the wake-up sent by the commit itself.

-- Set by whoever is called inside such a transaction, for as long as its function runs.
create function is_inside() returns boolean language sql stable parallel safe
  return coalesce(current_setting('flowfabric.inside', true) = 'on', false);

create or replace function submit_executions(p_namespace text, p_partitions integer[], p_ids uuid[], p_routes integer[], p_hashes text[],
  p_inputs bytea[], p_options jsonb[])
returns setof submitted
language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_now bigint;
  v_made uuid[];
begin
  -- A caller's transaction may stay open for long: whoever closes a lane does not wait for it.
  if not is_inside() then perform pg_advisory_xact_lock_shared(barrier_key()); end if;
  v_now := now_ms();

  -- The info first: its key says whose the id is.
  with made as (
    insert into execution_info as x (partition_key, id, namespace, lane_id, kind, tags, input, input_hash, retry, trace_context, created_at,
      demands)
    select i.partition_key, i.id, p_namespace, r.lane_id, r.kind, coalesce(i.options -> 'tags', '{}'), i.input,
      convert_to(i.hash, 'UTF8'), i.options -> 'retry', i.options ->> 'traceContext', v_now,
      i.options -> 'demands'
    from unnest(p_partitions, p_ids, p_routes, p_hashes, p_inputs, p_options) as i (partition_key, id, route_id, hash, input, options)
    join route r on r.id = i.route_id join lane l on l.id = r.lane_id
    where l.state not in ('draining', 'disabled')
    on conflict (partition_key, id) do nothing
    returning x.id
  )
  select array_agg(m.id) into v_made from made m;

  return query
  with made as (
    insert into execution as e (partition_key, id, lane_id, route_id, lifecycle_phase, eligibility_state, blocking_reason, attempt_state,
      public_state, priority, ready_at, score, first_eligible_at, not_before, delay_reason, deadline_ms, queue_ttl_ms, attempt_timeout_ms,
      max_reclaims, retention_ms, deadline_at, queue_ttl_at, due_at, created_at, admission_key, has_demands)
    select f.partition_key, f.id, f.lane_id, f.route_id, 'runnable', runnable_eligibility(false, false, f.not_before, v_now),
      runnable_reason(false, false, f.not_before, 'start_time', v_now), 'pending_first_attempt',
      runnable_public_state(false, false, f.not_before, false, v_now), f.priority, f.ready_at, score_of(f.ready_at, f.priority, f.ageing_ms), f.ready_at, f.not_before,
      case when f.not_before is not null then 'start_time'::delay_reason end, f.deadline_ms, f.queue_ttl_ms,
      (f.options ->> 'attemptTimeoutMs')::bigint, coalesce((f.options ->> 'maxReclaims')::integer, 20),
      (f.options ->> 'retentionMs')::bigint, f.ready_at + f.deadline_ms, f.ready_at + f.queue_ttl_ms,
      runnable_due(false, false, f.not_before, v_now, f.ready_at + f.deadline_ms, f.ready_at + f.queue_ttl_ms), v_now,
      admission_hash(f.options ->> 'admissionKey'), case when f.options ? 'admissionKey' then true end
    from (
      select i.*, r.lane_id, l.ageing_ms, coalesce((i.options ->> 'priority')::integer, 0) as priority,
        (i.options ->> 'deadlineMs')::bigint as deadline_ms, (i.options ->> 'queueTtlMs')::bigint as queue_ttl_ms, s.not_before,
        case when s.not_before is null then v_now end as ready_at
      from unnest(p_partitions, p_ids, p_routes, p_options) with ordinality as i (partition_key, id, route_id, options, ord)
      join route r on r.id = i.route_id join lane l on l.id = r.lane_id
      -- A start in the past is no delay.
      cross join lateral (select nullif(greatest(coalesce((i.options ->> 'startAtMs')::bigint,
        v_now + (i.options ->> 'delayMs')::bigint), v_now), v_now) as not_before) s
      where i.id = any (v_made)
    ) f order by f.ord
    returning e.partition_key, e.id, e.lane_id, e.due_at, e.not_before is null as eligible
  )
  select array_position(p_ids, m.id), 'accepted', m.partition_key, m.id, m.lane_id, null::text, m.eligible, m.due_at from made m;

  if coalesce(cardinality(v_made), 0) < cardinality(p_ids) then
    return query
    select i.ord::integer, coalesce(judge_taken_id(i.partition_key, i.id, p_namespace, r.kind, convert_to(i.hash, 'UTF8')),
        case when l.state in ('draining', 'disabled') then 'lane_not_accepting' else 'execution_conflict' end),
      i.partition_key, i.id, r.lane_id, l.state, null::boolean, null::bigint
    from unnest(p_partitions, p_ids, p_routes, p_hashes) with ordinality as i (partition_key, id, route_id, hash, ord)
    join route r on r.id = i.route_id join lane l on l.id = r.lane_id
    where v_made is null or i.id <> all (v_made);
  end if;
end $$;

-- ---- For the process: as `submit_executions` and `submit_flows`, in a transaction that is not theirs

-- Hints that the commit sends, if anybody listens.
create function tell_at_commit(p_hints json) returns void
language plpgsql set search_path from current as $$
begin
  if json_array_length(p_hints) = 0 or not exists (select 1 from pg_locks l
    where l.locktype = 'advisory' and l.granted and l.objsubid = 1
      and l.database = (select oid from pg_database where datname = current_database())
      and (l.classid::bigint << 32) | l.objid::bigint = hashtextextended('flowfabric/hints/' || current_schema(), 0)) then
    return;
  end if;
  perform pg_notify(current_schema() || '_hints', 'transaction [' || h || ']') from json_array_elements_text(p_hints) h;
end $$;

-- These run with the rights of the schema's owner: whoever may use the schema may submit. Whatever fails is taken back to
-- here and answered as a value: `state` is its SQLSTATE. So the caller's transaction goes on.
create function submit_inside(p_namespace text, p_partitions integer[], p_ids uuid[], p_routes integer[], p_hashes text[],
  p_inputs bytea[], p_options jsonb[], p_keys text[], p_ttls bigint[], out answer json)
language plpgsql security definer set search_path from current as $$
#variable_conflict use_column
declare
  v_rows submitted[];
  v_state text;
  v_message text;
begin
  perform set_config('flowfabric.inside', 'on', true);
  if p_keys is null then
    select array_agg(s order by s.ord) into v_rows
      from submit_executions(p_namespace, p_partitions, p_ids, p_routes, p_hashes, p_inputs, p_options) s;
  else
    select array_agg(s order by s.ord) into v_rows
      from submit_keyed(p_namespace, p_partitions, p_ids, p_routes, p_hashes, p_inputs, p_options, p_keys, p_ttls) s;
  end if;
  perform set_config('flowfabric.inside', '', true);
  -- A route that is younger than the caller's snapshot.
  if coalesce(cardinality(v_rows), 0) < cardinality(p_ids) then
    raise exception 'a route was made after the snapshot of this transaction' using errcode = '40001';
  end if;
  perform tell_at_commit(coalesce(json_agg(h.hint), '[]')) from (
    select json_build_object('type', 'ready', 'namespace', p_namespace, 'lane', l.name, 'count', count(*)) as hint
      from unnest(v_rows) r join lane l on l.id = r.lane_id where r.outcome = 'accepted' and r.eligible group by l.name
    union all
    select json_build_object('type', 'due', 'partition', format('{fp:%s}', r.partition_key), 'dueAtMs', min(r.due_at))
      from unnest(v_rows) r where r.outcome = 'accepted' and r.due_at is not null group by r.partition_key
  ) h;
  answer := array_to_json(v_rows);
exception when others then
  get stacked diagnostics v_state = returned_sqlstate, v_message = message_text;
  answer := json_build_object('state', v_state, 'message', v_message);
end $$;

-- One flow; `p_hints` are sent if it is accepted.
create function submit_flow_inside(p_flow json, p_nodes json, p_edges json, p_hints json, out answer json)
language plpgsql security definer set search_path from current as $$
declare
  v_state text;
  v_message text;
begin
  select row_to_json(s) into answer from submit_flows(json_build_array(p_flow), p_nodes, p_edges) s;
  if answer ->> 'outcome' = 'accepted' then perform tell_at_commit(p_hints); end if;
exception when others then
  get stacked diagnostics v_state = returned_sqlstate, v_message = message_text;
  answer := json_build_object('state', v_state, 'message', v_message);
end $$;

-- ---- For everyone: `submit`, in plain SQL. Its name, its parameters and its answers stay.

-- A UUIDv7, as core's `mintUuid`.
create function mint_uuid() returns uuid language sql volatile
  return encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
    placing substring(int8send(floor(date_part('epoch', clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6), 52, 1), 53, 1), 'hex')::uuid;

-- Core's `crc16`.
create function crc16(p_bytes bytea) returns integer language plpgsql immutable strict parallel safe as $$
declare
  v_crc integer := 0;
  x integer;
begin
  for i in 0 .. length(p_bytes) - 1 loop
    x := ((v_crc >> 8) # get_byte(p_bytes, i)) & 255;
    x := x # (x >> 4);
    v_crc := ((v_crc << 8) # (x << 12) # (x << 5) # x) & 65535;
  end loop;
  return v_crc;
end $$;

-- Core's `soloPartition`.
create function solo_partition(p_namespace text, p_lane text, p_uuid uuid) returns integer
language sql stable set search_path from current as $$
  select (crc16(convert_to(p_namespace || '/' || p_lane, 'UTF8')) + case when l.shards > 1 then crc16(uuid_send(p_uuid)) % l.shards else 0 end)
    % d.flow_partitions
  from deployment d left join lane l on l.namespace = p_namespace and l.name = p_lane
$$;

create function is_name(p_text text) returns boolean language sql immutable parallel safe
  return coalesce(p_text ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$', false);

create type fault as (code text, message text);

-- A whole number of p_min to p_max, or the fault that it is none; null when it is absent.
create function whole_fault(p_value jsonb, p_path text, p_min numeric, p_max numeric, p_low text, p_high text) returns fault
language plpgsql immutable as $$
begin
  if p_value is null then return null; end if;
  if jsonb_typeof(p_value) <> 'number' or p_value::numeric % 1 <> 0 or p_value::numeric < p_min then
    return row(p_low, format('%s: must be a whole number of %s…%s', p_path, p_min, p_max))::fault;
  end if;
  if p_value::numeric > p_max then return row(p_high, format('%s is %s, at most %s', p_path, p_value, p_max))::fault; end if;
  return null;
end $$;

create function text_fault(p_value jsonb, p_path text, p_min integer, p_max integer) returns fault
language plpgsql immutable as $$
declare
  v_text text := p_value #>> '{}';
begin
  if p_value is null then return null; end if;
  if jsonb_typeof(p_value) <> 'string' then return row('invalid_params', p_path || ': must be a text')::fault; end if;
  if octet_length(v_text) < p_min then return row('invalid_params', p_path || ': must not be empty')::fault; end if;
  if octet_length(v_text) > p_max then
    return row('limit_exceeded', format('%s is %s, at most %s', p_path, octet_length(v_text), p_max))::fault;
  end if;
  return null;
end $$;

create function tags_fault(p_tags jsonb) returns fault language plpgsql immutable as $$
declare
  v record;
begin
  if p_tags is null then return null; end if;
  if jsonb_typeof(p_tags) <> 'object' then return row('invalid_params', 'tags: must be an object')::fault; end if;
  if (select count(*) from jsonb_object_keys(p_tags)) > 32 then return row('too_many_tags', 'at most 32 tags')::fault; end if;
  for v in select key, value, value #>> '{}' as text from jsonb_each(p_tags) loop
    if length(v.key) > 128 or octet_length(v.text) > 256 then return row('tag_too_long', format('tag %s', left(v.key, 128)))::fault; end if;
    if v.key !~ '^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$' or v.key ~ '^ff[.]' or jsonb_typeof(v.value) <> 'string' then
      return row('invalid_tag', format('not a tag: %s', v.key))::fault;
    end if;
  end loop;
  return null;
end $$;

create function capabilities_fault(p_capabilities jsonb) returns fault language plpgsql immutable as $$
declare
  v record;
begin
  if p_capabilities is null then return null; end if;
  if jsonb_typeof(p_capabilities) <> 'array' then return row('invalid_params', 'capabilities: must be a list')::fault; end if;
  for v in select value #>> '{}' as text, jsonb_typeof(value) as type from jsonb_array_elements(p_capabilities) loop
    if v.type <> 'string' or v.text !~ '^[^[:cntrl:][:space:],]+$' then
      return row('invalid_capability', format('not a capability: %s', left(v.text, 128)))::fault;
    end if;
  end loop;
  if (select count(distinct value) > 256 or sum(octet_length(value) + 1) > 4097 from jsonb_array_elements_text(p_capabilities)) then
    return row('too_many_capabilities', 'at most 256 capabilities, of 4096 bytes')::fault;
  end if;
  return null;
end $$;

create function timeouts_fault(p_timeouts jsonb) returns fault language plpgsql immutable as $$
declare
  v_name text;
  v_fault fault;
begin
  if p_timeouts is null then return null; end if;
  if jsonb_typeof(p_timeouts) <> 'object' then return row('invalid_policy', 'timeouts must be an object')::fault; end if;
  for v_name in select jsonb_object_keys(p_timeouts) loop
    if v_name not in ('deadlineMs', 'attemptTimeoutMs', 'queueTtlMs') then
      return row('unknown_field', format('timeouts has no %s', left(v_name, 128)))::fault;
    end if;
    v_fault := whole_fault(p_timeouts -> v_name, 'timeouts.' || v_name, 1, 315576000000, 'invalid_policy', 'invalid_policy');
    if v_fault is not null then return v_fault; end if;
  end loop;
  return null;
end $$;

create function retry_fault(p_retry jsonb) returns fault language plpgsql immutable as $$
declare
  v_backoff jsonb := p_retry -> 'backoff';
  v_fault fault;
begin
  if p_retry is null then return null; end if;
  if jsonb_typeof(p_retry) <> 'object' then return row('invalid_policy', 'retry must be an object')::fault; end if;
  v_fault := whole_fault(coalesce(p_retry -> 'maxAttempts', 'null'), 'retry.maxAttempts', 1, 1000, 'invalid_policy', 'invalid_policy');
  if v_fault is not null then return v_fault; end if;
  if jsonb_typeof(v_backoff) is distinct from 'object' or coalesce(v_backoff ->> 'kind', '') not in ('fixed', 'exponential') then
    return row('invalid_policy', 'retry.backoff.kind must be fixed or exponential')::fault;
  end if;
  v_fault := coalesce(
    whole_fault(coalesce(v_backoff -> 'initialMs', 'null'), 'retry.backoff.initialMs', 0, 315576000000, 'invalid_policy', 'invalid_policy'),
    whole_fault(coalesce(v_backoff -> 'maxMs', 'null'), 'retry.backoff.maxMs', 0, 315576000000, 'invalid_policy', 'invalid_policy'));
  if v_fault is not null then return v_fault; end if;
  if (v_backoff ->> 'maxMs')::numeric < (v_backoff ->> 'initialMs')::numeric then
    return row('invalid_policy', 'retry.backoff.maxMs is below initialMs')::fault;
  end if;
  if jsonb_typeof(v_backoff -> 'multiplier') is distinct from 'number' or (v_backoff ->> 'multiplier')::numeric not between 1 and 1000 then
    return row('invalid_policy', 'retry.backoff.multiplier must be a number of 1…1000')::fault;
  end if;
  if jsonb_typeof(v_backoff -> 'jitter') is distinct from 'boolean' then
    return row('invalid_policy', 'retry.backoff.jitter must be true or false')::fault;
  end if;
  if jsonb_typeof(p_retry -> 'nonRetryable') is distinct from 'array' or jsonb_array_length(p_retry -> 'nonRetryable') > 100
    or exists (select 1 from jsonb_array_elements(p_retry -> 'nonRetryable') c
      where jsonb_typeof(c) <> 'string' or c #>> '{}' !~ '^[^[:cntrl:]]{1,128}$') then
    return row('invalid_policy', 'retry.nonRetryable must be a list of at most 100 categories')::fault;
  end if;
  return null;
end $$;

-- What core's `checkExecutionSpec` and `checkIdempotency` say of it, or null.
create function submission_fault(p_namespace text, p_lane text, p_kind text, p_input bytea, o jsonb) returns fault
language plpgsql stable set search_path from current as $$
declare
  v_name text;
begin
  if not is_name(p_namespace) then return row('invalid_namespace', format('not a namespace: %s', left(p_namespace, 128)))::fault; end if;
  if jsonb_typeof(o) <> 'object' then return row('invalid_params', 'options: must be an object')::fault; end if;
  select k into v_name from jsonb_object_keys(o) k where k <> all (array['id', 'inputHash', 'priority', 'capabilities', 'tags', 'retry',
    'timeouts', 'startAtMs', 'delayMs', 'retentionMs', 'maxReclaims', 'traceContext', 'idempotencyKey', 'idempotencyTtlMs']) limit 1;
  if found then return row('unknown_field', format('options has no %s', left(v_name, 128)))::fault; end if;
  if o ? 'id' and coalesce(o ->> 'id' !~ '^\{fp:(0|[1-9][0-9]{0,4})\}:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$', true) then
    return row('invalid_execution_id', format('not an execution id: %s', left(o ->> 'id', 128)))::fault;
  end if;
  if o ? 'id' and split_part(substr(o ->> 'id', 5), '}', 1)::integer >= (select flow_partitions from deployment) then
    return row('partition_out_of_range', format('no such partition: %s', o ->> 'id'))::fault;
  end if;
  if not is_name(split_part(p_kind, '@', 1)) or length(p_kind) > 128 or p_kind like '%@%@%' or (p_kind like '%@%' and not is_name(split_part(p_kind, '@', 2))) then
    return row('invalid_kind', format('not a kind: %s', left(p_kind, 128)))::fault;
  end if;
  if not is_name(p_lane) then return row('invalid_lane_id', format('not a lane: %s', left(p_lane, 128)))::fault; end if;
  if length(p_input) > 1048576 then
    return row('payload_too_large', format('input has %s bytes, at most %s', length(p_input), 1048576))::fault;
  end if;
  if o ? 'inputHash' and coalesce(o ->> 'inputHash' !~ '^[A-Za-z0-9+/=_:.-]{1,128}$', true) then
    return row('invalid_params', 'inputHash: must be 1…128 characters of a-z, A-Z, 0-9 and + / = _ : . -')::fault;
  end if;
  if o ? 'startAtMs' and o ? 'delayMs' then return row('invalid_params', 'delayMs: excludes startAtMs')::fault; end if;
  return coalesce(
    whole_fault(o -> 'priority', 'priority', 0, 9000, 'invalid_priority', 'invalid_priority'),
    capabilities_fault(o -> 'capabilities'), tags_fault(o -> 'tags'), retry_fault(o -> 'retry'), timeouts_fault(o -> 'timeouts'),
    whole_fault(o -> 'startAtMs', 'startAtMs', 0, 253402300799999, 'invalid_params', 'limit_exceeded'),
    whole_fault(o -> 'delayMs', 'delayMs', 0, 315576000000, 'invalid_params', 'limit_exceeded'),
    whole_fault(o -> 'retentionMs', 'retentionMs', 0, 315576000000, 'invalid_params', 'limit_exceeded'),
    whole_fault(o -> 'maxReclaims', 'maxReclaims', 0, 1000, 'invalid_params', 'limit_exceeded'),
    text_fault(o -> 'traceContext', 'traceContext', 0, 1024),
    text_fault(o -> 'idempotencyKey', 'idempotencyKey', 1, 512),
    whole_fault(o -> 'idempotencyTtlMs', 'idempotencyTtlMs', 1, 315576000000, 'invalid_params', 'limit_exceeded'));
end $$;

-- Submits one execution in the transaction that it is called in: it exists once that commits. Never raises for what can be
-- answered: `outcome` is accepted, duplicate, execution_conflict, idempotency_conflict, lane_not_accepting, too_many_routes, or
-- error with a code of docs/errors.md. `options` are those of an `ExecutionSubmission`, but for quotas, budgets and parents.
create function submit(namespace text, lane text, kind text, input jsonb default null, options jsonb default '{}',
  out outcome text, out id text, out error text, out message text)
language plpgsql security definer set search_path from current as $$
#variable_conflict use_column
declare
  o jsonb := jsonb_strip_nulls(coalesce(submit.options, '{}'));
  v_input bytea := convert_to(submit.input::text, 'UTF8');
  v_fault fault;
  v_partition integer;
  v_uuid uuid;
  v_route integer;
  v_known jsonb;
  v_answer jsonb;
  v_state text;
begin
  v_fault := submission_fault(submit.namespace, submit.lane, submit.kind, v_input, o);
  if v_fault is not null then
    outcome := 'error';
    error := v_fault.code;
    message := v_fault.message;
    return;
  end if;
  v_uuid := coalesce(right(o ->> 'id', 36)::uuid, mint_uuid());
  v_partition := coalesce(split_part(substr(o ->> 'id', 5), '}', 1)::integer, solo_partition(submit.namespace, submit.lane, v_uuid));
  begin
    v_route := ensure_route(submit.namespace, submit.lane, submit.kind,
      array(select distinct c collate "C" from jsonb_array_elements_text(o -> 'capabilities') c order by 1), false, 1024);
    if v_route is null then
      outcome := 'too_many_routes';
      return;
    end if;
    v_known := (o - '{id,inputHash,capabilities,timeouts,idempotencyKey,idempotencyTtlMs}'::text[]) || coalesce(o -> 'timeouts', '{}');
    v_answer := submit_inside(submit.namespace, array[v_partition], array[v_uuid], array[v_route],
      array[coalesce(o ->> 'inputHash', encode(sha256(coalesce(v_input, 'null')), 'hex'))], array[v_input],
      array[nullif(v_known, '{}')], case when o ? 'idempotencyKey' then array[o ->> 'idempotencyKey'] end,
      array[coalesce((o ->> 'idempotencyTtlMs')::bigint, 86400000)]);
    v_state := v_answer ->> 'state';
    message := v_answer ->> 'message';
  exception when others then
    get stacked diagnostics v_state = returned_sqlstate, message = message_text;
  end;
  if v_state is not null then
    outcome := 'error';
    error := case when v_state in ('40001', '40P01', '55P03') then 'contention' else 'internal_error' end;
    return;
  end if;
  outcome := v_answer -> 0 ->> 'outcome';
  if outcome in ('accepted', 'duplicate') then
    id := format('{fp:%s}:%s', v_answer -> 0 ->> 'partition_key', v_answer -> 0 ->> 'id');
  end if;
end $$;
