-- The whole schema after all migrations, read from the catalogs of a migrated database.
-- Made by `node scripts/check-schema.mjs --write`. Do not edit.

-- Types

create type admitted as (granted uuid[], dropped uuid[], parked integer);

create type attempt_record_state as enum ('started', 'suspended', 'ended_success', 'ended_failure', 'ended_cancelled', 'interrupted_reclaimed');

create type attempt_state as enum ('none', 'pending_first_attempt', 'running_attempt', 'attempt_interrupted', 'pending_resume', 'pending_retry_attempt', 'pending_reclaim_attempt', 'pending_replay_attempt', 'attempt_terminal');

create type attempt_type as enum ('initial', 'retry', 'reclaim', 'replay');

create type blocking_reason as enum ('none', 'waiting_for_worker', 'waiting_for_delay', 'waiting_for_retry_backoff', 'waiting_for_reclaim_backoff', 'waiting_for_resume_delay', 'waiting_for_children', 'waiting_for_budget', 'waiting_for_quota', 'waiting_for_signal', 'waiting_for_approval', 'waiting_for_callback', 'waiting_for_tool_result', 'waiting_for_child', 'paused_by_operator');

create type cancel_cause as enum ('operator', 'flow', 'sibling', 'ancestor', 'parent', 'draft_expired', 'quota', 'suspension_timeout', 'budget');

create type claim_floor as (score bigint, since bigint, until bigint);

create type claimed as (partition_key integer, id uuid, lane_id integer, route_id integer, flow_id uuid, name text, priority integer, input bytea, attempt_index integer, attempt_type attempt_type, generation integer, lease_id uuid, epoch bigint, lease_expires_at bigint, attempt_deadline_at bigint, claimed_at bigint, tags json, trace_context text, due_at bigint, up_names text[], up_ids uuid[], up_states text[], up_satisfied boolean[], up_results bytea[], up_truncated boolean, step_names text[], step_types text[], step_results bytea[], step_attempts integer[], step_times bigint[], steps_truncated boolean, resumption json, demands jsonb);

create type delay_reason as enum ('start_time', 'retry_backoff', 'reclaim_backoff', 'resume_delay');

create type edge_state as enum ('pending', 'satisfied', 'impossible');

create type eligibility_state as enum ('eligible_now', 'not_eligible_until_time', 'blocked_by_dependencies', 'blocked_by_budget', 'blocked_by_quota', 'blocked_by_operator', 'not_applicable');

create type ended_by as enum ('holder', 'lease_expiry', 'revocation', 'attempt_timeout', 'suspension_timeout', 'deadline', 'cancel', 'skip');

create type fault as (code text, message text);

create type finished as (ord integer, outcome text, late boolean, retry_at bigint, partition_key integer, id uuid, lane_id integer, flow_id uuid, is_terminal boolean, is_eligible boolean, due_at bigint, refusal text, ended_by ended_by, terminal_outcome terminal_outcome, answer jsonb);

create type flow_state as enum ('draft', 'open', 'cancelling', 'replaying', 'completed', 'failed', 'cancelled');

create type group_step as (partition_key integer, downstream_id uuid, flow_id uuid, ordinal integer, picked integer, n integer, decided edge_state, fate text, reason text);

create type handed as (outcome text, lane_state text, eligible boolean, due_at bigint, lease_id uuid, leased_at bigint, attempt_deadline_at bigint);

create type inlined as (up_names text[], up_ids uuid[], up_states text[], up_satisfied boolean[], up_results bytea[], up_truncated boolean, step_names text[], step_types text[], step_results bytea[], step_attempts integer[], step_times bigint[], steps_truncated boolean);

create type lifecycle_phase as enum ('submitted', 'runnable', 'active', 'suspended', 'terminal');

create type moved as (partition_key integer, id uuid, lane_id integer, flow_id uuid, is_terminal boolean, is_eligible boolean, was_active boolean, due_at bigint);

create type outbox_entry as (ordinal integer, partition_key integer, id uuid, flow_id uuid, execution_id uuid, generation integer);

create type ownership_state as enum ('unowned', 'leased', 'lease_expired_reclaimable');

create type partition_pulse as (partition_key integer, now bigint, next_due_at bigint, outbox boolean, sibling_cancels boolean, cancel_backlog boolean, projection boolean, retention boolean, upkeep boolean, waiting jsonb);

create type public_state as enum ('waiting', 'resumable', 'delayed', 'waiting_children', 'rate_limited', 'active', 'suspended', 'completed', 'failed', 'cancelled', 'expired', 'skipped');

create type quota_strategy as enum ('queue', 'drop_new', 'cancel_oldest');

create type refusal as (outcome text, ended_by ended_by, terminal_outcome terminal_outcome, answer jsonb);

create type submitted as (ord integer, outcome text, partition_key integer, id uuid, lane_id integer, lane_state text, eligible boolean, due_at bigint);

create type terminal_outcome as enum ('none', 'success', 'failed', 'cancelled', 'expired', 'skipped');

create type waitpoint_row as (id uuid, execution_id uuid, name text, state text, created_at bigint, expires_at bigint, signal_count integer);

create type written_frames as (ord integer, moved boolean, next_number integer, epoch bigint, lease_base integer, durable_frames integer, durable_bytes bigint, patch_count integer, document bytea, written_at bigint, refusal text, ended_by ended_by, terminal_outcome terminal_outcome, answer jsonb);

-- Sequences

create sequence admission_order as bigint increment 1;

-- Tables

create table admission_line (
  admission_key bigint not null,
  partition_key integer not null,
  turn bigint not null default 0,
  used_at bigint not null,
  head_id uuid,
  by_quota uuid,
  by_key text collate "C",
  by_budget uuid,
  home integer,
  retry_at bigint,
  parked_at bigint,
  parked_seq bigint,
  constraint admission_line_pkey PRIMARY KEY (admission_key, partition_key)
) with (fillfactor=70);

create table api_token (
  id uuid not null,
  hash text not null,
  label text not null,
  scopes text[] not null,
  namespaces text[],
  lanes text[],
  created_at bigint not null,
  expires_at bigint,
  revoked_at bigint,
  constraint api_token_pkey PRIMARY KEY (id)
);

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
  end_op text,
  end_answer jsonb,
  late boolean not null default false,
  failure jsonb,
  constraint attempt_pkey PRIMARY KEY (execution_id, idx, partition_key),
  constraint attempt_end_op_check CHECK ((end_op = ANY (ARRAY['complete'::text, 'fail'::text, 'delay'::text, 'suspend'::text, 'yield'::text])))
);

create table audit_entry (
  action_id uuid not null,
  at bigint not null,
  namespace text,
  actor text not null,
  action text not null,
  subjects text[] not null,
  reason text,
  outcome text,
  constraint audit_entry_pkey PRIMARY KEY (action_id)
);

create table budget (
  id uuid not null,
  partition_key integer not null,
  feed_partition integer not null,
  namespace text not null,
  label text not null,
  limits jsonb not null,
  on_hard_breach text not null,
  reset_period_ms bigint,
  content text not null,
  created_at bigint not null,
  period bigint not null default 1,
  period_started_at bigint not null,
  next_reset_at bigint,
  used jsonb not null default '{}'::jsonb,
  folded jsonb not null default '{}'::jsonb,
  constraint budget_pkey PRIMARY KEY (id),
  constraint budget_on_hard_breach_check CHECK ((on_hard_breach = ANY (ARRAY['block_new'::text, 'cancel_pending'::text, 'fail_running'::text])))
) with (fillfactor=70);

create table budget_entry (
  budget_id uuid not null,
  execution_id uuid not null,
  usage_key text not null,
  period bigint not null,
  at bigint not null,
  amounts jsonb not null,
  constraint budget_entry_pkey PRIMARY KEY (budget_id, execution_id, usage_key)
);

create table budget_reservation (
  budget_id uuid not null,
  execution_id uuid not null,
  dimension text collate "C" not null,
  partition_key integer not null,
  epoch bigint not null,
  amount bigint not null,
  constraint budget_reservation_pkey PRIMARY KEY (budget_id, execution_id, dimension)
);

create table budget_reset_key (
  budget_id uuid not null,
  reset_key text not null,
  at bigint not null,
  constraint budget_reset_key_pkey PRIMARY KEY (budget_id, reset_key)
);

create table cancel_backlog (
  partition_key integer not null,
  flow_id uuid not null,
  enqueued_at bigint not null,
  constraint cancel_backlog_pkey PRIMARY KEY (partition_key, flow_id)
);

create table child (
  partition_key integer not null,
  parent_id uuid not null,
  child text not null,
  seq bigint not null generated always as identity,
  linked boolean not null,
  detached boolean not null,
  end_generation integer,
  end_outcome text,
  stopped boolean not null default false,
  constraint child_pkey PRIMARY KEY (parent_id, child, partition_key)
);

create table child_watcher (
  partition_key integer not null,
  child text not null,
  watcher text not null,
  constraint child_watcher_pkey PRIMARY KEY (child, watcher, partition_key)
);

create table completion_event (
  partition_key integer not null,
  id uuid not null default gen_random_uuid(),
  seq bigint not null generated always as identity,
  kind text not null,
  flow_id uuid,
  execution_id uuid,
  generation integer,
  available_at bigint not null default 0,
  failures integer not null default 0,
  message jsonb,
  constraint completion_event_pkey PRIMARY KEY (id, partition_key),
  constraint completion_event_kind_check CHECK ((kind = ANY (ARRAY['completion'::text, 'flow_settled'::text, 'seal_release'::text, 'replay_reset'::text, 'child_linked'::text, 'child_watched'::text, 'child_ended'::text, 'parent_stopped'::text, 'holder_cancelled'::text])))
);

create table deployment (
  singleton boolean not null default true,
  flow_partitions integer not null,
  budget_partitions integer not null,
  quota_partitions integer not null,
  layout_version integer not null,
  virtual_now_ms bigint,
  catalog_version bigint not null default 0,
  solo_entries boolean not null default false,
  constraint deployment_pkey PRIMARY KEY (singleton),
  constraint deployment_singleton_check CHECK (singleton)
);

create table edge (
  partition_key integer not null,
  upstream_id uuid not null,
  downstream_id uuid not null,
  id uuid not null,
  flow_id uuid not null,
  as_name text,
  state edge_state not null default 'pending'::edge_state,
  seen_state public_state,
  seen_satisfied boolean,
  exempt boolean not null default false,
  constraint edge_pkey PRIMARY KEY (upstream_id, downstream_id, partition_key)
) with (fillfactor=80);

create table edge_group (
  partition_key integer not null,
  downstream_id uuid not null,
  flow_id uuid not null,
  policy_kind text,
  k integer,
  on_decided text,
  run_on text not null default 'groupSatisfied'::text,
  settled boolean not null default false,
  cancel_shared boolean not null default false,
  ancestors text not null default 'cancel'::text,
  n integer not null,
  succeeded integer not null default 0,
  failed integer not null default 0,
  skipped integer not null default 0,
  state edge_state not null default 'pending'::edge_state,
  released boolean not null default false,
  cancel_reason text,
  cancel_pending boolean not null default false,
  constraint edge_group_pkey PRIMARY KEY (downstream_id, partition_key),
  constraint counters_within_n CHECK ((((succeeded + failed) + skipped) <= n))
) with (fillfactor=70);

create table engine (
  engine_id uuid not null,
  label text not null,
  started_at bigint not null,
  last_seen_at bigint not null,
  constraint engine_pkey PRIMARY KEY (engine_id)
);

create table event (
  partition_key integer not null,
  first_number bigint not null,
  count integer not null,
  at bigint not null,
  body json not null,
  constraint event_pkey PRIMARY KEY (partition_key, first_number)
);

create table event_batch (
  seq bigint not null generated always as identity,
  at bigint not null,
  partitions integer[] not null,
  bodies json[] not null,
  constraint event_batch_pkey PRIMARY KEY (seq)
) with (toast_tuple_target=8160, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=2000);

create table event_head (
  partition_key integer not null,
  next_number bigint not null default 1,
  trimmed_below bigint not null default 1,
  constraint event_head_pkey PRIMARY KEY (partition_key)
);

create table execution (
  partition_key integer not null,
  id uuid not null,
  seq bigint not null generated always as identity,
  lane_id integer not null,
  route_id integer not null,
  flow_id uuid,
  lifecycle_phase lifecycle_phase not null,
  ownership_state ownership_state not null default 'unowned'::ownership_state,
  eligibility_state eligibility_state not null,
  blocking_reason blocking_reason not null,
  terminal_outcome terminal_outcome not null default 'none'::terminal_outcome,
  attempt_state attempt_state not null,
  public_state public_state not null,
  generation integer not null default 1,
  epoch bigint not null default 0,
  generation_epoch bigint not null default 0,
  attempt_count integer not null default 0,
  retry_count integer not null default 0,
  reclaim_count integer not null default 0,
  replay_count integer not null default 0,
  priority integer not null default 0,
  score bigint,
  ready_at bigint,
  first_eligible_at bigint,
  deps_blocked boolean not null default false,
  held boolean not null default false,
  not_before bigint,
  delay_reason delay_reason,
  always_node boolean not null default false,
  deadline_ms bigint,
  queue_ttl_ms bigint,
  attempt_timeout_ms bigint,
  max_reclaims integer not null default 20,
  retention_ms bigint,
  deadline_at bigint,
  queue_ttl_at bigint,
  lease_id uuid,
  lease_expires_at bigint,
  worker_id text,
  instance_id uuid,
  claim_id uuid,
  attempt_type attempt_type,
  attempt_started_at bigint,
  lease_started_at bigint,
  attempt_used_ms bigint not null default 0,
  attempt_deadline_at bigint,
  attempt_has_effects boolean not null default false,
  yielded_lease_id uuid,
  grace_ends_at bigint,
  cancel_cause cancel_cause,
  wanted cancel_cause,
  wanted_ancestors boolean not null default true,
  has_ties boolean,
  due_at bigint,
  created_at bigint not null,
  terminal_at bigint,
  admission_key bigint,
  has_demands boolean,
  constraint execution_pkey PRIMARY KEY (id, partition_key)
) with (fillfactor=80, autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_threshold=500);

create table execution_info (
  partition_key integer not null,
  id uuid not null,
  namespace text not null,
  lane_id integer not null,
  kind text not null,
  name text,
  tags jsonb not null default '{}'::jsonb,
  input bytea,
  input_hash bytea not null,
  retry jsonb,
  trace_context text,
  created_at bigint not null,
  progress_percent real,
  progress_message text,
  parent jsonb,
  demands jsonb,
  constraint execution_info_pkey PRIMARY KEY (id, partition_key)
);

create table execution_result (
  partition_key integer not null,
  id uuid not null,
  result bytea,
  failure jsonb,
  constraint execution_result_pkey PRIMARY KEY (id, partition_key)
);

create table flow (
  partition_key integer not null,
  id uuid not null,
  namespace text not null,
  name text,
  state flow_state not null,
  graph_revision integer not null default 1,
  generation integer not null default 1,
  tags jsonb not null default '{}'::jsonb,
  graph_hash bytea,
  created_at bigint not null,
  deadline_ms bigint,
  deadline_at bigint,
  draft_expires_at bigint,
  due_at bigint,
  terminal_at bigint,
  cancel_policy text,
  cancel_finalisers boolean,
  cancel_requested_at bigint,
  frozen_result jsonb,
  unprojected boolean not null default true,
  summary jsonb,
  summary_at bigint,
  parent jsonb,
  has_ties boolean,
  constraint flow_pkey PRIMARY KEY (id, partition_key),
  constraint flow_cancel_policy_check CHECK ((cancel_policy = ANY (ARRAY['cancel_all'::text, 'cancel_pending'::text, 'flow_only'::text])))
) with (fillfactor=70);

create table idempotency_key (
  namespace text not null,
  key text not null,
  target text not null,
  kind text not null,
  content_hash bytea not null,
  expires_at bigint not null,
  constraint idempotency_key_pkey PRIMARY KEY (namespace, key)
);

create table lane (
  id integer not null generated always as identity,
  namespace text not null,
  name text not null,
  state text not null default 'active'::text,
  shards integer not null default 1,
  concurrency integer,
  ageing_ms bigint,
  weight integer not null default 1,
  retention_ms bigint not null default 86400000,
  event_level text not null default 'terminal'::text,
  version integer not null default 1,
  constraint lane_pkey PRIMARY KEY (id),
  constraint lane_event_level_check CHECK ((event_level = ANY (ARRAY['all'::text, 'terminal'::text, 'none'::text]))),
  constraint lane_namespace_name_key UNIQUE (namespace, name),
  constraint lane_state_check CHECK ((state = ANY (ARRAY['active'::text, 'paused'::text, 'draining'::text, 'disabled'::text])))
);

create table lane_depth (
  lane_id integer not null,
  public_state public_state not null,
  n bigint not null
);

create table namespace (
  name text collate "C" not null,
  label text not null,
  accepting boolean not null,
  constraint namespace_pkey PRIMARY KEY (name)
);

create table operation (
  partition_key smallint not null,
  namespace text not null,
  id uuid not null,
  version bigint not null,
  created_at bigint not null,
  due_at bigint,
  definition text not null,
  progress text not null,
  constraint operation_pkey PRIMARY KEY (namespace, id)
);

create table pending_cancel_group (
  partition_key integer not null,
  flow_id uuid not null,
  downstream_id uuid not null,
  enqueued_at bigint not null,
  constraint pending_cancel_group_pkey PRIMARY KEY (partition_key, flow_id, downstream_id)
);

create table quota (
  id uuid not null,
  namespace text not null,
  label text not null,
  rate_units bigint,
  rate_window_ms bigint,
  concurrency bigint,
  strategy quota_strategy not null,
  content text not null,
  created_at bigint not null,
  constraint quota_pkey PRIMARY KEY (id)
);

create table quota_holder (
  quota_id uuid not null,
  key text collate "C" not null,
  seq bigint not null generated always as identity,
  partition_key integer not null,
  execution_id uuid not null,
  holder_key text,
  epoch bigint not null,
  units bigint not null,
  step_at bigint,
  is_cancelled boolean not null default false,
  constraint quota_holder_pkey PRIMARY KEY (quota_id, key, seq)
);

create table quota_key (
  quota_id uuid not null,
  key text collate "C" not null,
  partition_key integer not null,
  constraint quota_key_pkey PRIMARY KEY (quota_id, key)
);

create table quota_step (
  quota_id uuid not null,
  key text collate "C" not null,
  at bigint not null,
  units bigint not null,
  constraint quota_step_pkey PRIMARY KEY (quota_id, key, at)
) with (fillfactor=70);

create table replay_member (
  partition_key integer not null,
  flow_id uuid not null,
  ordinal integer not null,
  execution_id uuid not null,
  has_input boolean not null default false,
  input bytea,
  stage smallint not null default 0,
  constraint replay_member_pkey PRIMARY KEY (partition_key, flow_id, ordinal)
);

create table resumption (
  partition_key integer not null,
  execution_id uuid not null,
  suspension_id uuid not null,
  resumed_by text not null,
  at bigint not null,
  ends jsonb not null,
  constraint resumption_pkey PRIMARY KEY (execution_id, partition_key),
  constraint resumption_resumed_by_check CHECK ((resumed_by = ANY (ARRAY['condition'::text, 'timeout'::text, 'operator'::text])))
);

create table route (
  id integer not null generated always as identity,
  lane_id integer not null,
  kind text not null,
  capabilities text[] not null default '{}'::text[],
  made_at timestamp with time zone not null default clock_timestamp(),
  keyed boolean not null default false,
  constraint route_pkey PRIMARY KEY (id),
  constraint route_lane_id_fkey FOREIGN KEY (lane_id) REFERENCES lane(id),
  constraint route_lane_id_kind_capabilities_keyed_key UNIQUE (lane_id, kind, capabilities, keyed)
);

create table schedule (
  partition_key smallint not null,
  namespace text not null,
  id uuid not null,
  label text collate "C" not null,
  version bigint not null,
  due_at bigint,
  definition text not null,
  work text not null,
  progress text not null,
  constraint schedule_pkey PRIMARY KEY (namespace, id)
);

create table signal (
  partition_key integer not null,
  execution_id uuid not null,
  sequence bigint not null,
  id uuid not null,
  waitpoint_id uuid,
  name text not null,
  payload bytea,
  source text,
  received_at bigint not null,
  idempotency_key text,
  suspension_id uuid,
  constraint signal_pkey PRIMARY KEY (execution_id, sequence, partition_key)
);

create table signing_key (
  id text collate "C" not null,
  fingerprint text not null,
  signs_from bigint not null,
  retired_at bigint,
  verifies_until bigint,
  constraint signing_key_pkey PRIMARY KEY (id)
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
  constraint step_pkey PRIMARY KEY (execution_id, ordinal, partition_key),
  constraint step_execution_id_name_partition_key_key UNIQUE (execution_id, name, partition_key)
);

create table stream (
  partition_key integer not null,
  execution_id uuid not null,
  attempt_index integer not null,
  next_number integer not null,
  epoch bigint not null,
  lease_base integer not null,
  durable_frames integer not null,
  durable_bytes bigint not null,
  capped_frames integer not null,
  capped_bytes bigint not null,
  patch_count integer not null,
  patched_at bigint,
  written_at bigint not null,
  constraint stream_pkey PRIMARY KEY (execution_id, attempt_index, partition_key)
) with (fillfactor=70, autovacuum_vacuum_scale_factor=0.05);

create table stream_frame (
  partition_key integer not null,
  execution_id uuid not null,
  attempt_index integer not null,
  frame_number integer not null,
  mode text not null,
  type text,
  frame bytea not null,
  appended_at bigint not null,
  constraint stream_frame_pkey PRIMARY KEY (execution_id, attempt_index, frame_number, partition_key),
  constraint stream_frame_mode_check CHECK ((mode = ANY (ARRAY['durable'::text, 'summary'::text, 'best_effort'::text])))
);

create table stream_summary (
  partition_key integer not null,
  execution_id uuid not null,
  attempt_index integer not null,
  document bytea not null,
  constraint stream_summary_pkey PRIMARY KEY (execution_id, attempt_index, partition_key)
);

create table suspension (
  partition_key integer not null,
  execution_id uuid not null,
  id uuid not null,
  revision integer not null default 1,
  reason text not null,
  condition text not null,
  state text not null,
  signals bigint[] not null,
  ends jsonb not null,
  waitpoint_ids uuid[] not null,
  child_ids text[] not null,
  since bigint not null,
  times_out_at bigint,
  behaviour text,
  delay_ms bigint not null,
  closes_waitpoints boolean not null,
  escalated boolean not null default false,
  constraint suspension_pkey PRIMARY KEY (execution_id, partition_key)
);

create table waitpoint (
  partition_key integer not null,
  id uuid not null,
  execution_id uuid not null,
  seq bigint not null generated always as identity,
  name text not null,
  created_at bigint not null,
  expires_at bigint,
  closed boolean not null default false,
  signal_count integer not null default 0,
  constraint waitpoint_pkey PRIMARY KEY (id, partition_key),
  constraint waitpoint_execution_id_name_partition_key_key UNIQUE (execution_id, name, partition_key)
) with (fillfactor=80);

create table webhook (
  partition_key smallint not null,
  namespace text not null,
  id uuid not null,
  version bigint not null,
  created_at bigint not null,
  due_at bigint,
  definition text not null,
  progress text not null,
  constraint webhook_pkey PRIMARY KEY (namespace, id)
);

create table worker (
  instance_id uuid not null,
  worker_id text not null,
  namespaces text[] not null,
  lanes text[] not null,
  kinds text[] not null,
  capabilities text[] not null,
  concurrency integer not null,
  active integer not null default 0,
  draining boolean not null default false,
  registered_at bigint not null,
  last_seen_at bigint not null,
  constraint worker_pkey PRIMARY KEY (instance_id)
);

-- Indexes

CREATE INDEX admission_line_budget ON flowfabric.admission_line USING btree (by_budget, parked_seq) WHERE (by_budget IS NOT NULL);

CREATE INDEX admission_line_budget_home ON flowfabric.admission_line USING btree (home) WHERE (by_budget IS NOT NULL);

CREATE INDEX admission_line_quota ON flowfabric.admission_line USING btree (by_quota, by_key, parked_seq) WHERE (by_quota IS NOT NULL);

CREATE INDEX admission_line_quota_home ON flowfabric.admission_line USING btree (home) WHERE (by_quota IS NOT NULL);

CREATE INDEX api_token_over ON flowfabric.api_token USING btree (LEAST(expires_at, revoked_at)) WHERE ((expires_at IS NOT NULL) OR (revoked_at IS NOT NULL));

CREATE INDEX audit_entry_listing ON flowfabric.audit_entry USING btree (at, action_id);

CREATE INDEX budget_entry_age ON flowfabric.budget_entry USING btree (budget_id, at);

CREATE INDEX budget_listing ON flowfabric.budget USING btree (namespace, created_at DESC, id DESC);

CREATE INDEX budget_partition ON flowfabric.budget USING btree (partition_key, id);

CREATE INDEX budget_reservation_execution ON flowfabric.budget_reservation USING btree (execution_id);

CREATE INDEX budget_reset_due ON flowfabric.budget USING btree (partition_key, next_reset_at) WHERE (next_reset_at IS NOT NULL);

CREATE INDEX child_to_stop ON flowfabric.child USING btree (parent_id, seq) WHERE (linked AND (NOT detached) AND (end_generation IS NULL) AND (NOT stopped));

CREATE INDEX completion_event_due ON flowfabric.completion_event USING btree (partition_key, available_at, seq);

CREATE INDEX completion_event_flow ON flowfabric.completion_event USING btree (flow_id) WHERE (flow_id IS NOT NULL);

CREATE INDEX edge_downstream ON flowfabric.edge USING btree (downstream_id, partition_key);

CREATE INDEX execution_active ON flowfabric.execution USING btree (instance_id, claim_id) WHERE (lifecycle_phase = 'active'::lifecycle_phase);

CREATE INDEX execution_claim ON flowfabric.execution USING btree (route_id, score, seq) WHERE (eligibility_state = 'eligible_now'::eligibility_state);

CREATE INDEX execution_demanding ON flowfabric.execution USING btree (lane_id, created_at DESC, id DESC) WHERE (has_demands AND (terminal_outcome = 'none'::terminal_outcome));

CREATE INDEX execution_ended_badly ON flowfabric.execution USING btree (lane_id, created_at, id) WHERE (terminal_outcome = ANY (ARRAY['failed'::terminal_outcome, 'cancelled'::terminal_outcome, 'expired'::terminal_outcome]));

CREATE INDEX execution_flow ON flowfabric.execution USING btree (flow_id, seq) WHERE (flow_id IS NOT NULL);

CREATE INDEX execution_flow_open ON flowfabric.execution USING btree (flow_id) WHERE ((flow_id IS NOT NULL) AND (lifecycle_phase <> 'terminal'::lifecycle_phase));

CREATE INDEX execution_info_listing ON flowfabric.execution_info USING btree (lane_id, created_at DESC, id DESC);

CREATE INDEX execution_info_tags ON flowfabric.execution_info USING gin (tags jsonb_path_ops) WHERE (tags <> '{}'::jsonb);

CREATE INDEX execution_line ON flowfabric.execution USING btree (route_id, admission_key, partition_key, score, seq) WHERE ((eligibility_state = 'eligible_now'::eligibility_state) AND (admission_key IS NOT NULL));

CREATE INDEX execution_purge ON flowfabric.execution USING btree (partition_key, due_at) WHERE ((due_at IS NOT NULL) AND (lifecycle_phase = 'terminal'::lifecycle_phase));

CREATE INDEX execution_timer ON flowfabric.execution USING btree (partition_key, due_at) WHERE ((due_at IS NOT NULL) AND (lifecycle_phase <> 'terminal'::lifecycle_phase));

CREATE INDEX execution_wanted ON flowfabric.execution USING btree (flow_id) WHERE ((wanted IS NOT NULL) AND (lifecycle_phase <> 'terminal'::lifecycle_phase));

CREATE INDEX flow_listing ON flowfabric.flow USING btree (namespace, created_at DESC, id DESC);

CREATE INDEX flow_live ON flowfabric.flow USING btree (partition_key, id) WHERE (state = ANY (ARRAY['draft'::flow_state, 'open'::flow_state, 'cancelling'::flow_state, 'replaying'::flow_state]));

CREATE INDEX flow_purge ON flowfabric.flow USING btree (partition_key, due_at) WHERE ((due_at IS NOT NULL) AND (state = ANY (ARRAY['completed'::flow_state, 'failed'::flow_state, 'cancelled'::flow_state])));

CREATE INDEX flow_timer ON flowfabric.flow USING btree (partition_key, due_at) WHERE ((due_at IS NOT NULL) AND (state = ANY (ARRAY['draft'::flow_state, 'open'::flow_state, 'cancelling'::flow_state, 'replaying'::flow_state])));

CREATE INDEX flow_unprojected ON flowfabric.flow USING btree (partition_key, id) WHERE unprojected;

CREATE INDEX idempotency_key_expiry ON flowfabric.idempotency_key USING btree (expires_at);

CREATE INDEX lane_depth_lane ON flowfabric.lane_depth USING btree (lane_id, public_state);

CREATE INDEX operation_due ON flowfabric.operation USING btree (partition_key, due_at, namespace COLLATE "C", id) WHERE (due_at IS NOT NULL);

CREATE INDEX operation_listing ON flowfabric.operation USING btree (namespace, created_at DESC, id DESC);

CREATE INDEX quota_holder_execution ON flowfabric.quota_holder USING btree (execution_id);

CREATE INDEX quota_key_partition ON flowfabric.quota_key USING btree (partition_key, quota_id, key);

CREATE INDEX quota_listing ON flowfabric.quota USING btree (namespace, created_at DESC, id DESC);

CREATE INDEX replay_member_execution ON flowfabric.replay_member USING btree (execution_id, partition_key);

CREATE INDEX schedule_due ON flowfabric.schedule USING btree (partition_key, due_at, namespace COLLATE "C", id) WHERE (due_at IS NOT NULL);

CREATE INDEX schedule_listing ON flowfabric.schedule USING btree (namespace, label, id);

CREATE INDEX signal_key ON flowfabric.signal USING btree (waitpoint_id, idempotency_key, received_at) WHERE (waitpoint_id IS NOT NULL);

CREATE INDEX signal_used ON flowfabric.signal USING btree (execution_id, suspension_id, sequence) WHERE (suspension_id IS NOT NULL);

CREATE INDEX stream_frame_capped ON flowfabric.stream_frame USING btree (execution_id, attempt_index, frame_number) WHERE (mode <> 'durable'::text);

CREATE INDEX webhook_due ON flowfabric.webhook USING btree (partition_key, due_at, namespace COLLATE "C", id) WHERE (due_at IS NOT NULL);

CREATE INDEX webhook_listing ON flowfabric.webhook USING btree (namespace, created_at DESC, id DESC);

-- Functions

CREATE OR REPLACE FUNCTION flowfabric.acquire_quota(p_partition integer, p_id uuid, p_epoch bigint, p_namespace text, p_quota uuid, p_key text, p_home integer, p_holder text, p_cost bigint, OUT outcome text, OUT retry_at bigint)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.add_amounts(p_a jsonb, p_b jsonb)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select coalesce(jsonb_object_agg(x.key, x.amount), '{}') from (
    select y.key, sum(y.value::bigint) as amount from (select * from jsonb_each_text(p_a) union all select * from jsonb_each_text(p_b)) y
    group by y.key having sum(y.value::bigint) > 0) x
$function$
;

CREATE OR REPLACE FUNCTION flowfabric.admission_hash(p_key text)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN hashtextextended(p_key, (0)::bigint)
;

CREATE OR REPLACE FUNCTION flowfabric.admit_heads(p_partitions integer[], p_ids uuid[], p_lanes integer[], p_keys bigint[], p_lane_ids integer[], p_room bigint[], p_max integer, p_max_drops integer, p_now bigint)
 RETURNS admitted
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.advance_replay(p_partition integer, p_flow uuid, p_max integer, OUT members integer, OUT done boolean, OUT ready_lanes integer[])
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
 SET lock_timeout TO '2s'
AS $function$
declare
  v_now bigint;
begin
  perform 1 from flow f where f.partition_key = p_partition and f.id = p_flow for no key update;
  v_now := now_ms();
  members := reset_members(p_partition, p_flow, p_max, v_now);
  done := false;
  if members > 0 then return; end if;
  if count_outside(p_partition, p_flow, p_max, v_now) > 0 then return; end if;
  done := true;
  select array_agg(x.lane_id) into ready_lanes
    from replay_member m join execution x on x.partition_key = m.partition_key and x.id = m.execution_id
    where m.partition_key = p_partition and m.flow_id = p_flow and x.eligibility_state = 'eligible_now';
  delete from replay_member m where m.partition_key = p_partition and m.flow_id = p_flow;
  delete from completion_event c where c.flow_id = p_flow and c.kind in ('replay_reset', 'flow_settled');
  update flow f set state = 'open', unprojected = true where f.partition_key = p_partition and f.id = p_flow and f.state = 'replaying';
  perform unpark_entries(p_flow);
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.append_frames(p_partitions integer[], p_ids uuid[], p_indexes integer[], p_leases uuid[], p_epochs bigint[], p_expected_numbers integer[], p_expected_times bigint[], p_next_numbers integer[], p_lease_bases integer[], p_durable_frames integer[], p_durable_bytes bigint[], p_patch_counts integer[], p_documents bytea[], p_owners integer[], p_numbers integer[], p_modes text[], p_types text[], p_frames bytea[], p_capped_frames_max integer, p_capped_bytes_max bigint, p_capped_age_max bigint, p_namespaces text[])
 RETURNS SETOF written_frames
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_held record;
  v_ords integer[] := '{}';
  v_head stream;
  v_now bigint;
  v_capped integer;
  v_bytes bigint;
begin
  for v_held in select h.ord, h.tid, h.has_effects
    from lock_handles(p_partitions, p_ids, p_indexes, p_leases, p_epochs, p_namespaces) h where not h.late
  loop
    v_ords := v_ords || v_held.ord;
    v_now := now_ms();
    select s.* into v_head from stream s where s.partition_key = p_partitions[v_held.ord] and s.execution_id = p_ids[v_held.ord]
      and s.attempt_index = p_indexes[v_held.ord];
    if coalesce(v_head.next_number, 0) <> p_expected_numbers[v_held.ord]
      or coalesce(v_head.written_at, 0) <> p_expected_times[v_held.ord] then
      return query select v_held.ord, true, coalesce(v_head.next_number, 0), coalesce(v_head.epoch, 0), coalesce(v_head.lease_base, 0),
        coalesce(v_head.durable_frames, 0), coalesce(v_head.durable_bytes, 0), coalesce(v_head.patch_count, 0),
        (select d.document from stream_summary d where d.partition_key = v_head.partition_key
          and d.execution_id = v_head.execution_id and d.attempt_index = v_head.attempt_index),
        coalesce(v_head.written_at, 0), null::text, null::ended_by, null::terminal_outcome, null::jsonb;
      continue;
    end if;

    if p_next_numbers[v_held.ord] > p_expected_numbers[v_held.ord] then
      insert into stream_frame (partition_key, execution_id, attempt_index, frame_number, mode, type, frame, appended_at)
        select p_partitions[v_held.ord], p_ids[v_held.ord], p_indexes[v_held.ord], f.number, f.mode, f.type, f.frame, v_now
        from unnest(p_owners, p_numbers, p_modes, p_types, p_frames) as f (owner, number, mode, type, frame)
        where f.owner = v_held.ord;
      select coalesce(v_head.capped_frames, 0) + count(*), coalesce(v_head.capped_bytes, 0) + coalesce(sum(octet_length(f.frame)), 0)
        into v_capped, v_bytes
        from unnest(p_owners, p_modes, p_frames) as f (owner, mode, frame) where f.owner = v_held.ord and f.mode <> 'durable';
      if v_capped > 0 then
        select t.p_frames, t.p_bytes into v_capped, v_bytes
          from trim_capped_frames(p_partitions[v_held.ord], p_ids[v_held.ord], p_indexes[v_held.ord], v_capped, v_bytes,
            p_capped_frames_max, p_capped_bytes_max, v_now - p_capped_age_max) t;
      end if;
      insert into stream (partition_key, execution_id, attempt_index, next_number, epoch, lease_base, durable_frames, durable_bytes,
          capped_frames, capped_bytes, patch_count, patched_at, written_at)
        values (p_partitions[v_held.ord], p_ids[v_held.ord], p_indexes[v_held.ord], p_next_numbers[v_held.ord], p_epochs[v_held.ord],
          p_lease_bases[v_held.ord], p_durable_frames[v_held.ord], p_durable_bytes[v_held.ord], v_capped, v_bytes,
          p_patch_counts[v_held.ord], case when p_documents[v_held.ord] is not null then v_now end, v_now)
        on conflict (execution_id, attempt_index, partition_key) do update set next_number = excluded.next_number,
          epoch = excluded.epoch, lease_base = excluded.lease_base, durable_frames = excluded.durable_frames,
          durable_bytes = excluded.durable_bytes, capped_frames = excluded.capped_frames, capped_bytes = excluded.capped_bytes,
          patch_count = excluded.patch_count, patched_at = coalesce(excluded.patched_at, stream.patched_at),
          written_at = excluded.written_at;
      if p_documents[v_held.ord] is not null then
        insert into stream_summary (partition_key, execution_id, attempt_index, document)
          values (p_partitions[v_held.ord], p_ids[v_held.ord], p_indexes[v_held.ord], p_documents[v_held.ord])
          on conflict (execution_id, attempt_index, partition_key) do update set document = excluded.document;
      end if;
      -- An attempt that wrote cannot be handed back as if it had not begun.
      if not v_held.has_effects then update execution e set attempt_has_effects = true where e.ctid = v_held.tid; end if;
    else
      v_now := coalesce(v_head.written_at, 0);
    end if;
    return query select v_held.ord, false, null::integer, null::bigint, null::integer, null::integer, null::bigint, null::integer,
      null::bytea, v_now, null::text, null::ended_by, null::terminal_outcome, null::jsonb;
  end loop;

  if cardinality(v_ords) < cardinality(p_ids) then
    return query select r.ord, false, null::integer, null::bigint, null::integer, null::integer, null::bigint, null::integer,
      null::bytea, null::bigint, r.refusal, r.ended_by, r.terminal_outcome, r.answer
      from refusals_of(p_partitions, p_ids, p_indexes, p_leases, p_epochs, 'append', p_namespaces, v_ords) r;
  end if;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.apply_verdict(p_partition integer, p_id uuid, p_verdict jsonb, p_state text, p_now bigint)
 RETURNS moved
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
begin
  update suspension s set state = p_state, revision = s.revision + 1,
      signals = array(select value::bigint from jsonb_array_elements_text(p_verdict -> 'signals')), ends = p_verdict -> 'ends'
    where s.partition_key = p_partition and s.execution_id = p_id;
  if not (p_verdict ->> 'holds')::boolean then return null; end if;
  return resume_suspended(p_partition, p_id, 'condition', p_now);
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.ask_oldest_to_go(p_quota uuid, p_key text, p_partition integer, p_id uuid)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.backoff_ms(p_backoff jsonb, p_retry integer, p_random double precision)
 RETURNS bigint
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
declare
  v_initial double precision := (p_backoff ->> 'initialMs')::double precision;
  v_factor double precision := (p_backoff ->> 'multiplier')::double precision;
  v_max double precision := (p_backoff ->> 'maxMs')::double precision;
  v_bounded double precision;
begin
  if p_backoff ->> 'kind' = 'fixed' or v_initial <= 0 then
    v_bounded := least(v_initial, v_max);
  elsif v_factor > 1 and (p_retry - 1) * ln(v_factor) + ln(v_initial) > ln(greatest(v_max, 1)) + 1 then
    -- Past the bound by far: the power itself might overflow.
    v_bounded := v_max;
  else
    v_bounded := least(v_initial * power(v_factor, p_retry - 1), v_max);
  end if;
  if (p_backoff ->> 'jitter')::boolean then return floor(p_random * (v_bounded + 1))::bigint; end if;
  return floor(v_bounded)::bigint;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.barrier_key()
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN '8689960545320859367'::bigint
;

CREATE OR REPLACE FUNCTION flowfabric.begin_period(p_budget uuid, p_started_at bigint, p_next_reset_at bigint)
 RETURNS budget
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
declare
  b budget;
begin
  update budget x set period = x.period + 1, period_started_at = p_started_at, next_reset_at = p_next_reset_at, used = '{}', folded = '{}'
    where x.id = p_budget returning x.* into b;
  perform tell_budget(b, 'reset');
  return b;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.breach_of(p_limits jsonb, p_used jsonb)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
  select case when bool_or((p_used ->> l.key)::bigint > (l.value ->> 'hard')::bigint) then 'hard_breach'
    when bool_or((p_used ->> l.key)::bigint > (l.value ->> 'soft')::bigint) then 'soft_breach' else 'ok' end
  from jsonb_each(p_limits) l
$function$
;

CREATE OR REPLACE FUNCTION flowfabric.cancel_held(p_partitions integer[], p_ids uuid[], p_ords integer[], p_op text, p_now bigint)
 RETURNS SETOF finished
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
#variable_conflict use_column
begin
  return query
  select array_position(p_ids, x.id), 'cancelled', false, null::bigint, x.partition_key, x.id, x.lane_id, x.flow_id, true, false, null::bigint,
    null::text, null::ended_by, null::terminal_outcome, null::jsonb
  from end_executions(array(select p_partitions[o] from unnest(p_ords) as o), array(select p_ids[o] from unnest(p_ords) as o),
    'cancelled', 'holder', 'ended_cancelled', 'flow', null, p_now) x;
  -- The holder's repeat is answered the same.
  update attempt a set end_op = p_op, end_answer = '{"outcome":"cancelled"}'
  from unnest(p_ords) as o cross join lateral (
    select t.ctid as tid from attempt t join execution e on e.partition_key = t.partition_key and e.id = t.execution_id
    where t.partition_key = p_partitions[o] and t.execution_id = p_ids[o] and t.idx = e.attempt_count - 1 limit 1) x
  where a.ctid = x.tid;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.cancel_holder(p_partition integer, p_id uuid, p_namespace text, p_epoch bigint)
 RETURNS TABLE(partition_key integer, id uuid, flow_id uuid, lane_id integer, is_terminal boolean, is_eligible boolean, was_active boolean)
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET enable_seqscan TO 'off'
AS $function$
#variable_conflict use_column
begin
  perform 1 from execution e join lane l on l.id = e.lane_id where e.partition_key = p_partition and e.id = p_id
    and l.namespace = p_namespace and e.lifecycle_phase = 'active' and e.epoch = p_epoch for update of e;
  if not found then return; end if;
  return query select d.partition_key, d.id, d.flow_id, d.lane_id, true, false, d.was_active
    from end_executions(array[p_partition], array[p_id], 'cancelled', 'cancel', 'ended_cancelled', 'quota', null, now_ms()) d;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.cancel_members(p_partition integer, p_flow uuid, p_cause cancel_cause, p_spares_active boolean, p_spares_always boolean, p_max integer, p_now bigint)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_ids uuid[];
  v_ended jsonb;
begin
  select array_agg(x.id) into v_ids from (
    select x.id from execution x
    where x.flow_id = p_flow and x.lifecycle_phase <> 'terminal'
      and not (p_spares_active and x.lifecycle_phase = 'active') and not (p_spares_always and x.always_node)
    order by x.id limit p_max for no key update of x
  ) x;
  if v_ids is null then return '[]'; end if;
  select jsonb_agg(jsonb_build_object('partition', e.partition_key, 'id', e.id, 'wasActive', e.was_active)) into v_ended
    from end_executions(array_fill(p_partition, array[cardinality(v_ids)]), v_ids, 'cancelled', 'cancel', 'ended_cancelled',
      p_cause, null, p_now) e;
  return coalesce(v_ended, '[]');
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.cancel_wanted(p_partition integer, p_ids uuid[], p_now bigint)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_siblings uuid[];
  v_ancestors uuid[];
  v_lost jsonb;
begin
  select array_agg(x.id) filter (where x.wanted = 'sibling'), array_agg(x.id) filter (where x.wanted = 'ancestor')
  into v_siblings, v_ancestors
  from (
    select x.id, x.wanted from unnest(p_ids) as p(id) join execution x on x.partition_key = p_partition and x.id = p.id
    order by x.id for no key update of x
  ) x;
  select jsonb_agg(jsonb_build_object('partition', partition_key, 'id', id, 'wasActive', was_active, 'via', via)) into v_lost from (
    select e.partition_key, e.id, e.was_active, c.cause as via
    from (values ('sibling'::cancel_cause, v_siblings), ('ancestor'::cancel_cause, v_ancestors)) as c(cause, ids)
    cross join lateral end_executions(array_fill(p_partition, array[cardinality(c.ids)]), c.ids,
      'cancelled', 'cancel', 'ended_cancelled', c.cause, null, p_now) e
    where c.ids is not null
  ) ended;
  return v_lost;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.capabilities_fault(p_capabilities jsonb)
 RETURNS fault
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.carries_ends()
 RETURNS boolean
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN COALESCE((current_setting('flowfabric.carries_ends'::text, true) = 'on'::text), false)
;

CREATE OR REPLACE FUNCTION flowfabric.claim_lines(p_catalog bigint, p_worker text, p_instance uuid, p_claim uuid, p_ttl_ms bigint, p_max integer, p_lanes integer[], p_virtual double precision[], p_routes integer[], p_route_lanes integer[])
 RETURNS SETOF claimed
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
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
  v_routes integer[] := p_routes;
  v_route_lanes integer[] := p_route_lanes;
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
    if v_known.is_capped then
      select array_agg(r.route_id order by r.ord), array_agg(r.lane_id order by r.ord) into v_routes, v_route_lanes
        from unnest(p_routes, p_route_lanes) with ordinality as r (route_id, lane_id, ord)
        where v_room[array_position(v_known.ids, r.lane_id)] > 0;
      exit when v_routes is null;
    end if;
    select array_agg(h.partition_key order by f.ord) as partitions, array_agg(h.id order by f.ord) as ids,
        array_agg(f.lane_id order by f.ord) as lanes, array_agg(f.admission_key order by f.ord) as keys into v_found
      from find_heads(v_known.ids, v_routes, v_route_lanes, v_left, v_now) with ordinality as f (partition_key, id, lane_id, admission_key, ord)
      cross join lateral (
        select e.partition_key, e.id, e.eligibility_state as state from execution e
        where e.partition_key = f.partition_key and e.id = f.id limit 1 for update skip locked
      ) h
      where h.state = 'eligible_now';
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.claim_work(p_catalog bigint, p_worker text, p_instance uuid, p_claim uuid, p_ttl_ms bigint, p_max integer, p_lanes integer[], p_virtual double precision[], p_routes integer[], p_route_lanes integer[])
 RETURNS SETOF claimed
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_now bigint;
  v_known record;
  v_lanes integer[];
  v_room bigint[];
  v_clock bigint := date_part('epoch', clock_timestamp()) * 1000;
  v_floors claim_floor[];
  v_begins bigint[] := array_fill(-9223372036854775808, array[cardinality(p_routes)]);
  v_whole_at bigint;
  v_firsts bigint[];
  v_looked boolean[] := array[true];
  v_seen bigint;
  v_read bigint;
  v_passed bigint;
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
  if current_setting('flowfabric.has_floors', true) = 'yes' then
    select floors, begins, whole_at into v_floors, v_begins, v_whole_at from floors_of(p_routes, v_clock);
  end if;

  for v_round in 1 .. 3 loop
    v_read := pg_stat_get_xact_tuples_returned('execution_claim'::regclass);
    if cardinality(p_routes) = 1 then
      -- One route, as most workers have: its index is the order, and what others hold is stepped over.
      select array_agg(h.tid), array[min(h.score)] into v_tids, v_firsts from (
        select e.ctid as tid, e.score from execution e
        where e.route_id = p_routes[1] and e.eligibility_state = 'eligible_now' and e.score >= v_begins[1]
          and coalesce(e.deadline_at > v_now, true) and coalesce(e.queue_ttl_at > v_now, true)
          and (e.flow_id is null or not exists (select 1 from flow f where f.partition_key = e.partition_key and f.id = e.flow_id
            and holds_back(f.state, f.cancel_finalisers, e.always_node)))
        order by e.score, e.seq limit least(v_left, coalesce(v_room[array_position(v_lanes, p_route_lanes[1])], 0))
        for update skip locked
      ) h;
      v_heads := 0;
      v_seen := cardinality(v_tids);
    else
      select tids, heads, seen, looked, firsts into v_tids, v_heads, v_seen, v_looked, v_firsts
        from lock_heads(v_lanes, v_known.virtual, v_known.weights, v_room, p_routes, p_route_lanes, v_begins, v_wide, v_left, v_now);
    end if;
    v_passed := pg_stat_get_xact_tuples_returned('execution_claim'::regclass) - v_read - coalesce(v_seen, 0);
    if v_passed > 1000 then
      perform keep_floors(p_routes, v_floors, v_firsts, v_looked, v_whole_at is null, v_passed, v_clock);
    end if;
    if v_tids is null and v_whole_at <= v_clock then
      v_begins := array_fill(-9223372036854775808, array[cardinality(p_routes)]);
      v_whole_at := null;
      continue;
    end if;
    exit when v_tids is null and v_heads < v_wide;

    return query select * from lease_heads(v_tids, p_worker, p_instance, p_claim, p_ttl_ms, v_now);
    get diagnostics v_got = row_count;
    v_left := v_left - v_got;
    -- Others may hold the heads that were seen: then look further, past them.
    exit when v_left <= 0 or v_heads < v_wide or v_known.is_capped;
    v_wide := v_wide * 4;
  end loop;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.claimable_lane(p_partition integer, p_id uuid)
 RETURNS integer
 LANGUAGE sql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
  select x.lane_id from (
    select e.lane_id, e.eligibility_state as state from execution e where e.partition_key = p_partition and e.id = p_id limit 1
  ) x where x.state = 'eligible_now'
$function$
;

CREATE OR REPLACE FUNCTION flowfabric.close_waitpoint(p_partition integer, p_waitpoint uuid, p_namespace text)
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
declare
  e execution;
  v_state text;
begin
  select x.* into e from waitpoint w join execution x on x.partition_key = w.partition_key and x.id = w.execution_id
    join lane l on l.id = x.lane_id and l.namespace = p_namespace
    where w.id = p_waitpoint and w.partition_key = p_partition for no key update of x;
  if not found then return null; end if;
  select waitpoint_state(w.closed, w.expires_at, e.lifecycle_phase = 'terminal', now_ms()) into v_state from waitpoint w
    where w.id = p_waitpoint and w.partition_key = p_partition and w.execution_id = e.id;
  if v_state is distinct from 'expired' then
    update waitpoint w set closed = true where w.id = p_waitpoint and w.partition_key = p_partition and not w.closed;
  end if;
  return v_state;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.complete_leases(p_partitions integer[], p_ids uuid[], p_indexes integer[], p_leases uuid[], p_epochs bigint[], p_results bytea[], p_namespaces text[], p_inline integer)
 RETURNS SETOF finished
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_now bigint := now_ms();
  v_locked integer[];
  v_late integer[] := '{}';
  v_ended finished[];
  v_accepted integer[] := '{}';
  v_members outbox_entry[];
  v_given outbox_entry[];
begin
  -- This transaction carries its members' ends on: they need no entry in the outbox, unless something of that is left.
  if p_inline > 0 then perform set_config('flowfabric.carries_ends', 'on', true); end if;
  for v_look in 1 .. 2 loop
    with ended as (
      update execution e set
        lifecycle_phase = 'terminal', ownership_state = 'unowned', eligibility_state = 'not_applicable', blocking_reason = 'none',
        terminal_outcome = 'success', attempt_state = 'attempt_terminal', public_state = 'completed',
        reclaim_count = e.reclaim_count - i.late::integer,
        held = false, not_before = null, delay_reason = null, grace_ends_at = null, cancel_cause = null, terminal_at = v_now,
        due_at = case when e.flow_id is null then v_now + coalesce(e.retention_ms, l.retention_ms) end
      from (
        select u.*, u.ord = any (v_late) as late from unnest(p_partitions, p_ids, p_indexes, p_leases, p_epochs) with ordinality
          as u (partition_key, id, idx, lease_id, epoch, ord)
        where v_look = 1 or u.ord = any (v_locked)
        order by u.id
      ) i, lane l
      where e.partition_key = i.partition_key and e.id = i.id and e.attempt_count = i.idx + 1 and e.epoch = i.epoch
        and e.lease_id = i.lease_id and (e.lifecycle_phase = 'active' or i.late)
        and l.id = e.lane_id and l.namespace = any (p_namespaces)
      returning i.ord::integer, i.late, e.partition_key, e.id, e.lane_id, e.flow_id, e.attempt_count, e.attempt_type, e.generation,
        e.epoch, e.lease_id, e.worker_id, e.instance_id, e.attempt_started_at
    ), recorded as (
      insert into execution_result as r (partition_key, id, result)
      select partition_key, id, p_results[ord] from ended where p_results[ord] is not null
      on conflict (partition_key, id) do update set result = excluded.result, failure = null
    ), attempts as (
      -- Those that a delay or a lost lease had put into a record already are changed there.
      insert into attempt as t (partition_key, execution_id, idx, type, generation, state, epoch, lease_id, worker_id, instance_id,
        started_at, ended_at, ended_by, end_op, late)
      select partition_key, id, attempt_count - 1, attempt_type, generation, 'ended_success', epoch, lease_id, worker_id, instance_id,
        attempt_started_at, v_now, 'holder', 'complete', late
      from ended
      on conflict (partition_key, execution_id, idx) do update set state = excluded.state, epoch = excluded.epoch,
        lease_id = excluded.lease_id, worker_id = excluded.worker_id, instance_id = excluded.instance_id, ended_at = excluded.ended_at,
        ended_by = excluded.ended_by, end_op = excluded.end_op, end_answer = null, late = excluded.late
    )
    select array_agg((e.ord, 'completed', e.late, null, e.partition_key, e.id, e.lane_id, e.flow_id, true, false, null,
        null, null, null, null)::finished), v_accepted || array_agg(e.ord),
        array_agg((e.ord, e.partition_key, e.id, e.flow_id, e.id, e.generation)::outbox_entry) filter (where e.flow_id is not null)
      into v_ended, v_accepted, v_members from ended e;
    v_given := v_given || v_members;
    return query select * from unnest(v_ended);

    exit when v_look = 2 or cardinality(v_accepted) = cardinality(p_ids);
    select array_agg(h.ord), coalesce(array_agg(h.ord) filter (where h.late), '{}') into v_locked, v_late
      from lock_handles(p_partitions, p_ids, p_indexes, p_leases, p_epochs, p_namespaces) h;
    exit when v_locked is null;
    v_now := now_ms();
  end loop;
  if p_inline > 0 then perform set_config('flowfabric.carries_ends', 'off', true); end if;

  if cardinality(v_accepted) < cardinality(p_ids) then
    return query select * from refusals_of(p_partitions, p_ids, p_indexes, p_leases, p_epochs, 'complete', p_namespaces, v_accepted);
  end if;
  if v_given is not null and p_inline > 0 then return next hop_after_ends(p_partitions, v_given, p_inline); end if;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.count_outside(p_partition integer, p_flow uuid, p_max integer, p_now bigint)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_ids uuid[];
  v_up integer[]; v_upstreams uuid[]; v_downstreams uuid[]; v_ends public_state[];
begin
  select array_agg(m.execution_id) into v_ids from (
    select execution_id from replay_member
    where partition_key = p_partition and flow_id = p_flow and stage = 1 order by ordinal limit p_max
  ) m;
  if v_ids is null then return 0; end if;
  select array_agg(e.partition_key), array_agg(e.upstream_id), array_agg(e.downstream_id), array_agg(u.public_state)
  into v_up, v_upstreams, v_downstreams, v_ends
  from unnest(v_ids) as i(id)
  join edge e on e.partition_key = p_partition and e.downstream_id = i.id and e.state = 'pending'
  join execution u on u.partition_key = e.partition_key and u.id = e.upstream_id and u.lifecycle_phase = 'terminal'
  where not exists (select 1 from replay_member r where r.partition_key = p_partition and r.execution_id = e.upstream_id);
  if v_up is not null then
    perform resolve_edges(v_up, v_upstreams, v_downstreams, v_ends, null, null, '{}', '{}', '{}', false, p_now);
  end if;
  update replay_member m set stage = 2 where m.partition_key = p_partition and m.flow_id = p_flow and m.execution_id = any(v_ids);
  return cardinality(v_ids);
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.crc16(p_bytes bytea)
 RETURNS integer
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE STRICT
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.create_draft(p_partition integer, p_id uuid, p_namespace text, p_name text, p_tags jsonb, p_deadline bigint, p_ttl bigint, p_key text, p_content bytea, p_key_ttl bigint, p_parent jsonb, OUT outcome text, OUT flow_id uuid, OUT expires_at bigint)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
 SET lock_timeout TO '2s'
AS $function$
#variable_conflict use_column
declare
  v_now bigint := now_ms();
  v_known record;
begin
  if p_key is not null then
    select k.outcome, k.flow_id into outcome, flow_id from recorded_flow(p_namespace, p_key, '@draft', p_content, v_now) k;
    if outcome is not null then return; end if;
  end if;
  flow_id := p_id;
  select f.namespace, f.graph_hash into v_known from flow f where f.partition_key = p_partition and f.id = p_id;
  if found then
    outcome := case when v_known.namespace = p_namespace and v_known.graph_hash is null then 'duplicate' else 'flow_conflict' end;
  else
    expires_at := v_now + p_ttl;
    insert into flow (partition_key, id, namespace, name, state, tags, created_at, deadline_ms, draft_expires_at, due_at, parent, has_ties)
      values (p_partition, p_id, p_namespace, p_name, 'draft', coalesce(p_tags, '{}'), v_now, p_deadline, expires_at, expires_at,
        p_parent, case when p_parent is not null then true end)
      on conflict do nothing;
    if not found then raise exception 'the flow was created meanwhile' using errcode = '40001'; end if;
    if p_parent is not null then perform leave_link(p_partition, p_namespace, p_id::text, p_parent); end if;
    outcome := 'created';
  end if;
  if p_key is not null and outcome <> 'flow_conflict' then
    perform record_flow_key(p_namespace, p_key, '@draft', p_content, p_partition, p_id, v_now + p_key_ttl, v_now);
  end if;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.create_waitpoint(p_partition integer, p_id uuid, p_namespace text, p_waitpoint uuid, p_name text, p_expires_at bigint, p_index integer, p_lease uuid, p_epoch bigint, p_max integer, OUT outcome text, OUT actual integer, OUT waitpoint waitpoint_row, OUT is_terminal boolean, OUT refusal text, OUT ended_by ended_by, OUT terminal_outcome terminal_outcome, OUT answer jsonb)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  e execution;
  v_held record;
  v_now bigint;
begin
  select x.* into e from execution x join lane l on l.id = x.lane_id
    where x.partition_key = p_partition and x.id = p_id and l.namespace = p_namespace for no key update of x;
  if not found then outcome := 'execution_not_found'; return; end if;
  v_now := now_ms();
  if p_lease is not null then
    select h.* into v_held from lock_handles(array[p_partition], array[p_id], array[p_index], array[p_lease], array[p_epoch],
      array[p_namespace]) h where not h.late;
    if not found then
      select r.refusal, r.ended_by, r.terminal_outcome, r.answer into refusal, ended_by, terminal_outcome, answer
        from refusals_of(array[p_partition], array[p_id], array[p_index], array[p_lease], array[p_epoch], 'waitpoint',
          array[p_namespace], null) r;
      return;
    end if;
  elsif e.lifecycle_phase = 'terminal' then
    outcome := 'execution_terminal';
    terminal_outcome := e.terminal_outcome;
    return;
  end if;
  if has_waitpoint_conflict(p_partition, p_id, p_waitpoint, p_name) then outcome := 'waitpoint_conflict'; return; end if;
  outcome := 'duplicate';
  if not exists (select 1 from waitpoint w where w.id = p_waitpoint and w.partition_key = p_partition) then
    select count(*)::integer + 1 into actual from waitpoint w where w.execution_id = p_id and w.partition_key = p_partition;
    if actual > p_max then outcome := 'too_many_waitpoints'; return; end if;
    insert into waitpoint (partition_key, id, execution_id, name, created_at, expires_at)
      values (p_partition, p_waitpoint, p_id, p_name, v_now, p_expires_at)
      on conflict (id, partition_key) do nothing;
    if not found then raise exception 'the waitpoint was created meanwhile' using errcode = '40001'; end if;
    update execution x set has_ties = true, attempt_has_effects = x.attempt_has_effects or p_lease is not null
      where x.partition_key = p_partition and x.id = p_id
        and (x.has_ties is null or (p_lease is not null and not x.attempt_has_effects));
    outcome := 'created';
  end if;
  select w.id, w.execution_id, w.name, waitpoint_state(w.closed, w.expires_at, e.lifecycle_phase = 'terminal', v_now), w.created_at,
    w.expires_at, w.signal_count into waitpoint
    from waitpoint w where w.id = p_waitpoint and w.partition_key = p_partition;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.decide_group(p_kind text, p_k integer, p_on_decided text, p_run_on text, p_n integer, p_succeeded integer, p_failed integer, p_skipped integer)
 RETURNS edge_state
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN ((p_n = 0) OR (NOT is_known_policy(p_kind, p_k, p_on_decided, p_run_on, p_n))) THEN 'pending'::edge_state WHEN ((p_run_on = 'always'::text) AND (((p_succeeded + p_failed) + p_skipped) < p_n)) THEN 'pending'::edge_state ELSE CASE COALESCE(p_kind, 'all_of'::text) WHEN 'all_of'::text THEN CASE WHEN (p_succeeded = p_n) THEN 'satisfied'::edge_state WHEN ((p_failed + p_skipped) > 0) THEN 'impossible'::edge_state ELSE 'pending'::edge_state END WHEN 'any_of'::text THEN CASE WHEN (p_succeeded >= 1) THEN 'satisfied'::edge_state WHEN ((p_failed + p_skipped) = p_n) THEN 'impossible'::edge_state ELSE 'pending'::edge_state END ELSE CASE WHEN (p_succeeded >= COALESCE(p_k, 1)) THEN 'satisfied'::edge_state WHEN ((p_failed + p_skipped) > (p_n - COALESCE(p_k, 1))) THEN 'impossible'::edge_state ELSE 'pending'::edge_state END END END
;

CREATE OR REPLACE FUNCTION flowfabric.default_retry()
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN '{"backoff": {"kind": "exponential", "maxMs": 300000, "jitter": true, "initialMs": 1000, "multiplier": 2}, "maxAttempts": 3, "nonRetryable": []}'::jsonb
;

CREATE OR REPLACE FUNCTION flowfabric.delay_leases(p_partitions integer[], p_ids uuid[], p_indexes integer[], p_leases uuid[], p_epochs bigint[], p_untils bigint[], p_namespaces text[])
 RETURNS SETOF finished
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_ords integer[];
  v_doomed integer[];
  v_tids tid[];
  v_delayed integer[];
  v_now bigint;
begin
  perform pg_advisory_xact_lock_shared(barrier_key());
  select array_agg(h.ord), array_agg(h.ord) filter (where h.doomed), array_agg(h.ord) filter (where not h.doomed),
    array_agg(h.tid) filter (where not h.doomed)
    into v_ords, v_doomed, v_delayed, v_tids
  from lock_held(p_partitions, p_ids, p_indexes, p_leases, p_epochs, p_namespaces) h;
  v_now := now_ms();

  if v_doomed is not null then
    return query select * from cancel_held(p_partitions, p_ids, v_doomed, 'delay', v_now);
  end if;

  return query
  with changed as (
    update execution e set lifecycle_phase = 'runnable', ownership_state = 'unowned',
      eligibility_state = runnable_eligibility(false, false, d.until, v_now),
      blocking_reason = runnable_reason(false, false, d.until, 'start_time', v_now),
      attempt_state = case when d.waits then 'attempt_interrupted' else 'pending_resume' end::attempt_state,
      public_state = runnable_public_state(false, false, d.until, true, v_now),
      attempt_used_ms = e.attempt_used_ms + greatest(0, v_now - e.lease_started_at),
      not_before = case when d.waits then d.until end,
      delay_reason = case when d.waits then 'start_time'::delay_reason end,
      ready_at = case when not d.waits then v_now end,
      score = case when not d.waits then score_of(v_now, e.priority, (select l.ageing_ms from lane l where l.id = e.lane_id)) end,
      due_at = runnable_due(false, false, d.until, v_now, e.deadline_at, e.queue_ttl_at)
    from (select u.tid, u.ord, p_untils[u.ord] as until, p_untils[u.ord] > v_now as waits from unnest(v_tids, v_delayed) as u (tid, ord)) d
    where e.ctid = d.tid
    returning d.ord, d.until, d.waits, e.due_at, e.partition_key, e.id, e.lane_id, e.flow_id, e.attempt_count, e.attempt_type, e.generation, e.epoch, e.lease_id, e.worker_id,
        e.instance_id, e.attempt_started_at
  ), put_aside as (
    insert into attempt (partition_key, execution_id, idx, type, generation, state, epoch, lease_id, worker_id, instance_id,
      started_at, end_op, end_answer)
    select partition_key, id, attempt_count - 1, attempt_type, generation, 'suspended', epoch, lease_id, worker_id, instance_id,
      attempt_started_at, 'delay', jsonb_build_object('outcome', 'delayed', 'untilMs', until)
    from changed
    on conflict (partition_key, execution_id, idx) do update set state = excluded.state, epoch = excluded.epoch,
      lease_id = excluded.lease_id, worker_id = excluded.worker_id, instance_id = excluded.instance_id, end_op = excluded.end_op,
      end_answer = excluded.end_answer
  )
  select c.ord, 'delayed', false, c.until, c.partition_key, c.id, c.lane_id, c.flow_id, false, not c.waits, c.due_at,
    null::text, null::ended_by, null::terminal_outcome, null::jsonb
  from changed c;

  if coalesce(cardinality(v_ords), 0) < cardinality(p_ids) then
    return query select * from refusals_of(p_partitions, p_ids, p_indexes, p_leases, p_epochs, 'delay', p_namespaces, v_ords);
  end if;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.deliver_signal(p_partition integer, p_waitpoint uuid, p_namespace text, p_signal uuid, p_name text, p_payload bytea, p_source text, p_key text, p_key_ttl bigint, p_early_max integer, p_verdict jsonb, p_state text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.deployment_records_over(p_now bigint, p_token_kept bigint, p_audit_age bigint)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
RETURN COALESCE((p_now >= LEAST(((SELECT LEAST(t.expires_at, t.revoked_at) AS "least" FROM api_token t WHERE ((t.expires_at IS NOT NULL) OR (t.revoked_at IS NOT NULL)) ORDER BY LEAST(t.expires_at, t.revoked_at) LIMIT 1) + p_token_kept), ((SELECT a.at FROM audit_entry a ORDER BY a.at LIMIT 1) + p_audit_age))), false)
;

CREATE OR REPLACE FUNCTION flowfabric.dispatch_entries(p_partitions integer[], p_entry uuid, p_max integer, p_hop integer, p_call integer, p_settles boolean, p_tells boolean, p_given outbox_entry[] DEFAULT NULL::outbox_entry[])
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
 SET lock_timeout TO '100ms'
AS $function$
#variable_conflict use_column
declare
  v_now bigint := now_ms();
  v_entries outbox_entry[];
  v_others jsonb;
  v_taken integer;
  v_flows uuid[]; v_parked uuid[]; v_cancelling uuid[]; v_sparing uuid[]; v_unmarked uuid[]; v_still uuid[];
  v_hop record;
  v_items jsonb;
  v_edges integer := 0;
  v_moving uuid[];
  v_lanes integer[];
  v_due bigint;
  v_lost jsonb;
  v_fired jsonb;
  v_more boolean;
  v_free outbox_entry[];
begin
  if p_given is not null then
    v_entries := p_given;
    v_more := false;
  else
    with due as materialized (
      select e.partition_key, e.id, e.kind, e.flow_id, e.execution_id, e.generation, e.seq
      from unnest(p_partitions) as p(key)
      cross join lateral (
        select c.* from completion_event c
        where c.partition_key = p.key and (p_entry is null or c.id = p_entry) and (c.available_at <= v_now or c.id = p_entry)
        order by c.available_at, c.seq limit p_max for update skip locked
      ) e
      limit p_max
    )
    select count(*)::integer,
      array_agg((row_number, partition_key, id, flow_id, execution_id, generation)::outbox_entry) filter (where kind = 'completion'),
      jsonb_agg(jsonb_build_object('id', id, 'kind', kind, 'partition', partition_key, 'flow', flow_id)) filter (where kind <> 'completion')
    into v_taken, v_entries, v_others
    from (select due.*, row_number() over (order by seq)::integer as row_number from due) numbered;
    if v_taken = 0 then return null; end if;
    v_more := v_taken = p_max;
  end if;

  -- From here on nobody else changes these flows' edges and groups.
  if p_given is null then
    select array_agg(f.id) filter (where f.state not in ('draft', 'replaying')),
      array_agg(f.id) filter (where f.state in ('draft', 'replaying')),
      array_agg(f.id) filter (where f.state = 'cancelling'),
      array_agg(f.id) filter (where f.state = 'cancelling' and f.cancel_finalisers),
      array_agg(f.id) filter (where not f.unprojected)
    into v_flows, v_parked, v_cancelling, v_sparing, v_unmarked
    from (
      select f.id, f.state, f.cancel_finalisers, f.unprojected from flow f
      join (select distinct partition_key, flow_id from unnest(v_entries) where flow_id is not null) e
        on f.partition_key = e.partition_key and f.id = e.flow_id
      order by f.id for no key update of f
    ) f;
  else
    with locked as materialized (
      select f.id, f.state, f.cancel_finalisers, f.unprojected from flow f
      join (select distinct partition_key, flow_id from unnest(v_entries) where flow_id is not null) e
        on f.partition_key = e.partition_key and f.id = e.flow_id
      order by f.id for no key update of f skip locked
    )
    select array_agg(f.id) filter (where f.state not in ('draft', 'replaying')),
      array_agg(f.id) filter (where f.state in ('draft', 'replaying')),
      array_agg(f.id) filter (where f.state = 'cancelling'),
      array_agg(f.id) filter (where f.state = 'cancelling' and f.cancel_finalisers),
      array_agg(f.id) filter (where not f.unprojected),
      array(select e from unnest(v_entries) e join locked l on l.id = e.flow_id order by e.ordinal)
    into v_flows, v_parked, v_cancelling, v_sparing, v_unmarked, v_free
    from locked f;
    if cardinality(v_free) < cardinality(v_entries) then
      v_more := true;
      perform keep_entries(array(select e from unnest(v_entries) e where e.id not in (select d.id from unnest(v_free) d)), 0);
      v_entries := v_free;
    end if;
  end if;
  v_now := now_ms();
  if v_parked is not null and p_given is not null then
    perform keep_entries(array(select e from unnest(v_entries) e where e.flow_id = any(v_parked)), parked_until());
  elsif v_parked is not null then
    update completion_event c set available_at = parked_until() from unnest(v_entries) e
      where c.partition_key = e.partition_key and c.id = e.id and e.flow_id = any(v_parked);
  end if;
  if v_parked is not null then
    v_entries := array(select e from unnest(v_entries) e where e.flow_id is null or e.flow_id <> all(v_parked));
  end if;

  for v_round in 1 .. 64 loop
    exit when coalesce(cardinality(v_entries), 0) = 0;
    select * into v_hop from hop_entries(v_entries, v_flows, coalesce(v_cancelling, '{}'), coalesce(v_sparing, '{}'),
      p_hop, p_call - v_edges, p_tells, p_given is not null and v_round = 1, v_now);
    v_edges := v_edges + v_hop.edges;
    v_moving := v_moving || v_hop.moving;
    v_lanes := v_lanes || v_hop.ready_lanes;
    v_due := least(v_due, v_hop.next_due_at);
    if p_tells then v_items := coalesce(v_items, '[]') || v_hop.items; end if;
    if v_hop.lost is not null then v_lost := coalesce(v_lost, '[]') || v_hop.lost; end if;
    if v_hop.fired is not null then v_fired := coalesce(v_fired, '[]') || v_hop.fired; end if;
    v_more := v_more or v_hop.unfinished;
    exit when v_hop.skipped = 0 and v_hop.lost is null;
    if not p_settles or p_entry is not null or v_edges >= p_call or v_round = 64 then
      v_more := true;
      exit;
    end if;
    -- The ends that came of it, of flows that are locked already: no other lock is taken late.
    select array_agg((row_number, partition_key, id, flow_id, execution_id, generation)::outbox_entry) into v_entries
    from (
      select c.*, row_number() over (order by seq)::integer from (
        select c.partition_key, c.id, c.flow_id, c.execution_id, c.generation, c.seq from completion_event c
        where c.flow_id = any(v_flows) and c.kind = 'completion' and c.available_at <= v_now
        order by c.seq limit p_max for update skip locked
      ) c
    ) numbered;
  end loop;

  if v_unmarked is not null then update flow f set unprojected = true where f.id = any(v_unmarked); end if;
  -- What this call let go is open, unless it was then cancelled as an ancestor.
  v_still := case when v_moving is null or v_lost is not null then v_flows else array(select f.id from unnest(v_flows) as f(id) where f.id <> all(v_moving)) end;
  return jsonb_build_object('items', v_items, 'others', v_others, 'lanes', v_lanes, 'due', v_due, 'lost', v_lost, 'fired', v_fired, 'more', v_more,
    -- Where losers are left to be cancelled, so that it is told at once.
    'cancels', case when v_fired is not null or v_lost is not null then (select jsonb_agg(distinct g.partition_key) from pending_cancel_group g
      where g.partition_key = any(p_partitions) and g.flow_id = any(v_flows)) end,
    'settled', case when cardinality(v_still) > 0 then settle_flows(v_still, p_settles, v_now) end);
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.drain_sibling_cancel(p_partition integer, p_flow uuid, p_downstream uuid, p_max integer)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
 SET lock_timeout TO '100ms'
AS $function$
#variable_conflict use_column
declare
  v_flow record;
  v_group record;
  v_now bigint;
  v_siblings jsonb;
  v_lost jsonb := '[]';
  v_more jsonb;
  v_left integer := p_max;
  v_pulls outbox_entry[];
begin
  select f.state into v_flow from flow f where f.partition_key = p_partition and f.id = p_flow for no key update;
  if not found then
    delete from pending_cancel_group where partition_key = p_partition and flow_id = p_flow and downstream_id = p_downstream;
    return jsonb_build_object('siblings', v_lost, 'lost', v_lost, 'drained', true);
  end if;
  if v_flow.state in ('draft', 'replaying') then return null; end if;
  v_now := now_ms();
  select g.cancel_shared, g.ancestors, g.cancel_pending into v_group from edge_group g
    where g.partition_key = p_partition and g.downstream_id = p_downstream;

  if found and v_group.cancel_pending then
    -- What each sibling is, before anything changes.
    select jsonb_agg(jsonb_build_object('id', e.upstream_id, 'via', 'sibling', 'disposition',
      case when x.id is null then 'not_found' when x.lifecycle_phase = 'terminal' then 'already_terminal' else 'spared' end) order by e.upstream_id)
    into v_siblings
    from edge e left join execution x on x.partition_key = e.partition_key and x.id = e.upstream_id
    where e.partition_key = p_partition and e.downstream_id = p_downstream and e.state = 'pending' and not e.exempt;

    update execution x set wanted = 'sibling', wanted_ancestors = v_group.ancestors <> 'let_run'
    from edge e
    where e.partition_key = p_partition and e.downstream_id = p_downstream and e.state = 'pending' and not e.exempt
      and x.partition_key = e.partition_key and x.id = e.upstream_id and x.lifecycle_phase <> 'terminal'
      -- What spares it as an ancestor does not spare it from a shared cancel, which then is what ends it.
      and (x.wanted is null or v_group.cancel_shared);

    if v_group.cancel_shared then
      v_more := cancel_wanted(p_partition,
        array(select e.upstream_id from edge e where e.partition_key = p_partition and e.downstream_id = p_downstream
          and e.state = 'pending' and not e.exempt order by e.upstream_id limit v_left), v_now);
    else
      v_more := judge_wanted(array[p_flow], v_left, v_now);
    end if;
    -- Upwards, wave by wave: whom the losers' upstreams still serve is judged in the step that would cancel them.
    while v_more is not null loop
      v_lost := v_lost || v_more;
      v_left := v_left - jsonb_array_length(v_more);
      select array_agg((0, x.partition_key, null, x.flow_id, x.id, null)::outbox_entry) into v_pulls
        from jsonb_array_elements(v_more) l join execution x on x.partition_key = p_partition and x.id = (l ->> 'id')::uuid
        where x.wanted_ancestors;
      if v_pulls is not null then perform want_ancestors(v_pulls); end if;
      exit when v_left <= 0;
      v_more := judge_wanted(array[p_flow], v_left, v_now);
    end loop;
  end if;

  if v_left > 0 then
    delete from pending_cancel_group where partition_key = p_partition and flow_id = p_flow and downstream_id = p_downstream;
    update edge_group set cancel_pending = false where partition_key = p_partition and downstream_id = p_downstream and cancel_pending;
  end if;
  update flow f set unprojected = true where f.partition_key = p_partition and f.id = p_flow and not f.unprojected;
  return jsonb_build_object('siblings', coalesce(v_siblings, '[]'), 'lost', v_lost, 'drained', v_left > 0);
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.drain_timers(p_partition integer, p_max integer)
 RETURNS TABLE(timer text, due_at bigint, outcome text, id uuid, lane_id integer, flow_id uuid, is_terminal boolean, is_eligible boolean, was_active boolean, next_due_at bigint)
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_now bigint;
  v_ids uuid[];
  v_timers text[];
  v_times bigint[];
  v_timer text;
  v_some uuid[];
  v_partitions integer[];
begin
  perform pg_advisory_xact_lock_shared(barrier_key());
  v_now := now_ms();
  with due as materialized (
    select e.* from execution e
    where e.partition_key = p_partition and e.due_at <= v_now and e.lifecycle_phase <> 'terminal'
    order by e.due_at limit p_max for update skip locked
  )
  select array_agg(d.id), array_agg(n.timer), array_agg(n.at) into v_ids, v_timers, v_times
  from due d cross join lateral (
    select t.timer, t.at from (values
      (1, 'cancel_grace', case when d.lifecycle_phase = 'active' then d.grace_ends_at end),
      (2, 'execution_deadline', d.deadline_at),
      (3, 'queue_ttl', d.queue_ttl_at),
      (4, 'attempt_timeout', case when d.lifecycle_phase = 'active' then d.attempt_deadline_at end),
      (5, 'lease_expiry', case when d.lifecycle_phase = 'active' then d.lease_expires_at end),
      (6, 'suspension_timeout', case when d.lifecycle_phase = 'suspended' then timeout_of(d.partition_key, d.id) end),
      (7, 'delayed_promotion', case when d.eligibility_state = 'not_eligible_until_time' then d.not_before end)
    ) as t (rank, timer, at) where t.at is not null order by t.at, t.rank limit 1
  ) n;
  if v_ids is null then return; end if;

  -- Its lease was renewed since the timer was set.
  return query
  with changed as (
    update execution e set due_at = i.at
    from (
      select x.tid, u.at from unnest(v_ids, v_times) as u (id, at)
      cross join lateral (select o.ctid as tid from execution o where o.partition_key = p_partition and o.id = u.id limit 1) x
      where u.at > v_now
    ) i
    where e.ctid = i.tid
    returning e.id, e.lane_id, e.flow_id, e.due_at
  )
  select 'lease_expiry', c.due_at, 'rearmed', c.id, c.lane_id, c.flow_id, false, false, false, c.due_at from changed c;

  foreach v_timer in array array['cancel_grace', 'execution_deadline', 'queue_ttl', 'attempt_timeout', 'lease_expiry', 'suspension_timeout',
    'delayed_promotion'] loop
    select array_agg(i.id), array_agg(p_partition) into v_some, v_partitions
      from unnest(v_ids, v_timers, v_times) as i (id, timer, at) where i.timer = v_timer and i.at <= v_now;
    continue when v_some is null;
    if v_timer in ('cancel_grace', 'execution_deadline', 'queue_ttl') then
      return query
      select v_timer, i.at, 'applied', x.id, x.lane_id, x.flow_id, true, false, x.was_active, null::bigint
      from end_executions(v_partitions, v_some,
        case v_timer when 'cancel_grace' then 'cancelled' else 'expired' end::terminal_outcome,
        case v_timer when 'cancel_grace' then 'cancel' else 'deadline' end::ended_by, 'ended_cancelled', 'operator',
        case v_timer
          when 'execution_deadline' then '{"category":"deadline","message":"its deadline passed"}'::jsonb
          when 'queue_ttl' then '{"category":"queue_ttl","message":"it was not started in time"}'::jsonb end,
        v_now) x
      join unnest(v_ids, v_times) as i (id, at) on i.id = x.id;
    elsif v_timer = 'attempt_timeout' then
      return query
      select v_timer, i.at, 'applied', x.id, x.lane_id, x.flow_id, x.is_terminal, x.is_eligible, true, x.due_at
      from end_as_failed(v_partitions, v_some,
        array(select jsonb_build_object('category', 'timeout', 'message', format('the attempt ran longer than %s ms', e.attempt_timeout_ms))
          from unnest(v_some) with ordinality as s (id, ord) cross join lateral (
            select o.attempt_timeout_ms from execution o where o.partition_key = p_partition and o.id = s.id limit 1) e order by s.ord),
        array_fill('policy'::text, array[cardinality(v_some)]), array_fill(null::bigint, array[cardinality(v_some)]),
        'attempt_timeout', v_now) x
      join unnest(v_ids, v_times) as i (id, at) on i.id = x.id;
    elsif v_timer = 'lease_expiry' then
      return query
      select v_timer, i.at, 'applied', x.id, x.lane_id, x.flow_id, x.is_terminal, x.is_eligible, true, x.due_at
      from reclaim(v_partitions, v_some, 'lease_expiry', v_now) x
      join unnest(v_ids, v_times) as i (id, at) on i.id = x.id;
    elsif v_timer = 'suspension_timeout' then
      return query
      select v_timer, i.at, 'applied', x.id, x.lane_id, x.flow_id, x.is_terminal, x.is_eligible, false, x.due_at
      from time_out_suspensions(p_partition, v_some, v_now) x
      join unnest(v_ids, v_times) as i (id, at) on i.id = x.id;
    else
      return query
      select v_timer, i.at, 'applied', x.id, x.lane_id, x.flow_id, false, x.eligibility_state = 'eligible_now', false, x.due_at
      from set_blocks(v_partitions, v_some, null, null, true, false, v_now) x
      join unnest(v_ids, v_times) as i (id, at) on i.id = x.id;
    end if;
  end loop;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.end_as_failed(p_partitions integer[], p_ids uuid[], p_failures jsonb[], p_wishes text[], p_wish_ms bigint[], p_ended_by ended_by, p_now bigint)
 RETURNS SETOF finished
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
#variable_conflict use_column
begin
  return query
  with facts as materialized (
    select i.ord, i.failure, i.wish, i.wish_ms, x.*, x.phase <> 'active' as late, coalesce(n.retry, default_retry()) as retry
    from unnest(p_partitions, p_ids, p_failures, p_wishes, p_wish_ms) with ordinality as i (partition_key, id, failure, wish, wish_ms, ord)
    cross join lateral (
      select e.ctid as tid, e.partition_key, e.id, e.lifecycle_phase as phase, e.held, e.retry_count, l.ageing_ms,
        coalesce(e.retention_ms, l.retention_ms) as keep_ms,
        is_doomed(e.grace_ends_at, e.always_node, f.state, f.cancel_finalisers) as doomed
      from execution e join lane l on l.id = e.lane_id
      left join lateral (
        select y.state, y.cancel_finalisers from flow y where y.partition_key = e.partition_key and y.id = e.flow_id limit 1) f on true
      where e.partition_key = i.partition_key and e.id = i.id limit 1
    ) x
    cross join lateral (
      select y.retry from execution_info y where y.partition_key = i.partition_key and y.id = i.id limit 1) n
  ), decided as materialized (
    select x.*, case
        when x.doomed then 'cancelled'
        when x.wish = 'never' or x.retry -> 'nonRetryable' ? (x.failure ->> 'category')
          or x.retry_count >= (x.retry ->> 'maxAttempts')::integer then 'failed'
        else 'retrying' end as fate,
      greatest(p_now, case x.wish when 'at' then x.wish_ms when 'after' then p_now + x.wish_ms
        else p_now + backoff_ms(x.retry -> 'backoff', greatest(1, x.retry_count), random()) end) as retry_at
    from facts x
  ), planned as materialized (
    -- Only one that comes late can be held: what runs cannot.
    select d.*, d.fate <> 'retrying' as is_final, nullif(d.retry_at, p_now) as again_at,
      case d.fate when 'cancelled' then 'cancelled' when 'failed' then 'failed' else 'none' end::terminal_outcome as outcome,
      d.fate = 'retrying' and is_eligible(false, d.held, d.retry_at, p_now) as eligible
    from decided d
  ), changed as (
    update execution e set
      lifecycle_phase = case when d.is_final then 'terminal' else 'runnable' end::lifecycle_phase,
      ownership_state = 'unowned',
      eligibility_state = case when d.is_final then 'not_applicable' else runnable_eligibility(false, d.held, d.retry_at, p_now) end,
      blocking_reason = case when d.is_final then 'none' else runnable_reason(false, d.held, d.retry_at, 'retry_backoff', p_now) end,
      terminal_outcome = d.outcome,
      attempt_state = case when d.is_final then 'attempt_terminal' else 'pending_retry_attempt' end::attempt_state,
      public_state = case when d.is_final then ended_public_state(d.outcome) else runnable_public_state(false, d.held, d.retry_at, false, p_now) end,
      reclaim_count = e.reclaim_count - case when d.late then 1 else 0 end,
      held = d.held and not d.is_final,
      not_before = case when not d.is_final and not d.eligible then d.again_at end,
      delay_reason = case when not d.is_final and not d.eligible and d.again_at is not null then 'retry_backoff'::delay_reason end,
      ready_at = case when d.is_final then e.ready_at when d.eligible then p_now end,
      score = case when d.is_final then e.score when d.eligible then score_of(p_now, e.priority, d.ageing_ms) end,
      grace_ends_at = null,
      cancel_cause = case when d.fate = 'cancelled' then coalesce(e.cancel_cause, 'flow') end,
      terminal_at = case when d.is_final then p_now end,
      due_at = case when not d.is_final then runnable_due(false, d.held, d.retry_at, p_now, e.deadline_at, e.queue_ttl_at)
        when e.flow_id is null then p_now + d.keep_ms end
    from planned d where e.ctid = d.tid
    returning d.ord, d.fate, d.late, d.retry_at, d.failure, d.is_final, d.eligible, e.partition_key, e.id, e.lane_id, e.flow_id, e.due_at,
      e.attempt_count, e.attempt_type, e.generation, e.epoch, e.lease_id, e.worker_id, e.instance_id, e.attempt_started_at
  ), recorded as (
    insert into execution_result as r (partition_key, id, failure)
    select partition_key, id, failure from changed where fate = 'failed'
    on conflict (partition_key, id) do update set result = null, failure = excluded.failure
  ), attempts as (
    insert into attempt as t (partition_key, execution_id, idx, type, generation, state, epoch, lease_id, worker_id, instance_id,
      started_at, ended_at, ended_by, end_op, end_answer, late, failure)
    select partition_key, id, attempt_count - 1, attempt_type, generation, 'ended_failure', epoch, lease_id, worker_id, instance_id,
      attempt_started_at, p_now, p_ended_by, case when p_ended_by = 'holder' then 'fail' end,
      case when p_ended_by = 'holder' then jsonb_strip_nulls(jsonb_build_object('outcome', fate, 'late', late,
        'retryAtMs', case when fate = 'retrying' then retry_at end)) end,
      late, failure
    from changed
    on conflict (partition_key, execution_id, idx) do update set state = excluded.state, epoch = excluded.epoch,
      lease_id = excluded.lease_id, worker_id = excluded.worker_id, instance_id = excluded.instance_id, ended_at = excluded.ended_at,
      ended_by = excluded.ended_by, end_op = excluded.end_op, end_answer = excluded.end_answer, late = excluded.late, failure = excluded.failure
  )
  select c.ord::integer, c.fate, c.late, case when c.fate = 'retrying' then c.retry_at end, c.partition_key, c.id, c.lane_id, c.flow_id,
    c.is_final, c.eligible, c.due_at, null::text, null::ended_by, null::terminal_outcome, null::jsonb
  from changed c;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.end_blocked(p_partitions integer[], p_ids uuid[], p_outcome terminal_outcome, p_cause cancel_cause, p_now bigint)
 RETURNS uuid[]
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_ended uuid[];
begin
  with ended as (
    update execution x set
      lifecycle_phase = 'terminal', ownership_state = 'unowned', eligibility_state = 'not_applicable', blocking_reason = 'none',
      terminal_outcome = p_outcome, attempt_state = 'attempt_terminal', public_state = ended_public_state(p_outcome), deps_blocked = false, held = false, not_before = null,
      delay_reason = null, queue_ttl_at = null, grace_ends_at = null, cancel_cause = p_cause, terminal_at = p_now, due_at = null
    from unnest(p_partitions, p_ids) as p(partition_key, id)
    where x.partition_key = p.partition_key and x.id = p.id and x.lifecycle_phase = 'runnable' and x.deps_blocked
    returning x.id
  )
  select array_agg(id) into v_ended from ended;
  return coalesce(v_ended, '{}');
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.end_executions(p_partitions integer[], p_ids uuid[], p_outcome terminal_outcome, p_ended_by ended_by, p_attempt_state attempt_record_state, p_cause cancel_cause, p_failure jsonb, p_now bigint)
 RETURNS TABLE(partition_key integer, id uuid, flow_id uuid, lane_id integer, was_active boolean)
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
#variable_conflict use_column
begin
  return query
  with doomed as materialized (
    select x.* from unnest(p_partitions, p_ids) as i (partition_key, id)
    cross join lateral (
      select e.ctid as tid, e.partition_key, e.id, e.flow_id, e.lifecycle_phase, e.attempt_state, e.attempt_count, e.attempt_type,
        e.generation, e.epoch, e.lease_id, e.worker_id, e.instance_id, e.attempt_started_at,
        coalesce(e.retention_ms, (select l.retention_ms from lane l where l.id = e.lane_id)) as keep_ms
      from execution e
      where e.partition_key = i.partition_key and e.id = i.id and e.lifecycle_phase <> 'terminal' limit 1
    ) x
  ), running as (
    insert into attempt (partition_key, execution_id, idx, type, generation, state, epoch, lease_id, worker_id, instance_id,
      started_at, ended_at, ended_by, failure)
    select d.partition_key, d.id, d.attempt_count - 1, d.attempt_type, d.generation, p_attempt_state, d.epoch, d.lease_id, d.worker_id,
      d.instance_id, d.attempt_started_at, p_now, p_ended_by,
      case when p_attempt_state = 'ended_failure' then p_failure end
    from doomed d where d.lifecycle_phase = 'active'
    on conflict (partition_key, execution_id, idx) do update set state = excluded.state, epoch = excluded.epoch,
      lease_id = excluded.lease_id, worker_id = excluded.worker_id, instance_id = excluded.instance_id, ended_at = excluded.ended_at,
      ended_by = excluded.ended_by, end_op = null, end_answer = null, failure = excluded.failure
  ), put_aside as (
    update attempt a set state = case when p_attempt_state = 'ended_failure' then p_attempt_state else 'ended_cancelled' end,
      ended_at = p_now, ended_by = p_ended_by, failure = case when p_attempt_state = 'ended_failure' then p_failure end
    from doomed d cross join lateral (
      select o.ctid as tid from attempt o
      where o.partition_key = d.partition_key and o.execution_id = d.id and o.idx = d.attempt_count - 1 limit 1
    ) t
    where d.attempt_state in ('attempt_interrupted', 'pending_resume') and a.ctid = t.tid
  ), recorded as (
    insert into execution_result (partition_key, id, failure)
    select d.partition_key, d.id, p_failure from doomed d where p_failure is not null
    on conflict (partition_key, id) do update set result = null, failure = excluded.failure
  )
  update execution e set
    lifecycle_phase = 'terminal', ownership_state = 'unowned', eligibility_state = 'not_applicable', blocking_reason = 'none',
    terminal_outcome = p_outcome, attempt_state = 'attempt_terminal', public_state = ended_public_state(p_outcome),
    deps_blocked = false, held = false, not_before = null, delay_reason = null, queue_ttl_at = null, grace_ends_at = null,
    cancel_cause = case when p_outcome = 'cancelled' then coalesce(e.cancel_cause, p_cause) end,
    terminal_at = p_now, due_at = case when e.flow_id is null then p_now + d.keep_ms end
  from doomed d
  where e.ctid = d.tid
  returning e.partition_key, e.id, e.flow_id, e.lane_id, d.lifecycle_phase = 'active';
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.end_stopping(p_partition integer, p_entry uuid, p_parent uuid, p_flows text[])
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET enable_seqscan TO 'off'
AS $function$
begin
  update child c set stopped = true where c.partition_key = p_partition and c.parent_id = p_parent and c.child = any (p_flows);
  if has_children_to_stop(p_partition, p_parent) then return true; end if;
  delete from completion_event c where c.id = p_entry and c.partition_key = p_partition;
  return false;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.end_telling(p_partition integer, p_entry uuid, p_child text, p_told text[])
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET enable_seqscan TO 'off'
AS $function$
begin
  perform lock_watchers(p_child);
  delete from child_watcher w where w.child = p_child and w.partition_key = p_partition and w.watcher = any (p_told);
  if exists (select 1 from child_watcher w where w.child = p_child and w.partition_key = p_partition) then return true; end if;
  delete from completion_event c where c.id = p_entry and c.partition_key = p_partition;
  return false;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.end_ties(p_partition integer, p_id uuid)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
declare
  v record;
begin
  delete from suspension s where s.partition_key = p_partition and s.execution_id = p_id;
  select i.namespace, i.parent, e.generation, e.terminal_outcome into v
    from execution e join execution_info i on i.partition_key = e.partition_key and i.id = e.id
    where e.partition_key = p_partition and e.id = p_id;
  perform tell_end(p_partition, format('{fp:%s}:%s', p_partition, p_id), v.namespace, v.parent, v.generation, v.terminal_outcome::text);
  if v.terminal_outcome in ('cancelled', 'expired', 'skipped') and has_children_to_stop(p_partition, p_id) then
    perform leave_stop(p_partition, p_id, v.namespace, v.generation);
  end if;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.ended_public_state(p_outcome terminal_outcome)
 RETURNS public_state
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE p_outcome WHEN 'success'::terminal_outcome THEN 'completed'::public_state WHEN 'failed'::terminal_outcome THEN 'failed'::public_state WHEN 'cancelled'::terminal_outcome THEN 'cancelled'::public_state WHEN 'expired'::terminal_outcome THEN 'expired'::public_state WHEN 'skipped'::terminal_outcome THEN 'skipped'::public_state ELSE NULL::public_state END
;

CREATE OR REPLACE FUNCTION flowfabric.ensure_lane(p_namespace text, p_lane text)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
declare v_id integer;
begin
  select id into v_id from lane where namespace = p_namespace and name = p_lane;
  if v_id is null then
    insert into lane (namespace, name) values (p_namespace, p_lane) on conflict (namespace, name) do nothing;
    select id into v_id from lane where namespace = p_namespace and name = p_lane;
  end if;
  return v_id;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.ensure_quota_keys(p_partitions integer[], p_ids uuid[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.ensure_route(p_namespace text, p_lane text, p_kind text, p_capabilities text[], p_keyed boolean, p_max integer)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.enter_barrier()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
begin
  perform pg_advisory_xact_lock_shared(barrier_key());
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.execution_deleted()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
begin
  insert into lane_depth (lane_id, public_state, n)
    select lane_id, public_state, -count(*) from old_rows group by lane_id, public_state;
  return null;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.execution_inserted()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
declare
  v_tells boolean;
  v_possible boolean;
begin
  with deeper as (
    insert into lane_depth (lane_id, public_state, n)
      select lane_id, public_state, count(*) from new_rows group by lane_id, public_state
  )
  select bool_or(n.flow_id is not null or l.event_level = 'all'),
    bool_and(is_possible(n.lifecycle_phase, n.ownership_state, n.eligibility_state, n.terminal_outcome, n.attempt_state,
      n.public_state, n.lease_id, n.score, n.terminal_at))
    into v_tells, v_possible
    from new_rows n join lane l on l.id = n.lane_id;
  if not v_possible then perform refuse_impossible(); end if;

  -- Most statements concern solo executions of lanes that tell only of their ends.
  if v_tells then
    insert into event_batch (at, partitions, bodies)
      select now_ms(), array_agg(t.partition_key), array_agg(t.body) from (
        select n.partition_key, transition_entry(l, r.kind, n.id, n.flow_id,
          -- Members' infos are written before their rows.
          case when n.flow_id is not null then
            (select i.name from execution_info i where i.partition_key = n.partition_key and i.id = n.id) end,
          n.public_state, null, 0, n.generation, n.cancel_cause) as body
        from new_rows n
        join lane l on l.id = n.lane_id
        join route r on r.id = n.route_id
        where n.flow_id is not null or l.event_level = 'all'
        order by n.seq
      ) t having count(*) > 0;
  end if;
  return null;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.execution_updated()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.fail_leases(p_partitions integer[], p_ids uuid[], p_indexes integer[], p_leases uuid[], p_epochs bigint[], p_failures jsonb[], p_wishes text[], p_wish_ms bigint[], p_namespaces text[], p_inline integer)
 RETURNS SETOF finished
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_ords integer[];
  v_ended finished[];
  v_given outbox_entry[];
begin
  perform pg_advisory_xact_lock_shared(barrier_key());
  select array_agg(h.ord) into v_ords
    from lock_handles(p_partitions, p_ids, p_indexes, p_leases, p_epochs, p_namespaces) h;

  if v_ords is not null then
    if p_inline > 0 then perform set_config('flowfabric.carries_ends', 'on', true); end if;
    v_ended := array(
      select (v_ords[x.ord], x.outcome, x.late, x.retry_at, x.partition_key, x.id, x.lane_id, x.flow_id, x.is_terminal, x.is_eligible,
        x.due_at, x.refusal, x.ended_by, x.terminal_outcome, x.answer)::finished
      from end_as_failed(
        array(select p_partitions[o] from unnest(v_ords) as o), array(select p_ids[o] from unnest(v_ords) as o),
        array(select p_failures[o] from unnest(v_ords) as o), array(select p_wishes[o] from unnest(v_ords) as o),
        array(select p_wish_ms[o] from unnest(v_ords) as o), 'holder', now_ms()) x);
    if p_inline > 0 then perform set_config('flowfabric.carries_ends', 'off', true); end if;
    return query select * from unnest(v_ended);
  end if;

  if coalesce(cardinality(v_ords), 0) < cardinality(p_ids) then
    return query select * from refusals_of(p_partitions, p_ids, p_indexes, p_leases, p_epochs, 'fail', p_namespaces, v_ords);
  end if;
  if p_inline > 0 then
    select array_agg((x.ord, x.partition_key, x.id, x.flow_id, x.id, g.generation)::outbox_entry) into v_given
      from unnest(v_ended) x cross join lateral (
        select e.generation from execution e where e.partition_key = x.partition_key and e.id = x.id limit 1) g
      where x.is_terminal and x.flow_id is not null;
    if v_given is not null then return next hop_after_ends(p_partitions, v_given, p_inline); end if;
  end if;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.feed_key()
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (barrier_key() # ('-1'::integer)::bigint)
;

CREATE OR REPLACE FUNCTION flowfabric.find_heads(p_lanes integer[], p_routes integer[], p_route_lanes integer[], p_wide integer, p_now bigint)
 RETURNS TABLE(partition_key integer, id uuid, lane_id integer, admission_key bigint)
 LANGUAGE sql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_sort TO 'off'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION flowfabric.find_undone(p_partition integer, p_max integer)
 RETURNS TABLE(flow_id uuid, node uuid, outcome text)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
begin
  return query
  with live as materialized (
    select f.id from flow f
    where f.partition_key = p_partition and (f.state in ('open', 'cancelling')
      or (f.state = 'cancelled' and f.cancel_policy = 'flow_only' and f.due_at is null))
  )
  (select f.id, e.downstream_id, 'edge_resolved'
    from live f join execution u on u.flow_id = f.id and u.lifecycle_phase = 'terminal'
    join edge e on e.partition_key = p_partition and e.upstream_id = u.id and e.state = 'pending'
    where exists (select 1 from edge_group g where g.partition_key = p_partition and g.downstream_id = e.downstream_id)
    limit p_max)
  union all
  (select f.id, g.downstream_id,
      case when is_known_policy(g.policy_kind, g.k, g.on_decided, g.run_on, g.n) then 'group_decided' else 'unknown_policy' end
    from live f join execution x on x.flow_id = f.id and x.lifecycle_phase <> 'terminal'
    join edge_group g on g.partition_key = p_partition and g.downstream_id = x.id
    where (g.state = 'pending' and (not is_known_policy(g.policy_kind, g.k, g.on_decided, g.run_on, g.n)
        or decide_group(g.policy_kind, g.k, g.on_decided, g.run_on, g.n, g.succeeded, g.failed, g.skipped) <> 'pending'))
      or (g.state <> 'pending' and not g.released and (not g.settled or g.succeeded + g.failed + g.skipped = g.n))
    limit p_max);
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.floors_of(p_routes integer[], p_clock bigint, OUT floors claim_floor[], OUT begins bigint[], OUT whole_at bigint)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
begin
  for i in 1 .. cardinality(p_routes) loop
    floors[i] := nullif(current_setting(format('flowfabric.floor_%s_%s', 'execution'::regclass::oid, p_routes[i]), true), '');
    if floors[i].until > p_clock then
      begins[i] := floors[i].score;
      whole_at := least(whole_at, (floors[i].since + floors[i].until) / 2);
    else
      begins[i] := -9223372036854775808;
    end if;
  end loop;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.flow_changed()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
begin
  if tg_op = 'UPDATE' and new.state = old.state and new.graph_revision = old.graph_revision and new.generation = old.generation then
    return null;
  end if;
  if new.has_ties and new.state in ('completed', 'failed', 'cancelled')
    and (tg_op = 'INSERT' or old.state not in ('completed', 'failed', 'cancelled')) then
    perform tell_end(new.partition_key, new.id::text, new.namespace, new.parent, new.generation,
      case new.state when 'completed' then 'success' when 'failed' then 'failed' else 'cancelled' end);
  end if;
  insert into event_batch (at, partitions, bodies) values (now_ms(), array[new.partition_key],
    array[json_build_array('f', new.namespace, new.id, new.state,
      case when tg_op = 'UPDATE' then old.state end, new.graph_revision, new.generation)]);
  return null;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.forget_signals(p_partition integer, p_ids uuid[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
begin
  delete from signal s where s.partition_key = p_partition and s.execution_id = any (p_ids);
  delete from waitpoint w where w.partition_key = p_partition and w.execution_id = any (p_ids);
  delete from resumption r where r.partition_key = p_partition and r.execution_id = any (p_ids);
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.grow_flow(p_partition integer, p_flow uuid, p_targets uuid[], p_nodes json, p_edges json, OUT graph_revision integer, OUT ready_lanes integer[], OUT next_due_at bigint, OUT lost jsonb)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_now bigint := now_ms();
  v_flow record;
  v_up integer[]; v_upstreams uuid[]; v_downstreams uuid[]; v_ends public_state[];
  v_result record;
begin
  update flow f set graph_revision = f.graph_revision + 1, unprojected = true
    where f.partition_key = p_partition and f.id = p_flow returning f.graph_revision, f.namespace, f.state into v_flow;
  graph_revision := v_flow.graph_revision;
  if cardinality(p_targets) > 0 then
    insert into edge_group (partition_key, downstream_id, flow_id, policy_kind, on_decided, n)
      select p_partition, t.id, p_flow, 'all_of', 'let_run', 0 from unnest(p_targets) as t(id)
      on conflict do nothing;
    update edge_group g set n = g.n + e.added
      from (select e.down, count(*)::integer as added from json_to_recordset(p_edges) as e(down uuid) group by e.down) e
      where g.partition_key = p_partition and g.downstream_id = e.down and g.downstream_id = any(p_targets);
    perform 1 from execution x where x.partition_key = p_partition and x.id = any(p_targets) order by x.id for no key update;
    perform set_blocks(array_fill(p_partition, array[cardinality(p_targets)]), p_targets, true, null, false, true, v_now);
  end if;
  perform insert_members(array[p_partition], array[p_flow], array[v_flow.namespace], array[v_flow.state = 'draft'], p_nodes, p_edges, v_now);
  if v_flow.state = 'draft' then return; end if;

  select array_agg(x.lane_id) filter (where x.eligibility_state = 'eligible_now'), min(x.due_at) into ready_lanes, next_due_at
    from json_to_recordset(p_nodes) as n(id uuid) join execution x on x.partition_key = p_partition and x.id = n.id;
  select array_agg(p_partition), array_agg(e.up), array_agg(e.down), array_agg(u.public_state)
  into v_up, v_upstreams, v_downstreams, v_ends
  from json_to_recordset(p_edges) as e(up uuid, down uuid)
  join execution u on u.partition_key = p_partition and u.id = e.up and u.lifecycle_phase = 'terminal';
  if v_up is null then return; end if;
  select * into v_result from resolve_edges(v_up, v_upstreams, v_downstreams, v_ends, null, null, '{}', '{}', '{}', true, v_now);
  ready_lanes := ready_lanes || v_result.ready_lanes;
  next_due_at := least(next_due_at, v_result.next_due_at);
  -- A group that an edge from an ended upstream decided may have been the last that needed a marked loser.
  if exists (select 1 from unnest(v_result.steps) s where s.decided is not null) then
    lost := judge_wanted(array[p_flow], 1000, v_now);
  end if;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.hard_limits_of(p_budget uuid)
 RETURNS TABLE(dimension text, hard bigint, used bigint, reserved bigint)
 LANGUAGE sql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
  select l.key, (l.value ->> 'hard')::bigint, coalesce((b.used ->> l.key)::bigint, 0),
    coalesce((select sum(x.amount) from budget_reservation x where x.budget_id = b.id and x.dimension = l.key), 0)::bigint
  from budget b cross join lateral jsonb_each(b.limits) l
  where b.id = p_budget and l.value ->> 'hard' is not null order by l.key collate "C"
$function$
;

CREATE OR REPLACE FUNCTION flowfabric.has_children_to_stop(p_partition integer, p_id uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
  select exists (select 1 from child c where c.partition_key = p_partition and c.parent_id = p_id
    and c.linked and not c.detached and c.end_generation is null and not c.stopped)
$function$
;

CREATE OR REPLACE FUNCTION flowfabric.has_waitpoint_conflict(p_partition integer, p_id uuid, p_waitpoint uuid, p_name text)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
  select exists (select 1 from waitpoint w where w.id = p_waitpoint and w.partition_key = p_partition
      and (w.execution_id <> p_id or w.name <> p_name))
    or exists (select 1 from waitpoint w where w.execution_id = p_id and w.name = p_name and w.partition_key = p_partition
      and w.id <> p_waitpoint)
$function$
;

CREATE OR REPLACE FUNCTION flowfabric.hear_of_end(p_partition integer, p_parent uuid, p_namespace text, p_child text, p_generation integer, p_outcome text, p_verdict jsonb, p_state text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  s suspension;
  v_moved moved;
begin
  perform 1 from execution x join lane l on l.id = x.lane_id and l.namespace = p_namespace
    where x.partition_key = p_partition and x.id = p_parent for no key update of x;
  if not found or exists (select 1 from child c where c.parent_id = p_parent and c.child = p_child and c.partition_key = p_partition
    and c.end_generation >= p_generation) then
    return '{"outcome":"told"}';
  end if;
  select x.* into s from suspension x where x.partition_key = p_partition and x.execution_id = p_parent and p_child = any (x.child_ids);
  if found and (p_verdict is null or p_verdict ->> 'revision' <> s.id::text || ':' || s.revision) then return to_judge(s); end if;
  insert into child (partition_key, parent_id, child, linked, detached, end_generation, end_outcome)
    values (p_partition, p_parent, p_child, false, true, p_generation, p_outcome)
    on conflict (parent_id, child, partition_key) do update set end_generation = excluded.end_generation, end_outcome = excluded.end_outcome;
  update execution x set has_ties = true where x.partition_key = p_partition and x.id = p_parent and x.has_ties is null;
  if s.id is not null and (p_verdict ->> 'counted')::boolean then
    v_moved := apply_verdict(p_partition, p_parent, p_verdict, p_state, now_ms());
  end if;
  return jsonb_build_object('outcome', 'told', 'moved', case when v_moved.id is not null then to_jsonb(v_moved) end);
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.held_of(p_quota uuid, p_key text)
 RETURNS bigint
 LANGUAGE sql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
  select count(*) from quota_holder h where h.quota_id = p_quota and h.key = p_key
$function$
;

CREATE OR REPLACE FUNCTION flowfabric.holds_back(p_state flow_state, p_cancel_finalisers boolean, p_always_node boolean)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((p_state = ANY (ARRAY['draft'::flow_state, 'replaying'::flow_state])) OR ((p_state = 'cancelling'::flow_state) AND (NOT (p_always_node AND COALESCE(p_cancel_finalisers, true)))))
;

CREATE OR REPLACE FUNCTION flowfabric.hop_after_ends(p_partitions integer[], p_given outbox_entry[], p_edges integer)
 RETURNS finished
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
declare
  v_row finished;
begin
  v_row.ord := 0;
  begin
    v_row.answer := dispatch_entries(array(select distinct key from unnest(p_partitions) as p(key) order by key), null, 128, p_edges,
      8 * p_edges, true, false, p_given);
  exception when others then
    v_row.answer := '{"more":true}';
    perform keep_entries(p_given, 0);
  end;
  return v_row;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.hop_entries(p_entries outbox_entry[], p_flows uuid[], p_cancelling uuid[], p_sparing uuid[], p_hop integer, p_call integer, p_tells boolean, p_given boolean, p_now bigint, OUT edges integer, OUT skipped integer, OUT unfinished boolean, OUT moving uuid[], OUT ready_lanes integer[], OUT next_due_at bigint, OUT lost jsonb, OUT fired jsonb, OUT items jsonb)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_up integer[]; v_upstreams uuid[]; v_downstreams uuid[]; v_ends public_state[]; v_ordinals integer[];
  v_noops uuid[];
  v_unfinished uuid[];
  v_corrupt jsonb;
  v_corrupt_ids uuid[];
  v_pulls outbox_entry[];
  v_has_wanted boolean;
  v_fires boolean;
  v_steps group_step[];
  v_skipped uuid[] := '{}';
begin
  -- Edges by the upstreams' recorded ends. One whose group or node can't be read is left alone, and named.
  with upstream as materialized (
    select e.ordinal, e.partition_key, e.id, e.execution_id, u.public_state as ended,
      u.id is not null and u.lifecycle_phase = 'terminal' and u.generation = e.generation as stands,
      -- Entries that say the same are one: an edge is counted once, however often its upstream's end was told.
      row_number() over (partition by e.partition_key, e.execution_id order by e.ordinal) = 1 as is_first,
      u.cancel_cause in ('sibling', 'ancestor') and u.wanted_ancestors as pulls
    from unnest(p_entries) e left join execution u on u.partition_key = e.partition_key and u.id = e.execution_id
  ), pending as materialized (
    -- Each look is one into an index; both places come from one sort.
    select u.ordinal, u.partition_key, u.id, u.execution_id, u.ended, o.downstream_id, o.is_whole,
      row_number() over (partition by u.ordinal order by not o.is_whole, o.downstream_id) as place
    from upstream u cross join lateral (
      select o.downstream_id,
        exists (select 1 from edge_group g where g.partition_key = o.partition_key and g.downstream_id = o.downstream_id)
          and exists (select 1 from execution d where d.partition_key = o.partition_key and d.id = o.downstream_id) as is_whole
      from edge o
      where o.partition_key = u.partition_key and o.upstream_id = u.execution_id and o.state = 'pending'
      offset 0
    ) o
    where u.stands and u.is_first
  ), candidate as materialized (
    select p.*, row_number() over (order by p.ordinal, p.place) as place_in_call from pending p where p.place <= p_hop + 1
  )
  select
    (select true from execution w where w.wanted is not null and w.lifecycle_phase <> 'terminal' limit 1)
      and exists (select 1 from execution w where w.flow_id = any(p_flows) and w.wanted is not null and w.lifecycle_phase <> 'terminal'),
    (select array_agg(u.id) from upstream u where not u.stands),
    (select array_agg((u.ordinal, u.partition_key, u.id, null, u.execution_id, null)::outbox_entry) from upstream u where u.stands and u.pulls),
    array_agg(c.partition_key) filter (where c.taken), array_agg(c.execution_id) filter (where c.taken),
    array_agg(c.downstream_id) filter (where c.taken), array_agg(c.ended) filter (where c.taken),
    array_agg(c.ordinal) filter (where c.taken),
    array_agg(c.id) filter (where not c.taken and c.is_whole),
    jsonb_agg(jsonb_build_object('id', c.id, 'edge', c.execution_id::text || '>' || c.downstream_id::text)) filter (where not c.is_whole),
    array_agg(c.id) filter (where not c.is_whole)
  into v_has_wanted, v_noops, v_pulls, v_up, v_upstreams, v_downstreams, v_ends, v_ordinals, v_unfinished, v_corrupt, v_corrupt_ids
  from (select candidate.*, is_whole and place <= p_hop and place_in_call <= p_call as taken from candidate) c;

  edges := 0;
  skipped := 0;
  unfinished := v_unfinished is not null;
  if v_up is not null then
    select r.steps, r.edges, r.skipped, r.moving, r.ready_lanes, r.next_due_at, r.fires
      into v_steps, edges, v_skipped, moving, ready_lanes, next_due_at, v_fires
      from resolve_edges(v_up, v_upstreams, v_downstreams, v_ends, v_ordinals, null, '{}', p_cancelling, p_sparing, true, p_now) r;
    skipped := cardinality(v_skipped);
    if v_fires then
      select jsonb_agg(jsonb_build_object('partition', s.partition_key, 'flow', s.flow_id, 'downstream', s.downstream_id)) into fired
        from unnest(v_steps) s where s.reason is not null;
    end if;
  end if;
  if v_pulls is not null then perform want_ancestors(v_pulls); end if;
  if v_has_wanted or v_pulls is not null then lost := judge_wanted(p_flows, 1000, p_now); end if;

  -- Entries whose work is done go; one with an unreadable edge is taken again, later and later.
  if p_given then
    if v_unfinished is not null or v_corrupt is not null then
      perform keep_entries(array(select e from unnest(p_entries) e where e.id = any(coalesce(v_unfinished, '{}') || coalesce(v_corrupt_ids, '{}'))), 0);
    end if;
  else
    delete from completion_event c using unnest(p_entries) e
      where c.partition_key = e.partition_key and c.id = e.id
        and c.id <> all(coalesce(v_unfinished, '{}')) and c.id <> all(coalesce(v_corrupt_ids, '{}'));
  end if;
  if v_corrupt is not null then
    update completion_event c set failures = c.failures + 1, available_at = p_now + least(60000, 100 * 2 ^ least(c.failures, 10))::bigint
      from unnest(p_entries) e
      where c.partition_key = e.partition_key and c.id = e.id and c.id = any(v_corrupt_ids) and c.id <> all(coalesce(v_unfinished, '{}'));
  end if;

  if not p_tells then return; end if;
  select jsonb_agg(jsonb_build_object('id', e.id, 'partition', e.partition_key, 'flow', e.flow_id, 'execution', e.execution_id,
    'noop', e.id = any(coalesce(v_noops, '{}')), 'edges', coalesce(a.edges, 0), 'satisfied', coalesce(a.satisfied, 0),
    'impossible', coalesce(a.impossible, 0), 'skipped', coalesce(a.skipped, 0),
    'corrupt', case when e.id = any(v_corrupt_ids)
      then (select jsonb_agg(c -> 'edge') from jsonb_array_elements(v_corrupt) c where c ->> 'id' = e.id::text) end) order by e.ordinal)
  into items
  from unnest(p_entries) e
  left join (
    -- A group's decision is the work of the last of its edges that came.
    select w.ordinal, sum(w.edges) as edges, sum(w.satisfied) as satisfied, sum(w.impossible) as impossible, sum(w.skipped) as skipped
    from (
      select o.ordinal, 1 as edges, 0 as satisfied, 0 as impossible, 0 as skipped from unnest(v_ordinals) as o(ordinal)
      union all
      select s.ordinal, 0, (s.decided = 'satisfied')::integer, (s.decided = 'impossible')::integer,
        (s.downstream_id = any(v_skipped))::integer
      from unnest(v_steps) s
    ) w group by w.ordinal
  ) a on a.ordinal = e.ordinal;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.insert_members(p_partitions integer[], p_flows uuid[], p_namespaces text[], p_drafts boolean[], p_nodes json, p_edges json, p_now bigint)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.is_doomed(p_grace_ends_at bigint, p_always_node boolean, p_flow_state flow_state, p_cancel_finalisers boolean)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((p_grace_ends_at IS NOT NULL) OR (COALESCE((p_flow_state = 'cancelling'::flow_state), false) AND (NOT (p_always_node AND COALESCE(p_cancel_finalisers, true)))))
;

CREATE OR REPLACE FUNCTION flowfabric.is_eligible(p_deps boolean, p_held boolean, p_not_before bigint, p_now bigint)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((NOT p_deps) AND (NOT p_held) AND COALESCE((p_not_before <= p_now), true))
;

CREATE OR REPLACE FUNCTION flowfabric.is_inside()
 RETURNS boolean
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN COALESCE((current_setting('flowfabric.inside'::text, true) = 'on'::text), false)
;

CREATE OR REPLACE FUNCTION flowfabric.is_known_policy(p_kind text, p_k integer, p_on_decided text, p_run_on text, p_n integer)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((COALESCE(p_kind, 'all_of'::text) = ANY (ARRAY['all_of'::text, 'any_of'::text, 'quorum'::text])) AND (COALESCE(p_on_decided, 'let_run'::text) = ANY (ARRAY['cancel_remaining'::text, 'let_run'::text])) AND (p_run_on = ANY (ARRAY['groupSatisfied'::text, 'groupImpossible'::text, 'always'::text])) AND ((COALESCE(p_kind, 'all_of'::text) <> 'quorum'::text) OR ((COALESCE(p_k, 1) >= 1) AND (COALESCE(p_k, 1) <= p_n))))
;

CREATE OR REPLACE FUNCTION flowfabric.is_name(p_text text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN COALESCE((p_text ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$'::text), false)
;

CREATE OR REPLACE FUNCTION flowfabric.is_needed(p_partition integer, p_id uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
  select exists (
    select 1 from edge o
    join edge_group g on g.partition_key = o.partition_key and g.downstream_id = o.downstream_id
    join execution d on d.partition_key = o.partition_key and d.id = o.downstream_id
    where o.partition_key = p_partition and o.upstream_id = p_id
      and d.lifecycle_phase <> 'terminal' and not d.always_node and g.state = 'pending')
$function$
;

CREATE OR REPLACE FUNCTION flowfabric.is_possible(p_phase lifecycle_phase, p_ownership ownership_state, p_eligibility eligibility_state, p_outcome terminal_outcome, p_attempt attempt_state, p_public public_state, p_lease uuid, p_score bigint, p_terminal_at bigint)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (((p_phase = 'terminal'::lifecycle_phase) = (p_outcome <> 'none'::terminal_outcome)) AND ((p_phase = 'active'::lifecycle_phase) = (p_ownership = 'leased'::ownership_state)) AND ((p_ownership <> 'lease_expired_reclaimable'::ownership_state) OR (p_phase = 'runnable'::lifecycle_phase)) AND ((p_phase = 'runnable'::lifecycle_phase) = (p_eligibility <> 'not_applicable'::eligibility_state)) AND ((p_phase = 'active'::lifecycle_phase) = (p_attempt = 'running_attempt'::attempt_state)) AND ((p_phase = 'terminal'::lifecycle_phase) = (p_attempt = 'attempt_terminal'::attempt_state)) AND ((p_phase <> 'active'::lifecycle_phase) OR (p_lease IS NOT NULL)) AND ((p_eligibility <> 'eligible_now'::eligibility_state) OR (p_score IS NOT NULL)) AND ((p_phase = 'terminal'::lifecycle_phase) = (p_terminal_at IS NOT NULL)) AND ((p_phase <> 'suspended'::lifecycle_phase) OR (p_attempt = 'attempt_interrupted'::attempt_state)) AND (p_public = public_state_of(p_phase, p_outcome, p_eligibility, p_attempt)))
;

CREATE OR REPLACE FUNCTION flowfabric.judge_taken_id(p_partition integer, p_id uuid, p_namespace text, p_kind text, p_hash bytea)
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
declare v_same boolean;
begin
  select i.namespace = p_namespace and i.kind = p_kind and i.input_hash = p_hash into v_same
    from execution_info i where i.partition_key = p_partition and i.id = p_id;
  return case v_same when true then 'duplicate' when false then 'execution_conflict' end;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.judge_wanted(p_flows uuid[], p_max integer, p_now bigint)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v record;
  v_lost jsonb;
begin
  for v in
    select w.partition_key, array_agg(w.id) as ids from (
      select x.partition_key, x.id from execution x
      where x.flow_id = any(p_flows) and x.wanted is not null and x.lifecycle_phase <> 'terminal' and not is_needed(x.partition_key, x.id)
      limit p_max
    ) w group by w.partition_key order by w.partition_key
  loop
    v_lost := coalesce(v_lost, '[]') || coalesce(cancel_wanted(v.partition_key, v.ids, p_now), '[]');
  end loop;
  return v_lost;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.keep_entries(p_entries outbox_entry[], p_available_at bigint)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
  insert into completion_event (partition_key, kind, flow_id, execution_id, generation, available_at)
    select e.partition_key, 'completion', e.flow_id, e.execution_id, e.generation, p_available_at from unnest(p_entries) e
    order by e.ordinal
$function$
;

CREATE OR REPLACE FUNCTION flowfabric.keep_floors(p_routes integer[], p_floors claim_floor[], p_firsts bigint[], p_looked boolean[], p_is_whole boolean, p_passed bigint, p_clock bigint)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
declare
  v_floor claim_floor;
begin
  for i in 1 .. cardinality(p_routes) loop
    v_floor := p_floors[i];
    v_floor.score := coalesce(p_firsts[i] - 100, v_floor.score);
    continue when v_floor.score is null or not p_looked[i];
    if p_is_whole or coalesce(v_floor.until <= p_clock, true) then
      v_floor.since := p_clock;
      v_floor.until := p_clock + least(p_passed / 50, 5000);
    end if;
    perform set_config(format('flowfabric.floor_%s_%s', 'execution'::regclass::oid, p_routes[i]), v_floor::text, false);
  end loop;
  perform set_config('flowfabric.has_floors', 'yes', false);
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.lane_key(p_lane integer)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (barrier_key() # ((p_lane)::bigint + 1))
;

CREATE OR REPLACE FUNCTION flowfabric.lease_heads(p_tids tid[], p_worker text, p_instance uuid, p_claim uuid, p_ttl_ms bigint, p_now bigint)
 RETURNS SETOF claimed
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.leases_of_claim(p_instance uuid, p_claim uuid)
 RETURNS SETOF claimed
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.leave_breach_job(p_budget budget, p_job uuid, p_home integer, p_progress text, p_now bigint)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
  insert into operation (partition_key, namespace, id, version, created_at, due_at, definition, progress)
    values (p_home, p_budget.namespace, p_job, 1, p_now, p_now, json_build_object(
      'work', json_build_object('kind', 'budget_breach', 'budgetId', p_budget.id, 'rule', p_budget.on_hard_breach),
      'beganAtMs', p_now, 'boundsMs', json_build_array(p_now)), p_progress)
$function$
;

CREATE OR REPLACE FUNCTION flowfabric.leave_link(p_partition integer, p_namespace text, p_child text, p_parent jsonb)
 RETURNS boolean
 LANGUAGE sql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
  select leave_message(p_partition, 'child_linked', jsonb_build_object('namespace', p_namespace, 'child', p_child,
    'parent', p_parent ->> 'id', 'detached', p_parent -> 'detached'))
$function$
;

CREATE OR REPLACE FUNCTION flowfabric.leave_message(p_partition integer, p_kind text, p_message jsonb)
 RETURNS boolean
 LANGUAGE sql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
  select set_config('flowfabric.messages', 'left', true);
  insert into completion_event (partition_key, kind, message) values (p_partition, p_kind, p_message) returning true
$function$
;

CREATE OR REPLACE FUNCTION flowfabric.leave_settlements(p_partition integer, p_max integer)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_left integer;
begin
  insert into completion_event (partition_key, kind, flow_id)
    select f.partition_key, 'flow_settled', f.id from flow f
    where f.partition_key = p_partition and f.state in ('open', 'cancelling')
      and not exists (select 1 from execution x where x.flow_id = f.id and x.lifecycle_phase <> 'terminal')
      and not exists (select 1 from completion_event c where c.flow_id = f.id)
    order by f.id limit p_max;
  get diagnostics v_left = row_count;
  return v_left;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.leave_stop(p_partition integer, p_id uuid, p_namespace text, p_generation integer)
 RETURNS boolean
 LANGUAGE sql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
  select leave_message(p_partition, 'parent_stopped', jsonb_build_object('namespace', p_namespace,
    'parent', format('{fp:%s}:%s', p_partition, p_id), 'generation', p_generation))
$function$
;

CREATE OR REPLACE FUNCTION flowfabric.lift_dependencies(p_partitions integer[], p_ids uuid[], p_now bigint, OUT moving uuid[], OUT ready_lanes integer[], OUT next_due_at bigint)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
begin
  -- Everything is said of the row's own present columns, so that no lock has to be taken beforehand.
  with let_go as (
    update execution x set
      deps_blocked = false,
      eligibility_state = runnable_eligibility(false, x.held, x.not_before, p_now),
      blocking_reason = runnable_reason(false, x.held, x.not_before, x.delay_reason, p_now),
      public_state = runnable_public_state(false, x.held, x.not_before, false, p_now),
      not_before = case when is_eligible(false, x.held, x.not_before, p_now) then null else x.not_before end,
      delay_reason = case when is_eligible(false, x.held, x.not_before, p_now) then null else x.delay_reason end,
      first_eligible_at = case when is_eligible(false, x.held, x.not_before, p_now) then coalesce(x.first_eligible_at, p_now) else x.first_eligible_at end,
      ready_at = case when is_eligible(false, x.held, x.not_before, p_now) then coalesce(x.ready_at, p_now) else x.ready_at end,
      score = case when is_eligible(false, x.held, x.not_before, p_now) and x.ready_at is null then score_of(p_now, x.priority, l.ageing_ms) else x.score end,
      deadline_at = case when is_eligible(false, x.held, x.not_before, p_now) then coalesce(x.deadline_at, p_now + x.deadline_ms) else x.deadline_at end,
      queue_ttl_at = case when is_eligible(false, x.held, x.not_before, p_now) then coalesce(x.queue_ttl_at, p_now + x.queue_ttl_ms) else x.queue_ttl_at end,
      due_at = case when is_eligible(false, x.held, x.not_before, p_now)
        then least(coalesce(x.deadline_at, p_now + x.deadline_ms), coalesce(x.queue_ttl_at, p_now + x.queue_ttl_ms))
        else runnable_due(false, x.held, x.not_before, p_now, x.deadline_at, x.queue_ttl_at) end
    from unnest(p_partitions, p_ids) as p(partition_key, id), lane l
    where x.partition_key = p.partition_key and x.id = p.id and l.id = x.lane_id
      and x.lifecycle_phase = 'runnable' and x.deps_blocked
    returning x.flow_id, x.lane_id, x.eligibility_state, x.due_at
  )
  select array_agg(flow_id), array_agg(lane_id) filter (where eligibility_state = 'eligible_now'), min(due_at)
    into moving, ready_lanes, next_due_at from let_go;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.lines_of(p_route integer)
 RETURNS TABLE(admission_key bigint, partition_key integer)
 LANGUAGE sql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_sort TO 'off'
AS $function$
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
$function$
;

CREATE OR REPLACE FUNCTION flowfabric.link_child(p_partition integer, p_parent uuid, p_namespace text, p_child text, p_detached boolean)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET enable_seqscan TO 'off'
AS $function$
declare
  e execution;
begin
  select x.* into e from execution x join lane l on l.id = x.lane_id and l.namespace = p_namespace
    where x.partition_key = p_partition and x.id = p_parent for no key update of x;
  if not found then return; end if;
  insert into child (partition_key, parent_id, child, linked, detached) values (p_partition, p_parent, p_child, true, p_detached)
    on conflict (parent_id, child, partition_key) do update set linked = true, detached = excluded.detached;
  update execution x set has_ties = true where x.partition_key = p_partition and x.id = p_parent and x.has_ties is null;
  if e.terminal_outcome in ('cancelled', 'expired', 'skipped') and has_children_to_stop(p_partition, p_parent) then
    perform leave_stop(p_partition, p_parent, p_namespace, e.generation);
  end if;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.load_inlined(p_partition integer, p_id uuid, p_bytes_max integer)
 RETURNS inlined
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
  v_inlined inlined;
begin
  -- Most have neither.
  if not exists (select 1 from edge x where x.partition_key = p_partition and x.downstream_id = p_id and x.as_name is not null)
    and not exists (select 1 from step s where s.partition_key = p_partition and s.execution_id = p_id) then
    v_inlined.up_truncated := false;
    v_inlined.steps_truncated := false;
    return v_inlined;
  end if;
  with up as materialized (
    select x.as_name collate "C" as as_name, x.upstream_id, x.seen_state::text as state, coalesce(x.seen_satisfied, false) as satisfied,
      r.result, sum(coalesce(length(r.result), 0)) over (order by x.as_name collate "C") as bytes
    from edge x
    left join execution_result r on x.seen_satisfied and r.partition_key = x.partition_key and r.id = x.upstream_id
    where x.partition_key = p_partition and x.downstream_id = p_id and x.as_name is not null and x.seen_state is not null
  ), own as materialized (
    select s.*, sum(coalesce(length(s.result), 0)) over (order by s.ordinal) + coalesce((select max(bytes) from up), 0) as bytes
    from step s where s.partition_key = p_partition and s.execution_id = p_id
  )
  select u.*, o.* into v_inlined from
    (select array_agg(as_name order by as_name), array_agg(upstream_id order by as_name), array_agg(state order by as_name),
      array_agg(satisfied order by as_name), array_agg(result order by as_name), (select count(*) from up where bytes > p_bytes_max) > 0
     from up where bytes <= p_bytes_max) u,
    (select array_agg(name order by ordinal), array_agg(type order by ordinal), array_agg(result order by ordinal),
      array_agg(attempt_index order by ordinal), array_agg(recorded_at order by ordinal), (select count(*) from own where bytes > p_bytes_max) > 0
     from own where bytes <= p_bytes_max) o;
  return v_inlined;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.lock_handles(p_partitions integer[], p_ids uuid[], p_indexes integer[], p_leases uuid[], p_epochs bigint[], p_namespaces text[])
 RETURNS TABLE(ord integer, tid tid, late boolean, has_effects boolean, flow_id uuid, always_node boolean, grace_ends_at bigint, keep_ms bigint)
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
#variable_conflict use_column
begin
  for ord, tid, late, has_effects, flow_id, always_node, grace_ends_at, keep_ms in
    select i.ord::integer, h.tid, h.late, h.attempt_has_effects, h.flow_id, h.always_node, h.grace_ends_at, h.keep_ms
    from (select * from unnest(p_partitions, p_ids, p_indexes, p_leases, p_epochs) with ordinality
      as u (partition_key, id, idx, lease_id, epoch, ord) order by u.id) i
    cross join lateral (
      select e.ctid as tid, e.lifecycle_phase <> 'active' as late, e.attempt_has_effects, e.flow_id, e.always_node, e.grace_ends_at,
        coalesce(e.retention_ms, l.retention_ms) as keep_ms
      from execution e join lane l on l.id = e.lane_id
      where e.partition_key = i.partition_key and e.id = i.id and e.attempt_count = i.idx + 1 and e.epoch = i.epoch and e.lease_id = i.lease_id
        and (e.lifecycle_phase = 'active' or e.ownership_state = 'lease_expired_reclaimable') and l.namespace = any (p_namespaces)
      limit 1 for update of e
    ) h
  loop
    -- A lease that was revoked leaves the execution reclaimable too, but takes nothing late. Looked up by a statement of its
    -- own: the row may have been reaped while its lock was waited for, after the snapshot of the statement above.
    if not late or exists (select 1 from attempt a where a.partition_key = p_partitions[ord] and a.execution_id = p_ids[ord]
      and a.idx = p_indexes[ord] and a.ended_by = 'lease_expiry') then
      return next;
    end if;
  end loop;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.lock_heads(p_lanes integer[], p_virtual double precision[], p_weights integer[], p_room bigint[], p_routes integer[], p_route_lanes integer[], p_begins bigint[], p_wide integer, p_max integer, p_now bigint, OUT tids tid[], OUT heads integer, OUT looked boolean[], OUT firsts bigint[], OUT seen bigint)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
#variable_conflict use_column
begin
  with lanes as materialized (
    select * from unnest(p_lanes, p_virtual, p_weights, p_room) as l (lane_id, virtual, weight, room)
  ), heads as materialized (
    select h.*, r.route_id, l.virtual, l.weight, l.room, row_number() over (partition by l.lane_id order by h.score, h.seq) as place
    from unnest(p_routes, p_route_lanes, p_begins) as r (route_id, lane_id, begins)
    join lanes l on l.lane_id = r.lane_id and l.room > 0
    cross join lateral (
      select e.partition_key, e.id, e.score, e.seq from execution e
      where e.route_id = r.route_id and e.eligibility_state = 'eligible_now' and e.score >= r.begins
        and coalesce(e.deadline_at > p_now, true) and coalesce(e.queue_ttl_at > p_now, true)
        and (e.flow_id is null or not exists (select 1 from flow f where f.partition_key = e.partition_key and f.id = e.flow_id
          and holds_back(f.state, f.cancel_finalisers, e.always_node)))
      order by e.score, e.seq limit p_wide
    ) h
  ), winners as materialized (
    select h.partition_key, h.id, row_number() over (order by h.virtual + h.place::double precision / h.weight, h.score, h.seq) as rank
    from heads h where h.place <= h.room order by rank limit p_wide
  )
  select array_agg(x.tid), (select count(*) from winners), (select count(*) from heads),
      (select array_agg(exists (select 1 from lanes l where l.lane_id = r.lane_id and l.room > 0) order by r.ord)
        from unnest(p_route_lanes) with ordinality as r (lane_id, ord)),
      (select array_agg((select min(h.score) from heads h where h.route_id = r.route_id) order by r.ord)
        from unnest(p_routes) with ordinality as r (route_id, ord))
    into tids, heads, seen, looked, firsts from (
    select k.tid from winners w cross join lateral (
      select e.ctid as tid, e.eligibility_state as state from execution e
      where e.partition_key = w.partition_key and e.id = w.id limit 1 for update skip locked
    ) k
    -- Not asked in there, where it would let the planner look for each in all that waits.
    where k.state = 'eligible_now'
    order by w.rank limit p_max
  ) x;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.lock_heads(p_lanes integer[], p_virtual double precision[], p_weights integer[], p_room bigint[], p_routes integer[], p_route_lanes integer[], p_wide integer, p_max integer, p_now bigint, OUT tids tid[], OUT heads integer)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
#variable_conflict use_column
begin
  with lanes as materialized (
    select * from unnest(p_lanes, p_virtual, p_weights, p_room) as l (lane_id, virtual, weight, room)
  ), heads as materialized (
    select h.*, l.virtual, l.weight, l.room, row_number() over (partition by l.lane_id order by h.score, h.seq) as place
    from unnest(p_routes, p_route_lanes) as r (route_id, lane_id)
    join lanes l on l.lane_id = r.lane_id and l.room > 0
    cross join lateral (
      select e.partition_key, e.id, e.score, e.seq from execution e
      where e.route_id = r.route_id and e.eligibility_state = 'eligible_now'
        and coalesce(e.deadline_at > p_now, true) and coalesce(e.queue_ttl_at > p_now, true)
        and (e.flow_id is null or not exists (select 1 from flow f where f.partition_key = e.partition_key and f.id = e.flow_id
          and holds_back(f.state, f.cancel_finalisers, e.always_node)))
      order by e.score, e.seq limit p_wide
    ) h
  ), winners as materialized (
    select h.partition_key, h.id, row_number() over (order by h.virtual + h.place::double precision / h.weight, h.score, h.seq) as rank
    from heads h where h.place <= h.room order by rank limit p_wide
  )
  select array_agg(x.tid), (select count(*) from winners) into tids, heads from (
    select k.tid from winners w cross join lateral (
      select e.ctid as tid from execution e
      where e.partition_key = w.partition_key and e.id = w.id and e.eligibility_state = 'eligible_now'
      limit 1 for update skip locked
    ) k order by w.rank limit p_max
  ) x;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.lock_held(p_partitions integer[], p_ids uuid[], p_indexes integer[], p_leases uuid[], p_epochs bigint[], p_namespaces text[])
 RETURNS TABLE(ord integer, tid tid, doomed boolean, has_effects boolean)
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
#variable_conflict use_column
begin
  return query
  select h.ord, h.tid, is_doomed(h.grace_ends_at, h.always_node, f.state, f.cancel_finalisers), h.has_effects
  from lock_handles(p_partitions, p_ids, p_indexes, p_leases, p_epochs, p_namespaces) h
  left join lateral (
    select y.state, y.cancel_finalisers from flow y where y.partition_key = p_partitions[h.ord] and y.id = h.flow_id limit 1) f on true
  where not h.late;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.lock_watchers(p_child text)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
  select pg_advisory_xact_lock(hashtextextended('flowfabric/watch/' || p_child, barrier_key()))
$function$
;

CREATE OR REPLACE FUNCTION flowfabric.look_at_frames(p_partition integer, p_id uuid, p_namespace text, p_attempt integer, p_from integer, p_across boolean, p_limit integer, p_bytes_max bigint)
 RETURNS TABLE(attempt_count integer, is_terminal boolean, idx integer, state attempt_record_state, ended_by ended_by, next_number integer, patch_count integer, patched_at bigint, attempt_index integer, frame_number integer, mode text, type text, frame bytea, appended_at bigint)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
begin
  if p_across then
    return query
    select x.attempt_count, x.is_terminal, x.idx,
      case when x.is_running then 'started' else a.state end, case when not x.is_running then a.ended_by end,
      coalesce(s.next_number, 0), coalesce(s.patch_count, 0), s.patched_at,
      f.attempt_index, f.frame_number, f.mode, f.type, f.frame, f.appended_at
    from (
      select e.partition_key, e.id, e.attempt_count, e.lifecycle_phase = 'terminal' as is_terminal, i.idx,
        e.lifecycle_phase = 'active' and i.idx = e.attempt_count - 1 as is_running
      from execution e
      cross join lateral (select coalesce(p_attempt, greatest(e.attempt_count - 1, 0)) as idx) i
      where e.partition_key = p_partition and e.id = p_id
        and exists (select 1 from lane l where l.id = e.lane_id and l.namespace = p_namespace) limit 1
    ) x
    left join lateral (
      select y.state, y.ended_by from attempt y
      where y.partition_key = x.partition_key and y.execution_id = x.id and y.idx = x.idx and x.idx < x.attempt_count limit 1) a on true
    left join lateral (
      select y.next_number, y.patch_count, y.patched_at from stream y
      where y.partition_key = x.partition_key and y.execution_id = x.id and y.attempt_index = x.idx limit 1) s on true
    left join lateral (
      select p.* from (
        select n.*, sum(octet_length(n.frame)) over (order by n.attempt_index, n.frame_number) - octet_length(n.frame) as before
        from (
          select y.* from stream_frame y where y.partition_key = x.partition_key and y.execution_id = x.id
            and (y.attempt_index, y.frame_number) >= (x.idx, p_from)
          order by y.attempt_index, y.frame_number limit p_limit
        ) n
      ) p where p.before <= p_bytes_max
    ) f on true
    order by f.attempt_index, f.frame_number;
  else
    return query
    select x.attempt_count, x.is_terminal, x.idx,
      case when x.is_running then 'started' else a.state end, case when not x.is_running then a.ended_by end,
      coalesce(s.next_number, 0), coalesce(s.patch_count, 0), s.patched_at,
      f.attempt_index, f.frame_number, f.mode, f.type, f.frame, f.appended_at
    from (
      select e.partition_key, e.id, e.attempt_count, e.lifecycle_phase = 'terminal' as is_terminal, i.idx,
        e.lifecycle_phase = 'active' and i.idx = e.attempt_count - 1 as is_running
      from execution e
      cross join lateral (select coalesce(p_attempt, greatest(e.attempt_count - 1, 0)) as idx) i
      where e.partition_key = p_partition and e.id = p_id
        and exists (select 1 from lane l where l.id = e.lane_id and l.namespace = p_namespace) limit 1
    ) x
    left join lateral (
      select y.state, y.ended_by from attempt y
      where y.partition_key = x.partition_key and y.execution_id = x.id and y.idx = x.idx and x.idx < x.attempt_count limit 1) a on true
    left join lateral (
      select y.next_number, y.patch_count, y.patched_at from stream y
      where y.partition_key = x.partition_key and y.execution_id = x.id and y.attempt_index = x.idx limit 1) s on true
    left join lateral (
      select p.* from (
        select n.*, sum(octet_length(n.frame)) over (order by n.attempt_index, n.frame_number) - octet_length(n.frame) as before
        from (
          select y.* from stream_frame y where y.partition_key = x.partition_key and y.execution_id = x.id
            and y.attempt_index = x.idx and y.frame_number >= p_from
          order by y.attempt_index, y.frame_number limit p_limit
        ) n
      ) p where p.before <= p_bytes_max
    ) f on true
    order by f.attempt_index, f.frame_number;
  end if;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.mint_uuid()
 RETURNS uuid
 LANGUAGE sql
RETURN (encode(set_bit(set_bit(OVERLAY(uuid_send(gen_random_uuid()) PLACING SUBSTRING(int8send((floor((date_part('epoch'::text, clock_timestamp()) * (1000)::double precision)))::bigint) FROM 3) FROM 1 FOR 6), (52)::bigint, 1), (53)::bigint, 1), 'hex'::text))::uuid
;

CREATE OR REPLACE FUNCTION flowfabric.next_sequence(p_partition integer, p_id uuid)
 RETURNS bigint
 LANGUAGE sql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
  select coalesce((select s.sequence from signal s where s.execution_id = p_id and s.partition_key = p_partition
    order by s.sequence desc limit 1), 0) + 1
$function$
;

CREATE OR REPLACE FUNCTION flowfabric.node_fate(p_run_on text, p_decision edge_state)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (p_run_on = 'always'::text) THEN 'run'::text WHEN ((p_run_on = 'groupSatisfied'::text) = (p_decision = 'satisfied'::edge_state)) THEN 'run'::text ELSE 'skip'::text END
;

CREATE OR REPLACE FUNCTION flowfabric.note_breach(p_budget budget, p_before text, p_job uuid, p_home integer, p_progress text, OUT level text, OUT job_at bigint)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
declare
  v_levels constant text[] := '{ok,soft_breach,hard_breach}';
begin
  level := breach_of(p_budget.limits, p_budget.used);
  if array_position(v_levels, level) <= array_position(v_levels, p_before) then return; end if;
  perform tell_budget(p_budget, level);
  if level = 'hard_breach' and p_budget.on_hard_breach <> 'block_new' then
    job_at := now_ms();
    perform leave_breach_job(p_budget, p_job, p_home, p_progress, job_at);
  end if;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.note_turns(p_keys bigint[], p_partitions integer[], p_granted integer[], p_now bigint)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.now_ms()
 RETURNS bigint
 LANGUAGE sql
 PARALLEL SAFE
RETURN (floor((date_part('epoch'::text, clock_timestamp()) * (1000)::double precision)))::bigint
;

CREATE OR REPLACE FUNCTION flowfabric.number_events(p_waits boolean, p_last bigint, p_max integer, OUT numbered integer, OUT last bigint, OUT more boolean)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_batches integer;
begin
  numbered := 0;
  more := false;
  if p_waits then
    -- Before the lock: nothing to number is what most readers find.
    if not exists (select 1 from event_batch) then return; end if;
    perform pg_advisory_xact_lock(feed_key());
  elsif not pg_try_advisory_xact_lock(feed_key()) then
    return;
  end if;
  last := coalesce(p_last, (select seq from event_batch order by seq desc limit 1));
  with taken as (
    delete from event_batch b
      where b.ctid = any (array(select o.ctid from event_batch o where o.seq <= last order by o.seq limit p_max))
    returning b.seq, b.at, b.partitions, b.bodies
  ), told as (
    select u.partition_key, t.at, json_build_array(t.at, u.body) as body,
      row_number() over (partition by u.partition_key order by t.seq, u.ordinality) - 1 as place
    from taken t cross join lateral unnest(t.partitions, t.bodies) with ordinality as u (partition_key, body)
  ), rows as materialized (
    -- Rows of a bounded length, so that a reader's look is one too.
    select partition_key, place / 64 as part, count(*)::integer as count, max(at) as at, json_agg(body order by place) as body
    from told group by partition_key, place / 64
  ), heads as (
    insert into event_head as h (partition_key, next_number) select partition_key, 1 + sum(count) from rows group by partition_key
    on conflict (partition_key) do update set next_number = h.next_number + excluded.next_number - 1
    returning h.partition_key, h.next_number
  ), written as (
    insert into event (partition_key, first_number, count, at, body)
    select r.partition_key, h.next_number - sum(r.count) over (partition by r.partition_key) + r.part * 64, r.count, r.at, r.body
    from rows r join heads h on h.partition_key = r.partition_key
    returning count
  )
  select (select count(*) from taken), (select coalesce(sum(count), 0) from written) into v_batches, numbered;
  more := v_batches = p_max;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.parked_until()
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN '9000000000000000'::bigint
;

CREATE OR REPLACE FUNCTION flowfabric.public_state_of(p_phase lifecycle_phase, p_outcome terminal_outcome, p_eligibility eligibility_state, p_attempt attempt_state)
 RETURNS public_state
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE p_phase WHEN 'terminal'::lifecycle_phase THEN ended_public_state(p_outcome) WHEN 'suspended'::lifecycle_phase THEN 'suspended'::public_state WHEN 'active'::lifecycle_phase THEN 'active'::public_state WHEN 'submitted'::lifecycle_phase THEN 'waiting_children'::public_state WHEN 'runnable'::lifecycle_phase THEN CASE p_eligibility WHEN 'eligible_now'::eligibility_state THEN CASE WHEN (p_attempt = 'pending_resume'::attempt_state) THEN 'resumable'::public_state ELSE 'waiting'::public_state END WHEN 'not_eligible_until_time'::eligibility_state THEN 'delayed'::public_state WHEN 'blocked_by_dependencies'::eligibility_state THEN 'waiting_children'::public_state WHEN 'blocked_by_budget'::eligibility_state THEN 'rate_limited'::public_state WHEN 'blocked_by_quota'::eligibility_state THEN 'rate_limited'::public_state ELSE 'waiting'::public_state END ELSE NULL::public_state END
;

CREATE OR REPLACE FUNCTION flowfabric.pulse_of(p_partitions integer[], p_fold_rows integer, p_waiting_ms bigint, p_number_ms bigint, p_feed_age bigint)
 RETURNS SETOF partition_pulse
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_sort TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.pulse_of_budgets(p_partitions integer[])
 RETURNS TABLE(partition_key integer, now bigint, reset_at bigint, parked boolean)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.pulse_of_quotas(p_partitions integer[])
 RETURNS TABLE(partition_key integer, now bigint, schedules_due_at bigint, operations_due_at bigint, webhooks_due_at bigint, retry_at bigint, parked boolean)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_now bigint := now_ms();
begin
  return query
  select p.key, v_now,
    (select s.due_at from schedule s where s.partition_key = p.key and s.due_at is not null order by s.due_at limit 1),
    (select o.due_at from operation o where o.partition_key = p.key and o.due_at is not null order by o.due_at limit 1),
    (select w.due_at from webhook w where w.partition_key = p.key and w.due_at is not null order by w.due_at limit 1),
    (select min(l.retry_at) from admission_line l where l.home = p.key and l.by_quota is not null),
    exists (select 1 from admission_line l where l.home = p.key and l.by_quota is not null)
      and exists (select 1 from wakeable_quotas(p.key))
  from unnest(p_partitions) as p (key);
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.quiesce()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '10s'
AS $function$
begin
  perform pg_advisory_xact_lock(barrier_key());
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.raise_catalog_version()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
begin
  update deployment set catalog_version = catalog_version + 1;
  return null;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.rate_retry_at(p_quota uuid, p_key text, p_units bigint, p_window bigint, p_cost bigint, p_now bigint)
 RETURNS bigint
 LANGUAGE sql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
  select min(s.at) + rate_step_ms(p_window) - 1 + p_window from (
    select x.at, sum(x.units) over () as total, sum(x.units) over (order by x.at) as freed from quota_step x
    where x.quota_id = p_quota and x.key = p_key and x.units > 0 and x.at > p_now - p_window - rate_step_ms(p_window) + 1
  ) s
  where p_cost <= p_units and s.total + p_cost > p_units and s.total - s.freed + p_cost <= p_units
$function$
;

CREATE OR REPLACE FUNCTION flowfabric.rate_step_ms(p_window bigint)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((p_window + 999) / 1000)
;

CREATE OR REPLACE FUNCTION flowfabric.read_stream_summary(p_partition integer, p_id uuid, p_namespace text, p_attempt integer)
 RETURNS TABLE(attempt_count integer, idx integer, document bytea, patch_count integer, patched_at bigint)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
begin
  return query
  select l.attempt_count, l.idx, (
      select d.document from stream_summary d
      where d.partition_key = p_partition and d.execution_id = p_id and d.attempt_index = l.idx limit 1),
    l.patch_count, l.patched_at
  from look_at_frames(p_partition, p_id, p_namespace, p_attempt, 0, false, 0, 0) l;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.reclaim(p_partitions integer[], p_ids uuid[], p_ended_by ended_by, p_now bigint)
 RETURNS SETOF finished
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_lost record;
begin
  -- Ends are rare here: one by one.
  for v_lost in
    select i.partition_key, i.id, x.doomed, x.max_reclaims
    from unnest(p_partitions, p_ids) as i (partition_key, id)
    cross join lateral (
      select e.max_reclaims, e.reclaim_count, is_doomed(e.grace_ends_at, e.always_node, f.state, f.cancel_finalisers) as doomed
      from execution e
      left join lateral (
        select y.state, y.cancel_finalisers from flow y where y.partition_key = e.partition_key and y.id = e.flow_id limit 1) f on true
      where e.partition_key = i.partition_key and e.id = i.id limit 1
    ) x
    where x.doomed or x.reclaim_count >= x.max_reclaims
  loop
    return query
    select 0, case when v_lost.doomed then 'cancelled' else 'failed' end, false, null::bigint, x.partition_key, x.id, x.lane_id, x.flow_id,
      true, false, null::bigint, null::text, null::ended_by, null::terminal_outcome, null::jsonb
    from end_executions(array[v_lost.partition_key], array[v_lost.id],
      case when v_lost.doomed then 'cancelled' else 'failed' end::terminal_outcome, p_ended_by, 'interrupted_reclaimed', 'flow',
      case when not v_lost.doomed then jsonb_build_object('category', 'max_reclaims_exceeded',
        'message', format('more than %s leases were lost', v_lost.max_reclaims)) end, p_now) x;
  end loop;

  return query
  with changed as (
    update execution e set lifecycle_phase = 'runnable', ownership_state = 'lease_expired_reclaimable',
      eligibility_state = runnable_eligibility(false, false, x.again_at, p_now),
      blocking_reason = runnable_reason(false, false, x.again_at, 'reclaim_backoff', p_now),
      attempt_state = 'pending_reclaim_attempt', public_state = runnable_public_state(false, false, x.again_at, false, p_now),
      reclaim_count = e.reclaim_count + 1,
      not_before = nullif(x.again_at, p_now),
      delay_reason = case when x.again_at > p_now then 'reclaim_backoff'::delay_reason end,
      due_at = runnable_due(false, false, x.again_at, p_now, e.deadline_at, e.queue_ttl_at)
    from (
      select l.tid, l.again_at from unnest(p_partitions, p_ids) as i (partition_key, id)
      cross join lateral (
        select o.ctid as tid, p_now + reclaim_backoff_ms(o.reclaim_count + 1, random()) as again_at from execution o
        where o.partition_key = i.partition_key and o.id = i.id and o.lifecycle_phase = 'active' limit 1
      ) l
    ) x
    where e.ctid = x.tid
    returning x.again_at, e.due_at, e.partition_key, e.id, e.lane_id, e.flow_id, e.attempt_count, e.attempt_type, e.generation, e.epoch, e.lease_id, e.worker_id,
        e.instance_id, e.attempt_started_at
  ), attempts as (
    insert into attempt (partition_key, execution_id, idx, type, generation, state, epoch, lease_id, worker_id, instance_id,
      started_at, ended_at, ended_by)
    select partition_key, id, attempt_count - 1, attempt_type, generation, 'interrupted_reclaimed', epoch, lease_id, worker_id, instance_id,
      attempt_started_at, p_now, p_ended_by
    from changed
    on conflict (partition_key, execution_id, idx) do update set state = excluded.state, epoch = excluded.epoch,
      lease_id = excluded.lease_id, worker_id = excluded.worker_id, instance_id = excluded.instance_id, ended_at = excluded.ended_at,
      ended_by = excluded.ended_by, end_op = null, end_answer = null
  )
  select 0, 'reclaimable', false, c.again_at, c.partition_key, c.id, c.lane_id, c.flow_id, false, c.again_at <= p_now, c.due_at,
    null::text, null::ended_by, null::terminal_outcome, null::jsonb
  from changed c;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.reclaim_backoff_ms(p_reclaim integer, p_random double precision)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (p_reclaim <= 1) THEN (0)::bigint ELSE (floor((LEAST(((1000)::double precision * power((2)::double precision, (LEAST((p_reclaim - 2), 20))::double precision)), (60000)::double precision) * ((0.5)::double precision + (p_random / (2)::double precision)))))::bigint END
;

CREATE OR REPLACE FUNCTION flowfabric.reconcile_budgets(p_partition integer, p_max integer, p_key_ttl bigint)
 RETURNS TABLE(budget_id uuid, execution_partition integer, execution_id uuid, finding text)
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET enable_seqscan TO 'off'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.reconcile_quotas(p_partition integer, p_max integer, p_idle_ms bigint)
 RETURNS TABLE(quota_id uuid, key text, execution_partition integer, execution_id uuid, finding text)
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET enable_seqscan TO 'off'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.reconcile_sample(p_partition integer, p_from uuid, p_max integer)
 RETURNS TABLE(id uuid, finding text, repaired boolean)
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.reconcile_sibling_cancel(p_partition integer, p_flow uuid, p_downstream uuid)
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_pending boolean;
begin
  if exists (select 1 from flow f where f.partition_key = p_partition and f.id = p_flow) then
    perform 1 from flow f where f.partition_key = p_partition and f.id = p_flow for no key update skip locked;
    if not found then return 'no_op'; end if;
  end if;
  perform 1 from pending_cancel_group t
    where t.partition_key = p_partition and t.flow_id = p_flow and t.downstream_id = p_downstream;
  -- Drained between the sample and here.
  if not found then return 'no_op'; end if;
  select g.cancel_pending into v_pending from edge_group g where g.partition_key = p_partition and g.downstream_id = p_downstream;
  if v_pending and exists (
    select 1 from edge e join execution x on x.partition_key = e.partition_key and x.id = e.upstream_id
    where e.partition_key = p_partition and e.downstream_id = p_downstream and e.state = 'pending' and x.lifecycle_phase <> 'terminal'
  ) then
    return 'no_op';
  end if;
  delete from pending_cancel_group t
    where t.partition_key = p_partition and t.flow_id = p_flow and t.downstream_id = p_downstream;
  if not coalesce(v_pending, false) then return 'sremmed_stale'; end if;
  update edge_group g set cancel_pending = false where g.partition_key = p_partition and g.downstream_id = p_downstream;
  return 'completed_drain';
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.record_flow_key(p_namespace text, p_key text, p_kind text, p_content bytea, p_partition integer, p_flow uuid, p_expires_at bigint, p_now bigint)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
begin
  insert into idempotency_key (namespace, key, target, kind, content_hash, expires_at)
    values (p_namespace, p_key, format('{fp:%s}:%s', p_partition, p_flow), p_kind, p_content, p_expires_at)
    on conflict (namespace, key) do update set target = excluded.target, kind = excluded.kind,
      content_hash = excluded.content_hash, expires_at = excluded.expires_at
    where idempotency_key.expires_at <= p_now or not exists (select 1 from flow f where f.id = right(idempotency_key.target, 36)::uuid
      and f.partition_key = substring(idempotency_key.target from 5 for position('}' in idempotency_key.target) - 5)::integer);
  if not found and (select outcome from recorded_flow(p_namespace, p_key, p_kind, p_content, p_now)) is distinct from 'duplicate' then
    raise exception 'an idempotency key was recorded meanwhile' using errcode = '40001';
  end if;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.record_resumption(p_partition integer, p_id uuid, p_suspension uuid, p_by text, p_signals bigint[], p_ends jsonb, p_waitpoints uuid[], p_closes boolean, p_now bigint)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
begin
  insert into resumption (partition_key, execution_id, suspension_id, resumed_by, at, ends)
    values (p_partition, p_id, p_suspension, p_by, p_now, p_ends)
    on conflict (execution_id, partition_key) do update set suspension_id = excluded.suspension_id, resumed_by = excluded.resumed_by,
      at = excluded.at, ends = excluded.ends;
  update signal s set suspension_id = p_suspension
    where s.partition_key = p_partition and s.execution_id = p_id and s.sequence = any (p_signals);
  if p_closes then
    update waitpoint w set closed = true
      where w.partition_key = p_partition and w.id = any (p_waitpoints) and w.execution_id = p_id
        and waitpoint_state(w.closed, w.expires_at, false, p_now) = 'open';
  end if;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.recorded_flow(p_namespace text, p_key text, p_kind text, p_content bytea, p_now bigint, OUT outcome text, OUT flow_id uuid)
 RETURNS record
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
declare
  v_key record;
begin
  select kind, content_hash, target into v_key from idempotency_key
    where namespace = p_namespace and key = p_key and expires_at > p_now;
  if not found then return; end if;
  if v_key.kind <> p_kind or v_key.content_hash <> p_content then
    outcome := 'idempotency_conflict';
    return;
  end if;
  -- A recorded id without a flow is of no use to nodes of another partition: the key is then recorded anew.
  select f.id into flow_id from flow f
    where f.partition_key = substring(v_key.target from 5 for position('}' in v_key.target) - 5)::integer
      and f.id = right(v_key.target, 36)::uuid;
  if found then outcome := 'duplicate'; end if;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.refusal_of(p_partition integer, p_id uuid, p_index integer, p_lease uuid, p_epoch bigint, p_op text, p_namespaces text[])
 RETURNS refusal
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
declare
  e execution;
  a attempt;
begin
  select x.* into e from execution x join lane l on l.id = x.lane_id
    where x.partition_key = p_partition and x.id = p_id and l.namespace = any (p_namespaces);
  if not found then return row ('stale_lease', null, null, null)::refusal; end if;
  if p_op = 'yield' and e.yielded_lease_id = p_lease then return row ('repeated', null, null, '{"outcome":"yielded"}')::refusal; end if;
  select x.* into a from attempt x where x.partition_key = p_partition and x.execution_id = p_id and x.idx = p_index;
  -- While it is active, the row itself is the record of its last attempt, and it was found to be another lease's.
  if not found or a.lease_id <> p_lease or a.epoch <> p_epoch or (e.lifecycle_phase = 'active' and e.attempt_count - 1 = p_index) then
    return row ('stale_lease', null, null, null)::refusal;
  end if;
  if a.end_op is not null then
    if a.end_op = p_op then
      return row ('repeated', a.ended_by, e.terminal_outcome,
        coalesce(a.end_answer, jsonb_build_object('outcome', 'completed', 'late', a.late)))::refusal;
    end if;
    return row ('execution_not_active', coalesce(a.ended_by, 'holder'), e.terminal_outcome, null)::refusal;
  end if;
  if a.ended_by = 'attempt_timeout' then return row ('attempt_timed_out', null, null, null)::refusal; end if;
  if a.ended_by = 'revocation' then return row ('lease_revoked', null, null, null)::refusal; end if;
  if a.ended_by = 'lease_expiry' then
    if e.attempt_count - 1 > p_index then return row ('stale_lease', null, null, null)::refusal; end if;
    if e.ownership_state = 'lease_expired_reclaimable' then return row ('lease_expired', null, null, null)::refusal; end if;
    -- Claimed again, and handed back unstarted.
    if e.lifecycle_phase <> 'terminal' and e.generation = a.generation then return row ('stale_lease', null, null, null)::refusal; end if;
  end if;
  return row ('execution_not_active', a.ended_by, e.terminal_outcome, null)::refusal;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.refusals_of(p_partitions integer[], p_ids uuid[], p_indexes integer[], p_leases uuid[], p_epochs bigint[], p_op text, p_namespaces text[], p_accepted integer[])
 RETURNS SETOF finished
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
#variable_conflict use_column
begin
  return query
  select i.ord::integer, null::text, null::boolean, null::bigint, i.partition_key, i.id, null::integer, null::uuid, false, false, null::bigint,
    r.outcome, r.ended_by, r.terminal_outcome, r.answer
  from unnest(p_partitions, p_ids, p_indexes, p_leases, p_epochs) with ordinality as i (partition_key, id, idx, lease_id, epoch, ord),
    refusal_of(i.partition_key, i.id, i.idx, i.lease_id, i.epoch, p_op, p_namespaces) r
  where p_accepted is null or not i.ord::integer = any (p_accepted);
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.refuse_impossible()
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  raise exception 'a statement wrote an impossible state vector' using errcode = 'check_violation';
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.release_roots(p_partition integer, p_flow uuid, p_max integer, p_now bigint, OUT released integer, OUT ready_lanes integer[], OUT next_due_at bigint)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
declare
  v_ids uuid[];
begin
  select array_agg(x.id) into v_ids from (
    select id from execution where flow_id = p_flow and lifecycle_phase = 'submitted' order by id limit p_max for no key update
  ) x;
  released := 0;
  if v_ids is null then return; end if;
  select count(*)::integer, array_agg(b.lane_id) filter (where b.eligibility_state = 'eligible_now'), min(b.due_at)
    into released, ready_lanes, next_due_at
    from set_blocks(array_fill(p_partition, array[cardinality(v_ids)]), v_ids, null, null, false, true, p_now) b;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.remove_executions(p_partition integer, p_ids uuid[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.remove_streams(p_partition integer, p_ids uuid[], p_max integer)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_ids uuid[];
  v_count integer;
begin
  select array_agg(distinct s.execution_id) into v_ids from stream s where s.partition_key = p_partition and s.execution_id = any (p_ids);
  if v_ids is null then return true; end if;
  delete from stream_frame f where f.ctid = any (array(
    select x.ctid from stream_frame x where x.partition_key = p_partition and x.execution_id = any (v_ids) limit p_max));
  get diagnostics v_count = row_count;
  if v_count >= p_max then return false; end if;
  delete from stream_summary where partition_key = p_partition and execution_id = any (v_ids);
  delete from stream where partition_key = p_partition and execution_id = any (v_ids);
  return true;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.remove_ties(p_partition integer, p_ids uuid[], p_max integer)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
declare
  v_ids uuid[];
  v_count integer;
begin
  select array_agg(x.id) into v_ids from execution x where x.partition_key = p_partition and x.id = any (p_ids) and x.has_ties;
  if v_ids is null then return true; end if;
  delete from signal s where s.ctid = any (array(
    select x.ctid from signal x where x.partition_key = p_partition and x.execution_id = any (v_ids) limit p_max));
  get diagnostics v_count = row_count;
  if v_count >= p_max then return false; end if;
  perform forget_signals(p_partition, v_ids);
  delete from suspension s where s.partition_key = p_partition and s.execution_id = any (v_ids);
  delete from child c where c.partition_key = p_partition and c.parent_id = any (v_ids);
  return true;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.renew_leases(p_partitions integer[], p_ids uuid[], p_indexes integer[], p_leases uuid[], p_epochs bigint[], p_ttls bigint[], p_namespaces text[])
 RETURNS TABLE(ord integer, expires_at bigint, grace_ends_at bigint, cancel_cause cancel_cause, refusal text, ended_by ended_by, terminal_outcome terminal_outcome, answer jsonb)
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_ords integer[];
  v_tids tid[];
  v_now bigint;
begin
  select array_agg(h.ord), array_agg(h.tid) into v_ords, v_tids
    from lock_handles(p_partitions, p_ids, p_indexes, p_leases, p_epochs, p_namespaces) h where not h.late;
  v_now := now_ms();

  return query
  update execution e set lease_expires_at = greatest(e.lease_expires_at, v_now + p_ttls[h.ord])
  from unnest(v_tids, v_ords) as h (tid, ord) where e.ctid = h.tid
  returning h.ord, e.lease_expires_at, e.grace_ends_at, case when e.grace_ends_at is not null then e.cancel_cause end,
    null::text, null::ended_by, null::terminal_outcome, null::jsonb;

  if coalesce(cardinality(v_ords), 0) < cardinality(p_ids) then
    return query select r.ord, null::bigint, null::bigint, null::cancel_cause, r.refusal, r.ended_by, r.terminal_outcome, r.answer
      from refusals_of(p_partitions, p_ids, p_indexes, p_leases, p_epochs, 'renew', p_namespaces, v_ords) r;
  end if;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.repair_flow(p_partition integer, p_flow uuid, p_max integer)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
 SET lock_timeout TO '100ms'
AS $function$
#variable_conflict use_column
declare
  v_flow record;
  v_now bigint;
  v_up integer[]; v_upstreams uuid[]; v_downstreams uuid[]; v_ends public_state[];
  v_judged uuid[];
  v_result record;
begin
  select f.state, f.cancel_finalisers into v_flow from flow f where f.partition_key = p_partition and f.id = p_flow for no key update;
  if not found or v_flow.state in ('draft', 'replaying') then return null; end if;
  v_now := now_ms();
  select array_agg(p_partition), array_agg(e.upstream_id), array_agg(e.downstream_id), array_agg(e.ended)
  into v_up, v_upstreams, v_downstreams, v_ends
  from (
    select e.upstream_id, e.downstream_id, u.public_state as ended
    from execution u join edge e on e.partition_key = p_partition and e.upstream_id = u.id and e.state = 'pending'
    where u.flow_id = p_flow and u.lifecycle_phase = 'terminal'
      and exists (select 1 from edge_group g where g.partition_key = p_partition and g.downstream_id = e.downstream_id)
    limit p_max
  ) e;
  select array_agg(g.downstream_id) into v_judged
  from execution x join edge_group g on g.partition_key = p_partition and g.downstream_id = x.id
  where x.flow_id = p_flow and x.lifecycle_phase <> 'terminal' and g.downstream_id <> all(coalesce(v_downstreams, '{}'))
    and ((g.state = 'pending' and decide_group(g.policy_kind, g.k, g.on_decided, g.run_on, g.n, g.succeeded, g.failed, g.skipped) <> 'pending')
      or (g.state <> 'pending' and not g.released and (not g.settled or g.succeeded + g.failed + g.skipped = g.n)));
  if v_up is null and v_judged is null then return null; end if;
  select * into v_result from resolve_edges(coalesce(v_up, '{}'), coalesce(v_upstreams, '{}'), coalesce(v_downstreams, '{}'),
    coalesce(v_ends, '{}'), null, p_partition, coalesce(v_judged, '{}'),
    case when v_flow.state = 'cancelling' then array[p_flow] else '{}' end,
    case when v_flow.state = 'cancelling' and v_flow.cancel_finalisers then array[p_flow] else '{}' end, true, v_now);
  update flow f set unprojected = true where f.partition_key = p_partition and f.id = p_flow and not f.unprojected;
  -- Its last end may be among them: the entry settles it, or finds that there is nothing to settle.
  insert into completion_event (partition_key, kind, flow_id)
    select p_partition, 'flow_settled', p_flow
    where not exists (select 1 from completion_event c where c.flow_id = p_flow and c.kind in ('completion', 'flow_settled'))
      and not exists (select 1 from execution x where x.flow_id = p_flow and x.lifecycle_phase <> 'terminal');
  return jsonb_build_object('lanes', v_result.ready_lanes, 'items', (
    select jsonb_agg(i) from (
      select jsonb_build_object('outcome', 'edge_resolved', 'node', d.id) as i from unnest(v_downstreams) as d(id)
      union all
      select jsonb_build_object('outcome', 'group_decided', 'node', s.downstream_id) from unnest(v_result.steps) s where s.decided is not null
    ) items));
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.report_usage(p_partition integer, p_id uuid, p_attempt integer, p_namespaces text[], p_budget uuid, p_key text, p_amounts jsonb, p_key_ttl bigint, p_sum_max bigint, p_job uuid, p_homes integer[], p_progress text, OUT outcome text, OUT used jsonb, OUT dimension text, OUT actual bigint, OUT job_at bigint, OUT job_home integer)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
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
  job_home := p_homes[array_position(p_namespaces, v_namespace)];
  select n.level, n.job_at into outcome, job_at from note_breach(b, v_before, p_job, job_home, p_progress) n;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.reserved_of(p_budget uuid)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
  select coalesce(jsonb_object_agg(r.dimension, r.amount), '{}') from (
    select x.dimension, sum(x.amount) as amount from budget_reservation x where x.budget_id = p_budget
    group by x.dimension having sum(x.amount) > 0) r
$function$
;

CREATE OR REPLACE FUNCTION flowfabric.reset_budget(p_budget uuid, p_namespace text, p_key text, p_key_ttl bigint)
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.reset_due_budgets(p_partition integer, p_max integer)
 RETURNS TABLE(id uuid, next_reset_at bigint)
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET enable_seqscan TO 'off'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.reset_members(p_partition integer, p_flow uuid, p_max integer, p_now bigint)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.resolve_edges(p_partitions integer[], p_upstreams uuid[], p_downstreams uuid[], p_ends public_state[], p_ordinals integer[], p_judged_partition integer, p_judged uuid[], p_cancelling uuid[], p_sparing uuid[], p_cancels_siblings boolean, p_now bigint, OUT steps group_step[], OUT edges integer, OUT skipped uuid[], OUT moving uuid[], OUT ready_lanes integer[], OUT next_due_at bigint, OUT fires boolean)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  -- Known from one look at the steps: every statement that need not run is time saved on each hop.
  v_sees_more boolean;
  v_run_partitions integer[]; v_run uuid[];
  v_skip_partitions integer[]; v_skip uuid[];
  v_cancel_partitions integer[]; v_cancel uuid[];
begin
  with picked as (
    select p.partition_key, p.downstream_id, max(p.ordinal) as ordinal, count(*)::integer as picked,
      (count(*) filter (where p.ended = 'completed'))::integer as succeeded,
      (count(*) filter (where p.ended in ('failed', 'cancelled', 'expired')))::integer as failed,
      (count(*) filter (where p.ended = 'skipped'))::integer as skipped
    from unnest(p_partitions, p_downstreams, p_ends, p_ordinals) as p(partition_key, downstream_id, ended, ordinal)
    group by p.partition_key, p.downstream_id
    union all
    select p_judged_partition, d.id, null, 0, 0, 0, 0 from unnest(p_judged) as d(id)
  ), counted as materialized (
    -- By itself, so that each decision is made once, and what follows from it is part of the statement.
    select g.partition_key, g.downstream_id, p.ordinal, p.picked, g.state as was, g.released as was_released,
      g.succeeded + p.succeeded as succeeded, g.failed + p.failed as failed, g.skipped + p.skipped as skipped,
      case when g.state <> 'pending' then g.state else decide_group(g.policy_kind, g.k, g.on_decided, g.run_on, g.n,
        g.succeeded + p.succeeded, g.failed + p.failed, g.skipped + p.skipped) end as state
    from picked p join edge_group g on g.partition_key = p.partition_key and g.downstream_id = p.downstream_id
  ), changed as (
    update edge_group g set
      succeeded = c.succeeded, failed = c.failed, skipped = c.skipped, state = c.state,
      released = c.was_released or (c.state <> 'pending' and (not g.settled or c.succeeded + c.failed + c.skipped = g.n)),
      cancel_reason = case when c.was = 'pending' and p_cancels_siblings and c.state <> 'pending'
        then sibling_cancel_reason(g.policy_kind, g.on_decided, c.state) else g.cancel_reason end,
      cancel_pending = g.cancel_pending or (c.was = 'pending' and p_cancels_siblings and c.state <> 'pending'
        and sibling_cancel_reason(g.policy_kind, g.on_decided, c.state) is not null)
    from counted c
    where g.partition_key = c.partition_key and g.downstream_id = c.downstream_id
    returning g.partition_key, g.downstream_id, g.flow_id, c.ordinal, c.picked, g.n,
      case when c.was = 'pending' and g.state <> 'pending' then g.state end as decided,
      case when g.released and not c.was_released then
        case when g.flow_id = any(p_cancelling) and not (g.run_on = 'always' and g.flow_id = any(p_sparing)) then 'cancel'
          else node_fate(g.run_on, g.state) end
      end as fate,
      case when c.was = 'pending' then g.cancel_reason end as reason
  )
  select array_agg((partition_key, downstream_id, flow_id, ordinal, picked, n, decided, fate, reason)::group_step),
    bool_or(decided is not null and picked < n), bool_or(reason is not null),
    array_agg(partition_key) filter (where fate = 'run'), array_agg(downstream_id) filter (where fate = 'run'),
    array_agg(partition_key) filter (where fate = 'skip'), array_agg(downstream_id) filter (where fate = 'skip'),
    array_agg(partition_key) filter (where fate = 'cancel'), array_agg(downstream_id) filter (where fate = 'cancel')
  into steps, v_sees_more, fires, v_run_partitions, v_run, v_skip_partitions, v_skip, v_cancel_partitions, v_cancel
  from changed;

  edges := coalesce(cardinality(p_upstreams), 0);
  if edges > 0 then
    -- A named edge keeps what its node will see of the upstream: its state when the group decided.
    update edge e set
      state = case when p.ended = 'completed' then 'satisfied'::edge_state else 'impossible'::edge_state end,
      seen_state = case when g.state <> 'pending' and e.as_name is not null and e.seen_state is null then p.ended else e.seen_state end,
      seen_satisfied = case when g.state <> 'pending' and e.as_name is not null and e.seen_state is null
        then p.ended = 'completed' else e.seen_satisfied end
    from unnest(p_partitions, p_upstreams, p_downstreams, p_ends) as p(partition_key, upstream_id, downstream_id, ended)
    join edge_group g on g.partition_key = p.partition_key and g.downstream_id = p.downstream_id
    where e.partition_key = p.partition_key and e.upstream_id = p.upstream_id and e.downstream_id = p.downstream_id
      and e.state = 'pending';
    get diagnostics edges = row_count;
  end if;
  if v_sees_more then
    update edge e set seen_state = u.public_state, seen_satisfied = e.state = 'satisfied'
    from unnest(steps) s, execution u
    where s.decided is not null and s.picked < s.n
      and e.partition_key = s.partition_key and e.downstream_id = s.downstream_id
      and e.as_name is not null and e.seen_state is null
      and u.partition_key = e.partition_key and u.id = e.upstream_id;
  end if;
  if fires then
    insert into pending_cancel_group (partition_key, flow_id, downstream_id, enqueued_at)
      select s.partition_key, s.flow_id, s.downstream_id, p_now from unnest(steps) s where s.reason is not null
      on conflict do nothing;
  end if;
  if v_run is not null then
    select l.moving, l.ready_lanes, l.next_due_at into moving, ready_lanes, next_due_at from lift_dependencies(v_run_partitions, v_run, p_now) l;
  end if;
  skipped := '{}';
  if v_skip is not null then
    skipped := end_blocked(v_skip_partitions, v_skip, 'skipped', null, p_now);
  end if;
  if v_cancel is not null then
    perform end_blocked(v_cancel_partitions, v_cancel, 'cancelled', 'flow', p_now);
  end if;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.resume_suspended(p_partition integer, p_id uuid, p_by text, p_now bigint)
 RETURNS moved
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
#variable_conflict use_column
declare
  s suspension;
  v_moved moved;
begin
  delete from suspension x where x.partition_key = p_partition and x.execution_id = p_id returning x.* into s;
  perform record_resumption(p_partition, p_id, s.id, p_by, s.signals, s.ends, s.waitpoint_ids, s.closes_waitpoints, p_now);
  update execution e set
    lifecycle_phase = 'runnable', ownership_state = 'unowned',
    eligibility_state = runnable_eligibility(false, e.held, p_now + s.delay_ms, p_now),
    blocking_reason = runnable_reason(false, e.held, p_now + s.delay_ms, 'resume_delay', p_now),
    attempt_state = case when is_eligible(false, e.held, p_now + s.delay_ms, p_now) then 'pending_resume' else 'attempt_interrupted'
      end::attempt_state,
    public_state = runnable_public_state(false, e.held, p_now + s.delay_ms, true, p_now),
    not_before = case when s.delay_ms > 0 then p_now + s.delay_ms end,
    delay_reason = case when s.delay_ms > 0 then 'resume_delay'::delay_reason end,
    ready_at = case when is_eligible(false, e.held, p_now + s.delay_ms, p_now) then p_now end,
    score = case when is_eligible(false, e.held, p_now + s.delay_ms, p_now) then score_of(p_now, e.priority, l.ageing_ms) end,
    due_at = runnable_due(false, e.held, p_now + s.delay_ms, p_now, e.deadline_at, e.queue_ttl_at)
  from lane l where l.id = e.lane_id and e.partition_key = p_partition and e.id = p_id
  returning e.partition_key, e.id, e.lane_id, e.flow_id, false, e.eligibility_state = 'eligible_now', false, e.due_at into v_moved;
  return v_moved;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.resumption_of(p_partition integer, p_id uuid)
 RETURNS json
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
declare
  r resumption;
  v_signals json;
  v_truncated boolean;
begin
  select x.* into r from resumption x where x.partition_key = p_partition and x.execution_id = p_id;
  if not found then return null; end if;
  select json_agg(signal_entry(u.used, true) order by (u.used).sequence) filter (where u.bytes <= 262144),
    coalesce(bool_or(u.bytes > 262144), false)
  into v_signals, v_truncated
  from (
    select s as used, sum(coalesce(octet_length(s.payload), 0)) over (order by s.sequence) as bytes
    from signal s where s.partition_key = p_partition and s.execution_id = p_id and s.suspension_id = r.suspension_id
  ) u;
  return json_build_object('suspension', r.suspension_id, 'by', r.resumed_by, 'atMs', r.at, 'children', r.ends,
    'signals', coalesce(v_signals, '[]'), 'truncated', v_truncated);
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.retry_fault(p_retry jsonb)
 RETURNS fault
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.room_of(p_lanes integer[], p_caps integer[], p_max integer)
 RETURNS bigint[]
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
declare
  v_room bigint[];
begin
  for i in 1 .. cardinality(p_lanes) loop
    if p_caps[i] is null then
      v_room[i] := p_max;
    else
      perform pg_advisory_xact_lock(lane_key(p_lanes[i]));
      v_room[i] := greatest(0, p_caps[i]
        - coalesce((select sum(d.n) from lane_depth d where d.lane_id = p_lanes[i] and d.public_state = 'active'), 0));
    end if;
  end loop;
  return v_room;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.runnable_due(p_deps boolean, p_held boolean, p_not_before bigint, p_now bigint, p_deadline_at bigint, p_queue_ttl_at bigint)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN LEAST(CASE WHEN ((NOT p_deps) AND (NOT p_held) AND (p_not_before > p_now)) THEN p_not_before ELSE NULL::bigint END, p_deadline_at, p_queue_ttl_at)
;

CREATE OR REPLACE FUNCTION flowfabric.runnable_eligibility(p_deps boolean, p_held boolean, p_not_before bigint, p_now bigint)
 RETURNS eligibility_state
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN p_deps THEN 'blocked_by_dependencies'::eligibility_state WHEN p_held THEN 'blocked_by_operator'::eligibility_state WHEN (p_not_before > p_now) THEN 'not_eligible_until_time'::eligibility_state ELSE 'eligible_now'::eligibility_state END
;

CREATE OR REPLACE FUNCTION flowfabric.runnable_public_state(p_deps boolean, p_held boolean, p_not_before bigint, p_resumes boolean, p_now bigint)
 RETURNS public_state
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN p_deps THEN 'waiting_children'::public_state WHEN p_held THEN 'waiting'::public_state WHEN (p_not_before > p_now) THEN 'delayed'::public_state WHEN p_resumes THEN 'resumable'::public_state ELSE 'waiting'::public_state END
;

CREATE OR REPLACE FUNCTION flowfabric.runnable_reason(p_deps boolean, p_held boolean, p_not_before bigint, p_delay delay_reason, p_now bigint)
 RETURNS blocking_reason
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN p_deps THEN 'waiting_for_children'::blocking_reason WHEN p_held THEN 'paused_by_operator'::blocking_reason WHEN (p_not_before > p_now) THEN CASE p_delay WHEN 'retry_backoff'::delay_reason THEN 'waiting_for_retry_backoff'::blocking_reason WHEN 'reclaim_backoff'::delay_reason THEN 'waiting_for_reclaim_backoff'::blocking_reason WHEN 'resume_delay'::delay_reason THEN 'waiting_for_resume_delay'::blocking_reason ELSE 'waiting_for_delay'::blocking_reason END ELSE 'waiting_for_worker'::blocking_reason END
;

CREATE OR REPLACE FUNCTION flowfabric.score_of(p_ready_at bigint, p_priority integer, p_ageing_ms bigint)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (p_ready_at - (p_priority * COALESCE(p_ageing_ms, '1000000000000'::bigint)))
;

CREATE OR REPLACE FUNCTION flowfabric.set_blocks(p_partitions integer[], p_ids uuid[], p_deps boolean, p_held boolean, p_by_time boolean, p_seal boolean, p_now bigint)
 RETURNS TABLE(partition_key integer, id uuid, lane_id integer, flow_id uuid, eligibility_state eligibility_state, due_at bigint)
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.settle_flows(p_flows uuid[], p_settles boolean, p_now bigint)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_settled jsonb;
begin
  with ended as materialized (
    select f.partition_key, f.id, f.state, f.generation
    from flow f
    where f.id = any(p_flows)
      and (f.state in ('open', 'cancelling') or (f.state = 'cancelled' and f.due_at is null))
      and not exists (select 1 from execution m where m.flow_id = f.id and m.lifecycle_phase <> 'terminal')
      and not exists (select 1 from completion_event c where c.flow_id = f.id and c.kind in ('completion', 'flow_settled'))
  ), judged as materialized (
    select n.*, coalesce(m.went_well, true) as went_well, coalesce(m.purge_at, p_now + 86400000) as purge_at
    from ended n cross join lateral (
      select bool_and(x.terminal_outcome in ('success', 'skipped')
          or (x.terminal_outcome = 'cancelled' and x.cancel_cause in ('sibling', 'ancestor'))) as went_well,
        max(x.terminal_at + coalesce(x.retention_ms, l.retention_ms)) as purge_at
      from execution x join lane l on l.id = x.lane_id where x.flow_id = n.id
    ) m
  ), left_over as (
    insert into completion_event (partition_key, kind, flow_id, generation)
    select partition_key, 'flow_settled', id, generation from judged where state <> 'cancelled' and not (p_settles and (went_well or state = 'cancelling'))
    returning partition_key, id, flow_id
  ), written as (
    update flow f set
      state = case j.state when 'open' then 'completed'::flow_state else 'cancelled'::flow_state end,
      terminal_at = coalesce(f.terminal_at, p_now), due_at = j.purge_at, unprojected = true
    from judged j
    where f.partition_key = j.partition_key and f.id = j.id
      and (j.state = 'cancelled' or (p_settles and (j.went_well or j.state = 'cancelling')))
    returning f.id, f.state, j.state as was
  )
  select jsonb_build_object(
    'flows', (select jsonb_agg(jsonb_build_object('id', id, 'state', state)) from written where was <> 'cancelled'),
    'others', (select jsonb_agg(jsonb_build_object('id', id, 'kind', 'flow_settled', 'partition', partition_key, 'flow', flow_id)) from left_over))
  into v_settled;
  return v_settled;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.sibling_cancel_reason(p_kind text, p_on_decided text, p_decision edge_state)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (COALESCE(p_kind, 'all_of'::text) = 'all_of'::text) THEN CASE WHEN ((p_decision = 'impossible'::edge_state) AND (p_on_decided = 'cancel_remaining'::text)) THEN 'sibling_quorum_impossible'::text ELSE NULL::text END WHEN (p_on_decided = 'let_run'::text) THEN NULL::text WHEN (p_decision = 'satisfied'::edge_state) THEN 'sibling_quorum_satisfied'::text ELSE 'sibling_quorum_impossible'::text END
;

CREATE OR REPLACE FUNCTION flowfabric.signal_entry(s signal, p_bytes boolean)
 RETURNS json
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN json_build_object('sequence', (s).sequence, 'id', (s).id, 'waitpoint', (s).waitpoint_id, 'name', (s).name, 'payload', CASE WHEN p_bytes THEN encode((s).payload, 'base64'::text) ELSE NULL::text END, 'source', (s).source, 'receivedAtMs', (s).received_at, 'suspension', (s).suspension_id)
;

CREATE OR REPLACE FUNCTION flowfabric.solo_partition(p_namespace text, p_lane text, p_uuid uuid)
 RETURNS integer
 LANGUAGE sql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
  select (crc16(convert_to(p_namespace || '/' || p_lane, 'UTF8')) + case when l.shards > 1 then crc16(uuid_send(p_uuid)) % l.shards else 0 end)
    % d.flow_partitions
  from deployment d left join lane l on l.namespace = p_namespace and l.name = p_lane
$function$
;

CREATE OR REPLACE FUNCTION flowfabric.stop_children(p_partition integer, p_parent uuid, p_namespace text, p_generation integer, p_max integer)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET enable_seqscan TO 'off'
AS $function$
#variable_conflict use_column
declare
  e execution;
  v_children text[];
  v_partitions integer[];
  v_ids uuid[];
  v_ended jsonb;
begin
  select x.* into e from execution x join lane l on l.id = x.lane_id and l.namespace = p_namespace
    where x.partition_key = p_partition and x.id = p_parent for no key update of x;
  if not found or e.lifecycle_phase <> 'terminal' or e.generation <> p_generation then return null; end if;
  select array_agg(c.child) into v_children from (
    select y.child from child y where y.partition_key = p_partition and y.parent_id = p_parent
      and y.linked and not y.detached and y.end_generation is null and not y.stopped
    order by y.seq limit p_max
  ) c;
  select array_agg(x.partition_key), array_agg(x.id) into v_partitions, v_ids from (
    select x.partition_key, x.id from unnest(v_children) as c (child)
    join execution x on x.partition_key = split_part(substr(c.child, 5), '}', 1)::integer and x.id = right(c.child, 36)::uuid
    join lane l on l.id = x.lane_id and l.namespace = p_namespace
    where c.child like '{fp:%' and x.lifecycle_phase <> 'terminal'
    order by x.id for no key update of x
  ) x;
  if v_ids is not null then
    select jsonb_agg(jsonb_build_object('partition_key', x.partition_key, 'id', x.id, 'lane_id', x.lane_id, 'flow_id', x.flow_id,
        'is_terminal', true, 'is_eligible', false, 'was_active', x.was_active)) into v_ended
      from end_executions(v_partitions, v_ids, 'cancelled', 'cancel', 'ended_cancelled', 'parent', null, now_ms()) x;
  end if;
  update child c set stopped = true
    where c.partition_key = p_partition and c.parent_id = p_parent and c.child = any (v_children) and c.child like '{fp:%';
  return jsonb_build_object('ended', coalesce(v_ended, '[]'),
    'flows', (select coalesce(jsonb_agg(c.child), '[]') from unnest(v_children) as c (child) where c.child not like '{fp:%'));
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.submission_fault(p_namespace text, p_lane text, p_kind text, p_input bytea, o jsonb)
 RETURNS fault
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.submit(namespace text, lane text, kind text, input jsonb DEFAULT NULL::jsonb, options jsonb DEFAULT '{}'::jsonb, OUT outcome text, OUT id text, OUT error text, OUT message text)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.submit_executions(p_namespace text, p_partitions integer[], p_ids uuid[], p_routes integer[], p_hashes text[], p_inputs bytea[], p_options jsonb[])
 RETURNS SETOF submitted
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_now bigint;
  v_made uuid[];
  v_are_all boolean;
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
    -- In one order for all, so that two calls with the same ids never wait for each other.
    order by i.id
    on conflict (partition_key, id) do nothing
    returning x.id
  )
  select array_agg(m.id) into v_made from made m;
  v_are_all := coalesce(cardinality(v_made), 0) = cardinality(p_ids);

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
      where v_are_all or i.id = any (v_made)
    ) f order by f.ord
    returning e.partition_key, e.id, e.lane_id, e.due_at, e.not_before is null as eligible
  )
  -- They come back in the order in which they were written: where none is missing, the nth is the nth of the call.
  select case when p_ids[m.nth] = m.id then m.nth else array_position(p_ids, m.id) end, 'accepted', m.partition_key, m.id, m.lane_id,
    null::text, m.eligible, m.due_at
  from (select made.*, row_number() over ()::integer as nth from made) m;

  if not v_are_all then
    return query
    select i.ord::integer, coalesce(judge_taken_id(i.partition_key, i.id, p_namespace, r.kind, convert_to(i.hash, 'UTF8')),
        case when l.state in ('draining', 'disabled') then 'lane_not_accepting' else 'execution_conflict' end),
      i.partition_key, i.id, r.lane_id, l.state, null::boolean, null::bigint
    from unnest(p_partitions, p_ids, p_routes, p_hashes) with ordinality as i (partition_key, id, route_id, hash, ord)
    join route r on r.id = i.route_id join lane l on l.id = r.lane_id
    where v_made is null or i.id <> all (v_made);
  end if;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.submit_flow_inside(p_flow json, p_nodes json, p_edges json, p_hints json, OUT answer json)
 RETURNS json
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
declare
  v_state text;
  v_message text;
begin
  select row_to_json(s) into answer from submit_flows(json_build_array(p_flow), p_nodes, p_edges) s;
  if answer ->> 'outcome' = 'accepted' then perform tell_at_commit(p_hints); end if;
exception when others then
  get stacked diagnostics v_state = returned_sqlstate, v_message = message_text;
  answer := json_build_object('state', v_state, 'message', v_message);
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.submit_flows(p_flows json, p_nodes json, p_edges json)
 RETURNS TABLE(i integer, outcome text, flow_id uuid, lane_id integer, lane_state text)
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
 SET lock_timeout TO '2s'
AS $function$
#variable_conflict use_column
declare
  v_now bigint := now_ms();
  v record;
  v_known record;
  v_count integer := json_array_length(p_flows);
  v_partitions integer[] := array_fill(null::integer, array[v_count]);
  v_accepted uuid[] := array_fill(null::uuid, array[v_count]);
  v_namespaces text[] := array_fill(null::text, array[v_count]);
begin
  -- In order, so that two calls never wait for each other's keys and flows in a circle.
  for v in select f.*, decode(f.hash, 'hex') as graph_hash, decode(f.content, 'hex') as key_hash
    from json_to_recordset(p_flows) as f(
      i integer, pk integer, id uuid, ns text, name text, hash text, content text, deadline bigint, tags jsonb, key text, ttl bigint,
      lanes integer[], parent jsonb)
    order by f.key, f.id
  loop
    i := v.i;
    flow_id := v.id;
    lane_id := null;
    lane_state := null;
    outcome := null;
    if v.key is not null then
      select k.outcome, coalesce(k.flow_id, v.id) into outcome, flow_id from recorded_flow(v.ns, v.key, '@flow', v.key_hash, v_now) k;
    end if;
    if outcome is null then
      select f.namespace, f.graph_hash into v_known from flow f where f.partition_key = v.pk and f.id = v.id;
      if found then
        outcome := case when v_known.namespace = v.ns and v_known.graph_hash = v.graph_hash then 'duplicate' else 'flow_conflict' end;
      else
        select l.id, l.state into lane_id, lane_state from lane l
          where l.id = any(v.lanes) and l.state in ('draining', 'disabled') order by array_position(v.lanes, l.id) limit 1;
        if found then
          outcome := 'lane_not_accepting';
        else
          insert into flow (partition_key, id, namespace, name, state, tags, graph_hash, created_at, deadline_ms, deadline_at, due_at,
              parent, has_ties)
            values (v.pk, v.id, v.ns, v.name, 'open', coalesce(v.tags, '{}'), v.graph_hash, v_now, v.deadline,
              v_now + v.deadline, v_now + v.deadline, v.parent, case when v.parent is not null then true end)
            on conflict do nothing;
          if not found then raise exception 'the flow was submitted meanwhile' using errcode = '40001'; end if;
          if v.parent is not null then perform leave_link(v.pk, v.ns, v.id::text, v.parent); end if;
          outcome := 'accepted';
          v_partitions[v.i] := v.pk;
          v_accepted[v.i] := v.id;
          v_namespaces[v.i] := v.ns;
        end if;
      end if;
      if v.key is not null and outcome in ('accepted', 'duplicate') then
        perform record_flow_key(v.ns, v.key, '@flow', v.key_hash, v.pk, v.id, v_now + v.ttl, v_now);
      end if;
    end if;
    return next;
  end loop;
  perform insert_members(v_partitions, v_accepted, v_namespaces, array_fill(false, array[v_count]), p_nodes, p_edges, v_now);
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.submit_inside(p_namespace text, p_partitions integer[], p_ids uuid[], p_routes integer[], p_hashes text[], p_inputs bytea[], p_options jsonb[], p_keys text[], p_ttls bigint[], OUT answer json)
 RETURNS json
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.submit_keyed(p_namespace text, p_partitions integer[], p_ids uuid[], p_routes integer[], p_hashes text[], p_inputs bytea[], p_options jsonb[], p_keys text[], p_ttls bigint[])
 RETURNS SETOF submitted
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_now bigint;
  v record;
  v_late integer;
begin
  -- Sorted, so that two batches never wait for each other.
  perform pg_advisory_xact_lock(k.lock) from (
    select distinct hashtextextended('flowfabric/key/' || p_namespace || '/' || key, barrier_key()) as lock from unnest(p_keys) as key order by 1) k;
  v_now := now_ms();
  -- Everything of those that are submitted in one order; a key that is known already is not recorded again.
  select array_agg(f.ord order by f.ord) filter (where f.is_sent) as ords,
    array_agg(f.partition_key order by f.ord) filter (where f.is_sent) as partitions,
    array_agg(f.id order by f.ord) filter (where f.is_sent) as ids,
    array_agg(f.route_id order by f.ord) filter (where f.is_sent) as routes,
    array_agg(f.kind order by f.ord) filter (where f.is_sent) as kinds,
    array_agg(f.hash order by f.ord) filter (where f.is_sent) as hashes,
    array_agg(f.input order by f.ord) filter (where f.is_sent) as inputs,
    array_agg(f.options order by f.ord) filter (where f.is_sent) as options,
    array_agg(case when not f.is_known then f.key end order by f.ord) filter (where f.is_sent) as keys,
    array_agg(f.ttl order by f.ord) filter (where f.is_sent) as ttls,
    array_agg(f.ord) filter (where f.is_first and not f.fits) as conflicts,
    array_agg(f.ord order by f.ord) filter (where not f.is_first) as late
  into v
  from (
    select t.*, t.is_first and t.fits as is_sent from (
      select i.ord::integer, i.route_id, i.hash, i.input, i.options, i.key, i.ttl, r.kind, k.id is not null as is_known,
        coalesce(k.kind = r.kind and k.content_hash = convert_to(i.hash, 'UTF8'), true) as fits,
        coalesce(k.partition_key, i.partition_key) as partition_key, coalesce(k.id, i.id) as id,
        row_number() over (partition by i.key order by i.ord) = 1
          and row_number() over (partition by coalesce(k.id, i.id) order by i.ord) = 1 as is_first
      from unnest(p_partitions, p_ids, p_routes, p_hashes, p_inputs, p_options, p_keys, p_ttls) with ordinality
        as i (partition_key, id, route_id, hash, input, options, key, ttl, ord)
      join route r on r.id = i.route_id
      left join lateral (
        select x.kind, x.content_hash, split_part(substr(x.target, 5), '}', 1)::integer as partition_key, right(x.target, 36)::uuid as id
        from idempotency_key x where x.namespace = p_namespace and x.key = i.key and x.expires_at > v_now limit 1
      ) k on true
    ) t
  ) f;

  return query select c.ord, 'idempotency_conflict', p_partitions[c.ord], p_ids[c.ord], null::integer, null::text, null::boolean, null::bigint
    from unnest(v.conflicts) as c (ord);
  if v.ords is not null then
    return query
    with done as materialized (
      select s.* from submit_executions(p_namespace, v.partitions, v.ids, v.routes, v.hashes, v.inputs, v.options) s
    ), recorded as (
      insert into idempotency_key as k (namespace, key, target, kind, content_hash, expires_at)
      select p_namespace, i.key, format('{fp:%s}:%s', i.partition_key, i.id), i.kind, convert_to(i.hash, 'UTF8'), v_now + i.ttl
      from unnest(v.partitions, v.ids, v.kinds, v.hashes, v.keys, v.ttls) with ordinality as i (partition_key, id, kind, hash, key, ttl, ord)
      join done d on d.ord = i.ord
      where i.key is not null and d.outcome in ('accepted', 'duplicate')
      on conflict (namespace, key) do update set target = excluded.target, kind = excluded.kind,
        content_hash = excluded.content_hash, expires_at = excluded.expires_at
    )
    select v.ords[d.ord], d.outcome, d.partition_key, d.id, d.lane_id, d.lane_state, d.eligible, d.due_at from done d;
  end if;
  foreach v_late in array coalesce(v.late, '{}') loop
    return query select v_late, s.outcome, s.partition_key, s.id, s.lane_id, s.lane_state, s.eligible, s.due_at
      from submit_keyed(p_namespace, p_partitions[v_late:v_late], p_ids[v_late:v_late], p_routes[v_late:v_late], p_hashes[v_late:v_late],
        p_inputs[v_late:v_late], p_options[v_late:v_late], p_keys[v_late:v_late], p_ttls[v_late:v_late]) s;
  end loop;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.submit_linked(p_namespace text, p_partitions integer[], p_ids uuid[], p_routes integer[], p_hashes text[], p_inputs bytea[], p_options jsonb[], p_keys text[], p_ttls bigint[], p_parents jsonb[])
 RETURNS SETOF submitted
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_row submitted;
begin
  -- All keys before the first item, as `submit_keyed` takes them.
  perform pg_advisory_xact_lock(k.lock) from (
    select distinct hashtextextended('flowfabric/key/' || p_namespace || '/' || key, barrier_key()) as lock
    from unnest(p_keys) as key where key is not null order by 1) k;
  for i in 1 .. cardinality(p_ids) loop
    if p_keys[i] is null then
      select x.* into v_row from submit_executions(p_namespace, p_partitions[i:i], p_ids[i:i], p_routes[i:i], p_hashes[i:i], p_inputs[i:i],
        p_options[i:i]) x;
    else
      select x.* into v_row from submit_keyed(p_namespace, p_partitions[i:i], p_ids[i:i], p_routes[i:i], p_hashes[i:i], p_inputs[i:i],
        p_options[i:i], p_keys[i:i], p_ttls[i:i]) x;
    end if;
    v_row.ord := i;
    if v_row.outcome = 'accepted' and p_parents[i] is not null then
      update execution_info x set parent = p_parents[i] where x.partition_key = v_row.partition_key and x.id = v_row.id;
      update execution x set has_ties = true where x.partition_key = v_row.partition_key and x.id = v_row.id;
      perform leave_link(v_row.partition_key, p_namespace, format('{fp:%s}:%s', v_row.partition_key, v_row.id), p_parents[i]);
    end if;
    return next v_row;
  end loop;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.submit_to_claim(p_namespace text, p_partition integer, p_id uuid, p_route integer, p_hash text, p_input bytea, p_options jsonb, p_catalog bigint, p_worker text, p_instance uuid, p_claim uuid, p_ttl_ms bigint, p_lanes integer[], p_routes integer[])
 RETURNS SETOF handed
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_now bigint;
  v_known record;
  v_priority integer := coalesce((p_options ->> 'priority')::integer, 0);
  v_deadline_ms bigint := (p_options ->> 'deadlineMs')::bigint;
  v_timeout_ms bigint := (p_options ->> 'attemptTimeoutMs')::bigint;
  v_lease uuid := gen_random_uuid();
  v_due bigint;
begin
  perform pg_advisory_xact_lock_shared(barrier_key());
  select r.kind, r.lane_id, l.ageing_ms,
      p_route = any (p_routes) and r.lane_id = any (p_lanes) and l.state = 'active' and l.concurrency is null
        and l.event_level <> 'all' -- that would have to tell of two transitions
        and d.catalog_version = p_catalog
        and not exists (select 1 from execution e
          where e.lifecycle_phase = 'active' and e.instance_id = p_instance and e.claim_id = p_claim)
        and not exists (select 1 from unnest(p_routes) as s (id) cross join lateral (
          select 1 from execution e where e.route_id = s.id and e.eligibility_state = 'eligible_now' limit 1) w) as is_simple
    into v_known
    from route r join lane l on l.id = r.lane_id cross join deployment d where r.id = p_route and d.singleton;
  v_now := now_ms();

  if v_known.is_simple then
    insert into execution_info as x (partition_key, id, namespace, lane_id, kind, tags, input, input_hash, retry, trace_context, created_at)
      values (p_partition, p_id, p_namespace, v_known.lane_id, v_known.kind, coalesce(p_options -> 'tags', '{}'), p_input,
        convert_to(p_hash, 'UTF8'), p_options -> 'retry', p_options ->> 'traceContext', v_now)
      on conflict (partition_key, id) do nothing;
    if found then
      v_due := least(v_now + v_deadline_ms, v_now + p_ttl_ms, v_now + v_timeout_ms);
      insert into execution (partition_key, id, lane_id, route_id, lifecycle_phase, ownership_state, eligibility_state, blocking_reason,
        attempt_state, public_state, epoch, attempt_count, retry_count, priority, ready_at, score, first_eligible_at, deadline_ms,
        queue_ttl_ms, attempt_timeout_ms, max_reclaims, retention_ms, deadline_at, lease_id, lease_expires_at, lease_started_at, worker_id,
        instance_id, claim_id, attempt_type, attempt_started_at, attempt_deadline_at, due_at, created_at)
      values (p_partition, p_id, v_known.lane_id, p_route, 'active', 'leased', 'not_applicable', 'none',
        'running_attempt', 'active', 1, 1, 1, v_priority, v_now, score_of(v_now, v_priority, v_known.ageing_ms), v_now, v_deadline_ms,
        (p_options ->> 'queueTtlMs')::bigint, v_timeout_ms, coalesce((p_options ->> 'maxReclaims')::integer, 20),
        (p_options ->> 'retentionMs')::bigint, v_now + v_deadline_ms, v_lease, v_now + p_ttl_ms, v_now, p_worker,
        p_instance, p_claim, 'initial', v_now, v_now + v_timeout_ms, v_due, v_now);
      return next ('accepted', null, false, v_due, v_lease, v_now, v_now + v_timeout_ms)::handed;
      return;
    end if;
  end if;

  return query select s.outcome, s.lane_state, s.eligible, s.due_at, null::uuid, null::bigint, null::bigint
    from submit_executions(p_namespace, array[p_partition], array[p_id], array[p_route], array[p_hash], array[p_input], array[p_options]) s;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.suspend_lease(p_partition integer, p_id uuid, p_index integer, p_lease uuid, p_epoch bigint, p_namespaces text[], p_suspension uuid, p_reason text, p_condition text, p_state text, p_spec jsonb, p_waitpoint_ids uuid[], p_child_ids text[], p_judged jsonb, p_waitpoints_max integer, p_signals_max integer, p_bytes_max integer)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_held record;
  v_now bigint;
  v_answer jsonb;
  v_conflict uuid;
  v_fresh jsonb;
  v_count integer;
  v_unknown uuid;
  v_ends jsonb;
  v_signals bigint[];
  v_batch json;
  v_times_out_at bigint;
  v_moved moved;
begin
  perform pg_advisory_xact_lock_shared(barrier_key());
  select h.* into v_held from lock_held(array[p_partition], array[p_id], array[p_index], array[p_lease], array[p_epoch], p_namespaces) h;
  if not found then
    return (select jsonb_build_object('refusal', r.refusal, 'ended_by', r.ended_by, 'terminal_outcome', r.terminal_outcome,
        'answer', r.answer)
      from refusals_of(array[p_partition], array[p_id], array[p_index], array[p_lease], array[p_epoch], 'suspend', p_namespaces, null) r);
  end if;
  v_now := now_ms();
  if v_held.doomed then
    select jsonb_build_object('outcome', 'cancelled', 'moved', jsonb_build_object('partition_key', x.partition_key, 'id', x.id,
        'lane_id', x.lane_id, 'flow_id', x.flow_id, 'is_terminal', true, 'is_eligible', false))
      into v_answer from cancel_held(array[p_partition], array[p_id], array[1], 'suspend', v_now) x;
    return v_answer;
  end if;
  if exists (select 1 from resumption r where r.execution_id = p_id and r.partition_key = p_partition and r.suspension_id = p_suspension) then
    return jsonb_build_object('outcome', 'already_satisfied', 'resumption', resumption_of(p_partition, p_id));
  end if;

  select (w.value ->> 'id')::uuid into v_conflict from jsonb_array_elements(p_spec -> 'waitpoints') with ordinality as w
    where has_waitpoint_conflict(p_partition, p_id, (w.value ->> 'id')::uuid, w.value ->> 'name') order by w.ordinality limit 1;
  if v_conflict is not null then return jsonb_build_object('outcome', 'waitpoint_conflict', 'id', v_conflict); end if;
  select coalesce(jsonb_agg(w.value order by w.ordinality), '[]') into v_fresh
    from jsonb_array_elements(p_spec -> 'waitpoints') with ordinality as w
    where not exists (select 1 from waitpoint o where o.id = (w.value ->> 'id')::uuid and o.partition_key = p_partition);
  if jsonb_array_length(v_fresh) > 0 then
    select count(*) + jsonb_array_length(v_fresh) into v_count from waitpoint w where w.execution_id = p_id and w.partition_key = p_partition;
    if v_count > p_waitpoints_max then return jsonb_build_object('error', 'too_many_waitpoints', 'actual', v_count); end if;
  end if;
  select n.id into v_unknown from unnest(p_waitpoint_ids) with ordinality as n (id, ord)
    where not exists (select 1 from waitpoint w where w.id = n.id and w.partition_key = p_partition and w.execution_id = p_id)
      and not exists (select 1 from jsonb_array_elements(v_fresh) f where (f.value ->> 'id')::uuid = n.id)
    order by n.ord limit 1;
  if v_unknown is not null then return jsonb_build_object('error', 'waitpoint_not_found', 'id', v_unknown); end if;
  if exists (select 1 from execution e where e.ctid = v_held.tid and e.flow_id::text = any (p_child_ids)) then
    return jsonb_build_object('error', 'condition_unsatisfiable');
  end if;

  select coalesce(jsonb_agg(jsonb_build_object('id', c.child, 'generation', c.end_generation, 'outcome', c.end_outcome)
      order by array_position(p_child_ids, c.child)), '[]') into v_ends
    from child c where c.partition_key = p_partition and c.parent_id = p_id and c.child = any (p_child_ids) and c.end_generation is not null;
  if p_judged is not null then
    v_signals := array(select value::bigint from jsonb_array_elements_text(p_judged -> 'signals'));
    -- What was judged has changed: another end came, or another call of the same holder used a signal.
    if p_judged -> 'seen' <> v_ends or cardinality(v_signals) <> (
      select count(*) from signal s where s.partition_key = p_partition and s.execution_id = p_id and s.sequence = any (v_signals)
        and (s.suspension_id is null or s.suspension_id = p_suspension)) then
      p_judged := null;
    end if;
  end if;
  if p_judged is null or not (p_judged ->> 'holds')::boolean then
    select json_agg(signal_entry(b.came, (p_spec ->> 'looks')::boolean) order by (b.came).sequence) into v_batch from (
      select s.came, row_number() over w as place,
        sum(case when (p_spec ->> 'looks')::boolean then coalesce(octet_length((s.came).payload), 0) else 0 end) over w as bytes
      from (
        select x as came from signal x
        where x.partition_key = p_partition and x.execution_id = p_id and x.sequence > coalesce((p_judged ->> 'upTo')::bigint, 0)
          and x.waitpoint_id = any (p_waitpoint_ids) and (x.suspension_id is null or x.suspension_id = p_suspension)
        order by x.sequence limit p_signals_max
      ) s window w as (order by (s.came).sequence)
    ) b where b.place = 1 or b.bytes <= p_bytes_max;
    if v_batch is not null or (p_judged is null and v_ends <> '[]') then
      return jsonb_build_object('outcome', 'judge', 'afresh', p_judged is null, 'signals', coalesce(v_batch, '[]'), 'ends', v_ends);
    end if;
  end if;

  insert into waitpoint (partition_key, id, execution_id, name, created_at, expires_at)
    select p_partition, (w.value ->> 'id')::uuid, p_id, w.value ->> 'name', v_now, (w.value ->> 'expiresAtMs')::bigint
    from jsonb_array_elements(v_fresh) with ordinality as w order by w.ordinality
    on conflict (id, partition_key) do nothing;
  get diagnostics v_count = row_count;
  if v_count < jsonb_array_length(v_fresh) then raise exception 'a waitpoint was created meanwhile' using errcode = '40001'; end if;
  if (p_judged ->> 'holds')::boolean then
    perform record_resumption(p_partition, p_id, p_suspension, 'condition', v_signals, p_judged -> 'ends', p_waitpoint_ids,
      (p_spec ->> 'closes')::boolean, v_now);
    update execution e set attempt_has_effects = true, has_ties = true
      where e.partition_key = p_partition and e.id = p_id and (e.has_ties is null or not e.attempt_has_effects);
    return jsonb_build_object('outcome', 'already_satisfied', 'resumption', resumption_of(p_partition, p_id));
  end if;

  v_times_out_at := v_now + (p_spec ->> 'afterMs')::bigint;
  delete from resumption r where r.execution_id = p_id and r.partition_key = p_partition;
  insert into suspension (partition_key, execution_id, id, reason, condition, state, signals, ends, waitpoint_ids, child_ids, since,
      times_out_at, behaviour, delay_ms, closes_waitpoints)
    values (p_partition, p_id, p_suspension, p_reason, p_condition, p_state, coalesce(v_signals, '{}'), coalesce(p_judged -> 'ends', '[]'),
      p_waitpoint_ids, p_child_ids, v_now, v_times_out_at, p_spec ->> 'behaviour', (p_spec ->> 'delayMs')::bigint,
      (p_spec ->> 'closes')::boolean);
  with watched as (
    insert into child (partition_key, parent_id, child, linked, detached)
      select p_partition, p_id, c.id, false, true from unnest(p_child_ids) as c (id)
      on conflict (parent_id, child, partition_key) do nothing
    returning child
  )
  select count(leave_message(p_partition, 'child_watched', jsonb_build_object('namespace', l.namespace, 'child', w.child,
      'parent', format('{fp:%s}:%s', p_partition, p_id)))) into v_count
    from watched w, execution e join lane l on l.id = e.lane_id where e.ctid = v_held.tid;
  with changed as (
    update execution e set
      lifecycle_phase = 'suspended', ownership_state = 'unowned', eligibility_state = 'not_applicable',
      blocking_reason = ('waiting_for_' || p_reason)::blocking_reason, attempt_state = 'attempt_interrupted', public_state = 'suspended',
      attempt_used_ms = e.attempt_used_ms + greatest(0, v_now - e.lease_started_at),
      ready_at = null, score = null, attempt_has_effects = true, has_ties = true, due_at = least(e.deadline_at, v_times_out_at)
    where e.partition_key = p_partition and e.id = p_id
    returning e.*
  ), put_aside as (
    insert into attempt (partition_key, execution_id, idx, type, generation, state, epoch, lease_id, worker_id, instance_id,
      started_at, end_op, end_answer)
    select partition_key, id, attempt_count - 1, attempt_type, generation, 'suspended', epoch, lease_id, worker_id, instance_id,
      attempt_started_at, 'suspend', jsonb_build_object('outcome', 'suspended',
        'suspensionId', format('{fp:%s}:%s', p_partition, p_suspension), 'timesOutAtMs', v_times_out_at)
    from changed
    on conflict (partition_key, execution_id, idx) do update set state = excluded.state, epoch = excluded.epoch,
      lease_id = excluded.lease_id, worker_id = excluded.worker_id, instance_id = excluded.instance_id, end_op = excluded.end_op,
      end_answer = excluded.end_answer
  )
  select c.partition_key, c.id, c.lane_id, c.flow_id, false, false, false, c.due_at into v_moved from changed c;
  return jsonb_build_object('outcome', 'suspended', 'timesOutAtMs', v_times_out_at, 'moved', to_jsonb(v_moved), 'watches', v_count > 0);
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.tags_fault(p_tags jsonb)
 RETURNS fault
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.take_demands(p_partitions integer[], p_ids uuid[], p_granted integer[], p_begins boolean[], p_now bigint)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.tell_at_commit(p_hints json)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
begin
  if json_array_length(p_hints) = 0 or not exists (select 1 from pg_locks l
    where l.locktype = 'advisory' and l.granted and l.objsubid = 1
      and l.database = (select oid from pg_database where datname = current_database())
      and (l.classid::bigint << 32) | l.objid::bigint = hashtextextended('flowfabric/hints/' || current_schema(), 0)) then
    return;
  end if;
  perform pg_notify(current_schema() || '_hints', 'transaction [' || h || ']') from json_array_elements_text(p_hints) h;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.tell_budget(p_budget budget, p_change text)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
  insert into event_batch (at, partitions, bodies) values (now_ms(), array[p_budget.feed_partition],
    array[json_build_array('b', p_budget.namespace, p_budget.id, p_change, p_budget.period)])
$function$
;

CREATE OR REPLACE FUNCTION flowfabric.tell_end(p_partition integer, p_child text, p_namespace text, p_parent jsonb, p_generation integer, p_outcome text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
begin
  if p_parent is not null then
    insert into child_watcher (partition_key, child, watcher) values (p_partition, p_child, p_parent ->> 'id') on conflict do nothing;
  end if;
  if exists (select 1 from child_watcher w where w.child = p_child and w.partition_key = p_partition) then
    perform leave_message(p_partition, 'child_ended', jsonb_build_object('namespace', p_namespace, 'child', p_child,
      'generation', p_generation, 'outcome', p_outcome));
  end if;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.tell_signal(p_partition integer, p_id uuid, p_signal uuid, p_waitpoint uuid, p_name text, p_outcome text)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
  insert into event_batch (at, partitions, bodies)
    select now_ms(), array[p_partition],
      array[json_build_array('s', l.namespace, l.name, e.id, e.flow_id, p_signal, p_waitpoint, p_name, p_outcome)]
    from execution e join lane l on l.id = e.lane_id
    where e.partition_key = p_partition and e.id = p_id and (e.flow_id is not null or l.event_level = 'all')
$function$
;

CREATE OR REPLACE FUNCTION flowfabric.text_fault(p_value jsonb, p_path text, p_min integer, p_max integer)
 RETURNS fault
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.time_out_suspensions(p_partition integer, p_ids uuid[], p_now bigint)
 RETURNS SETOF moved
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
#variable_conflict use_column
declare
  s suspension;
begin
  for s in select x.* from suspension x where x.partition_key = p_partition and x.execution_id = any (p_ids) loop
    if s.behaviour in ('fail', 'cancel', 'expire') then
      return query
      select x.partition_key, x.id, x.lane_id, x.flow_id, true, false, x.was_active, null::bigint
      from end_executions(array[p_partition], array[s.execution_id],
        case s.behaviour when 'fail' then 'failed' when 'cancel' then 'cancelled' else 'expired' end::terminal_outcome,
        'suspension_timeout', case s.behaviour when 'fail' then 'ended_failure' else 'ended_cancelled' end::attempt_record_state,
        'suspension_timeout', case when s.behaviour <> 'cancel' then
          '{"category":"suspension_timeout","message":"what it waited for did not come in time"}'::jsonb end, p_now) x;
    elsif s.behaviour = 'escalate' then
      update suspension x set escalated = true where x.partition_key = p_partition and x.execution_id = s.execution_id;
      return query
      update execution e set blocking_reason = 'paused_by_operator', due_at = e.deadline_at
        where e.partition_key = p_partition and e.id = s.execution_id
        returning e.partition_key, e.id, e.lane_id, e.flow_id, false, false, false, e.due_at;
    else
      if s.behaviour = 'auto_resume_with_timeout_signal' then
        insert into signal (partition_key, execution_id, sequence, id, name, received_at, suspension_id)
          values (p_partition, s.execution_id, next_sequence(p_partition, s.execution_id), s.id, 'timeout', p_now, s.id);
        perform tell_signal(p_partition, s.execution_id, s.id, null, 'timeout', 'satisfied');
      end if;
      return query select r.* from resume_suspended(p_partition, s.execution_id, 'timeout', p_now) r;
    end if;
  end loop;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.timeout_of(p_partition integer, p_id uuid)
 RETURNS bigint
 LANGUAGE sql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
  select s.times_out_at from suspension s where s.partition_key = p_partition and s.execution_id = p_id and not s.escalated limit 1
$function$
;

CREATE OR REPLACE FUNCTION flowfabric.timeouts_fault(p_timeouts jsonb)
 RETURNS fault
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.to_judge(s suspension)
 RETURNS jsonb
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN jsonb_build_object('outcome', 'judge', 'revision', ((((s).id)::text || ':'::text) || (s).revision), 'condition', (s).condition, 'state', (s).state)
;

CREATE OR REPLACE FUNCTION flowfabric.transition_entry(p_lane lane, p_kind text, p_id uuid, p_flow uuid, p_name text, p_state public_state, p_previous public_state, p_attempts integer, p_generation integer, p_cause cancel_cause)
 RETURNS json
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN json_build_array('x', (p_lane).namespace, (p_lane).name, p_kind, p_id, p_flow, p_name, p_state, p_previous, CASE WHEN (p_attempts > 0) THEN (p_attempts - 1) ELSE NULL::integer END, p_generation, p_cause)
;

CREATE OR REPLACE FUNCTION flowfabric.trim_capped_frames(p_partition integer, p_id uuid, p_attempt integer, INOUT p_frames integer, INOUT p_bytes bigint, p_frames_max integer, p_bytes_max bigint, p_since bigint)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
  v_oldest record;
  v_gone integer[] := '{}';
begin
  for v_oldest in
    select f.frame_number, octet_length(f.frame) as bytes, f.appended_at from stream_frame f
    where f.partition_key = p_partition and f.execution_id = p_id and f.attempt_index = p_attempt and f.mode <> 'durable'
    order by f.frame_number
  loop
    exit when p_frames <= p_frames_max and p_bytes <= p_bytes_max and v_oldest.appended_at >= p_since;
    v_gone := v_gone || v_oldest.frame_number;
    p_frames := p_frames - 1;
    p_bytes := p_bytes - v_oldest.bytes;
  end loop;
  if v_gone <> '{}' then
    delete from stream_frame f where f.partition_key = p_partition and f.execution_id = p_id and f.attempt_index = p_attempt
      and f.frame_number = any (v_gone);
  end if;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.trim_events(p_partition integer, p_keep bigint, p_age bigint, p_max integer, OUT removed integer, OUT more boolean)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_until bigint := now_ms() - p_age;
  v_head event_head;
  v_first event;
  v_below bigint;
begin
  removed := 0;
  more := false;
  select * into v_head from event_head where partition_key = p_partition for update skip locked;
  if not found then return; end if;
  v_below := v_head.trimmed_below;
  select * into v_first from event where partition_key = p_partition order by first_number limit 1;
  if v_first.at <= v_until or v_first.first_number + v_first.count <= v_head.next_number - p_keep then
    with looked as (
      -- Of a row and those before it, how many are to be kept.
      select o.first_number, count(*) filter (where o.at > v_until and o.first_number + o.count > v_head.next_number - p_keep)
        over (order by o.first_number) as kept
      from (select * from event e where e.partition_key = p_partition order by e.first_number limit p_max) o
    ), gone as (
      delete from event e using looked o where e.partition_key = p_partition and e.first_number = o.first_number and o.kept = 0
      returning e.first_number + e.count as next
    )
    select greatest(max(next), v_below), count(*) = p_max into v_below, more from gone;
    select * into v_first from event where partition_key = p_partition order by first_number limit 1;
  end if;
  if not more and v_first is not null then
    select greatest(v_first.first_number + count(*), v_below) into v_below from (
      select bool_and((b.value->>0)::bigint <= v_until) over (order by b.ordinality) as is_old
      from json_array_elements(v_first.body) with ordinality b
    ) b where b.is_old;
  end if;
  removed := v_below - v_head.trimmed_below;
  if removed > 0 then update event_head set trimmed_below = v_below where partition_key = p_partition; end if;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.trim_executions(p_partition integer, p_max integer, p_frames_max integer)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.trim_flow(p_partition integer, p_flow uuid, p_max integer, p_frames_max integer)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.try_demands(p_partitions integer[], p_ids uuid[])
 RETURNS integer[]
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.units_in_window(p_quota uuid, p_key text, p_window bigint, p_now bigint)
 RETURNS bigint
 LANGUAGE sql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
  select coalesce(sum(s.units), 0)::bigint from quota_step s
  where s.quota_id = p_quota and s.key = p_key and s.at > p_now - p_window - rate_step_ms(p_window) + 1
$function$
;

CREATE OR REPLACE FUNCTION flowfabric.unpark_entries(p_flow uuid)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
  update completion_event set available_at = 0 where flow_id = p_flow and available_at = parked_until()
$function$
;

CREATE OR REPLACE FUNCTION flowfabric.update_budget(p_budget uuid, p_namespace text, p_label text, p_limits jsonb, p_rule text, p_states_period boolean, p_period_ms bigint, p_job uuid, p_home integer, p_progress text)
 RETURNS TABLE(job_at bigint)
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
AS $function$
declare
  b budget;
  v_before text;
begin
  select x.* into b from budget x where x.id = p_budget and x.namespace = p_namespace for update;
  if not found then return; end if;
  v_before := breach_of(b.limits, b.used);
  update budget x set label = coalesce(p_label, x.label), limits = coalesce(p_limits, x.limits),
      on_hard_breach = coalesce(p_rule, x.on_hard_breach),
      reset_period_ms = case when p_states_period then p_period_ms else x.reset_period_ms end,
      next_reset_at = case when p_states_period and p_period_ms is distinct from x.reset_period_ms then now_ms() + p_period_ms
        else x.next_reset_at end
    where x.id = p_budget returning x.* into b;
  return query select n.job_at from note_breach(b, v_before, p_job, p_home, p_progress) n;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.waitpoint_state(p_closed boolean, p_expires_at bigint, p_is_terminal boolean, p_now bigint)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN p_closed THEN 'closed'::text WHEN (p_expires_at <= p_now) THEN 'expired'::text WHEN p_is_terminal THEN 'closed'::text ELSE 'open'::text END
;

CREATE OR REPLACE FUNCTION flowfabric.wake_budget(p_budget uuid, p_max integer)
 RETURNS integer[]
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.wake_quota(p_quota uuid, p_key text, p_max integer)
 RETURNS integer[]
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.wakeable_budgets(p_home integer)
 RETURNS TABLE(budget_id uuid)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.wakeable_quotas(p_home integer)
 RETURNS TABLE(quota_id uuid, key text)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
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
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.want_ancestors(p_cancelled outbox_entry[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
begin
  update execution u set wanted = 'ancestor', wanted_ancestors = true
  from unnest(p_cancelled) c, edge e
  where e.partition_key = c.partition_key and e.downstream_id = c.execution_id
    and u.partition_key = e.partition_key and u.id = e.upstream_id
    and u.lifecycle_phase <> 'terminal' and u.wanted is null;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.watch_child(p_partition integer, p_child text, p_id uuid, p_is_flow boolean, p_namespace text, p_watcher text)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET enable_seqscan TO 'off'
AS $function$
declare
  v record;
  v_found boolean;
begin
  perform lock_watchers(p_child);
  if p_is_flow then
    select f.generation, f.parent, case f.state when 'completed' then 'success' when 'failed' then 'failed' when 'cancelled' then 'cancelled' end
        as outcome into v
      from flow f where f.partition_key = p_partition and f.id = p_id and f.namespace = p_namespace for no key update;
  else
    select e.generation, i.parent, nullif(e.terminal_outcome, 'none')::text as outcome into v
      from execution e join execution_info i on i.partition_key = e.partition_key and i.id = e.id and i.namespace = p_namespace
      where e.partition_key = p_partition and e.id = p_id for no key update of e;
  end if;
  v_found := found;
  -- One that is gone may still have its end on its way.
  if not v_found and not exists (select 1 from child_watcher w where w.child = p_child and w.partition_key = p_partition) then
    return false;
  end if;
  insert into child_watcher (partition_key, child, watcher) values (p_partition, p_child, p_watcher) on conflict do nothing;
  if not v_found then return true; end if;
  if p_is_flow then
    update flow f set has_ties = true where f.partition_key = p_partition and f.id = p_id and f.has_ties is null;
  else
    update execution e set has_ties = true where e.partition_key = p_partition and e.id = p_id and e.has_ties is null;
  end if;
  if v.outcome is not null then perform tell_end(p_partition, p_child, p_namespace, v.parent, v.generation, v.outcome); end if;
  return true;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.watchers_to_tell(p_partition integer, p_child text, p_id uuid, p_is_flow boolean, p_namespace text, p_generation integer, p_max integer)
 RETURNS text[]
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
declare
  v_generation integer;
begin
  if p_is_flow then
    select f.generation into v_generation from flow f where f.partition_key = p_partition and f.id = p_id and f.namespace = p_namespace;
  else
    select e.generation into v_generation from execution e join lane l on l.id = e.lane_id and l.namespace = p_namespace
      where e.partition_key = p_partition and e.id = p_id;
  end if;
  if v_generation <> p_generation then return null; end if;
  return array(select w.watcher from child_watcher w where w.child = p_child and w.partition_key = p_partition order by w.watcher limit p_max);
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.whole_fault(p_value jsonb, p_path text, p_min numeric, p_max numeric, p_low text, p_high text)
 RETURNS fault
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
begin
  if p_value is null then return null; end if;
  if jsonb_typeof(p_value) <> 'number' or p_value::numeric % 1 <> 0 or p_value::numeric < p_min then
    return row(p_low, format('%s: must be a whole number of %s…%s', p_path, p_min, p_max))::fault;
  end if;
  if p_value::numeric > p_max then return row(p_high, format('%s is %s, at most %s', p_path, p_value, p_max))::fault; end if;
  return null;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.yield_leases(p_partitions integer[], p_ids uuid[], p_indexes integer[], p_leases uuid[], p_epochs bigint[], p_namespaces text[])
 RETURNS SETOF finished
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_ords integer[];
  v_doomed integer[];
  v_tids tid[];
  v_yielded integer[];
  v_effective integer[];
  v_now bigint;
begin
  perform pg_advisory_xact_lock_shared(barrier_key());
  select array_agg(h.ord), array_agg(h.ord) filter (where h.has_effects), array_agg(h.ord) filter (where h.doomed and not h.has_effects),
    array_agg(h.ord) filter (where not h.doomed and not h.has_effects), array_agg(h.tid) filter (where not h.doomed and not h.has_effects)
    into v_ords, v_effective, v_doomed, v_yielded, v_tids
  from lock_held(p_partitions, p_ids, p_indexes, p_leases, p_epochs, p_namespaces) h;
  v_now := now_ms();

  if v_doomed is not null then
    return query select * from cancel_held(p_partitions, p_ids, v_doomed, 'yield', v_now);
  end if;

  return query
  select o, 'attempt_has_effects', false, null::bigint, p_partitions[o], p_ids[o], null::integer, null::uuid, false, false, null::bigint,
    null::text, null::ended_by, null::terminal_outcome, null::jsonb
  from unnest(v_effective) as o;

  return query
  update execution e set lifecycle_phase = 'runnable', ownership_state = 'unowned', eligibility_state = 'eligible_now',
    blocking_reason = 'waiting_for_worker', public_state = 'waiting',
    attempt_state = case e.attempt_type when 'retry' then 'pending_retry_attempt' when 'reclaim' then 'pending_reclaim_attempt'
      when 'replay' then 'pending_replay_attempt' else 'pending_first_attempt' end::attempt_state,
    attempt_count = e.attempt_count - 1,
    retry_count = e.retry_count - case when e.attempt_type = 'reclaim' then 0 else 1 end,
    yielded_lease_id = e.lease_id, due_at = e.deadline_at
  from unnest(v_tids, v_yielded) as y (tid, ord) where e.ctid = y.tid
  returning y.ord, 'yielded', false, null::bigint, e.partition_key, e.id, e.lane_id, e.flow_id, false, true, e.due_at,
    null::text, null::ended_by, null::terminal_outcome, null::jsonb;

  if coalesce(cardinality(v_ords), 0) < cardinality(p_ids) then
    return query select * from refusals_of(p_partitions, p_ids, p_indexes, p_leases, p_epochs, 'yield', p_namespaces, v_ords);
  end if;
end $function$
;

-- Triggers

CREATE TRIGGER execution_deleted AFTER DELETE ON execution REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION execution_deleted();

CREATE TRIGGER execution_inserted AFTER INSERT ON execution REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION execution_inserted();

CREATE TRIGGER execution_updated AFTER UPDATE ON execution REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION execution_updated();

CREATE TRIGGER flow_changed AFTER INSERT OR UPDATE OF state, graph_revision, generation ON flow FOR EACH ROW EXECUTE FUNCTION flow_changed();

CREATE TRIGGER lane_changed AFTER INSERT OR UPDATE ON lane FOR EACH ROW EXECUTE FUNCTION raise_catalog_version();

CREATE TRIGGER route_changed AFTER INSERT OR DELETE ON route FOR EACH STATEMENT EXECUTE FUNCTION raise_catalog_version();
