-- Quotas and budgets: what executions name, what they hold of it, and the lines in which they wait for it. Work that names
-- neither has routes of its own, so that its claims read and lock what they always did.
--
-- Locks, in this order: executions (never waited for while one of the others is held), keys of quotas by id and key,
-- budgets by id, lines. Who frees something locks nothing that is shared: what is held are rows of its own, and a claim
-- counts them under the lock of the key or the budget. So whoever wakes takes that lock after the commit that freed: a
-- claim that did not see it has left its line behind by then.

create type quota_strategy as enum ('queue', 'drop_new', 'cancel_oldest');

create table quota (
  id uuid primary key,
  namespace text not null,
  label text not null,
  rate_units bigint,
  rate_window_ms bigint,
  concurrency bigint,
  strategy quota_strategy not null,
  content text not null,              -- what it was created as
  created_at bigint not null
);
create index quota_listing on quota (namespace, created_at desc, id desc);

-- A key of a quota, from its first use: its row is what claims lock.
create table quota_key (
  quota_id uuid not null,
  key text collate "C" not null,
  partition_key integer not null,     -- of the quota family
  primary key (quota_id, key)
);
create index quota_key_partition on quota_key (partition_key, quota_id, key);

-- Units by the steps of the window in which they were taken.
create table quota_step (
  quota_id uuid not null,
  key text collate "C" not null,
  at bigint not null,
  units bigint not null,
  primary key (quota_id, key, at)
) with (fillfactor = 70);

-- Slots, each with who has it: what a claim took, or a handler for its own use.
create table quota_holder (
  quota_id uuid not null,
  key text collate "C" not null,
  seq bigint generated always as identity,
  partition_key integer not null,     -- of the execution
  execution_id uuid not null,
  holder_key text,                    -- null: what its claim took
  epoch bigint not null,
  units bigint not null,              -- what it paid, and in which step, for a yield
  step_at bigint,
  is_cancelled boolean not null default false, -- its cancel is on its way
  primary key (quota_id, key, seq)
);
create index quota_holder_execution on quota_holder (execution_id);

create table budget (
  id uuid primary key,
  partition_key integer not null,     -- of the budget family
  feed_partition integer not null,    -- where its events are
  namespace text not null,
  label text not null,
  limits jsonb not null,              -- by dimension, {"soft", "hard"}, null where none
  on_hard_breach text not null check (on_hard_breach in ('block_new', 'cancel_pending', 'fail_running')),
  reset_period_ms bigint,
  content text not null,              -- what it was created as
  created_at bigint not null,
  period bigint not null default 1,
  period_started_at bigint not null,
  next_reset_at bigint,
  used jsonb not null default '{}',   -- what the entries of the period add up to, with what was folded
  folded jsonb not null default '{}'  -- of this period, from entries that are gone
) with (fillfactor = 70);
create index budget_listing on budget (namespace, created_at desc, id desc);
create index budget_reset_due on budget (partition_key, next_reset_at) where next_reset_at is not null;
create index budget_partition on budget (partition_key, id);

-- What is left of an execution's estimate.
create table budget_reservation (
  budget_id uuid not null,
  execution_id uuid not null,
  dimension text collate "C" not null,
  partition_key integer not null,     -- of the execution
  epoch bigint not null,
  amount bigint not null,
  primary key (budget_id, execution_id, dimension)
);
create index budget_reservation_execution on budget_reservation (execution_id);

-- The ledger.
create table budget_entry (
  budget_id uuid not null,
  execution_id uuid not null,
  usage_key text not null,
  period bigint not null,
  at bigint not null,
  amounts jsonb not null,
  primary key (budget_id, execution_id, usage_key)
);
create index budget_entry_age on budget_entry (budget_id, at);

create table budget_reset_key (
  budget_id uuid not null,
  reset_key text not null,
  at bigint not null,
  primary key (budget_id, reset_key)
);

-- A line: what has one admission key in one partition. While it has a head it is parked, and that head is blocked.
create table admission_line (
  admission_key bigint not null,      -- a hash of the text; 0 is the line of all that names nothing
  partition_key integer not null,
  turn bigint not null default 0,     -- when it was last served
  used_at bigint not null,
  head_id uuid,
  by_quota uuid,
  by_key text collate "C",
  by_budget uuid,
  home integer,                       -- the partition of the quota's key, or of the budget
  retry_at bigint,
  parked_at bigint,
  parked_seq bigint,
  primary key (admission_key, partition_key)
) with (fillfactor = 70);
create index admission_line_quota on admission_line (by_quota, by_key, parked_seq) where by_quota is not null;
create index admission_line_budget on admission_line (by_budget, parked_seq) where by_budget is not null;
create index admission_line_quota_home on admission_line (home) where by_quota is not null;
create index admission_line_budget_home on admission_line (home) where by_budget is not null;
create sequence admission_order;

-- What it names, each with its home: {"q": [[id, key, cost, home]], "b": [[id, {dimension: amount}, home]]}, both in the order
-- in which they are judged.
alter table execution_info add column demands jsonb;
alter table execution add column admission_key bigint;
-- It names a quota or a budget, or took a slot for its handler's own use; null where it never did.
alter table execution add column has_demands boolean;
create index execution_line on execution (route_id, admission_key, partition_key, score, seq)
  where eligibility_state = 'eligible_now' and admission_key is not null;

alter table route add column keyed boolean not null default false;
alter table route drop constraint route_lane_id_kind_capabilities_key;
alter table route add unique (lane_id, kind, capabilities, keyed);

alter table completion_event drop constraint completion_event_kind_check;
alter table completion_event add check (kind in ('completion', 'flow_settled', 'seal_release', 'replay_reset', 'child_linked',
  'child_watched', 'child_ended', 'parent_stopped', 'holder_cancelled'));

create function admission_hash(p_key text) returns bigint language sql immutable parallel safe
  return hashtextextended(p_key, 0);

-- ---- Routes: work that names something has routes of its own.
drop function ensure_route(text, text, text, text[], integer);

create function ensure_route(p_namespace text, p_lane text, p_kind text, p_capabilities text[], p_keyed boolean, p_max integer)
  returns integer language plpgsql set search_path from current as $$
declare
  v_lane integer := ensure_lane(p_namespace, p_lane);
  v_id integer;
begin
  select id into v_id from route where lane_id = v_lane and kind = p_kind and capabilities = p_capabilities and keyed = p_keyed;
  if v_id is null then
    perform 1 from lane where id = v_lane for no key update;
    -- Routes are never removed; those without work don't count, but for the ones that were made a moment ago and whose
    -- work is on its way. The long look is only for lanes that ever had so many.
    if (select count(*) from route where lane_id = v_lane) >= p_max and (
      select count(distinct (r.kind, r.capabilities)) from (
        select e.route_id as id from execution e where e.lane_id = v_lane and e.lifecycle_phase <> 'terminal'
        union select r.id from route r where r.lane_id = v_lane and r.made_at > clock_timestamp() - interval '5 s'
      ) live join route r on r.id = live.id where (r.kind, r.capabilities) is distinct from (p_kind, p_capabilities)) >= p_max then
      return null;
    end if;
    insert into route (lane_id, kind, capabilities, keyed) values (v_lane, p_kind, p_capabilities, p_keyed) on conflict do nothing;
    select id into v_id from route where lane_id = v_lane and kind = p_kind and capabilities = p_capabilities and keyed = p_keyed;
  end if;
  return v_id;
end $$;

-- ---- Submission, with what executions name

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
  perform pg_advisory_xact_lock_shared(barrier_key());
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

create or replace function insert_members(p_partitions integer[], p_flows uuid[], p_namespaces text[], p_drafts boolean[],
  p_nodes json, p_edges json, p_now bigint) returns void
language plpgsql set search_path from current set plan_cache_mode = force_generic_plan as $$
begin
  with node as materialized (
    select n.*, p_partitions[n.f] as partition_key, p_flows[n.f] as flow_id, p_namespaces[n.f] as namespace, l.ageing_ms,
      p_drafts[n.f] and n.n is null as is_draft_root,
      not p_drafts[n.f] and n.n is null and coalesce(coalesce(n.start, p_now + n.delay) <= p_now, true) as is_ready,
      case when coalesce(n.start, p_now + n.delay) > p_now then coalesce(n.start, p_now + n.delay) end as not_before
    from json_to_recordset(p_nodes) as n(
      o integer, f integer, id uuid, lane integer, route integer, kind text, name text, priority integer, start bigint, delay bigint,
      deadline bigint, ttl bigint, timeout bigint, reclaims integer, retention bigint, tags jsonb, input text, hash text, retry jsonb,
      trace text, demands jsonb, line text, n integer, policy text, k integer, decided text, run text, settled boolean, shared boolean, ancestors text)
    join lane l on l.id = n.lane
    where p_flows[n.f] is not null
  ), infos as (
    insert into execution_info (partition_key, id, namespace, lane_id, kind, name, tags, input, input_hash, retry, trace_context, created_at, demands)
    select partition_key, id, namespace, lane, kind, name, coalesce(tags, '{}'), decode(input, 'base64'), convert_to(hash, 'UTF8'),
      retry, trace, p_now, demands
    from node
  ), groups as (
    insert into edge_group (partition_key, downstream_id, flow_id, policy_kind, k, on_decided, run_on, settled, cancel_shared, ancestors, n)
    select partition_key, id, flow_id, policy, k, decided, coalesce(run, 'groupSatisfied'), coalesce(settled, false),
      coalesce(shared, false), coalesce(ancestors, 'cancel'), n
    from node where n is not null
  )
  insert into execution (partition_key, id, lane_id, route_id, flow_id, lifecycle_phase, eligibility_state, blocking_reason,
    attempt_state, public_state, priority, score, ready_at, first_eligible_at, deps_blocked, not_before, delay_reason, always_node, deadline_ms,
    queue_ttl_ms, attempt_timeout_ms, max_reclaims, retention_ms, deadline_at, queue_ttl_at, due_at, created_at,
    admission_key, has_demands)
  select partition_key, id, lane, route, flow_id,
    case when is_draft_root then 'submitted' else 'runnable' end::lifecycle_phase,
    case when is_draft_root then 'not_applicable' else runnable_eligibility(n is not null, false, not_before, p_now) end,
    case when is_draft_root then 'none' else runnable_reason(n is not null, false, not_before, 'start_time', p_now) end,
    'pending_first_attempt',
    case when is_draft_root then 'waiting_children' else runnable_public_state(n is not null, false, not_before, false, p_now) end,
    priority,
    case when is_ready then score_of(p_now, priority, ageing_ms) end,
    case when is_ready then p_now end,
    case when is_ready then p_now end,
    n is not null, not_before, case when not_before is not null then 'start_time'::delay_reason end, coalesce(run = 'always', false),
    deadline, ttl, timeout, reclaims, retention,
    case when is_ready then p_now + deadline end,
    case when is_ready then p_now + ttl end,
    case when is_ready then least(p_now + deadline, p_now + ttl) when n is null and not is_draft_root then not_before end,
    p_now, admission_hash(line), case when line is not null then true end
  from node order by o;

  insert into edge (partition_key, upstream_id, downstream_id, id, flow_id, as_name)
  select p_partitions[e.f], e.up, e.down, e.id, p_flows[e.f], e."as"
  from json_to_recordset(p_edges) as e(f integer, up uuid, down uuid, id uuid, "as" text)
  where p_flows[e.f] is not null;
end $$;

-- ---- The one place that emits also frees: whatever ends, puts aside or loses an attempt gives back what it held, and a head
-- that goes another way leaves its line.

create or replace function execution_updated() returns trigger language plpgsql set search_path from current set enable_seqscan = off as $$
declare
  v_ends boolean;
  v_tells boolean;
  v_possible boolean;
  v_members boolean;
  v_ties boolean;
  v_demands boolean;
  v_count integer;
begin
  with deeper as (
    insert into lane_depth (lane_id, public_state, n)
      select lane_id, public_state, sum(change) from (
        select lane_id, public_state, 1 as change from new_rows
        union all select lane_id, public_state, -1 from old_rows
      ) moves group by lane_id, public_state having sum(change) <> 0
  )
  select bool_or(n.terminal_outcome <> 'none'), bool_or(n.flow_id is not null or l.event_level = 'all'),
    bool_and(is_possible(n.lifecycle_phase, n.ownership_state, n.eligibility_state, n.terminal_outcome, n.attempt_state,
      n.public_state, n.lease_id, n.score, n.terminal_at)),
    bool_or(n.flow_id is not null), bool_or(n.has_ties and n.terminal_outcome <> 'none'), bool_or(n.has_demands), count(*)
    into v_ends, v_tells, v_possible, v_members, v_ties, v_demands, v_count
    from new_rows n join lane l on l.id = n.lane_id;
  if not v_possible then perform refuse_impossible(); end if;

  if v_demands then
    with freed as materialized (
      select o.id, n.attempt_count < o.attempt_count as is_yield from new_rows n
      join old_rows o on o.id = n.id and o.partition_key = n.partition_key
      where n.has_demands and o.lifecycle_phase = 'active' and n.lifecycle_phase <> 'active'
    ), reservations as (
      delete from budget_reservation r using freed f where r.execution_id = f.id
    ), slots as (
      delete from quota_holder h using freed f where h.execution_id = f.id
      returning h.quota_id, h.key, h.step_at, case when f.is_yield and h.holder_key is null then h.units else 0 end as units
    ), unpaid as materialized (
      -- No attempt began after all.
      select s.quota_id, s.key, s.step_at, sum(s.units) as units from slots s where s.units > 0
      group by s.quota_id, s.key, s.step_at order by s.quota_id, s.key, s.step_at
    )
    update quota_step q set units = greatest(0, q.units - u.units) from unpaid u
      where q.quota_id = u.quota_id and q.key = u.key and q.at = u.step_at;
    update admission_line l set head_id = null, by_quota = null, by_key = null, by_budget = null, home = null, retry_at = null,
        parked_at = null, parked_seq = null
      from new_rows n join old_rows o on o.id = n.id and o.partition_key = n.partition_key
      where o.eligibility_state in ('blocked_by_quota', 'blocked_by_budget') and n.eligibility_state not in ('blocked_by_quota', 'blocked_by_budget')
        and l.admission_key = o.admission_key and l.partition_key = o.partition_key and l.head_id = o.id;
  end if;

  -- Most other statements concern solo executions of lanes that tell only of their ends.
  if not v_ends and not v_tells then return null; end if;
  if v_ties then
    perform end_ties(n.partition_key, n.id) from new_rows n join old_rows o on o.id = n.id and o.partition_key = n.partition_key
      where n.has_ties and n.terminal_outcome <> 'none' and (o.terminal_outcome = 'none' or n.generation <> o.generation);
  end if;

  if v_count = 1 then
    -- As below, without what only many need: joins by hash, groups and sorting cost a single row more than its change.
    if v_ends and not carries_ends() and (v_members or (select solo_entries from deployment where singleton)) then
      insert into completion_event (partition_key, kind, flow_id, execution_id, generation)
        select n.partition_key, 'completion', n.flow_id, n.id, n.generation from new_rows n cross join old_rows o
        where o.terminal_outcome = 'none' or n.generation <> o.generation;
    end if;
    insert into event_batch (at, partitions, bodies)
      select now_ms(), array[n.partition_key], array[transition_entry(l, r.kind, n.id, n.flow_id,
        case when n.flow_id is not null then
          (select i.name from execution_info i where i.partition_key = n.partition_key and i.id = n.id) end,
        n.public_state, o.public_state, n.attempt_count, n.generation, n.cancel_cause)]
      from new_rows n cross join old_rows o
      join lane l on l.id = n.lane_id
      join route r on r.id = n.route_id
      where (n.public_state <> o.public_state or n.generation <> o.generation)
        and (n.flow_id is not null or l.event_level = 'all' or (l.event_level = 'terminal' and n.terminal_outcome <> 'none'));
    return null;
  end if;

  -- Full joins whose conditions aren't strict, behind a fence, though every row has its partner: so they are by hash, also in
  -- a plan that was made for one row.
  if v_ends and not carries_ends() then
    insert into completion_event (partition_key, kind, flow_id, execution_id, generation)
      select c.partition_key, 'completion', c.flow_id, c.id, c.generation from (
        select n.partition_key, n.flow_id, n.id, n.generation, n.seq, n.terminal_outcome
        from new_rows n full join old_rows o on o.id = n.id and o.partition_key = n.partition_key
        where coalesce(o.terminal_outcome = 'none' or n.generation <> o.generation, true) offset 0
      ) c
      where c.terminal_outcome <> 'none' and (c.flow_id is not null or (select solo_entries from deployment where singleton))
      order by c.seq;
  end if;
  insert into event_batch (at, partitions, bodies)
    select now_ms(), array_agg(t.partition_key), array_agg(t.body) from (
      select c.partition_key, transition_entry(l, r.kind, c.id, c.flow_id,
        case when c.flow_id is not null then
          (select i.name from execution_info i where i.partition_key = c.partition_key and i.id = c.id) end,
        c.public_state, c.previous_state, c.attempt_count, c.generation, c.cancel_cause) as body
      from (
        select n.partition_key, n.id, n.seq, n.flow_id, n.lane_id, n.route_id, n.public_state, o.public_state as previous_state,
          n.terminal_outcome, n.attempt_count, n.generation, n.cancel_cause
        from new_rows n full join old_rows o on o.id = n.id and o.partition_key = n.partition_key
        where coalesce(n.public_state <> o.public_state or n.generation <> o.generation, true) offset 0
      ) c
      join lane l on l.id = c.lane_id
      join route r on r.id = c.route_id
      where c.flow_id is not null or l.event_level = 'all' or (l.event_level = 'terminal' and c.terminal_outcome <> 'none')
      order by c.seq
    ) t having count(*) > 0;
  return null;
end $$;

-- ---- Claims: what they hand out says what is reserved.
alter type claimed add attribute demands jsonb;

create or replace function leases_of_claim(p_instance uuid, p_claim uuid) returns setof claimed language plpgsql stable set search_path from current as $$
#variable_conflict use_column
begin
  return query
  with held as materialized (
    select e.*, i.name, i.input, i.tags, i.trace_context, i.demands,
      case when e.flow_id is not null or e.attempt_count > 1 or e.attempt_has_effects then load_inlined(e.partition_key, e.id, 262144) end as more
    from execution e
    join execution_info i on i.partition_key = e.partition_key and i.id = e.id
    where e.lifecycle_phase = 'active' and e.instance_id = p_instance and e.claim_id = p_claim
  )
  select h.partition_key, h.id, h.lane_id, h.route_id, h.flow_id, h.name, h.priority, h.input, h.attempt_count - 1, h.attempt_type,
    h.generation, h.lease_id, h.epoch, h.lease_expires_at, h.attempt_deadline_at, h.lease_started_at, h.tags::json, h.trace_context, h.due_at,
    (h.more).*, case when h.has_ties then resumption_of(h.partition_key, h.id) end, h.demands
  from held h order by h.score, h.seq;
end $$;

create or replace function claim_work(p_catalog bigint, p_worker text, p_instance uuid, p_claim uuid, p_ttl_ms bigint, p_max integer,
  p_lanes integer[], p_virtual double precision[], p_routes integer[], p_route_lanes integer[])
returns setof claimed language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_now bigint;
  v_known record;
  v_lanes integer[];
  v_room bigint[];
  v_tids tid[];
  v_heads integer;
  v_wide integer := p_max;
  v_left integer := p_max;
  v_got integer;
begin
  perform pg_advisory_xact_lock_shared(barrier_key());
  select d.catalog_version = p_catalog as is_current,
      exists (select 1 from execution e
        where e.lifecycle_phase = 'active' and e.instance_id = p_instance and e.claim_id = p_claim) as is_repeated,
      l.* into v_known
    from deployment d cross join lateral (
      select array_agg(l.id order by l.id) as ids, array_agg(i.virtual order by l.id) as virtual, array_agg(l.weight order by l.id) as weights,
        array_agg(l.concurrency order by l.id) as caps, bool_or(l.concurrency is not null) as is_capped
      from unnest(p_lanes, p_virtual) as i (lane_id, virtual) join lane l on l.id = i.lane_id where l.state in ('active', 'draining')
    ) l
    where d.singleton;
  if not v_known.is_current then
    return next null::claimed;
    return;
  end if;
  if v_known.is_repeated then
    return query select * from leases_of_claim(p_instance, p_claim);
    return;
  end if;
  v_lanes := v_known.ids;
  if v_lanes is null or cardinality(p_routes) = 0 then return; end if;
  v_room := case when v_known.is_capped then room_of(v_lanes, v_known.caps, p_max) else array_fill(p_max::bigint, array[cardinality(v_lanes)]) end;
  v_now := now_ms();

  for v_round in 1 .. 3 loop
    if cardinality(p_routes) = 1 then
      -- One route, as most workers have: its index is the order, and what others hold is stepped over.
      select array_agg(h.tid) into v_tids from (
        select e.ctid as tid from execution e
        where e.route_id = p_routes[1] and e.eligibility_state = 'eligible_now'
          and coalesce(e.deadline_at > v_now, true) and coalesce(e.queue_ttl_at > v_now, true)
          and (e.flow_id is null or not exists (select 1 from flow f where f.partition_key = e.partition_key and f.id = e.flow_id
            and holds_back(f.state, f.cancel_finalisers, e.always_node)))
        order by e.score, e.seq limit least(v_left, coalesce(v_room[array_position(v_lanes, p_route_lanes[1])], 0))
        for update skip locked
      ) h;
      v_heads := 0;
    else
      select tids, heads into v_tids, v_heads
        from lock_heads(v_lanes, v_known.virtual, v_known.weights, v_room, p_routes, p_route_lanes, v_wide, v_left, v_now);
    end if;
    exit when v_tids is null and v_heads < v_wide;

    return query
    with leased as (
      update execution e set
        lifecycle_phase = 'active', ownership_state = 'leased', eligibility_state = 'not_applicable', blocking_reason = 'none',
        attempt_state = 'running_attempt', public_state = 'active', epoch = e.epoch + 1,
        attempt_count = e.attempt_count + case when e.attempt_state = 'pending_resume' then 0 else 1 end,
        retry_count = e.retry_count + case when e.attempt_state in ('pending_resume', 'pending_reclaim_attempt') then 0 else 1 end,
        attempt_type = case e.attempt_state when 'pending_resume' then e.attempt_type when 'pending_retry_attempt' then 'retry'
          when 'pending_reclaim_attempt' then 'reclaim' when 'pending_replay_attempt' then 'replay' else 'initial' end,
        lease_id = gen_random_uuid(), lease_expires_at = v_now + p_ttl_ms, lease_started_at = v_now,
        worker_id = p_worker, instance_id = p_instance, claim_id = p_claim,
        attempt_started_at = case when e.attempt_state = 'pending_resume' then e.attempt_started_at else v_now end,
        attempt_used_ms = case when e.attempt_state = 'pending_resume' then e.attempt_used_ms else 0 end,
        attempt_deadline_at = v_now + e.attempt_timeout_ms - case when e.attempt_state = 'pending_resume' then e.attempt_used_ms else 0 end,
        attempt_has_effects = e.attempt_state = 'pending_resume', yielded_lease_id = null, queue_ttl_at = null,
        due_at = least(e.deadline_at, v_now + p_ttl_ms,
          v_now + e.attempt_timeout_ms - case when e.attempt_state = 'pending_resume' then e.attempt_used_ms else 0 end)
      from unnest(v_tids) as k (tid) where e.ctid = k.tid
      returning e.partition_key, e.id, e.lane_id, e.route_id, e.flow_id, e.priority, e.attempt_count, e.attempt_type, e.generation,
        e.lease_id, e.epoch, e.lease_expires_at, e.attempt_deadline_at, e.due_at, e.attempt_has_effects, e.has_ties, e.score, e.seq
    ), handed as materialized (
      -- Looked at here, since most have neither upstreams to hand down nor steps, and a call for each costs more than the look.
      select l.*, i.name, i.input, i.tags, i.trace_context, i.demands,
        case when (l.flow_id is not null and exists (select 1 from edge x
            where x.partition_key = l.partition_key and x.downstream_id = l.id and x.as_name is not null))
          or ((l.attempt_count > 1 or l.attempt_has_effects) and exists (select 1 from step s
            where s.partition_key = l.partition_key and s.execution_id = l.id))
        then load_inlined(l.partition_key, l.id, 262144) end as more
      from leased l cross join lateral (
        select x.name, x.input, x.tags, x.trace_context, x.demands from execution_info x
        where x.partition_key = l.partition_key and x.id = l.id limit 1
      ) i
    )
    select h.partition_key, h.id, h.lane_id, h.route_id, h.flow_id, h.name, h.priority, h.input, h.attempt_count - 1, h.attempt_type,
      h.generation, h.lease_id, h.epoch, h.lease_expires_at, h.attempt_deadline_at, v_now, h.tags::json, h.trace_context, h.due_at,
      (h.more).*, case when h.has_ties then resumption_of(h.partition_key, h.id) end, h.demands
    from handed h order by h.score, h.seq;
    get diagnostics v_got = row_count;
    v_left := v_left - v_got;
    -- Others may hold the heads that were seen: then look further, past them.
    exit when v_left <= 0 or v_heads < v_wide or v_known.is_capped;
    v_wide := v_wide * 4;
  end loop;
end $$;

-- Leases these rows, which the caller holds: what `claim_work` does with what it finds.
create function lease_heads(p_tids tid[], p_worker text, p_instance uuid, p_claim uuid, p_ttl_ms bigint, p_now bigint)
returns setof claimed language plpgsql set search_path from current set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
begin
  return query
  with leased as (
    update execution e set
      lifecycle_phase = 'active', ownership_state = 'leased', eligibility_state = 'not_applicable', blocking_reason = 'none',
      attempt_state = 'running_attempt', public_state = 'active', epoch = e.epoch + 1,
      attempt_count = e.attempt_count + case when e.attempt_state = 'pending_resume' then 0 else 1 end,
      retry_count = e.retry_count + case when e.attempt_state in ('pending_resume', 'pending_reclaim_attempt') then 0 else 1 end,
      attempt_type = case e.attempt_state when 'pending_resume' then e.attempt_type when 'pending_retry_attempt' then 'retry'
        when 'pending_reclaim_attempt' then 'reclaim' when 'pending_replay_attempt' then 'replay' else 'initial' end,
      lease_id = gen_random_uuid(), lease_expires_at = p_now + p_ttl_ms, lease_started_at = p_now,
      worker_id = p_worker, instance_id = p_instance, claim_id = p_claim,
      attempt_started_at = case when e.attempt_state = 'pending_resume' then e.attempt_started_at else p_now end,
      attempt_used_ms = case when e.attempt_state = 'pending_resume' then e.attempt_used_ms else 0 end,
      attempt_deadline_at = p_now + e.attempt_timeout_ms - case when e.attempt_state = 'pending_resume' then e.attempt_used_ms else 0 end,
      attempt_has_effects = e.attempt_state = 'pending_resume', yielded_lease_id = null, queue_ttl_at = null,
      due_at = least(e.deadline_at, p_now + p_ttl_ms,
        p_now + e.attempt_timeout_ms - case when e.attempt_state = 'pending_resume' then e.attempt_used_ms else 0 end)
    from unnest(p_tids) as k (tid) where e.ctid = k.tid
    returning e.partition_key, e.id, e.lane_id, e.route_id, e.flow_id, e.priority, e.attempt_count, e.attempt_type, e.generation,
      e.lease_id, e.epoch, e.lease_expires_at, e.attempt_deadline_at, e.due_at, e.attempt_has_effects, e.has_ties, e.score, e.seq
  ), handed as materialized (
    -- Looked at here, since most have neither upstreams to hand down nor steps, and a call for each costs more than the look.
    select l.*, i.name, i.input, i.tags, i.trace_context, i.demands,
      case when (l.flow_id is not null and exists (select 1 from edge x
          where x.partition_key = l.partition_key and x.downstream_id = l.id and x.as_name is not null))
        or ((l.attempt_count > 1 or l.attempt_has_effects) and exists (select 1 from step s
          where s.partition_key = l.partition_key and s.execution_id = l.id))
      then load_inlined(l.partition_key, l.id, 262144) end as more
    from leased l cross join lateral (
      select x.name, x.input, x.tags, x.trace_context, x.demands from execution_info x
      where x.partition_key = l.partition_key and x.id = l.id limit 1
    ) i
  )
  select h.partition_key, h.id, h.lane_id, h.route_id, h.flow_id, h.name, h.priority, h.input, h.attempt_count - 1, h.attempt_type,
    h.generation, h.lease_id, h.epoch, h.lease_expires_at, h.attempt_deadline_at, p_now, h.tags::json, h.trace_context, h.due_at,
    (h.more).*, case when h.has_ties then resumption_of(h.partition_key, h.id) end, h.demands
  from handed h order by h.score, h.seq;
end $$;

-- ---- Room

-- How long the steps are into which a window is cut, and the step that a time falls into: core's `rateStepMs`.
create function rate_step_ms(p_window bigint) returns bigint language sql immutable parallel safe
  return (p_window + 999) / 1000;

-- Units that count now.
create function units_in_window(p_quota uuid, p_key text, p_window bigint, p_now bigint) returns bigint
language sql stable set search_path from current as $$
  select coalesce(sum(s.units), 0)::bigint from quota_step s
  where s.quota_id = p_quota and s.key = p_key and s.at > p_now - p_window - rate_step_ms(p_window) + 1
$$;

-- When the rate has room for so many units; null when it has, or never will.
create function rate_retry_at(p_quota uuid, p_key text, p_units bigint, p_window bigint, p_cost bigint, p_now bigint) returns bigint
language sql stable set search_path from current as $$
  select min(s.at) + rate_step_ms(p_window) - 1 + p_window from (
    select x.at, sum(x.units) over () as total, sum(x.units) over (order by x.at) as freed from quota_step x
    where x.quota_id = p_quota and x.key = p_key and x.units > 0 and x.at > p_now - p_window - rate_step_ms(p_window) + 1
  ) s
  where p_cost <= p_units and s.total + p_cost > p_units and s.total - s.freed + p_cost <= p_units
$$;

create function held_of(p_quota uuid, p_key text) returns bigint language sql stable set search_path from current as $$
  select count(*) from quota_holder h where h.quota_id = p_quota and h.key = p_key
$$;

create function reserved_of(p_budget uuid) returns jsonb language sql stable set search_path from current as $$
  select coalesce(jsonb_object_agg(r.dimension, r.amount), '{}') from (
    select x.dimension, sum(x.amount) as amount from budget_reservation x where x.budget_id = p_budget
    group by x.dimension having sum(x.amount) > 0) r
$$;

-- The limits that can refuse, one row for each dimension, in their order.
create function hard_limits_of(p_budget uuid) returns table (dimension text, hard bigint, used bigint, reserved bigint)
language sql stable set search_path from current as $$
  select l.key, (l.value ->> 'hard')::bigint, coalesce((b.used ->> l.key)::bigint, 0),
    coalesce((select sum(x.amount) from budget_reservation x where x.budget_id = b.id and x.dimension = l.key), 0)::bigint
  from budget b cross join lateral jsonb_each(b.limits) l
  where b.id = p_budget and l.value ->> 'hard' is not null order by l.key collate "C"
$$;

-- ---- Claims that look at lines

-- The lines of a route that have something to claim: one look into the index for each. Nothing may be sorted here and in what
-- follows: only the lines' own index has their order, and a planner that takes the ready work for a row or two, as it does
-- before the table is analysed, would read all that is parked for the head of a line, and sort it.
create function lines_of(p_route integer) returns table (admission_key bigint, partition_key integer)
language sql stable set search_path from current set enable_seqscan = off set enable_sort = off as $$
  with recursive line as (
    (select e.admission_key, e.partition_key from execution e
      where e.route_id = p_route and e.eligibility_state = 'eligible_now' and e.admission_key is not null
      order by e.route_id, e.admission_key, e.partition_key limit 1)
    union all
    select n.admission_key, n.partition_key from line l cross join lateral (
      select e.admission_key, e.partition_key from execution e
      where e.route_id = p_route and e.eligibility_state = 'eligible_now' and e.admission_key is not null
        and (e.admission_key, e.partition_key) > (l.admission_key, l.partition_key)
      order by e.route_id, e.admission_key, e.partition_key limit 1) n
  )
  select * from line
$$;

-- The heads of all lines that are not parked, and of what names nothing, in the order in which they are served: the most
-- urgent first, among equals each line in its turn. Looked up without locks.
create function find_heads(p_lanes integer[], p_routes integer[], p_route_lanes integer[], p_wide integer, p_now bigint)
returns table (partition_key integer, id uuid, lane_id integer, admission_key bigint)
language sql stable set search_path from current set enable_seqscan = off set enable_sort = off as $$
  with routes as materialized (
    select r.route_id, r.lane_id, x.keyed, coalesce(l.ageing_ms, 1000000000000) as step
    from unnest(p_routes, p_route_lanes) as r (route_id, lane_id) join route x on x.id = r.route_id join lane l on l.id = r.lane_id
    where r.lane_id = any (p_lanes)
  ), heads as materialized (
    select n.admission_key, n.partition_key as line_partition, coalesce(a.turn, 0) as turn, r.step, h.*
    from routes r cross join lateral lines_of(r.route_id) n
    left join admission_line a on a.admission_key = n.admission_key and a.partition_key = n.partition_key
    cross join lateral (
      select e.partition_key, e.id, e.lane_id, e.score, e.seq from execution e
      where e.route_id = r.route_id and (e.admission_key, e.partition_key) >= (n.admission_key, n.partition_key)
        and (e.admission_key, e.partition_key) <= (n.admission_key, n.partition_key) and e.admission_key is not null
        and e.eligibility_state = 'eligible_now' and coalesce(e.deadline_at > p_now, true) and coalesce(e.queue_ttl_at > p_now, true)
        and (e.flow_id is null or not exists (select 1 from flow f where f.partition_key = e.partition_key and f.id = e.flow_id
          and holds_back(f.state, f.cancel_finalisers, e.always_node)))
      order by e.admission_key, e.partition_key, e.score, e.seq limit p_wide
    ) h
    where r.keyed and a.head_id is null
    union all
    select 0, -1, coalesce((select a.turn from admission_line a where a.admission_key = 0 and a.partition_key = -1), 0), r.step, h.*
    from routes r cross join lateral (
      select e.partition_key, e.id, e.lane_id, e.score, e.seq from execution e
      where e.route_id = r.route_id and e.eligibility_state = 'eligible_now'
        and coalesce(e.deadline_at > p_now, true) and coalesce(e.queue_ttl_at > p_now, true)
        and (e.flow_id is null or not exists (select 1 from flow f where f.partition_key = e.partition_key and f.id = e.flow_id
          and holds_back(f.state, f.cancel_finalisers, e.always_node)))
      order by e.score, e.seq limit p_wide
    ) h
    where not r.keyed
  ), placed as (
    select h.*, floor((p_now - h.score)::numeric / h.step) as urgency from heads h
  )
  select p.partition_key, p.id, p.lane_id, p.admission_key from (
    select q.*, row_number() over (partition by q.admission_key, q.line_partition, q.urgency order by q.score, q.seq) as place from placed q
  ) p
  order by p.urgency desc, p.place, p.turn, p.score, p.seq limit p_wide * 4
$$;

-- Keys exist from their first use. Sorted, so that two claims never wait for each other.
create function ensure_quota_keys(p_partitions integer[], p_ids uuid[]) returns void
language plpgsql set search_path from current set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
begin
  with asked as materialized (
    select distinct (d.value ->> 0)::uuid as quota_id, (d.value ->> 1) collate "C" as key, (d.value ->> 3)::integer as home
    from unnest(p_partitions, p_ids) as c (partition_key, id)
    join execution_info i on i.partition_key = c.partition_key and i.id = c.id
    cross join lateral jsonb_array_elements(i.demands -> 'q') d
  )
  insert into quota_key (quota_id, key, partition_key) select a.quota_id, a.key, a.home from asked a
    where not exists (select 1 from quota_key k where k.quota_id = a.quota_id and k.key = a.key)
    order by a.quota_id, a.key on conflict do nothing;
end $$;

-- Which candidates, by their place, ask only for keys and budgets that nobody else has locked. Those are locked then, and none
-- is waited for but a key that somebody is about to use for the first time.
create function try_demands(p_partitions integer[], p_ids uuid[]) returns integer[]
language plpgsql set search_path from current set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_free integer[];
begin
  perform ensure_quota_keys(p_partitions, p_ids);
  with asked as materialized (
    select c.ord::integer, i.demands from unnest(p_partitions, p_ids) with ordinality as c (partition_key, id, ord)
    join execution_info i on i.partition_key = c.partition_key and i.id = c.id
  ), keys as materialized (
    select k.quota_id, k.key from quota_key k where (k.quota_id, k.key) in (
      select (d.value ->> 0)::uuid, d.value ->> 1 from asked a cross join lateral jsonb_array_elements(a.demands -> 'q') d)
    for update skip locked
  ), budgets as materialized (
    select b.id from budget b where b.id in (
      select (d.value ->> 0)::uuid from asked a cross join lateral jsonb_array_elements(a.demands -> 'b') d)
    for update skip locked
  )
  select coalesce(array_agg(a.ord order by a.ord), '{}') into v_free from asked a
    where not exists (select 1 from jsonb_array_elements(a.demands -> 'q') d
        where not exists (select 1 from keys k where k.quota_id = (d.value ->> 0)::uuid and k.key = d.value ->> 1))
      and not exists (select 1 from jsonb_array_elements(a.demands -> 'b') d
        where not exists (select 1 from budgets b where b.id = (d.value ->> 0)::uuid));
  return v_free;
end $$;

-- What may start of some candidates, in their order, and what becomes of the others.
create type admitted as (granted uuid[], dropped uuid[], parked integer);

-- Judges candidates whose rows the caller holds, takes all that the admitted ones ask for, and parks the lines of the refused:
-- under the locks of all keys and budgets that they name, which the caller keeps until it commits.
create function admit_heads(p_partitions integer[], p_ids uuid[], p_lanes integer[], p_keys bigint[], p_lane_ids integer[], p_room bigint[],
  p_max integer, p_max_drops integer, p_now bigint) returns admitted
language plpgsql set search_path from current set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_begins boolean[];
  v_parked boolean[];
  -- Demands one after the other: whose, of what, how much.
  v_dq_of integer[]; v_dq integer[]; v_dq_cost bigint[];
  v_db_of integer[]; v_db integer[]; v_db_amount bigint[];
  -- Keys of quotas.
  v_q_ids uuid[]; v_q_keys text[]; v_q_homes integer[]; v_q_caps bigint[]; v_q_held bigint[]; v_q_rates bigint[]; v_q_units bigint[];
  v_q_windows bigint[]; v_q_strategies quota_strategy[];
  -- Hard limits of budgets.
  v_b_ids uuid[]; v_b_homes integer[]; v_b_hard bigint[]; v_b_used bigint[]; v_b_taken bigint[];
  v_room bigint[] := p_room;
  v_shut bigint[] := '{}';
  v_granted integer[] := '{}';
  v_dropped integer[] := '{}';
  v_park integer[] := '{}'; v_park_quota integer[] := '{}'; v_park_budget integer[] := '{}'; v_park_rate boolean[] := '{}';
  v_lane integer;
  v_q integer; v_b integer; v_rate boolean;
  v_at_q integer := 1; v_at_b integer := 1;
  v_from_q integer; v_from_b integer;
  v_line bigint;
  v_result admitted;
begin
  perform ensure_quota_keys(p_partitions, p_ids);
  perform 1 from quota_key k where (k.quota_id, k.key) in (
      select (d.value ->> 0)::uuid, d.value ->> 1 from unnest(p_partitions, p_ids) as c (partition_key, id)
      join execution_info i on i.partition_key = c.partition_key and i.id = c.id
      cross join lateral jsonb_array_elements(i.demands -> 'q') d)
    order by k.quota_id, k.key for update;
  perform 1 from budget b where b.id in (
      select (d.value ->> 0)::uuid from unnest(p_partitions, p_ids) as c (partition_key, id)
      join execution_info i on i.partition_key = c.partition_key and i.id = c.id
      cross join lateral jsonb_array_elements(i.demands -> 'b') d)
    order by b.id for update;

  -- What is read from here on is as of now, with whatever was committed while the locks were waited for.
  select array_agg(e.attempt_state <> 'pending_resume' order by c.ord), array_agg(coalesce(a.head_id is not null, false) order by c.ord)
    into v_begins, v_parked
  from unnest(p_partitions, p_ids, p_keys) with ordinality as c (partition_key, id, admission_key, ord)
  join execution e on e.partition_key = c.partition_key and e.id = c.id
  left join admission_line a on a.admission_key = c.admission_key and a.partition_key = c.partition_key;

  with asked as materialized (
    select c.ord::integer, d.ord as place, (d.value ->> 0)::uuid as quota_id, (d.value ->> 1) collate "C" as key, (d.value ->> 2)::bigint as cost,
      (d.value ->> 3)::integer as home
    from unnest(p_partitions, p_ids) with ordinality as c (partition_key, id, ord)
    join execution_info i on i.partition_key = c.partition_key and i.id = c.id
    cross join lateral jsonb_array_elements(i.demands -> 'q') with ordinality d (value, ord)
  ), keys as materialized (
    select k.*, row_number() over (order by k.quota_id, k.key)::integer as no from (select distinct quota_id, key, home from asked) k
  ), facts as materialized (
    select k.*, q.concurrency, q.rate_units, q.rate_window_ms, q.strategy,
      case when q.concurrency is null then 0 else held_of(k.quota_id, k.key) end as held,
      case when q.rate_units is null then 0 else units_in_window(k.quota_id, k.key, q.rate_window_ms, p_now) end as units
    from keys k join quota q on q.id = k.quota_id
  )
  select (select array_agg(a.ord order by a.ord, a.place) from asked a),
    (select array_agg(k.no order by a.ord, a.place) from asked a join keys k on k.quota_id = a.quota_id and k.key = a.key),
    (select array_agg(a.cost order by a.ord, a.place) from asked a),
    f.* into v_dq_of, v_dq, v_dq_cost, v_q_ids, v_q_keys, v_q_homes, v_q_caps, v_q_held, v_q_rates, v_q_units, v_q_windows, v_q_strategies
  from (select array_agg(quota_id order by no), array_agg(key order by no), array_agg(home order by no), array_agg(concurrency order by no),
    array_agg(held order by no), array_agg(rate_units order by no), array_agg(units order by no), array_agg(rate_window_ms order by no),
    array_agg(strategy order by no) from facts) f;

  with asked as materialized (
    select c.ord::integer, d.ord as place, (d.value ->> 0)::uuid as budget_id, d.value -> 1 as estimate, (d.value ->> 2)::integer as home
    from unnest(p_partitions, p_ids) with ordinality as c (partition_key, id, ord)
    join execution_info i on i.partition_key = c.partition_key and i.id = c.id
    cross join lateral jsonb_array_elements(i.demands -> 'b') with ordinality d (value, ord)
  ), bounds as materialized (
    select b.budget_id, b.home, l.dimension, l.hard, l.used, l.used + l.reserved as taken,
      row_number() over (order by b.budget_id, l.dimension collate "C")::integer as no
    from (select distinct budget_id, home from asked) b cross join lateral hard_limits_of(b.budget_id) l
  )
  select (select array_agg(a.ord order by a.ord, x.no) from asked a join bounds x on x.budget_id = a.budget_id),
    (select array_agg(x.no order by a.ord, x.no) from asked a join bounds x on x.budget_id = a.budget_id),
    (select array_agg(coalesce((a.estimate ->> x.dimension)::bigint, 0) order by a.ord, x.no) from asked a join bounds x on x.budget_id = a.budget_id),
    f.* into v_db_of, v_db, v_db_amount, v_b_ids, v_b_homes, v_b_hard, v_b_used, v_b_taken
  from (select array_agg(budget_id order by no), array_agg(home order by no), array_agg(hard order by no), array_agg(used order by no),
    array_agg(taken order by no) from bounds) f;

  for i in 1 .. cardinality(p_ids) loop
    v_from_q := v_at_q;
    v_from_b := v_at_b;
    while v_at_q <= coalesce(cardinality(v_dq_of), 0) and v_dq_of[v_at_q] = i loop v_at_q := v_at_q + 1; end loop;
    while v_at_b <= coalesce(cardinality(v_db_of), 0) and v_db_of[v_at_b] = i loop v_at_b := v_at_b + 1; end loop;
    if cardinality(v_granted) >= p_max or cardinality(v_dropped) >= p_max_drops then exit; end if;
    -- A line is told by its key and partition.
    v_line := p_keys[i] # (p_partitions[i]::bigint << 40);
    if v_parked[i] or (p_keys[i] <> 0 and v_line = any (v_shut)) then continue; end if;
    v_lane := array_position(p_lane_ids, p_lanes[i]);
    if v_lane is null or v_room[v_lane] <= 0 then continue; end if;

    v_q := null; v_b := null; v_rate := false;
    for d in v_from_q .. v_at_q - 1 loop
      if v_q_caps[v_dq[d]] is not null and v_q_held[v_dq[d]] >= v_q_caps[v_dq[d]] then
        v_q := v_dq[d];
      elsif v_begins[i] and v_q_rates[v_dq[d]] is not null and v_q_units[v_dq[d]] + v_dq_cost[d] > v_q_rates[v_dq[d]] then
        v_q := v_dq[d];
        v_rate := true;
      end if;
      exit when v_q is not null;
    end loop;
    if v_q is null then
      for d in v_from_b .. v_at_b - 1 loop
        if v_b_used[v_db[d]] >= v_b_hard[v_db[d]] or v_b_taken[v_db[d]] + v_db_amount[d] > v_b_hard[v_db[d]] then
          v_b := v_db[d];
          exit;
        end if;
      end loop;
    end if;

    if v_q is not null and v_q_strategies[v_q] = 'drop_new' then
      v_dropped := v_dropped || i;
    elsif v_q is not null or v_b is not null then
      v_park := v_park || i;
      v_park_quota := v_park_quota || v_q;
      v_park_budget := v_park_budget || v_b;
      v_park_rate := v_park_rate || v_rate;
      v_shut := v_shut || v_line;
    else
      v_granted := v_granted || i;
      v_room[v_lane] := v_room[v_lane] - 1;
      for d in v_from_q .. v_at_q - 1 loop
        v_q_held[v_dq[d]] := v_q_held[v_dq[d]] + 1;
        if v_begins[i] then v_q_units[v_dq[d]] := v_q_units[v_dq[d]] + v_dq_cost[d]; end if;
      end loop;
      for d in v_from_b .. v_at_b - 1 loop
        v_b_taken[v_db[d]] := v_b_taken[v_db[d]] + v_db_amount[d];
      end loop;
    end if;
  end loop;

  if cardinality(v_granted) > 0 then
    perform take_demands(p_partitions, p_ids, v_granted, v_begins, p_now);
    perform note_turns(p_keys, p_partitions, v_granted, p_now);
    select array_agg(p_ids[g] order by n) into v_result.granted from unnest(v_granted) with ordinality as o (g, n);
  end if;
  if cardinality(v_dropped) > 0 then
    select array_agg(p_ids[d]) into v_result.dropped from unnest(v_dropped) as d;
    perform end_executions((select array_agg(p_partitions[d]) from unnest(v_dropped) as d), v_result.dropped, 'cancelled', 'cancel',
      'ended_cancelled', 'quota', null, p_now);
  end if;
  if cardinality(v_park) > 0 then
    update execution e set eligibility_state = case when o.q is not null then 'blocked_by_quota' else 'blocked_by_budget' end::eligibility_state,
        blocking_reason = case when o.q is not null then 'waiting_for_quota' else 'waiting_for_budget' end::blocking_reason,
        public_state = 'rate_limited'
      from unnest(v_park, v_park_quota, v_park_budget) as o (i, q, b)
      where e.partition_key = p_partitions[o.i] and e.id = p_ids[o.i];
    insert into admission_line as l (admission_key, partition_key, used_at, head_id, by_quota, by_key, by_budget, home, retry_at, parked_at,
        parked_seq)
      select p_keys[o.i], p_partitions[o.i], p_now, p_ids[o.i], v_q_ids[o.q], v_q_keys[o.q], v_b_ids[o.b], coalesce(v_q_homes[o.q], v_b_homes[o.b]),
        case when o.rate then rate_retry_at(v_q_ids[o.q], v_q_keys[o.q], v_q_rates[o.q], v_q_windows[o.q],
          (select v_dq_cost[x.n] from unnest(v_dq_of, v_dq) with ordinality as x (c, k, n) where x.c = o.i and x.k = o.q), p_now) end,
        p_now, nextval('admission_order')
      from unnest(v_park, v_park_quota, v_park_budget, v_park_rate) with ordinality as o (i, q, b, rate, n) order by o.n
      on conflict (admission_key, partition_key) do update set used_at = excluded.used_at, head_id = excluded.head_id,
        by_quota = excluded.by_quota, by_key = excluded.by_key, by_budget = excluded.by_budget, home = excluded.home,
        retry_at = excluded.retry_at, parked_at = excluded.parked_at, parked_seq = excluded.parked_seq;
    for n in 1 .. cardinality(v_park) loop
      if not v_park_rate[n] and v_park_quota[n] is not null and v_q_strategies[v_park_quota[n]] = 'cancel_oldest' then
        perform ask_oldest_to_go(v_q_ids[v_park_quota[n]], v_q_keys[v_park_quota[n]], p_partitions[v_park[n]], p_ids[v_park[n]]);
      end if;
    end loop;
  end if;
  v_result.parked := cardinality(v_park);
  return v_result;
end $$;

-- Slots, units and reservations of the candidates that were admitted.
create function take_demands(p_partitions integer[], p_ids uuid[], p_granted integer[], p_begins boolean[], p_now bigint) returns void
language plpgsql set search_path from current set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
begin
  with paid as materialized (
    insert into quota_holder as h (quota_id, key, partition_key, execution_id, epoch, units, step_at)
      select (d.value ->> 0)::uuid, d.value ->> 1, p_partitions[g.i], p_ids[g.i], e.epoch + 1,
        case when p_begins[g.i] and q.rate_units is not null then (d.value ->> 2)::bigint else 0 end,
        p_now - p_now % rate_step_ms(q.rate_window_ms)
      from unnest(p_granted) with ordinality as g (i, n)
      join execution_info i on i.partition_key = p_partitions[g.i] and i.id = p_ids[g.i]
      join execution e on e.partition_key = p_partitions[g.i] and e.id = p_ids[g.i]
      cross join lateral jsonb_array_elements(i.demands -> 'q') d
      join quota q on q.id = (d.value ->> 0)::uuid
      order by g.n
      returning h.quota_id, h.key, h.step_at, h.units
  )
  insert into quota_step as s (quota_id, key, at, units)
    select p.quota_id, p.key, p.step_at, sum(p.units) from paid p where p.units > 0
    group by p.quota_id, p.key, p.step_at order by p.quota_id, p.key
    on conflict (quota_id, key, at) do update set units = s.units + excluded.units;
  insert into budget_reservation (budget_id, execution_id, dimension, partition_key, epoch, amount)
    select (d.value ->> 0)::uuid, p_ids[g.i], a.key, p_partitions[g.i], e.epoch + 1, a.value::bigint
    from unnest(p_granted) as g (i)
    join execution_info i on i.partition_key = p_partitions[g.i] and i.id = p_ids[g.i]
    join execution e on e.partition_key = p_partitions[g.i] and e.id = p_ids[g.i]
    cross join lateral jsonb_array_elements(i.demands -> 'b') d
    cross join lateral jsonb_each_text(d.value -> 1) a;
end $$;

-- Who was served waits for the next turn. Only for fairness: a line that another claim notes at the same time is left to it.
create function note_turns(p_keys bigint[], p_partitions integer[], p_granted integer[], p_now bigint) returns void
language plpgsql set search_path from current set enable_seqscan = off as $$
#variable_conflict use_column
begin
  with served as materialized (
    select x.admission_key, x.partition_key, nextval('admission_order') as turn from (
      select p_keys[g] as admission_key, case when p_keys[g] = 0 then -1 else p_partitions[g] end as partition_key, max(n) as n
      from unnest(p_granted) with ordinality as o (g, n) group by 1, 2 order by 3) x
  ), made as (
    insert into admission_line (admission_key, partition_key, turn, used_at)
      select s.admission_key, s.partition_key, s.turn, p_now from served s
      where not exists (select 1 from admission_line l where l.admission_key = s.admission_key and l.partition_key = s.partition_key)
      order by s.admission_key, s.partition_key on conflict do nothing
  )
  update admission_line l set turn = x.turn, used_at = p_now from (
    select k.tid, s.turn from served s cross join lateral (
      select a.ctid as tid from admission_line a where a.admission_key = s.admission_key and a.partition_key = s.partition_key
      limit 1 for update skip locked) k
  ) x where l.ctid = x.tid;
end $$;

-- Asks the oldest holder of a slot that was not asked yet to make room, through the outbox of the one that waits.
create function ask_oldest_to_go(p_quota uuid, p_key text, p_partition integer, p_id uuid) returns void
language plpgsql set search_path from current set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_holder quota_holder;
begin
  -- One that is on its way out makes room by itself.
  select h.* into v_holder from quota_holder h where h.quota_id = p_quota and h.key = p_key and not h.is_cancelled
    order by h.seq limit 1 for update skip locked;
  if not found then return; end if;
  update quota_holder h set is_cancelled = true where h.quota_id = p_quota and h.key = p_key and h.seq = v_holder.seq;
  perform leave_message(p_partition, 'holder_cancelled', jsonb_build_object(
    'namespace', (select q.namespace from quota q where q.id = p_quota),
    'execution', format('{fp:%s}:%s', v_holder.partition_key, v_holder.execution_id), 'epoch', v_holder.epoch));
end $$;

-- Cancels who was asked to make room, if it still runs under that lease.
create function cancel_holder(p_partition integer, p_id uuid, p_namespace text, p_epoch bigint)
returns table (partition_key integer, id uuid, flow_id uuid, lane_id integer, is_terminal boolean, is_eligible boolean, was_active boolean)
language plpgsql set search_path from current set lock_timeout = '2s' set enable_seqscan = off as $$
#variable_conflict use_column
begin
  perform 1 from execution e join lane l on l.id = e.lane_id where e.partition_key = p_partition and e.id = p_id
    and l.namespace = p_namespace and e.lifecycle_phase = 'active' and e.epoch = p_epoch for update of e;
  if not found then return; end if;
  return query select d.partition_key, d.id, d.flow_id, d.lane_id, true, false, d.was_active
    from end_executions(array[p_partition], array[p_id], 'cancelled', 'cancel', 'ended_cancelled', 'quota', null, now_ms()) d;
end $$;

-- As `claim_work`, for routes of which some hold work that names quotas or budgets.
create function claim_lines(p_catalog bigint, p_worker text, p_instance uuid, p_claim uuid, p_ttl_ms bigint, p_max integer,
  p_lanes integer[], p_virtual double precision[], p_routes integer[], p_route_lanes integer[])
returns setof claimed language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_now bigint;
  v_known record;
  v_room bigint[];
  v_found record;
  v_admitted admitted;
  v_left integer := p_max;
  v_drops integer := 100;
  v_tids tid[];
  v_free integer[];
  v_is_skipped boolean := false;
begin
  perform pg_advisory_xact_lock_shared(barrier_key());
  select d.catalog_version = p_catalog as is_current,
      exists (select 1 from execution e
        where e.lifecycle_phase = 'active' and e.instance_id = p_instance and e.claim_id = p_claim) as is_repeated,
      l.* into v_known
    from deployment d cross join lateral (
      select array_agg(l.id order by l.id) as ids, array_agg(l.concurrency order by l.id) as caps, bool_or(l.concurrency is not null) as is_capped
      from unnest(p_lanes) as i (lane_id) join lane l on l.id = i.lane_id where l.state in ('active', 'draining')
    ) l
    where d.singleton;
  if not v_known.is_current then
    return next null::claimed;
    return;
  end if;
  if v_known.is_repeated then
    return query select * from leases_of_claim(p_instance, p_claim);
    return;
  end if;
  if v_known.ids is null or cardinality(p_routes) = 0 then return; end if;

  for v_round in 1 .. 8 loop
    v_room := case when v_known.is_capped then room_of(v_known.ids, v_known.caps, v_left)
      else array_fill(v_left::bigint, array[cardinality(v_known.ids)]) end;
    v_now := now_ms();
    select array_agg(h.partition_key order by f.ord) as partitions, array_agg(h.id order by f.ord) as ids,
        array_agg(f.lane_id order by f.ord) as lanes, array_agg(f.admission_key order by f.ord) as keys into v_found
      from find_heads(v_known.ids, p_routes, p_route_lanes, v_left, v_now) with ordinality as f (partition_key, id, lane_id, admission_key, ord)
      cross join lateral (
        select e.partition_key, e.id from execution e
        where e.partition_key = f.partition_key and e.id = f.id and e.eligibility_state = 'eligible_now' limit 1 for update skip locked
      ) h;
    exit when v_found.ids is null;
    if v_round > 1 then
      -- What the rounds before have locked stays so: whoever waited with it could be waited for.
      v_free := try_demands(v_found.partitions, v_found.ids);
      v_is_skipped := v_is_skipped or cardinality(v_free) < cardinality(v_found.ids);
      exit when cardinality(v_free) = 0;
      select array_agg(v_found.partitions[f] order by n) as partitions, array_agg(v_found.ids[f] order by n) as ids,
          array_agg(v_found.lanes[f] order by n) as lanes, array_agg(v_found.keys[f] order by n) as keys into v_found
        from unnest(v_free) with ordinality as o (f, n);
    end if;
    v_admitted := admit_heads(v_found.partitions, v_found.ids, v_found.lanes, v_found.keys, v_known.ids, v_room, v_left, v_drops, v_now);
    if v_admitted.granted is not null then
      select array_agg(e.tid order by g.n) into v_tids from unnest(v_admitted.granted) with ordinality as g (id, n)
        cross join lateral (select x.ctid as tid from execution x where x.id = g.id limit 1) e;
      return query select * from lease_heads(v_tids, p_worker, p_instance, p_claim, p_ttl_ms, v_now);
      v_left := v_left - cardinality(v_admitted.granted);
    end if;
    v_drops := v_drops - coalesce(cardinality(v_admitted.dropped), 0);
    exit when v_left <= 0 or v_drops <= 0;
    -- Nothing came of it: what is left belongs to others, or waits for room in a lane.
    exit when v_admitted.granted is null and v_admitted.dropped is null and v_admitted.parked = 0;
  end loop;
  -- The caller must not wait for a hint now: it asks again.
  if v_is_skipped and v_left = p_max then return next null::claimed; end if;
end $$;

-- ---- Waking

-- Wakes lines that wait for a key of a quota, those that wait longest first, as many as fit together. Answers the lanes of
-- their heads.
create function wake_quota(p_quota uuid, p_key text, p_max integer) returns integer[]
language plpgsql set search_path from current set lock_timeout = '2s' set plan_cache_mode = force_generic_plan
  set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_now bigint;
  q quota;
  v_held bigint;
  v_units bigint;
  v_partitions integer[] := '{}';
  v_ids uuid[] := '{}';
  v_head record;
  v_lanes integer[];
begin
  perform 1 from quota_key k where k.quota_id = p_quota and k.key = p_key for update;
  v_now := now_ms();
  select x.* into q from quota x where x.id = p_quota;
  v_held := held_of(p_quota, p_key);
  v_units := case when q.rate_units is null then 0 else units_in_window(p_quota, p_key, q.rate_window_ms, v_now) end;
  for v_head in
    select l.partition_key, l.head_id, h.attempt_state <> 'pending_resume' as begins, h.cost
    from (select * from admission_line l where l.by_quota = p_quota and l.by_key = p_key order by l.parked_seq) l
    cross join lateral (
      select e.attempt_state, (select (d.value ->> 2)::bigint from jsonb_array_elements(i.demands -> 'q') d
        where (d.value ->> 0)::uuid = p_quota and d.value ->> 1 = p_key) as cost
      from execution e join execution_info i on i.partition_key = e.partition_key and i.id = e.id
      where e.partition_key = l.partition_key and e.id = l.head_id and e.eligibility_state = 'blocked_by_quota'
      limit 1 for update of e skip locked
    ) h
  loop
    exit when cardinality(v_ids) >= p_max or (q.concurrency is not null and v_held >= q.concurrency);
    if v_head.begins and q.rate_units is not null and v_units + v_head.cost > q.rate_units then continue; end if;
    v_held := v_held + 1;
    if v_head.begins then v_units := v_units + v_head.cost; end if;
    v_partitions := v_partitions || v_head.partition_key;
    v_ids := v_ids || v_head.head_id;
  end loop;
  if cardinality(v_ids) = 0 then return '{}'; end if;
  select array_agg(b.lane_id) into v_lanes from set_blocks(v_partitions, v_ids, null, null, false, false, v_now) b;
  return v_lanes;
end $$;

-- The same of a budget.
create function wake_budget(p_budget uuid, p_max integer) returns integer[]
language plpgsql set search_path from current set lock_timeout = '2s' set plan_cache_mode = force_generic_plan
  set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_names text[]; v_hard bigint[]; v_used bigint[]; v_taken bigint[];
  v_partitions integer[] := '{}';
  v_ids uuid[] := '{}';
  v_head record;
  v_fits boolean;
  v_lanes integer[];
begin
  perform 1 from budget b where b.id = p_budget for update;
  select coalesce(array_agg(l.dimension), '{}'), array_agg(l.hard), array_agg(l.used), array_agg(l.used + l.reserved)
    into v_names, v_hard, v_used, v_taken from hard_limits_of(p_budget) l;
  for v_head in
    select l.partition_key, l.head_id, h.estimate
    from (select * from admission_line l where l.by_budget = p_budget order by l.parked_seq) l
    cross join lateral (
      select (select d.value -> 1 from jsonb_array_elements(i.demands -> 'b') d where (d.value ->> 0)::uuid = p_budget) as estimate
      from execution e join execution_info i on i.partition_key = e.partition_key and i.id = e.id
      where e.partition_key = l.partition_key and e.id = l.head_id and e.eligibility_state = 'blocked_by_budget'
      limit 1 for update of e skip locked
    ) h
  loop
    exit when cardinality(v_ids) >= p_max;
    v_fits := true;
    for n in 1 .. cardinality(v_names) loop
      v_fits := v_fits and v_used[n] < v_hard[n] and v_taken[n] + coalesce((v_head.estimate ->> v_names[n])::bigint, 0) <= v_hard[n];
    end loop;
    if not v_fits then continue; end if;
    for n in 1 .. cardinality(v_names) loop
      v_taken[n] := v_taken[n] + coalesce((v_head.estimate ->> v_names[n])::bigint, 0);
    end loop;
    v_partitions := v_partitions || v_head.partition_key;
    v_ids := v_ids || v_head.head_id;
  end loop;
  if cardinality(v_ids) = 0 then return '{}'; end if;
  select array_agg(b.lane_id) into v_lanes from set_blocks(v_partitions, v_ids, null, null, false, false, now_ms()) b;
  return v_lanes;
end $$;

-- What lines of a partition wait for and has room for one of them now; and when a window has room by itself.
create function wakeable_quotas(p_home integer) returns table (quota_id uuid, key text)
language plpgsql stable set search_path from current set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_now bigint := now_ms();
begin
  return query
  select w.by_quota, w.by_key from (select l.by_quota, l.by_key, min(l.parked_seq) as seq from admission_line l
    where l.home = p_home and l.by_quota is not null group by l.by_quota, l.by_key) w
  join quota q on q.id = w.by_quota
  where (q.concurrency is null or held_of(w.by_quota, w.by_key) < q.concurrency)
    and (q.rate_units is null or exists (
      select 1 from admission_line l
      join execution e on e.partition_key = l.partition_key and e.id = l.head_id
      join execution_info i on i.partition_key = e.partition_key and i.id = e.id
      cross join lateral jsonb_array_elements(i.demands -> 'q') d
      where l.by_quota = w.by_quota and l.by_key = w.by_key and (d.value ->> 0)::uuid = w.by_quota and d.value ->> 1 = w.by_key
        and (e.attempt_state = 'pending_resume'
          or units_in_window(w.by_quota, w.by_key, q.rate_window_ms, v_now) + (d.value ->> 2)::bigint <= q.rate_units)))
  order by w.seq;
end $$;

create function wakeable_budgets(p_home integer) returns table (budget_id uuid)
language plpgsql stable set search_path from current set enable_seqscan = off as $$
#variable_conflict use_column
begin
  return query
  select w.by_budget from (select l.by_budget, min(l.parked_seq) as seq from admission_line l
    where l.home = p_home and l.by_budget is not null group by l.by_budget) w
  where exists (
    select 1 from admission_line l
    join execution_info i on i.partition_key = l.partition_key and i.id = l.head_id
    cross join lateral jsonb_array_elements(i.demands -> 'b') d
    where l.by_budget = w.by_budget and (d.value ->> 0)::uuid = w.by_budget and not exists (
      select 1 from hard_limits_of(w.by_budget) h
      where h.used >= h.hard or h.used + h.reserved + coalesce((d.value -> 1 ->> h.dimension)::bigint, 0) > h.hard))
  order by w.seq;
end $$;

drop function pulse_of_quotas(integer[]);
-- The cheap look over partitions of the quota and of the budget family.
create function pulse_of_quotas(p_partitions integer[]) returns table (partition_key integer, now bigint, schedules_due_at bigint,
  retry_at bigint, parked boolean)
language plpgsql stable set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  v_now bigint := now_ms();
begin
  return query
  select p.key, v_now,
    (select s.due_at from schedule s where s.partition_key = p.key and s.due_at is not null order by s.due_at limit 1),
    (select min(l.retry_at) from admission_line l where l.home = p.key and l.by_quota is not null),
    exists (select 1 from admission_line l where l.home = p.key and l.by_quota is not null)
      and exists (select 1 from wakeable_quotas(p.key))
  from unnest(p_partitions) as p (key);
end $$;

create function pulse_of_budgets(p_partitions integer[]) returns table (partition_key integer, now bigint, reset_at bigint, parked boolean)
language plpgsql stable set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  v_now bigint := now_ms();
begin
  return query
  select p.key, v_now,
    (select b.next_reset_at from budget b where b.partition_key = p.key and b.next_reset_at is not null order by b.next_reset_at limit 1),
    exists (select 1 from admission_line l where l.home = p.key and l.by_budget is not null)
      and exists (select 1 from wakeable_budgets(p.key))
  from unnest(p_partitions) as p (key);
end $$;

-- ---- Handlers' own use

-- Takes a slot and units for a holder whose execution the caller has locked and judged.
create function acquire_quota(p_partition integer, p_id uuid, p_epoch bigint, p_namespace text, p_quota uuid, p_key text, p_home integer,
  p_holder text, p_cost bigint, out outcome text, out retry_at bigint)
language plpgsql set search_path from current set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_now bigint;
  q quota;
begin
  select x.* into q from quota x where x.id = p_quota and x.namespace = p_namespace;
  if not found then outcome := 'quota_not_found'; return; end if;
  insert into quota_key (quota_id, key, partition_key) values (p_quota, p_key, p_home) on conflict do nothing;
  perform 1 from quota_key k where k.quota_id = p_quota and k.key = p_key for update;
  v_now := now_ms();
  if exists (select 1 from quota_holder h where h.execution_id = p_id and h.quota_id = p_quota and h.key = p_key and h.holder_key = p_holder) then
    outcome := 'already_acquired';
    return;
  end if;
  if q.concurrency is not null and held_of(p_quota, p_key) >= q.concurrency then outcome := 'quota_exceeded'; return; end if;
  if q.rate_units is not null and units_in_window(p_quota, p_key, q.rate_window_ms, v_now) + p_cost > q.rate_units then
    outcome := 'quota_exceeded';
    retry_at := rate_retry_at(p_quota, p_key, q.rate_units, q.rate_window_ms, p_cost, v_now);
    return;
  end if;
  insert into quota_holder (quota_id, key, partition_key, execution_id, holder_key, epoch, units) values (p_quota, p_key, p_partition, p_id, p_holder, p_epoch, 0);
  if q.rate_units is not null and p_cost > 0 then
    insert into quota_step as s (quota_id, key, at, units) values (p_quota, p_key, v_now - v_now % rate_step_ms(q.rate_window_ms), p_cost)
      on conflict (quota_id, key, at) do update set units = s.units + excluded.units;
  end if;
  update execution e set has_demands = true where e.partition_key = p_partition and e.id = p_id and e.has_demands is null;
  outcome := 'acquired';
end $$;

-- ---- Budgets

create function breach_of(p_limits jsonb, p_used jsonb) returns text language sql immutable parallel safe set search_path from current as $$
  select case when bool_or((p_used ->> l.key)::bigint > (l.value ->> 'hard')::bigint) then 'hard_breach'
    when bool_or((p_used ->> l.key)::bigint > (l.value ->> 'soft')::bigint) then 'soft_breach' else 'ok' end
  from jsonb_each(p_limits) l
$$;

-- The seam to bulk jobs: the step that records a hard breach leaves here the one that carries out the budget's rule, for
-- every rule but `block_new`.
create function leave_breach_job(p_budget budget) returns void language plpgsql set search_path from current as $$
begin
  return;
end $$;

create function tell_budget(p_budget budget, p_change text) returns void language sql set search_path from current as $$
  insert into event_batch (at, partitions, bodies) values (now_ms(), array[p_budget.feed_partition],
    array[json_build_array('b', p_budget.namespace, p_budget.id, p_change, p_budget.period)])
$$;

-- Says that a limit was passed which was not before.
create function note_breach(p_budget budget, p_before text) returns text language plpgsql set search_path from current as $$
declare
  v_levels constant text[] := '{ok,soft_breach,hard_breach}';
  v_level text := breach_of(p_budget.limits, p_budget.used);
begin
  if array_position(v_levels, v_level) > array_position(v_levels, p_before) then
    perform tell_budget(p_budget, v_level);
    if v_level = 'hard_breach' then perform leave_breach_job(p_budget); end if;
  end if;
  return v_level;
end $$;

create function add_amounts(p_a jsonb, p_b jsonb) returns jsonb language sql immutable parallel safe as $$
  select coalesce(jsonb_object_agg(x.key, x.amount), '{}') from (
    select y.key, sum(y.value::bigint) as amount from (select * from jsonb_each_text(p_a) union all select * from jsonb_each_text(p_b)) y
    group by y.key having sum(y.value::bigint) > 0) x
$$;

-- Charges what an execution has spent.
create function report_usage(p_partition integer, p_id uuid, p_attempt integer, p_namespaces text[], p_budget uuid, p_key text, p_amounts jsonb,
  p_key_ttl bigint, p_sum_max bigint, out outcome text, out used jsonb, out dimension text, out actual bigint)
language plpgsql set search_path from current set lock_timeout = '2s' set plan_cache_mode = force_generic_plan
  set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_now bigint;
  v_namespace text;
  b budget;
  v_before text;
begin
  select l.namespace into v_namespace from execution e join lane l on l.id = e.lane_id
    where e.partition_key = p_partition and e.id = p_id and e.attempt_count > p_attempt and l.namespace = any (p_namespaces);
  if not found then outcome := 'stale_lease'; return; end if;
  select x.* into b from budget x where x.id = p_budget and x.namespace = v_namespace for update;
  if not found then outcome := 'budget_not_found'; return; end if;
  v_now := now_ms();
  select k into dimension from jsonb_object_keys(p_amounts) as k where not b.limits ? k limit 1;
  if found then outcome := 'unknown_dimension'; return; end if;
  if exists (select 1 from budget_entry x where x.budget_id = p_budget and x.execution_id = p_id and x.usage_key = p_key
    and x.at + p_key_ttl > v_now) then
    outcome := 'duplicate';
    return;
  end if;
  v_before := breach_of(b.limits, b.used);
  -- One that is remembered no more counts in the ledger still.
  update budget x set folded = add_amounts(x.folded, o.amounts) from budget_entry o
    where x.id = p_budget and o.budget_id = p_budget and o.execution_id = p_id and o.usage_key = p_key and o.period = x.period;
  used := add_amounts(b.used, p_amounts);
  select k.key, least(k.value::bigint, 9007199254740991) into dimension, actual from jsonb_each_text(used) k where k.value::bigint > p_sum_max limit 1;
  if found then outcome := 'limit_exceeded'; return; end if;
  insert into budget_entry as o (budget_id, execution_id, usage_key, period, at, amounts) values (p_budget, p_id, p_key, b.period, v_now, p_amounts)
    on conflict (budget_id, execution_id, usage_key) do update set period = excluded.period, at = excluded.at, amounts = excluded.amounts;
  update budget x set used = add_amounts(b.used, p_amounts) where x.id = p_budget returning x.* into b;
  -- What is given back at this moment is not waited for.
  update budget_reservation r set amount = greatest(0, r.amount - k.amount) from (
    select y.ctid as tid, a.value::bigint as amount from jsonb_each_text(p_amounts) a cross join lateral (
      select z.ctid from budget_reservation z where z.budget_id = p_budget and z.execution_id = p_id and z.dimension = a.key
      limit 1 for update skip locked) y) k where r.ctid = k.tid;
  outcome := note_breach(b, v_before);
end $$;

-- Begins a period. The caller holds the budget's row.
create function begin_period(p_budget uuid, p_started_at bigint, p_next_reset_at bigint) returns budget
language plpgsql set search_path from current as $$
declare
  b budget;
begin
  update budget x set period = x.period + 1, period_started_at = p_started_at, next_reset_at = p_next_reset_at, used = '{}', folded = '{}'
    where x.id = p_budget returning x.* into b;
  perform tell_budget(b, 'reset');
  return b;
end $$;

create function reset_budget(p_budget uuid, p_namespace text, p_key text, p_key_ttl bigint) returns text
language plpgsql set search_path from current set lock_timeout = '2s' as $$
declare
  v_now bigint;
  b budget;
begin
  select x.* into b from budget x where x.id = p_budget and x.namespace = p_namespace for update;
  if not found then return 'budget_not_found'; end if;
  v_now := now_ms();
  if exists (select 1 from budget_reset_key k where k.budget_id = p_budget and k.reset_key = p_key and k.at + p_key_ttl > v_now) then
    return 'duplicate';
  end if;
  insert into budget_reset_key (budget_id, reset_key, at) values (p_budget, p_key, v_now)
    on conflict (budget_id, reset_key) do update set at = excluded.at;
  perform begin_period(p_budget, v_now, b.next_reset_at);
  return 'reset';
end $$;

-- Begins the periods that are due, one for all that were missed.
create function reset_due_budgets(p_partition integer, p_max integer) returns table (id uuid, next_reset_at bigint)
language plpgsql set search_path from current set lock_timeout = '2s' set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_now bigint := now_ms();
  b budget;
  v_started bigint;
begin
  for b in select x.* from budget x where x.partition_key = p_partition and x.next_reset_at <= v_now order by x.next_reset_at limit p_max
    for update skip locked
  loop
    v_started := b.next_reset_at + (v_now - b.next_reset_at) / b.reset_period_ms * b.reset_period_ms;
    perform begin_period(b.id, v_started, v_started + b.reset_period_ms);
    id := b.id;
    next_reset_at := v_started + b.reset_period_ms;
    return next;
  end loop;
end $$;

-- ---- Reconcilers: what is held is compared with the executions that it names.

-- Slots of a partition's keys whose holder does not run under that lease; and keys, steps and lines that nobody needs.
create function reconcile_quotas(p_partition integer, p_max integer, p_idle_ms bigint)
returns table (quota_id uuid, key text, execution_partition integer, execution_id uuid, finding text)
language plpgsql set search_path from current set lock_timeout = '2s' set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_now bigint := now_ms();
begin
  return query
  with stale as materialized (
    select h.quota_id, h.key, h.seq from quota_key k
    join quota_holder h on h.quota_id = k.quota_id and h.key = k.key
    left join execution e on e.partition_key = h.partition_key and e.id = h.execution_id
    where k.partition_key = p_partition and (e.id is null or e.lifecycle_phase <> 'active' or e.epoch <> h.epoch) limit p_max
  )
  delete from quota_holder h using (
    select o.ctid as tid from stale s cross join lateral (
      select x.ctid from quota_holder x where x.quota_id = s.quota_id and x.key = s.key and x.seq = s.seq
      limit 1 for update skip locked) o) d
  where h.ctid = d.tid
  returning h.quota_id, h.key::text, h.partition_key, h.execution_id, 'a slot is held by no lease'::text;
  delete from quota_step s using quota_key k join quota q on q.id = k.quota_id
    where k.partition_key = p_partition and s.quota_id = k.quota_id and s.key = k.key
      and (q.rate_window_ms is null or s.units = 0 or s.at <= v_now - q.rate_window_ms - rate_step_ms(q.rate_window_ms) + 1);
  delete from quota_key k using (
    select x.ctid as tid from quota_key x where x.partition_key = p_partition
      and not exists (select 1 from quota_holder h where h.quota_id = x.quota_id and h.key = x.key)
      and not exists (select 1 from quota_step s where s.quota_id = x.quota_id and s.key = x.key)
      and not exists (select 1 from admission_line l where l.by_quota = x.quota_id and l.by_key = x.key)
    limit p_max for update skip locked) d
  where k.ctid = d.tid;
  if p_partition = 0 then
    delete from admission_line l using (
      select x.ctid as tid from admission_line x where x.head_id is null and x.used_at < v_now - p_idle_ms limit p_max for update skip locked) d
    where l.ctid = d.tid;
  end if;
end $$;

-- Reservations of a partition's budgets whose execution does not run under that lease, and budgets whose count is not what
-- their ledger adds up to. Entries that are remembered no more are folded.
create function reconcile_budgets(p_partition integer, p_max integer, p_key_ttl bigint)
returns table (budget_id uuid, execution_partition integer, execution_id uuid, finding text)
language plpgsql set search_path from current set lock_timeout = '2s' set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_now bigint := now_ms();
  b budget;
  v_counted jsonb;
begin
  return query
  with stale as materialized (
    select r.budget_id, r.execution_id from budget x join budget_reservation r on r.budget_id = x.id
    left join execution e on e.partition_key = r.partition_key and e.id = r.execution_id
    where x.partition_key = p_partition and (e.id is null or e.lifecycle_phase <> 'active' or e.epoch <> r.epoch) limit p_max
  ), gone as (
    delete from budget_reservation r using (
      select o.ctid as tid from stale s cross join lateral (
        select y.ctid from budget_reservation y where y.budget_id = s.budget_id and y.execution_id = s.execution_id for update skip locked) o) d
    where r.ctid = d.tid returning r.budget_id, r.partition_key, r.execution_id
  )
  select distinct g.budget_id, g.partition_key, g.execution_id, 'a reservation is held by no lease' from gone g;

  for b in select x.* from budget x where x.partition_key = p_partition order by x.id limit p_max for update skip locked loop
    with old as (
      delete from budget_entry o where o.budget_id = b.id and o.at + p_key_ttl <= v_now returning o.period, o.amounts
    )
    update budget x set folded = add_amounts(x.folded, coalesce((
        select jsonb_object_agg(y.key, y.amount) from (
          select a.key, sum(a.value::bigint) as amount from old o cross join lateral jsonb_each_text(o.amounts) a
          where o.period = b.period group by a.key) y), '{}'))
      where x.id = b.id and exists (select 1 from old) returning x.* into b;
    if not found then select x.* into b from budget x where x.id = b.id; end if;
    delete from budget_reset_key k where k.budget_id = b.id and k.at + p_key_ttl <= v_now;
    select add_amounts(b.folded, coalesce(jsonb_object_agg(y.key, y.amount), '{}')) into v_counted from (
      select a.key, sum(a.value::bigint) as amount from budget_entry o cross join lateral jsonb_each_text(o.amounts) a
      where o.budget_id = b.id and o.period = b.period group by a.key) y;
    if v_counted <> add_amounts(b.used, '{}') then
      update budget x set used = v_counted where x.id = b.id;
      budget_id := b.id;
      execution_partition := null;
      execution_id := null;
      finding := format('%s is counted, and the ledger adds up to %s', b.used, v_counted);
      return next;
    end if;
  end loop;
end $$;

-- ---- The pulse: lines that are parked wait for no worker.

create or replace function pulse_of(p_partitions integer[], p_fold_rows integer, p_waiting_ms bigint, p_number_ms bigint, p_feed_age bigint)
returns setof partition_pulse
language plpgsql stable set search_path from current set enable_seqscan = off set enable_sort = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  v_now bigint := now_ms();
begin
  return query
  select p.key, v_now,
    least(
      (select x.due_at from execution x where x.partition_key = p.key and x.due_at is not null and x.lifecycle_phase <> 'terminal'
        order by x.due_at limit 1),
      (select f.due_at from flow f where f.partition_key = p.key and f.due_at is not null and f.state in ('draft', 'open', 'cancelling')
        order by f.due_at limit 1)),
    exists (select 1 from completion_event c left join flow f on f.partition_key = c.partition_key and f.id = c.flow_id
      where c.partition_key = p.key and c.available_at <= v_now and f.state is distinct from 'draft'),
    exists (select 1 from pending_cancel_group g where g.partition_key = p.key),
    exists (select 1 from cancel_backlog b where b.partition_key = p.key),
    exists (select 1 from flow f where f.partition_key = p.key and f.unprojected),
    coalesce(v_now >= least(
      (select x.due_at from execution x where x.partition_key = p.key and x.due_at is not null and x.lifecycle_phase = 'terminal'
        order by x.due_at limit 1),
      (select f.due_at from flow f where f.partition_key = p.key and f.due_at is not null and f.state in ('completed', 'failed', 'cancelled')
        order by f.due_at limit 1),
      (select o.at from event o where o.partition_key = p.key order by o.first_number limit 1) + p_feed_age,
      case when p.key = 0 then (select k.expires_at from idempotency_key k order by k.expires_at limit 1) end), false),
    -- Who reads the feed numbers it: without readers it is done in larger lots.
    p.key = 0 and (coalesce((select b.at from event_batch b order by b.seq limit 1) <= v_now - p_number_ms, false)
      or (select count(*) from (select 1 from lane_depth limit p_fold_rows) d) >= p_fold_rows),
    case when p.place = 1 then (
      select jsonb_agg(jsonb_build_object('namespace', w.namespace, 'lane', w.name, 'readyAtMs', w.ready_at)) from (
        select l.namespace, l.name, min(h.ready_at) as ready_at
        from lane l join route r on r.lane_id = l.id
        cross join lateral (
          select x.ready_at from (select y.ready_at from execution y
            where not r.keyed and y.route_id = r.id and y.eligibility_state = 'eligible_now' order by y.score, y.seq limit 1) x
          union all
          select x.ready_at from lines_of(case when r.keyed then r.id end) n
          left join admission_line a on a.admission_key = n.admission_key and a.partition_key = n.partition_key
          cross join lateral (select y.ready_at from execution y where y.route_id = r.id and y.eligibility_state = 'eligible_now'
            and (y.admission_key, y.partition_key) >= (n.admission_key, n.partition_key)
            and (y.admission_key, y.partition_key) <= (n.admission_key, n.partition_key) and y.admission_key is not null
            order by y.admission_key, y.partition_key, y.score, y.seq limit 1) x
          where a.head_id is null
        ) h
        where l.state in ('active', 'draining') and h.ready_at < v_now - p_waiting_ms
        group by l.namespace, l.name
      ) w) end
  from unnest(p_partitions) with ordinality as p (key, place);
end $$;
