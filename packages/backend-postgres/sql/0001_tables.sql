-- Tables of the foundation roles. All times are bigint, in ms since the epoch, by the store's clock.
-- `partition_key` is part of every key, so that a distributed Postgres could distribute by it. It never comes first where an
-- id is part of the key: on small tables a prefix scan looks as cheap as a look-up, and a plan made then stays cached.
-- The schema itself is created, and search_path set, by the migrator.

create type lifecycle_phase as enum ('submitted', 'runnable', 'active', 'suspended', 'terminal');
create type ownership_state as enum ('unowned', 'leased', 'lease_expired_reclaimable');
create type eligibility_state as enum ('eligible_now', 'not_eligible_until_time', 'blocked_by_dependencies',
  'blocked_by_budget', 'blocked_by_quota', 'blocked_by_operator', 'not_applicable');
create type blocking_reason as enum ('none', 'waiting_for_worker', 'waiting_for_delay', 'waiting_for_retry_backoff',
  'waiting_for_reclaim_backoff', 'waiting_for_resume_delay', 'waiting_for_children', 'waiting_for_budget',
  'waiting_for_quota', 'waiting_for_signal', 'waiting_for_approval', 'waiting_for_callback', 'waiting_for_tool_result',
  'waiting_for_child', 'paused_by_operator');
create type terminal_outcome as enum ('none', 'success', 'failed', 'cancelled', 'expired', 'skipped');
create type attempt_state as enum ('none', 'pending_first_attempt', 'running_attempt', 'attempt_interrupted',
  'pending_resume', 'pending_retry_attempt', 'pending_reclaim_attempt', 'pending_replay_attempt', 'attempt_terminal');
create type public_state as enum ('waiting', 'resumable', 'delayed', 'waiting_children', 'rate_limited', 'active',
  'suspended', 'completed', 'failed', 'cancelled', 'expired', 'skipped');
create type delay_reason as enum ('start_time', 'retry_backoff', 'reclaim_backoff', 'resume_delay');
create type cancel_cause as enum ('operator', 'flow', 'sibling', 'ancestor', 'parent', 'draft_expired', 'quota',
  'suspension_timeout', 'budget');
create type attempt_type as enum ('initial', 'retry', 'reclaim', 'replay');
create type attempt_record_state as enum ('started', 'suspended', 'ended_success', 'ended_failure', 'ended_cancelled',
  'interrupted_reclaimed');
create type ended_by as enum ('holder', 'lease_expiry', 'revocation', 'attempt_timeout', 'suspension_timeout', 'deadline', 'cancel',
  'skip');
create type flow_state as enum ('draft', 'open', 'cancelling', 'replaying', 'completed', 'failed', 'cancelled');
create type edge_state as enum ('pending', 'satisfied', 'impossible');

-- Lanes and routes are interned: the hot row holds two small numbers instead of texts.
create table lane (
  id integer generated always as identity primary key,
  namespace text not null,
  name text not null,
  state text not null default 'active' check (state in ('active', 'paused', 'draining', 'disabled')),
  shards integer not null default 1,
  concurrency integer,
  ageing_ms bigint,
  weight integer not null default 1,
  retention_ms bigint not null default 86400000,
  event_level text not null default 'terminal' check (event_level in ('all', 'terminal', 'none')),
  version integer not null default 1,
  unique (namespace, name)
);

-- What a worker either serves or does not. Capabilities are sorted.
create table route (
  id integer generated always as identity primary key,
  lane_id integer not null references lane (id),
  kind text not null,
  capabilities text[] not null default '{}',
  made_at timestamptz not null default clock_timestamp(),
  unique (lane_id, kind, capabilities)
);

-- The hot row: state, queue position, lease, timers. What never changes lives in execution_info. Which vectors are possible
-- is checked by the triggers that emit (0002): the text of a check constraint, or of a generated column, is read and
-- prepared anew by each statement, which costs a worker's more than the rest of its update.
create table execution (
  partition_key integer not null,
  id uuid not null,
  seq bigint generated always as identity,
  lane_id integer not null,
  route_id integer not null,
  flow_id uuid,
  lifecycle_phase lifecycle_phase not null,
  ownership_state ownership_state not null default 'unowned',
  eligibility_state eligibility_state not null,
  blocking_reason blocking_reason not null,
  terminal_outcome terminal_outcome not null default 'none',
  attempt_state attempt_state not null,
  public_state public_state not null, -- what follows from the vector, as `public_state_of` says; the triggers refuse any other
  generation integer not null default 1,
  epoch bigint not null default 0,
  generation_epoch bigint not null default 0, -- the epoch when this generation began: claimed since, if it was raised
  attempt_count integer not null default 0,
  retry_count integer not null default 0,
  reclaim_count integer not null default 0,
  replay_count integer not null default 0,
  priority integer not null default 0,
  score bigint,                       -- readyAt − priority × step
  ready_at bigint,
  first_eligible_at bigint,
  deps_blocked boolean not null default false,
  held boolean not null default false,
  not_before bigint,
  delay_reason delay_reason,
  always_node boolean not null default false,
  -- bounds, null where none
  deadline_ms bigint,
  queue_ttl_ms bigint,
  attempt_timeout_ms bigint,
  max_reclaims integer not null default 20,
  retention_ms bigint,
  deadline_at bigint,
  queue_ttl_at bigint,
  -- the lease; while it isn't active, that of the last one
  lease_id uuid,
  lease_expires_at bigint,
  worker_id text,
  instance_id uuid,
  claim_id uuid,
  attempt_type attempt_type,
  attempt_started_at bigint,          -- of the running or delayed attempt, its first start
  lease_started_at bigint,
  attempt_used_ms bigint not null default 0, -- active time before this lease, for the attempt timeout
  attempt_deadline_at bigint,
  attempt_has_effects boolean not null default false,
  yielded_lease_id uuid,              -- so that a repeated yield answers what it answered first
  -- cancel
  grace_ends_at bigint,
  cancel_cause cancel_cause,
  wanted cancel_cause,                -- marked for a sibling or ancestor cancel, but still needed elsewhere
  wanted_ancestors boolean not null default true, -- whether its own upstreams follow it
  has_ties boolean,                   -- it has a parent, children, watchers, waitpoints or suspensions (0019); null where it never had
  due_at bigint,                      -- its next timer; for a terminal solo execution, when it is purged
  created_at bigint not null,
  terminal_at bigint,
  primary key (id, partition_key)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);

-- Claim: the heads of each served route, in claim order. Terminal and leased rows leave it.
create index execution_claim on execution (route_id, score, seq) where eligibility_state = 'eligible_now';
-- Timers: one entry per execution, its earliest. Purging has an index of its own, so that neither hides the other.
create index execution_timer on execution (partition_key, due_at) where due_at is not null and lifecycle_phase <> 'terminal';
create index execution_purge on execution (partition_key, due_at) where due_at is not null and lifecycle_phase = 'terminal';
-- What an instance holds, and by which claim. How much of a capped lane is active comes from lane_depth.
create index execution_active on execution (instance_id, claim_id) where lifecycle_phase = 'active';
-- Members of a flow; the partial one answers "is any member still open".
create index execution_flow on execution (flow_id, seq) where flow_id is not null;
create index execution_flow_open on execution (flow_id) where flow_id is not null and lifecycle_phase <> 'terminal';
create index execution_wanted on execution (flow_id) where wanted is not null and lifecycle_phase <> 'terminal';
-- Rare ends, so that "what failed" never reads what succeeded.
create index execution_ended_badly on execution (lane_id, created_at, id)
  where terminal_outcome in ('failed', 'cancelled', 'expired');

-- What is written once: identity, input, policies.
create table execution_info (
  partition_key integer not null,
  id uuid not null,
  namespace text not null,
  lane_id integer not null,
  kind text not null,
  name text,                          -- as a node of its flow
  tags jsonb not null default '{}',
  input bytea,
  input_hash bytea not null,
  retry jsonb,                        -- null: the default policy
  trace_context text,
  created_at bigint not null,
  progress_percent real,
  progress_message text,
  parent jsonb,                       -- who called it, as the contract's link
  primary key (id, partition_key)
);
create index execution_info_listing on execution_info (lane_id, created_at desc, id desc);
create index execution_info_tags on execution_info using gin (tags jsonb_path_ops) where tags <> '{}';

-- The recorded end of the present generation, where there is anything to record.
create table execution_result (
  partition_key integer not null,
  id uuid not null,
  result bytea,
  failure jsonb,
  primary key (id, partition_key)
);

-- Attempts that ended or were put aside. The running one is in the hot row: a claim writes one row, not two.
create table attempt (
  partition_key integer not null,
  execution_id uuid not null,
  idx integer not null,
  type attempt_type not null,
  generation integer not null,
  state attempt_record_state not null,
  epoch bigint not null,
  lease_id uuid not null,
  worker_id text not null,
  instance_id uuid not null,
  started_at bigint not null,
  ended_at bigint,
  ended_by ended_by,
  end_op text check (end_op in ('complete', 'fail', 'delay', 'suspend', 'yield')),
  end_answer jsonb,                   -- what the holder was answered, when it needs more than the operation's name
  late boolean not null default false,
  failure jsonb,
  primary key (execution_id, idx, partition_key)
);

create table step (
  partition_key integer not null,
  execution_id uuid not null,
  ordinal integer not null,
  name text not null,
  type text not null,
  result bytea,
  attempt_index integer not null,
  recorded_at bigint not null,
  primary key (execution_id, ordinal, partition_key),
  unique (execution_id, name, partition_key)
);

create table flow (
  partition_key integer not null,
  id uuid not null,
  namespace text not null,
  name text,
  state flow_state not null,
  graph_revision integer not null default 1,
  generation integer not null default 1,
  tags jsonb not null default '{}',
  graph_hash bytea,
  created_at bigint not null,
  deadline_ms bigint,
  deadline_at bigint,
  draft_expires_at bigint,
  due_at bigint,                      -- deadline, draft expiry, or when it is purged
  terminal_at bigint,
  cancel_policy text check (cancel_policy in ('cancel_all', 'cancel_pending', 'flow_only')),
  cancel_finalisers boolean,
  cancel_requested_at bigint,
  frozen_result jsonb,                -- which members' results and failures flow_only left as the flow's
  unprojected boolean not null default true, -- something changed since the summary was written
  summary jsonb,
  summary_at bigint,
  parent jsonb,                       -- who called it, as the contract's link
  has_ties boolean,                   -- it has a parent or watchers (0019); null where it never had
  primary key (id, partition_key)
) with (fillfactor = 70);
create index flow_timer on flow (partition_key, due_at) where due_at is not null and state in ('draft', 'open', 'cancelling', 'replaying');
create index flow_purge on flow (partition_key, due_at) where due_at is not null and state in ('completed', 'failed', 'cancelled');
create index flow_live on flow (partition_key, id) where state in ('draft', 'open', 'cancelling', 'replaying');
create index flow_unprojected on flow (partition_key, id) where unprojected;
create index flow_listing on flow (namespace, created_at desc, id desc);

create table edge (
  partition_key integer not null,
  upstream_id uuid not null,
  downstream_id uuid not null,
  id uuid not null,
  flow_id uuid not null,
  as_name text,
  state edge_state not null default 'pending',
  seen_state public_state,            -- of the upstream, when the group decided
  seen_satisfied boolean,
  exempt boolean not null default false, -- its upstream was replayed after the group decided: its pending cancel wants it no more
  primary key (upstream_id, downstream_id, partition_key)
) with (fillfactor = 80);
-- None on the state: resolving an edge changes no index.
create index edge_downstream on edge (downstream_id, partition_key);

create table edge_group (
  partition_key integer not null,
  downstream_id uuid not null,
  flow_id uuid not null,
  policy_kind text,                   -- absent: all_of; unknown ones stay pending
  k integer,
  on_decided text,                    -- onSatisfied of any_of and quorum, onImpossible of all_of
  run_on text not null default 'groupSatisfied',
  settled boolean not null default false,
  cancel_shared boolean not null default false,
  ancestors text not null default 'cancel',
  n integer not null,
  succeeded integer not null default 0,
  failed integer not null default 0,
  skipped integer not null default 0,
  state edge_state not null default 'pending',
  released boolean not null default false,
  cancel_reason text,
  cancel_pending boolean not null default false,
  primary key (downstream_id, partition_key),
  constraint counters_within_n check (succeeded + failed + skipped <= n)
) with (fillfactor = 70);

create table pending_cancel_group (
  partition_key integer not null,
  flow_id uuid not null,
  downstream_id uuid not null,
  enqueued_at bigint not null,
  primary key (partition_key, flow_id, downstream_id)
);

create table cancel_backlog (
  partition_key integer not null,
  flow_id uuid not null,
  enqueued_at bigint not null,
  primary key (partition_key, flow_id)
);

-- The outbox. An entry goes when its work is done; the row lock of a hop is its claim.
create table completion_event (
  partition_key integer not null,
  id uuid not null default gen_random_uuid(),
  seq bigint generated always as identity,
  kind text not null check (kind in ('completion', 'flow_settled', 'seal_release', 'replay_reset', 'child_linked', 'child_watched',
    'child_ended', 'parent_stopped')),
  flow_id uuid,
  execution_id uuid,
  generation integer,
  available_at bigint not null default 0,
  failures integer not null default 0,
  message jsonb,                      -- of a parent or a child to the other (0019), which outlives who sent it
  primary key (id, partition_key)
);
create index completion_event_due on completion_event (partition_key, available_at, seq);
-- Whether a flow has ends that nobody has looked at yet.
create index completion_event_flow on completion_event (flow_id) where flow_id is not null;

-- What a replay reopens, downstreams before their upstreams. The rows go when the flow is open again.
create table replay_member (
  partition_key integer not null,
  flow_id uuid not null,
  ordinal integer not null,
  execution_id uuid not null,
  has_input boolean not null default false,
  input bytea,
  stage smallint not null default 0,  -- 1: reset; 2: its edges from outside have been counted
  primary key (partition_key, flow_id, ordinal)
);
create index replay_member_execution on replay_member (execution_id, partition_key);

-- What statements told, each in one row, until its events have their numbers: a statement that changes fifty executions
-- of as many partitions writes the feed once.
create table event_batch (
  seq bigint generated always as identity primary key,
  at bigint not null,
  -- Of each transition, in their order, its partition and what the feed says of it. First element `x` (execution): namespace,
  -- lane, kind, id, flow, name, state, previous state, attempt index, generation, cancel cause. `f` (flow): namespace, id,
  -- state, previous state, graph revision, generation. `s` (signal): namespace, lane, execution, flow, id, waitpoint, name,
  -- outcome. Self-contained, so that it reads the same after what it names is gone.
  partitions integer[] not null,
  bodies json[] not null
) with (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
-- It is read once, soon: compressing it would cost more than its place.
alter table event_batch alter column bodies set storage external;

-- The feed. A row holds events of one partition that have consecutive numbers, each as its time and its body.
create table event (
  partition_key integer not null,
  first_number bigint not null,
  count integer not null,
  -- Of the last of them.
  at bigint not null,
  body json not null,
  primary key (partition_key, first_number)
);

create table event_head (
  partition_key integer primary key,
  next_number bigint not null default 1,
  trimmed_below bigint not null default 1
);

-- Depth per lane and state, as deltas that reads add up and upkeep folds: no statement of a worker locks a count.
create table lane_depth (
  lane_id integer not null,
  public_state public_state not null,
  n bigint not null
);
create index lane_depth_lane on lane_depth (lane_id, public_state);

create table idempotency_key (
  namespace text not null,
  key text not null,
  target text not null,               -- the full id
  kind text not null,
  content_hash bytea not null,
  expires_at bigint not null,
  primary key (namespace, key)
);
create index idempotency_key_expiry on idempotency_key (expires_at);

create table worker (
  instance_id uuid primary key,
  worker_id text not null,
  namespaces text[] not null,
  lanes text[] not null,
  kinds text[] not null,
  capabilities text[] not null,
  concurrency integer not null,
  active integer not null default 0,
  draining boolean not null default false,
  registered_at bigint not null,
  last_seen_at bigint not null
);

create table engine (
  engine_id uuid primary key,
  label text not null,
  started_at bigint not null,
  last_seen_at bigint not null
);

-- One row: what is fixed for the deployment.
create table deployment (
  singleton boolean primary key default true check (singleton),
  flow_partitions integer not null,
  budget_partitions integer not null,
  quota_partitions integer not null,
  layout_version integer not null,
  virtual_now_ms bigint,              -- tests only: the clock stands here
  -- Raised by every new route and every change of a lane, so that processes know when their copies are old.
  catalog_version bigint not null default 0,
  -- Whether the end of a solo execution leaves an entry in the outbox too.
  solo_entries boolean not null default false
);
