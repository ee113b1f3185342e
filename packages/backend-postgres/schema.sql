-- The whole schema after all migrations, read from the catalogs of a migrated database.
-- Made by `node scripts/check-schema.mjs --write`. Do not edit.

-- Types

create type attempt_record_state as enum ('started', 'suspended', 'ended_success', 'ended_failure', 'ended_cancelled', 'interrupted_reclaimed');

create type attempt_state as enum ('none', 'pending_first_attempt', 'running_attempt', 'attempt_interrupted', 'pending_resume', 'pending_retry_attempt', 'pending_reclaim_attempt', 'pending_replay_attempt', 'attempt_terminal');

create type attempt_type as enum ('initial', 'retry', 'reclaim', 'replay');

create type blocking_reason as enum ('none', 'waiting_for_worker', 'waiting_for_delay', 'waiting_for_retry_backoff', 'waiting_for_reclaim_backoff', 'waiting_for_resume_delay', 'waiting_for_children', 'waiting_for_budget', 'waiting_for_quota', 'waiting_for_signal', 'waiting_for_approval', 'waiting_for_callback', 'waiting_for_tool_result', 'waiting_for_child', 'paused_by_operator');

create type cancel_cause as enum ('operator', 'flow', 'sibling', 'ancestor', 'parent', 'draft_expired', 'quota');

create type delay_reason as enum ('start_time', 'retry_backoff', 'reclaim_backoff', 'resume_delay');

create type edge_state as enum ('pending', 'satisfied', 'impossible');

create type eligibility_state as enum ('eligible_now', 'not_eligible_until_time', 'blocked_by_dependencies', 'blocked_by_budget', 'blocked_by_quota', 'blocked_by_operator', 'not_applicable');

create type ended_by as enum ('holder', 'lease_expiry', 'revocation', 'attempt_timeout', 'deadline', 'cancel', 'skip');

create type flow_state as enum ('draft', 'open', 'cancelling', 'replaying', 'completed', 'failed', 'cancelled');

create type group_step as (partition_key integer, downstream_id uuid, picked integer, n integer, decided edge_state, fate text, reason text);

create type lifecycle_phase as enum ('submitted', 'runnable', 'active', 'suspended', 'terminal');

create type outbox_entry as (ordinal integer, partition_key integer, id uuid, flow_id uuid, execution_id uuid, generation integer);

create type ownership_state as enum ('unowned', 'leased', 'lease_expired_reclaimable');

create type public_state as enum ('waiting', 'resumable', 'delayed', 'waiting_children', 'rate_limited', 'active', 'suspended', 'completed', 'failed', 'cancelled', 'expired', 'skipped');

create type submission as (partition_key integer, id uuid, route_id integer, input_hash bytea, input bytea, options jsonb);

create type terminal_outcome as enum ('none', 'success', 'failed', 'cancelled', 'expired', 'skipped');

-- Tables

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
  closed boolean not null default false,
  failure jsonb,
  constraint attempt_pkey PRIMARY KEY (partition_key, execution_id, idx),
  constraint attempt_end_op_check CHECK ((end_op = ANY (ARRAY['complete'::text, 'fail'::text, 'delay'::text, 'yield'::text])))
);

create table cancel_backlog (
  partition_key integer not null,
  flow_id uuid not null,
  enqueued_at bigint not null,
  constraint cancel_backlog_pkey PRIMARY KEY (partition_key, flow_id)
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
  constraint completion_event_pkey PRIMARY KEY (partition_key, id),
  constraint completion_event_kind_check CHECK ((kind = ANY (ARRAY['completion'::text, 'flow_settled'::text, 'seal_release'::text, 'replay_reset'::text])))
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
  constraint edge_pkey PRIMARY KEY (partition_key, upstream_id, downstream_id)
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
  constraint edge_group_pkey PRIMARY KEY (partition_key, downstream_id),
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
  seq bigint not null generated always as identity,
  partition_key integer not null,
  first_number bigint,
  count integer not null,
  at bigint not null,
  body json not null,
  constraint event_pkey PRIMARY KEY (seq)
);

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
  public_state public_state not null generated always as (
CASE lifecycle_phase
    WHEN 'terminal'::lifecycle_phase THEN
    CASE terminal_outcome
        WHEN 'success'::terminal_outcome THEN 'completed'::public_state
        WHEN 'failed'::terminal_outcome THEN 'failed'::public_state
        WHEN 'cancelled'::terminal_outcome THEN 'cancelled'::public_state
        WHEN 'expired'::terminal_outcome THEN 'expired'::public_state
        WHEN 'skipped'::terminal_outcome THEN 'skipped'::public_state
        ELSE NULL::public_state
    END
    WHEN 'suspended'::lifecycle_phase THEN 'suspended'::public_state
    WHEN 'active'::lifecycle_phase THEN 'active'::public_state
    WHEN 'submitted'::lifecycle_phase THEN 'waiting_children'::public_state
    ELSE
    CASE eligibility_state
        WHEN 'eligible_now'::eligibility_state THEN
        CASE
            WHEN (attempt_state = 'pending_resume'::attempt_state) THEN 'resumable'::public_state
            ELSE 'waiting'::public_state
        END
        WHEN 'not_eligible_until_time'::eligibility_state THEN 'delayed'::public_state
        WHEN 'blocked_by_dependencies'::eligibility_state THEN 'waiting_children'::public_state
        WHEN 'blocked_by_budget'::eligibility_state THEN 'rate_limited'::public_state
        WHEN 'blocked_by_quota'::eligibility_state THEN 'rate_limited'::public_state
        ELSE 'waiting'::public_state
    END
END) stored,
  generation integer not null default 1,
  epoch bigint not null default 0,
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
  due_at bigint,
  created_at bigint not null,
  terminal_at bigint,
  constraint execution_pkey PRIMARY KEY (partition_key, id),
  constraint v10_eligible_has_score CHECK (((eligibility_state <> 'eligible_now'::eligibility_state) OR (score IS NOT NULL))),
  constraint v11_terminal_at CHECK (((lifecycle_phase = 'terminal'::lifecycle_phase) = (terminal_at IS NOT NULL))),
  constraint v1_terminal_has_outcome CHECK (((lifecycle_phase = 'terminal'::lifecycle_phase) = (terminal_outcome <> 'none'::terminal_outcome))),
  constraint v2_active_is_leased CHECK (((lifecycle_phase = 'active'::lifecycle_phase) = (ownership_state = 'leased'::ownership_state))),
  constraint v3_reclaimable_is_runnable CHECK (((ownership_state <> 'lease_expired_reclaimable'::ownership_state) OR (lifecycle_phase = 'runnable'::lifecycle_phase))),
  constraint v4_eligibility_is_runnable CHECK (((lifecycle_phase = 'runnable'::lifecycle_phase) = (eligibility_state <> 'not_applicable'::eligibility_state))),
  constraint v5_attempt_runs_when_active CHECK (((lifecycle_phase = 'active'::lifecycle_phase) = (attempt_state = 'running_attempt'::attempt_state))),
  constraint v6_attempt_terminal CHECK (((lifecycle_phase = 'terminal'::lifecycle_phase) = (attempt_state = 'attempt_terminal'::attempt_state))),
  constraint v9_lease_when_active CHECK (((lifecycle_phase = 'active'::lifecycle_phase) = (lease_id IS NOT NULL)))
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
  constraint execution_info_pkey PRIMARY KEY (partition_key, id)
);

create table execution_result (
  partition_key integer not null,
  id uuid not null,
  result bytea,
  failure jsonb,
  constraint execution_result_pkey PRIMARY KEY (partition_key, id)
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
  reopened_from_cancel boolean not null default false,
  result_members jsonb,
  unprojected boolean not null default true,
  summary jsonb,
  summary_at bigint,
  constraint flow_pkey PRIMARY KEY (partition_key, id),
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

create table pending_cancel_group (
  partition_key integer not null,
  flow_id uuid not null,
  downstream_id uuid not null,
  enqueued_at bigint not null,
  constraint pending_cancel_group_pkey PRIMARY KEY (partition_key, flow_id, downstream_id)
);

create table replay_member (
  partition_key integer not null,
  flow_id uuid not null,
  ordinal integer not null,
  execution_id uuid not null,
  has_input boolean not null default false,
  input bytea,
  reset boolean not null default false,
  constraint replay_member_pkey PRIMARY KEY (partition_key, flow_id, ordinal)
);

create table route (
  id integer not null generated always as identity,
  lane_id integer not null,
  kind text not null,
  capabilities text[] not null default '{}'::text[],
  constraint route_pkey PRIMARY KEY (id),
  constraint route_lane_id_fkey FOREIGN KEY (lane_id) REFERENCES lane(id),
  constraint route_lane_id_kind_capabilities_key UNIQUE (lane_id, kind, capabilities)
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
  constraint step_pkey PRIMARY KEY (partition_key, execution_id, ordinal),
  constraint step_partition_key_execution_id_name_key UNIQUE (partition_key, execution_id, name)
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

CREATE INDEX completion_event_due ON flowfabric.completion_event USING btree (partition_key, available_at, seq);

CREATE INDEX completion_event_flow ON flowfabric.completion_event USING btree (flow_id) WHERE (flow_id IS NOT NULL);

CREATE INDEX edge_downstream ON flowfabric.edge USING btree (partition_key, downstream_id);

CREATE UNIQUE INDEX event_feed ON flowfabric.event USING btree (partition_key, first_number) WHERE (first_number IS NOT NULL);

CREATE INDEX event_unnumbered ON flowfabric.event USING btree (partition_key, seq) WHERE (first_number IS NULL);

CREATE INDEX execution_active ON flowfabric.execution USING btree (instance_id, claim_id) WHERE (lifecycle_phase = 'active'::lifecycle_phase);

CREATE INDEX execution_claim ON flowfabric.execution USING btree (route_id, score, seq) WHERE (eligibility_state = 'eligible_now'::eligibility_state);

CREATE INDEX execution_ended_badly ON flowfabric.execution USING btree (lane_id, created_at, id) WHERE (terminal_outcome = ANY (ARRAY['failed'::terminal_outcome, 'cancelled'::terminal_outcome, 'expired'::terminal_outcome]));

CREATE INDEX execution_flow ON flowfabric.execution USING btree (flow_id, seq) WHERE (flow_id IS NOT NULL);

CREATE INDEX execution_flow_open ON flowfabric.execution USING btree (flow_id) WHERE ((flow_id IS NOT NULL) AND (lifecycle_phase <> 'terminal'::lifecycle_phase));

CREATE INDEX execution_info_listing ON flowfabric.execution_info USING btree (lane_id, created_at DESC, id DESC);

CREATE INDEX execution_info_tags ON flowfabric.execution_info USING gin (tags jsonb_path_ops) WHERE (tags <> '{}'::jsonb);

CREATE INDEX execution_purge ON flowfabric.execution USING btree (partition_key, due_at) WHERE ((due_at IS NOT NULL) AND (lifecycle_phase = 'terminal'::lifecycle_phase));

CREATE INDEX execution_timer ON flowfabric.execution USING btree (partition_key, due_at) WHERE ((due_at IS NOT NULL) AND (lifecycle_phase <> 'terminal'::lifecycle_phase));

CREATE INDEX execution_wanted ON flowfabric.execution USING btree (flow_id) WHERE ((wanted IS NOT NULL) AND (lifecycle_phase <> 'terminal'::lifecycle_phase));

CREATE INDEX flow_due ON flowfabric.flow USING btree (partition_key, due_at) WHERE (due_at IS NOT NULL);

CREATE INDEX flow_listing ON flowfabric.flow USING btree (namespace, created_at DESC, id DESC);

CREATE INDEX flow_live ON flowfabric.flow USING btree (partition_key, id) WHERE (state = ANY (ARRAY['draft'::flow_state, 'open'::flow_state, 'cancelling'::flow_state, 'replaying'::flow_state]));

CREATE INDEX flow_unprojected ON flowfabric.flow USING btree (partition_key, id) WHERE unprojected;

CREATE INDEX idempotency_key_expiry ON flowfabric.idempotency_key USING btree (expires_at);

CREATE INDEX lane_depth_lane ON flowfabric.lane_depth USING btree (lane_id, public_state);

CREATE INDEX replay_member_execution ON flowfabric.replay_member USING btree (partition_key, execution_id);

-- Functions

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

CREATE OR REPLACE FUNCTION flowfabric.dispatch_entries(p_partitions integer[], p_entry uuid, p_max integer, p_hop integer, p_call integer)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET enable_seqscan TO 'off'
 SET lock_timeout TO '100ms'
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
  v_now bigint;
  v_entries outbox_entry[];
  v_others jsonb;
  v_taken integer;
  v_flows uuid[];
  v_parked uuid[];
  v_undecided uuid[];
  v_up integer[]; v_upstreams uuid[]; v_downstreams uuid[]; v_ends public_state[]; v_ordinals integer[];
  v_noops uuid[];
  v_unfinished uuid[];
  v_corrupt jsonb;
  v_result record;
  v_cancelled uuid[];
  v_settled jsonb;
  v_items jsonb;
begin
  -- 1. Claim entries.
  with due as materialized (
    select e.partition_key, e.id, e.kind, e.flow_id, e.execution_id, e.generation, e.seq
    from unnest(p_partitions) as p(key)
    cross join lateral (
      select c.* from completion_event c
      where c.partition_key = p.key and (p_entry is null or c.id = p_entry) and c.available_at <= now_ms()
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
  if v_entries is null then return jsonb_build_object('others', v_others, 'more', v_taken = p_max); end if;

  -- 2. Lock their flows. From here on nobody else changes their edges and groups.
  select array_agg(f.id), array_agg(f.id) filter (where f.state in ('draft', 'replaying'))
  into v_flows, v_parked
  from (
    select f.id, f.state from flow f
    join (select distinct partition_key, flow_id from unnest(v_entries) where flow_id is not null) e
      on f.partition_key = e.partition_key and f.id = e.flow_id
    order by f.id for no key update of f
  ) f;
  v_now := now_ms();
  if v_parked is not null then
    update completion_event c set available_at = parked_until() from unnest(v_entries) e
      where c.partition_key = e.partition_key and c.id = e.id and e.flow_id = any(v_parked);
    v_entries := array(select e from unnest(v_entries) e where e.flow_id is null or e.flow_id <> all(v_parked));
  end if;

  -- 3. Pick edges by the upstreams' recorded ends. One whose group or node can't be read is left alone, and named.
  with upstream as materialized (
    select e.ordinal, e.partition_key, e.id, e.execution_id, u.public_state as ended,
      u.id is not null and u.lifecycle_phase = 'terminal' and u.generation = e.generation as stands,
      u.cancel_cause in ('sibling', 'ancestor') and u.wanted_ancestors as pulls
    from unnest(v_entries) e left join execution u on u.partition_key = e.partition_key and u.id = e.execution_id
  ), candidate as materialized (
    select u.ordinal, u.partition_key, u.id, u.execution_id, u.ended, o.downstream_id, o.is_whole, o.place,
      row_number() over (order by u.ordinal, o.place) as place_in_call
    from upstream u cross join lateral (
      select o.downstream_id, g.downstream_id is not null and d.id is not null as is_whole,
        row_number() over (order by g.downstream_id is null or d.id is null, o.downstream_id) as place
      from edge o
      left join edge_group g on g.partition_key = o.partition_key and g.downstream_id = o.downstream_id
      left join execution d on d.partition_key = o.partition_key and d.id = o.downstream_id
      where o.partition_key = u.partition_key and o.upstream_id = u.execution_id and o.state = 'pending'
      order by place limit p_hop + 1
    ) o
    where u.stands
  )
  select
    (select array_agg(u.id) from upstream u where not u.stands),
    (select array_agg(u.execution_id) from upstream u where u.stands and u.pulls),
    array_agg(c.partition_key) filter (where c.taken), array_agg(c.execution_id) filter (where c.taken),
    array_agg(c.downstream_id) filter (where c.taken), array_agg(c.ended) filter (where c.taken),
    array_agg(c.ordinal) filter (where c.taken),
    array_agg(distinct c.id) filter (where not c.taken and c.is_whole),
    jsonb_object_agg(c.id, c.execution_id::text || '>' || c.downstream_id::text) filter (where not c.is_whole)
  into v_noops, v_cancelled, v_up, v_upstreams, v_downstreams, v_ends, v_ordinals, v_unfinished, v_corrupt
  from (select candidate.*, is_whole and place <= p_hop and place_in_call <= p_call as taken from candidate) c;

  -- 4. Resolve them, and follow the decisions.
  if v_up is not null then
    select * into v_result from resolve_edges(v_up, v_upstreams, v_downstreams, v_ends, null, '{}', true, v_now);
  else
    select null::group_step[] as steps, 0 as edges, 0 as released, '{}'::uuid[] as skipped, null::integer[] as ready_lanes,
      null::bigint as next_due_at into v_result;
  end if;
  if v_cancelled is not null then perform want_ancestors(v_cancelled, v_now); end if;
  if exists (select 1 from execution where flow_id = any(v_flows) and wanted is not null and lifecycle_phase <> 'terminal') then
    v_undecided := judge_wanted(v_flows, 1000, v_now);
  end if;

  -- 5. Entries whose work is done go; one with an unreadable edge is taken again, later and later.
  delete from completion_event c using unnest(v_entries) e
    where c.partition_key = e.partition_key and c.id = e.id
      and c.id <> all(coalesce(v_unfinished, '{}')) and not coalesce(v_corrupt, '{}') ? c.id::text;
  if v_corrupt is not null then
    update completion_event c set failures = c.failures + 1, available_at = v_now + least(60000, 100 * 2 ^ least(c.failures, 10))::bigint
      from unnest(v_entries) e
      where c.partition_key = e.partition_key and c.id = e.id and v_corrupt ? c.id::text and c.id <> all(coalesce(v_unfinished, '{}'));
  end if;

  -- 6. The flows have changed; those whose last member has ended settle.
  update flow f set unprojected = true from unnest(v_entries) e
    where f.partition_key = e.partition_key and f.id = e.flow_id and not f.unprojected;
  v_settled := settle_flows(v_entries, v_now);

  select jsonb_agg(jsonb_build_object('id', e.id, 'partition', e.partition_key, 'flow', e.flow_id, 'execution', e.execution_id,
    'noop', e.id = any(coalesce(v_noops, '{}')), 'edges', coalesce(p.edges, 0), 'satisfied', coalesce(s.satisfied, 0),
    'impossible', coalesce(s.impossible, 0), 'skipped', coalesce(s.skipped, 0),
    'corrupt', case when v_corrupt ? e.id::text then jsonb_build_array(v_corrupt -> e.id::text) else '[]' end) order by e.ordinal)
  into v_items
  from unnest(v_entries) e
  left join (select ordinal, count(*) as edges from unnest(v_ordinals) as o(ordinal) group by ordinal) p on p.ordinal = e.ordinal
  left join (
    -- A group's decision is the work of the last of its edges that came.
    select l.ordinal, count(*) filter (where s.decided = 'satisfied') as satisfied,
      count(*) filter (where s.decided = 'impossible') as impossible,
      count(*) filter (where s.downstream_id = any(v_result.skipped)) as skipped
    from unnest(v_result.steps) s
    join (select d.downstream_id, max(d.ordinal) as ordinal from unnest(v_downstreams, v_ordinals) as d(downstream_id, ordinal)
      group by d.downstream_id) l on l.downstream_id = s.downstream_id
    where s.decided is not null or s.fate is not null
    group by l.ordinal
  ) s on s.ordinal = e.ordinal;
  return jsonb_build_object('items', v_items, 'others', v_others, 'settled', v_settled, 'lanes', v_result.ready_lanes,
    'due', v_result.next_due_at, 'attention', v_undecided,
    'more', v_taken = p_max or v_unfinished is not null or cardinality(v_result.skipped) > 0 or v_undecided is not null);
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.end_executions(p_partitions integer[], p_ids uuid[], p_outcome terminal_outcome, p_ended_by ended_by, p_attempt_state attempt_record_state, p_cause cancel_cause, p_failure jsonb, p_now bigint)
 RETURNS TABLE(partition_key integer, id uuid, flow_id uuid, lane_id integer, was_active boolean)
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
#variable_conflict use_column
begin
  return query
  with doomed as materialized (
    select e.*, l.retention_ms as lane_retention_ms
    from unnest(p_partitions, p_ids) as i (partition_key, id)
    join execution e on e.partition_key = i.partition_key and e.id = i.id and e.lifecycle_phase <> 'terminal'
    join lane l on l.id = e.lane_id
  ), running as (
    insert into attempt (partition_key, execution_id, idx, type, generation, state, epoch, lease_id, worker_id, instance_id,
      started_at, ended_at, ended_by, closed, failure)
    select d.partition_key, d.id, d.attempt_count - 1, d.attempt_type, d.generation, p_attempt_state, d.epoch, d.lease_id, d.worker_id,
      d.instance_id, d.attempt_started_at, p_now, p_ended_by, p_ended_by = 'lease_expiry',
      case when p_attempt_state = 'ended_failure' then p_failure end
    from doomed d where d.lifecycle_phase = 'active'
    on conflict (partition_key, execution_id, idx) do update set state = excluded.state, epoch = excluded.epoch,
      lease_id = excluded.lease_id, worker_id = excluded.worker_id, instance_id = excluded.instance_id, ended_at = excluded.ended_at,
      ended_by = excluded.ended_by, closed = excluded.closed, end_op = null, end_answer = null, failure = excluded.failure
  ), put_aside as (
    update attempt a set state = 'ended_cancelled', ended_at = p_now, ended_by = p_ended_by
    from doomed d
    where d.attempt_state in ('attempt_interrupted', 'pending_resume')
      and a.partition_key = d.partition_key and a.execution_id = d.id and a.idx = d.attempt_count - 1
  ), recorded as (
    insert into execution_result (partition_key, id, failure)
    select d.partition_key, d.id, p_failure from doomed d where p_failure is not null
    on conflict (partition_key, id) do update set result = null, failure = excluded.failure
  )
  update execution e set
    lifecycle_phase = 'terminal', ownership_state = 'unowned', eligibility_state = 'not_applicable', blocking_reason = 'none',
    terminal_outcome = p_outcome, attempt_state = 'attempt_terminal', lease_id = null, worker_id = null, instance_id = null, claim_id = null,
    deps_blocked = false, held = false, not_before = null, delay_reason = null, queue_ttl_at = null, grace_ends_at = null,
    cancel_cause = case when p_outcome = 'cancelled' then coalesce(e.cancel_cause, p_cause) end,
    terminal_at = p_now, due_at = case when e.flow_id is null then p_now + coalesce(e.retention_ms, d.lane_retention_ms) end
  from doomed d
  where e.partition_key = d.partition_key and e.id = d.id
  returning e.partition_key, e.id, e.flow_id, e.lane_id, d.lifecycle_phase = 'active';
end $function$
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

CREATE OR REPLACE FUNCTION flowfabric.ensure_route(p_namespace text, p_lane text, p_kind text, p_capabilities text[], p_max integer)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
declare
  v_lane integer := ensure_lane(p_namespace, p_lane);
  v_id integer;
begin
  select id into v_id from route where lane_id = v_lane and kind = p_kind and capabilities = p_capabilities;
  if v_id is null then
    perform 1 from lane where id = v_lane for no key update;
    if (select count(*) from route where lane_id = v_lane) >= p_max then return null; end if;
    insert into route (lane_id, kind, capabilities) values (v_lane, p_kind, p_capabilities) on conflict do nothing;
    select id into v_id from route where lane_id = v_lane and kind = p_kind and capabilities = p_capabilities;
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
AS $function$
begin
  insert into lane_depth (lane_id, public_state, n)
    select lane_id, public_state, count(*) from new_rows group by lane_id, public_state;
  insert into event (partition_key, count, at, body)
    select n.partition_key, count(*), now_ms(), json_agg(json_build_array('x', l.namespace, l.name, r.kind, n.id, n.flow_id,
      i.name, n.public_state, null, null, n.generation, n.cancel_cause) order by n.seq)
    from new_rows n
    join lane l on l.id = n.lane_id
    join route r on r.id = n.route_id
    -- Members' infos are written before their rows.
    left join execution_info i on n.flow_id is not null and i.partition_key = n.partition_key and i.id = n.id
    where n.flow_id is not null or l.event_level = 'all'
    group by n.partition_key;
  return null;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.execution_updated()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
begin
  with changed as materialized (
    select n.partition_key, n.id, n.seq, n.flow_id, n.lane_id, n.route_id, n.public_state, o.public_state as previous_state,
      n.terminal_outcome, n.attempt_count, n.generation, n.cancel_cause
    from new_rows n join old_rows o on o.id = n.id and o.partition_key = n.partition_key
    where n.public_state <> o.public_state or n.generation <> o.generation
  ), depth as (
    insert into lane_depth (lane_id, public_state, n)
      select lane_id, state, sum(change) from (
        select lane_id, public_state as state, 1 as change from changed
        union all select lane_id, previous_state, -1 from changed
      ) moves group by lane_id, state having sum(change) <> 0
  ), outbox as (
    insert into completion_event (partition_key, kind, flow_id, execution_id, generation)
      select partition_key, 'completion', flow_id, id, generation from changed
      where terminal_outcome <> 'none' and (flow_id is not null or (select solo_entries from deployment))
      order by seq
  )
  insert into event (partition_key, count, at, body)
    select c.partition_key, count(*), now_ms(), json_agg(json_build_array('x', l.namespace, l.name, r.kind, c.id, c.flow_id,
      i.name, c.public_state, c.previous_state, case when c.attempt_count > 0 then c.attempt_count - 1 end, c.generation,
      c.cancel_cause) order by c.seq)
    from changed c
    join lane l on l.id = c.lane_id
    join route r on r.id = c.route_id
    left join execution_info i on c.flow_id is not null and i.partition_key = c.partition_key and i.id = c.id
    where c.flow_id is not null or l.event_level = 'all' or (l.event_level = 'terminal' and c.terminal_outcome <> 'none')
    group by c.partition_key;
  return null;
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
  insert into event (partition_key, count, at, body) values (new.partition_key, 1, now_ms(),
    json_build_array(json_build_array('f', new.namespace, new.id, new.state,
      case when tg_op = 'UPDATE' then old.state end, new.graph_revision, new.generation)));
  return null;
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

CREATE OR REPLACE FUNCTION flowfabric.is_known_policy(p_kind text, p_k integer, p_on_decided text, p_run_on text, p_n integer)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((COALESCE(p_kind, 'all_of'::text) = ANY (ARRAY['all_of'::text, 'any_of'::text, 'quorum'::text])) AND (COALESCE(p_on_decided, 'let_run'::text) = ANY (ARRAY['cancel_remaining'::text, 'let_run'::text])) AND (p_run_on = ANY (ARRAY['groupSatisfied'::text, 'groupImpossible'::text, 'always'::text])) AND ((COALESCE(p_kind, 'all_of'::text) <> 'quorum'::text) OR ((COALESCE(p_k, 1) >= 1) AND (COALESCE(p_k, 1) <= p_n))))
;

CREATE OR REPLACE FUNCTION flowfabric.judge_taken_ids(p_partitions integer[], p_ids uuid[], p_routes integer[], p_hashes bytea[], p_namespace text)
 RETURNS TABLE(ord integer, outcome text)
 LANGUAGE sql
 STABLE
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
  select i.ordinality::integer, case
    when x.namespace = p_namespace and x.kind = r.kind and x.input_hash = i.input_hash then 'duplicate' else 'execution_conflict' end
  from unnest(p_partitions, p_ids, p_routes, p_hashes) with ordinality as i (partition_key, id, route_id, input_hash, ordinality)
  join route r on r.id = i.route_id
  left join execution_info x on x.partition_key = i.partition_key and x.id = i.id
$function$
;

CREATE OR REPLACE FUNCTION flowfabric.lane_key(p_lane integer)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (barrier_key() # ((p_lane)::bigint + 1))
;

CREATE OR REPLACE FUNCTION flowfabric.lift_dependencies(p_partitions integer[], p_ids uuid[], p_now bigint, OUT released integer, OUT ready_lanes integer[], OUT next_due_at bigint)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
begin
  with let_go as (
    update execution x set
      deps_blocked = false,
      eligibility_state = runnable_eligibility(false, x.held, x.not_before, p_now),
      blocking_reason = runnable_reason(false, x.held, x.not_before, x.delay_reason, p_now),
      first_eligible_at = case when is_eligible(false, x.held, x.not_before, p_now) then coalesce(x.first_eligible_at, p_now) else x.first_eligible_at end,
      ready_at = case when is_eligible(false, x.held, x.not_before, p_now) then coalesce(x.ready_at, p_now) else x.ready_at end,
      score = case when is_eligible(false, x.held, x.not_before, p_now) then score_of(coalesce(x.ready_at, p_now), x.priority, l.ageing_ms) else x.score end,
      deadline_at = case when is_eligible(false, x.held, x.not_before, p_now) then coalesce(x.deadline_at, p_now + x.deadline_ms) else x.deadline_at end,
      queue_ttl_at = case when is_eligible(false, x.held, x.not_before, p_now) then coalesce(x.queue_ttl_at, p_now + x.queue_ttl_ms) else x.queue_ttl_at end,
      due_at = case when is_eligible(false, x.held, x.not_before, p_now)
        then least(coalesce(x.deadline_at, p_now + x.deadline_ms), coalesce(x.queue_ttl_at, p_now + x.queue_ttl_ms))
        else runnable_due(false, x.held, x.not_before, p_now, x.deadline_at, x.queue_ttl_at) end
    from unnest(p_partitions, p_ids) as p(partition_key, id), lane l
    where x.partition_key = p.partition_key and x.id = p.id and l.id = x.lane_id
      and x.lifecycle_phase = 'runnable' and x.deps_blocked
    returning x.lane_id, x.eligibility_state, x.due_at
  )
  select count(*)::integer, array_agg(distinct lane_id) filter (where eligibility_state = 'eligible_now'), min(due_at)
    into released, ready_lanes, next_due_at from let_go;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.node_fate(p_run_on text, p_decision edge_state)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (p_run_on = 'always'::text) THEN 'run'::text WHEN ((p_run_on = 'groupSatisfied'::text) = (p_decision = 'satisfied'::edge_state)) THEN 'run'::text ELSE 'skip'::text END
;

CREATE OR REPLACE FUNCTION flowfabric.now_ms()
 RETURNS bigint
 LANGUAGE sql
 PARALLEL SAFE
RETURN (floor((date_part('epoch'::text, clock_timestamp()) * (1000)::double precision)))::bigint
;

CREATE OR REPLACE FUNCTION flowfabric.parked_until()
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN '9000000000000000'::bigint
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

CREATE OR REPLACE FUNCTION flowfabric.reclaim_backoff_ms(p_reclaim integer, p_random double precision)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (p_reclaim <= 1) THEN (0)::bigint ELSE (floor((LEAST(((1000)::double precision * power((2)::double precision, (LEAST((p_reclaim - 2), 20))::double precision)), (60000)::double precision) * ((0.5)::double precision + (p_random / (2)::double precision)))))::bigint END
;

CREATE OR REPLACE FUNCTION flowfabric.resolve_edges(p_partitions integer[], p_upstreams uuid[], p_downstreams uuid[], p_ends public_state[], p_judged_partition integer, p_judged uuid[], p_cancels_siblings boolean, p_now bigint, OUT steps group_step[], OUT edges integer, OUT released integer, OUT skipped uuid[], OUT ready_lanes integer[], OUT next_due_at bigint)
 RETURNS record
 LANGUAGE plpgsql
 SET enable_seqscan TO 'off'
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
#variable_conflict use_column
begin
  with picked as (
    select p.partition_key, p.downstream_id, count(*)::integer as picked,
      (count(*) filter (where p.ended = 'completed'))::integer as succeeded,
      (count(*) filter (where p.ended in ('failed', 'cancelled', 'expired')))::integer as failed,
      (count(*) filter (where p.ended = 'skipped'))::integer as skipped
    from unnest(p_partitions, p_downstreams, p_ends) as p(partition_key, downstream_id, ended)
    group by p.partition_key, p.downstream_id
    union all
    select p_judged_partition, d.id, 0, 0, 0, 0 from unnest(p_judged) as d(id)
  ), counted as (
    select g.partition_key, g.downstream_id, p.picked, g.state as was, g.released as was_released,
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
    returning (g.partition_key, g.downstream_id, c.picked, g.n,
      case when c.was = 'pending' and g.state <> 'pending' then g.state end,
      case when g.released and not c.was_released then node_fate(g.run_on, g.state) end,
      case when c.was = 'pending' then g.cancel_reason end)::group_step as step
  )
  select array_agg(step) into steps from changed;

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

  if exists (select 1 from unnest(steps) s where s.decided is not null and s.picked < s.n) then
    update edge e set seen_state = u.public_state, seen_satisfied = e.state = 'satisfied'
    from unnest(steps) s, execution u
    where s.decided is not null and s.picked < s.n
      and e.partition_key = s.partition_key and e.downstream_id = s.downstream_id
      and e.as_name is not null and e.seen_state is null
      and u.partition_key = e.partition_key and u.id = e.upstream_id;
  end if;

  if exists (select 1 from unnest(steps) s where s.reason is not null) then
    insert into pending_cancel_group (partition_key, flow_id, downstream_id, enqueued_at)
      select g.partition_key, g.flow_id, g.downstream_id, p_now
      from unnest(steps) s join edge_group g on g.partition_key = s.partition_key and g.downstream_id = s.downstream_id
      where s.reason is not null
      on conflict do nothing;
  end if;

  released := 0;
  skipped := '{}';
  if exists (select 1 from unnest(steps) s where s.fate = 'run') then
    select r.released, r.ready_lanes, r.next_due_at into released, ready_lanes, next_due_at
    from lift_dependencies(
      array(select s.partition_key from unnest(steps) s where s.fate = 'run'),
      array(select s.downstream_id from unnest(steps) s where s.fate = 'run'), p_now) r;
  end if;
  if exists (select 1 from unnest(steps) s where s.fate = 'skip') then
    with ended as (
      update execution x set
        lifecycle_phase = 'terminal', ownership_state = 'unowned', eligibility_state = 'not_applicable', blocking_reason = 'none',
        attempt_state = 'attempt_terminal', terminal_outcome = case when f.state = 'cancelling' then 'cancelled' else 'skipped' end::terminal_outcome,
        cancel_cause = case when f.state = 'cancelling' then 'flow'::cancel_cause end,
        deps_blocked = false, held = false, not_before = null, delay_reason = null, wanted = null, due_at = null, terminal_at = p_now
      from unnest(steps) s, flow f
      where s.fate = 'skip' and x.partition_key = s.partition_key and x.id = s.downstream_id
        and x.lifecycle_phase <> 'terminal' and f.partition_key = x.partition_key and f.id = x.flow_id
      returning x.id
    )
    select array_agg(id) into skipped from ended;
  end if;
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
AS $function$
#variable_conflict use_column
begin
  return query
  update execution e set
    lifecycle_phase = case when e.lifecycle_phase = 'submitted' and not p_seal then e.lifecycle_phase else 'runnable' end,
    deps_blocked = n.deps,
    held = n.held,
    not_before = case when n.eligible then null else e.not_before end,
    delay_reason = case when n.eligible then null else e.delay_reason end,
    eligibility_state = case when e.lifecycle_phase = 'submitted' and not p_seal then e.eligibility_state
      else runnable_eligibility(n.deps, n.held, e.not_before, p_now) end,
    blocking_reason = case when e.lifecycle_phase = 'submitted' and not p_seal then e.blocking_reason
      else runnable_reason(n.deps, n.held, e.not_before, e.delay_reason, p_now) end,
    attempt_state = case when n.eligible and e.attempt_state = 'attempt_interrupted' then 'pending_resume' else e.attempt_state end,
    first_eligible_at = n.first_eligible_at,
    ready_at = n.ready_at,
    score = case when not n.eligible or (e.score is not null and e.ready_at is not null) then e.score
      else score_of(n.ready_at, e.priority, l.ageing_ms) end,
    deadline_at = n.deadline_at,
    queue_ttl_at = n.queue_ttl_at,
    due_at = runnable_due(n.deps, n.held, e.not_before, p_now, n.deadline_at, n.queue_ttl_at)
  from unnest(p_partitions, p_ids) as i (partition_key, id)
  join execution x on x.partition_key = i.partition_key and x.id = i.id
  join lane l on l.id = x.lane_id
  cross join lateral (select
    coalesce(p_deps, x.deps_blocked) as deps,
    coalesce(p_held, x.held) as held,
    case when p_by_time then coalesce(x.not_before, p_now) else p_now end as eligible_at
  ) f
  cross join lateral (select
    (x.lifecycle_phase = 'runnable' or p_seal) and is_eligible(f.deps, f.held, x.not_before, p_now) as eligible
  ) g
  cross join lateral (select f.deps, f.held, g.eligible,
    case when g.eligible then coalesce(x.first_eligible_at, f.eligible_at) else x.first_eligible_at end as first_eligible_at,
    case when g.eligible then coalesce(x.ready_at, f.eligible_at) else x.ready_at end as ready_at,
    case when g.eligible and x.first_eligible_at is null then f.eligible_at + x.deadline_ms else x.deadline_at end as deadline_at,
    case when g.eligible and x.first_eligible_at is null then f.eligible_at + x.queue_ttl_ms else x.queue_ttl_at end as queue_ttl_at
  ) n
  where e.partition_key = i.partition_key and e.id = i.id and e.lifecycle_phase in ('submitted', 'runnable')
  returning e.partition_key, e.id, e.lane_id, e.flow_id, e.eligibility_state, e.due_at;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.settle_flows(p_entries outbox_entry[], p_now bigint)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET enable_seqscan TO 'off'
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
  v_settled jsonb;
begin
  with ended as materialized (
    select f.partition_key, f.id, f.state, f.generation, f.reopened_from_cancel
    from (select distinct partition_key, flow_id from unnest(p_entries) where flow_id is not null) e
    join flow f on f.partition_key = e.partition_key and f.id = e.flow_id
    where (f.state in ('open', 'cancelling') or (f.state = 'cancelled' and f.due_at is null))
      and not exists (select 1 from execution m where m.flow_id = f.id and m.lifecycle_phase <> 'terminal')
      and not exists (select 1 from completion_event c where c.flow_id = f.id and c.kind in ('completion', 'flow_settled'))
  ), judged as materialized (
    select n.*, coalesce(m.went_well, true) as went_well, m.purge_at
    from ended n cross join lateral (
      select bool_and(x.terminal_outcome in ('success', 'skipped')
          or (x.terminal_outcome = 'cancelled' and x.cancel_cause in ('sibling', 'ancestor'))) as went_well,
        max(x.terminal_at + coalesce(x.retention_ms, l.retention_ms)) as purge_at
      from execution x join lane l on l.id = x.lane_id where x.flow_id = n.id
    ) m
  ), left_over as (
    insert into completion_event (partition_key, kind, flow_id, generation)
    select partition_key, 'flow_settled', id, generation from judged where state = 'open' and not went_well
    returning partition_key, id, flow_id
  ), written as (
    update flow f set
      state = case j.state when 'open' then 'completed'::flow_state else 'cancelled'::flow_state end,
      terminal_at = coalesce(f.terminal_at, p_now), due_at = j.purge_at, unprojected = true
    from judged j
    where f.partition_key = j.partition_key and f.id = j.id and (j.state <> 'open' or j.went_well)
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

CREATE OR REPLACE FUNCTION flowfabric.submit_executions(p_items submission[], p_namespace text)
 RETURNS TABLE(ord integer, outcome text, target text, lane_id integer, lane_state text, due_at bigint)
 LANGUAGE plpgsql
 SET search_path TO 'flowfabric', 'pg_temp'
 SET lock_timeout TO '2s'
AS $function$
#variable_conflict use_column
declare
  v_now bigint;
  v_item record;
  v_key record;
  v_targets text[] := array_fill(null::text, array[cardinality(p_items)]);
  v_outcomes text[] := array_fill(null::text, array[cardinality(p_items)]);
begin
  perform pg_advisory_xact_lock_shared(barrier_key());
  v_now := now_ms();

  -- Keys first, sorted, so that two batches never wait for each other. A key that is recorded decides the id.
  for v_item in
    select i.ordinality::integer as ord, i.options ->> 'key' as key, r.kind, i.input_hash, i.partition_key, i.id,
      v_now + coalesce((i.options ->> 'keyTtlMs')::bigint, 86400000) as expires_at, l.state as lane_state
    from unnest(p_items) with ordinality i join route r on r.id = i.route_id join lane l on l.id = r.lane_id
    where i.options ? 'key' order by i.options ->> 'key', i.ordinality
  loop
    select k.target, k.kind, k.content_hash into v_key from idempotency_key k
      where k.namespace = p_namespace and k.key = v_item.key and k.expires_at > v_now;
    if not found then
      -- Nothing is recorded for work that isn't accepted.
      continue when v_item.lane_state in ('draining', 'disabled');
      insert into idempotency_key as k (namespace, key, target, kind, content_hash, expires_at)
      values (p_namespace, v_item.key, format('{fp:%s}:%s', v_item.partition_key, v_item.id), v_item.kind, v_item.input_hash, v_item.expires_at)
      on conflict (namespace, key) do update set target = excluded.target, kind = excluded.kind,
        content_hash = excluded.content_hash, expires_at = excluded.expires_at
        where k.expires_at <= v_now;
      select k.target, k.kind, k.content_hash into v_key from idempotency_key k
        where k.namespace = p_namespace and k.key = v_item.key;
      continue when v_key.target = format('{fp:%s}:%s', v_item.partition_key, v_item.id)
        and v_key.kind = v_item.kind and v_key.content_hash = v_item.input_hash;
    end if;
    if v_key.kind = v_item.kind and v_key.content_hash = v_item.input_hash then
      v_outcomes[v_item.ord] := 'duplicate';
      v_targets[v_item.ord] := v_key.target;
    else
      v_outcomes[v_item.ord] := 'idempotency_conflict';
    end if;
  end loop;

  return query
  with input as materialized (
    select i.ordinality::integer as ord, i.partition_key, i.id, i.route_id, i.input_hash, i.input, coalesce(i.options, '{}') as options,
      r.lane_id, r.kind, l.state as lane_state, l.ageing_ms, v_outcomes[i.ordinality] as decided,
      -- A start in the past is no delay.
      nullif(greatest(coalesce((i.options ->> 'startAtMs')::bigint, v_now + (i.options ->> 'delayMs')::bigint), v_now), v_now) as not_before
    from unnest(p_items) with ordinality i join route r on r.id = i.route_id join lane l on l.id = r.lane_id
  ), fresh as materialized (
    select n.*, coalesce((n.options ->> 'priority')::integer, 0) as priority,
      (n.options ->> 'deadlineMs')::bigint as deadline_ms, (n.options ->> 'queueTtlMs')::bigint as queue_ttl_ms,
      case when n.not_before is null then v_now end as ready_at
    from input n where n.decided is null and n.lane_state not in ('draining', 'disabled')
  ), made as (
    insert into execution as e (partition_key, id, lane_id, route_id, lifecycle_phase, eligibility_state, blocking_reason, attempt_state,
      priority, ready_at, score, first_eligible_at, not_before, delay_reason, deadline_ms, queue_ttl_ms, attempt_timeout_ms,
      max_reclaims, retention_ms, deadline_at, queue_ttl_at, due_at, created_at)
    select f.partition_key, f.id, f.lane_id, f.route_id, 'runnable', runnable_eligibility(false, false, f.not_before, v_now),
      runnable_reason(false, false, f.not_before, 'start_time', v_now), 'pending_first_attempt',
      f.priority, f.ready_at, score_of(f.ready_at, f.priority, f.ageing_ms), f.ready_at, f.not_before,
      case when f.not_before is not null then 'start_time'::delay_reason end, f.deadline_ms, f.queue_ttl_ms,
      (f.options ->> 'attemptTimeoutMs')::bigint, coalesce((f.options ->> 'maxReclaims')::integer, 20),
      (f.options ->> 'retentionMs')::bigint, f.ready_at + f.deadline_ms, f.ready_at + f.queue_ttl_ms,
      runnable_due(false, false, f.not_before, v_now, f.ready_at + f.deadline_ms, f.ready_at + f.queue_ttl_ms), v_now
    from fresh f order by f.ord
    on conflict (partition_key, id) do nothing
    returning e.partition_key, e.id, e.due_at
  ), described as (
    insert into execution_info (partition_key, id, namespace, lane_id, kind, tags, input, input_hash, retry, trace_context, created_at)
    select f.partition_key, f.id, p_namespace, f.lane_id, f.kind, coalesce(f.options -> 'tags', '{}'), f.input, f.input_hash,
      f.options -> 'retry', f.options ->> 'traceContext', v_now
    from fresh f join made m on m.partition_key = f.partition_key and m.id = f.id
  )
  select n.ord, case
      when n.decided is not null then n.decided
      when n.lane_state in ('draining', 'disabled') then 'lane_not_accepting'
      when m.id is not null then 'accepted'
    end, v_targets[n.ord], n.lane_id, n.lane_state, m.due_at
  from input n left join made m on m.partition_key = n.partition_key and m.id = n.id;
end $function$
;

CREATE OR REPLACE FUNCTION flowfabric.want_ancestors(p_cancelled uuid[], p_now bigint)
 RETURNS void
 LANGUAGE plpgsql
 SET enable_seqscan TO 'off'
 SET search_path TO 'flowfabric', 'pg_temp'
AS $function$
begin
  update execution u set wanted = 'ancestor', wanted_ancestors = true
  from execution x, edge e
  where x.id = any(p_cancelled) and e.partition_key = x.partition_key and e.downstream_id = x.id
    and u.partition_key = e.partition_key and u.id = e.upstream_id
    and u.lifecycle_phase <> 'terminal' and u.wanted is null;
end $function$
;

-- Triggers

CREATE TRIGGER execution_deleted AFTER DELETE ON execution REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION execution_deleted();

CREATE TRIGGER execution_inserted AFTER INSERT ON execution REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION execution_inserted();

CREATE TRIGGER execution_updated AFTER UPDATE ON execution REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION execution_updated();

CREATE TRIGGER flow_changed AFTER INSERT OR UPDATE OF state, graph_revision, generation ON flow FOR EACH ROW EXECUTE FUNCTION flow_changed();

CREATE TRIGGER lane_changed AFTER INSERT OR UPDATE ON lane FOR EACH STATEMENT EXECUTE FUNCTION raise_catalog_version();

CREATE TRIGGER route_changed AFTER INSERT OR DELETE ON route FOR EACH STATEMENT EXECUTE FUNCTION raise_catalog_version();
