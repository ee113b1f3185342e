/** What sort of trouble an error is. Decides what a caller can do about it in general; the code says it exactly. */
export type ErrorKind =
  | 'not_found'
  | 'validation'
  | 'conflict'
  | 'contention'
  | 'state'
  | 'resource_exhausted'
  | 'transport'
  | 'unavailable'
  | 'corruption'

/**
 * Whether the same call may be sent again: `never` (it will be refused again), `safe` (it may succeed
 * unchanged, and doing so twice does no harm), `after_refresh` (read the present state, then decide).
 */
export type ErrorRetry = 'never' | 'safe' | 'after_refresh'

/** One row of the error table. */
export interface ErrorCodeEntry {
  readonly kind: ErrorKind
  readonly retry: ErrorRetry
  /** The status of the problem+json answer that carries this code. */
  readonly httpStatus: number
  /** What it means, for people; also the title of the problem+json answer. */
  readonly meaning: string
}

/**
 * Every code that is ever thrown, or that names a refusing outcome. Lua and SQL raise the same codes.
 * A code is never renamed and never means something else; `docs/errors.md` is generated from this table.
 */
export const errorCodes = {
  // Identifiers and names.
  invalid_flow_id: invalid('Not a flow id.'),
  invalid_attempt_id: invalid('Not an attempt id.'),
  invalid_lease_id: invalid('Not a lease id.'),
  invalid_edge_id: invalid('Not an edge id.'),
  invalid_budget_id: invalid('Not a budget id.'),
  invalid_quota_id: invalid('Not a quota id.'),
  invalid_schedule_id: invalid('Not a schedule id.'),
  invalid_operation_id: invalid('Not an operation id.'),
  invalid_webhook_id: invalid('Not a webhook id.'),
  invalid_token_id: invalid('Not a token id.'),
  invalid_instance_id: invalid('Not an instance id.'),
  invalid_claim_id: invalid('Not a claim id.'),
  invalid_signing_key_id: invalid('Not the id of a signing key.'),
  invalid_execution_id: invalid('Not an execution id.'),
  invalid_waitpoint_id: invalid('Not a waitpoint id.'),
  invalid_suspension_id: invalid('Not a suspension id.'),
  invalid_signal_id: invalid('Not a signal id.'),
  invalid_entry_id: invalid('Not the id of an outbox entry.'),
  invalid_lane_id: invalid('Not the name of a lane.'),
  invalid_namespace: invalid('Not the name of a namespace.'),
  invalid_kind: invalid('Not the name of an execution kind.'),
  invalid_worker_id: invalid('Not a worker id.'),
  invalid_name: invalid('A node, an edge or a step has an unusable name.'),
  name_too_long: invalid('A name is longer than the limit.'),
  invalid_tag: invalid('A tag has an unusable key or value.'),
  tag_too_long: invalid('The key or the value of a tag is longer than the limit.'),
  too_many_tags: invalid('An execution has more tags than the limit.'),
  invalid_capability: invalid('A capability is not one printable token without comma and white space.'),
  too_many_capabilities: invalid('A capability set has more tokens, or more bytes in all, than the limit.'),
  nul_in_text: invalid('A text holds the character NUL, which no store can keep.'),
  duplicate_id: invalid('An id occurs twice in one call.'),

  // Partitions.
  partition_tag_without_braces: invalid('A partition tag is not enclosed in braces.'),
  partition_tag_without_family: invalid('A partition tag names no family before a colon.'),
  partition_tag_unknown_family: invalid('The family of a partition tag is none of fp, b and q.'),
  partition_tag_without_index: invalid('A partition tag has no index.'),
  partition_tag_index_not_decimal: invalid('The index of a partition tag is not made of decimal digits.'),
  partition_tag_leading_zeros: invalid('The index of a partition tag has leading zeros.'),
  partition_tag_index_too_large: invalid('The index of a partition tag is above 65535.'),
  partition_out_of_range: invalid("A partition index is not below the deployment's count."),
  partition_mismatch: invalid('An id names another partition than the flow or execution that it belongs to.'),
  invalid_partition_count: invalid(
    'A partition count or a number of shards is not a whole number of 1…65535.',
  ),
  partition_count_mismatch: unavailable('The store was created with other partition counts.', 'never'),

  // Graphs.
  empty_flow: invalid('A graph has no nodes, or a draft without nodes was to be sealed.'),
  unknown_node: invalid('An edge or a policy names a node that is not in the graph.'),
  self_edge: invalid('An edge leads from a node to itself.'),
  duplicate_edge: invalid('Two edges lead from the same upstream to the same downstream.'),
  duplicate_name: invalid('A name occurs twice where it must be unique.'),
  cycle: invalid('The edges form a cycle.'),
  cycle_check_exceeded: exhausted(
    'Whether new edges form a cycle could not be decided within the bound.',
    400,
    'never',
  ),
  invalid_quorum: invalid('A quorum is below 1 or above the number of upstreams.'),
  invalid_edge_policy: invalid(
    'An edge-group policy is of an unknown kind or has fields that it cannot have.',
  ),
  on_satisfied_not_allowed: invalid(
    'The option onSatisfied was stated for all_of, which has no siblings left when it is satisfied.',
  ),
  on_impossible_not_allowed: invalid('The option onImpossible was stated for a policy other than all_of.'),
  policy_without_edges: invalid(
    'An edge-group policy or runOn was stated for a node without incoming edges.',
  ),
  too_many_nodes: invalid('A call has more nodes than the limit.'),
  too_many_edges: invalid('A call has more edges than the limit.'),

  // Requests.
  invalid_json: invalid('The body is not JSON.'),
  invalid_params: invalid('A parameter is missing, of the wrong type or out of its range.'),
  unknown_field: invalid('An object has a field that does not exist.'),
  invalid_priority: invalid('A priority is not a whole number of 0…9000.'),
  invalid_policy: invalid('A retry, timeout or routing policy does not hold together.'),
  invalid_cursor: invalid('A cursor is malformed, or belongs to another listing.'),
  invalid_handle: invalid('A lease handle is malformed or of an unknown version.'),
  invalid_filter: invalid('A filter names something that cannot be filtered by.'),
  payload_too_large: invalid(
    'An input, result, signal, progress message or error payload is longer than the limit.',
    413,
  ),
  payload_opaque: invalid('The operation needs plaintext, and the payload was encoded by a codec.'),
  batch_too_large: invalid('A call has more entries than the limit.', 413),
  body_too_large: invalid('The body of a request is longer than the limit.', 413),
  limit_exceeded: invalid('A number is above its documented limit.'),
  unsupported_media_type: invalid('The body is of another content type than the route reads.', 415),
  method_not_allowed: invalid('The route exists, but not with this method.', 405),
  route_not_found: missing('No such route.'),
  unauthorized: invalid('The request carries no valid credentials.', 401),
  forbidden: invalid('The credentials do not allow this.', 403),
  rate_limited: exhausted('Too many requests with these credentials.', 429, 'safe'),

  // Unknown, or another namespace's: the two are never told apart.
  execution_not_found: missing('No such execution in this namespace.'),
  attempt_not_found: missing('The execution has no such attempt.'),
  flow_not_found: missing('No such flow in this namespace.'),
  lane_not_found: missing('No such lane in this namespace.'),
  worker_not_found: missing('No such worker instance is registered.'),
  waitpoint_not_found: missing(
    "No such waitpoint, or a wrong token, or someone else's waitpoint: never told apart.",
  ),
  budget_not_found: missing('No such budget in this namespace.'),
  quota_not_found: missing('No such quota in this namespace.'),
  schedule_not_found: missing('No such schedule in this namespace.'),
  operation_not_found: missing('No such operation in this namespace.'),
  webhook_not_found: missing('No such webhook in this namespace.'),
  webhook_delivery_not_found: missing('The webhook keeps no such delivery.'),
  token_not_found: missing('No such API token.'),
  namespace_not_found: missing('No such namespace, or not one of these credentials.'),
  signing_key_not_found: missing('No signing key of this id.'),
  subscription_not_found: missing('No such subscription to the change feed.'),

  // Submission.
  execution_conflict: conflict('The id is taken by another execution. Nothing is told about the other.'),
  flow_conflict: conflict('The id is taken by another flow. Nothing is told about the other.'),
  operation_conflict: conflict('The id is that of a bulk operation with other work.'),
  idempotency_conflict: conflict('The idempotency key was used with another kind or content.'),
  lane_not_accepting: state('The lane is draining or disabled and accepts no new work.'),
  namespace_not_accepting: state('The namespace accepts no new work.'),
  too_many_routes: exhausted('The lane would have more live routes than the limit.', 409, 'after_refresh'),

  // Leases: see Fencing in the contract.
  stale_lease: conflict('The attempt is not held by this handle, or not any more.'),
  lease_expired: conflict('The lease ran out and was reaped; only complete and fail are still accepted.'),
  lease_revoked: conflict('The lease was revoked.'),
  attempt_timed_out: conflict('The attempt was ended by its timeout.'),
  max_reclaims_exceeded: conflict(
    'The execution lost its lease more often than the limit and was ended as failed.',
  ),
  max_replays_exceeded: state('The execution was replayed as often as the limit allows.', 'never'),
  execution_not_active: conflict('The execution is not active. Details hold the recorded outcome.'),
  attempt_has_effects: state(
    'The attempt has recorded effects and cannot be handed back unstarted.',
    'never',
  ),
  worker_not_registered: state(
    'The worker instance is not registered, or was taken for dead.',
    'after_refresh',
  ),

  // States of executions and flows.
  execution_active: state('The execution is active, and the operation needs one that is not.'),
  execution_terminal: state('The execution is terminal.', 'never'),
  execution_not_terminal: state('The execution is not terminal yet.'),
  not_held: state('The execution is not held by an operator.'),
  execution_not_in_flow: state('The execution is a member of no flow.', 'never'),
  flow_not_open: state('The flow is a draft, cancelling, replaying or terminal. Details hold its state.'),
  flow_not_draft: state('The flow is not a draft.', 'never'),
  flow_terminal: state('The flow is terminal. Details hold its state.', 'never'),
  edge_group_decided: conflict('The downstream of a new edge was claimed, or its edge group has decided.'),
  graph_revision_mismatch: conflict(
    'The graph has another revision than the caller expected.',
    'after_refresh',
  ),
  replay_conflict: state('Members to be replayed are active, suspended or released. Details hold their ids.'),
  nothing_to_replay: state('No member qualifies for the replay.', 'never'),

  // The journal of steps.
  journal_full: exhausted("The execution's journal is at its limit of entries or bytes.", 409, 'never'),
  journal_mismatch: conflict('A journalled call differs from what an earlier attempt recorded in its place.'),

  // Suspensions, signals and streams.
  invalid_condition: invalid('A resume condition is malformed.'),
  condition_too_large: invalid('A resume condition is deeper, or has more nodes, than the limit.'),
  condition_unsatisfiable: invalid('A resume condition cannot become true.'),
  invalid_matcher: invalid("A signal's payload matcher is malformed."),
  waitpoint_conflict: conflict(
    'The id or the name is taken by another waitpoint. Nothing is told about the other.',
  ),
  too_many_waitpoints: exhausted('The execution has as many waitpoints as the limit allows.', 409, 'never'),
  not_matched: state('A suspension waits on the waitpoint, but not for such a signal. Nothing was kept.'),
  waitpoint_closed: state('The waitpoint is closed.', 'never'),
  too_many_signals: exhausted(
    'The waitpoint keeps as many early signals as the limit allows.',
    429,
    'after_refresh',
  ),
  stream_full: exhausted("The attempt's stream, or its summary document, is at its limit.", 409, 'never'),
  frame_out_of_order: conflict(
    'A frame is not the next of its lease. Details hold the number that is.',
    'after_refresh',
  ),
  frame_too_large: invalid('A stream frame is longer than the limit.', 413),
  invalid_patch: invalid('A summary patch is not a JSON object, or holds what a document cannot.'),

  // Budgets, quotas, schedules, keys.
  budget_exceeded: exhausted('A budget is past its hard limit.', 409, 'after_refresh'),
  quota_exceeded: exhausted('A quota has no room now.', 429, 'safe'),
  quota_full: exhausted('The quota had no room, and its strategy drops new work.', 409, 'never'),
  too_many_budgets: invalid('An execution names more budgets than the limit.'),
  too_many_quotas: invalid('An execution names more quotas than the limit.'),
  too_many_dimensions: invalid('A budget has more dimensions than the limit.'),
  unknown_dimension: invalid('The budget has no such dimension.'),
  budget_conflict: conflict('The id is taken by another budget. Nothing is told about the other.'),
  quota_conflict: conflict('The id is taken by another quota. Nothing is told about the other.'),
  invalid_schedule: invalid("A schedule's cron text, interval or time zone is unusable."),
  invalid_webhook_url: invalid('The address of a webhook is none that deliveries may go to.'),
  signing_key_reused: conflict('The id of a signing key was used before; retired ids do not come back.'),
  token_conflict: conflict('The id is taken by another API token. Nothing is told about the other.'),
  token_revoked: state('The API token was revoked, for ever.', 'never'),
  too_many_records: exhausted(
    'There are as many signing keys, tokens, namespaces or webhooks as the limit allows.',
    409,
    'after_refresh',
  ),
  signing_key_secret_missing: unavailable('This process lacks the secret of a live signing key.', 'never'),

  // The change feed.
  cursor_expired: state('The cursor points at events that retention has removed.', 'after_refresh', 410),

  // Set-up and life of a store and of a process.
  invalid_configuration: invalid('The configuration does not hold together.'),
  store_in_use: unavailable(
    'Another process has the embedded store open. Details hold its pid and address.',
    'after_refresh',
  ),
  virtual_time_refused: state('A store that holds data cannot be given virtual time.', 'never'),
  virtual_time_off: state('The store was not created for virtual time.', 'never'),
  inside_transaction: state(
    "The call is not bound to the user's open transaction and would wait for it for ever.",
    'never',
  ),
  schema_mismatch: unavailable(
    'The store has a schema or library that this version cannot work with.',
    'never',
  ),
  migrations_pending: unavailable('The store lacks migrations that this version needs.', 'never'),
  store_unsupported: unavailable('The store is of an unsupported version or has an unsafe setting.', 'never'),
  store_full: exhausted('The store has no memory or disk space left for new work.', 507, 'safe'),
  store_unreachable: unavailable('The store cannot be reached; the call was not carried out.'),
  closed: unavailable('The backend, client or engine was closed.', 'never'),
  shutting_down: unavailable('The process is shutting down and takes no more calls.'),
  internal_error: unavailable('The process met a fault of its own.', 'safe', 500),

  // Calls whose fate is decided by others or by the network.
  contention: contention('Others changed the same records at the same time; nothing was done.'),
  retry_exhausted: contention('Contention outlasted the tries of one call; nothing was done.'),
  connection_lost: transport('The connection was lost while the call was under way.', 502),
  timed_out: transport('The call was not answered in time.', 504),
  unexpected_answer: transport('The server answered something that is not an answer of this API.', 502),

  corruption: {
    kind: 'corruption',
    retry: 'never',
    httpStatus: 500,
    meaning: 'A stored record or a reply of the store does not decode. Nothing was decided from it.',
  },
} as const satisfies Readonly<Record<string, ErrorCodeEntry>>

/** A code of the table. */
export type ErrorCode = keyof typeof errorCodes

/** The table's row of a code. */
export function lookUpErrorCode(code: ErrorCode): ErrorCodeEntry {
  return errorCodes[code]
}

/** Whether the value is a code of the table. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(errorCodes, value)
}

function invalid(meaning: string, httpStatus = 400): ErrorCodeEntry {
  return { kind: 'validation', retry: 'never', httpStatus, meaning }
}

function missing(meaning: string): ErrorCodeEntry {
  return { kind: 'not_found', retry: 'never', httpStatus: 404, meaning }
}

/** Someone else decided first: sending it again is useless. */
function conflict(meaning: string, retry: ErrorRetry = 'never'): ErrorCodeEntry {
  return { kind: 'conflict', retry, httpStatus: 409, meaning }
}

function state(meaning: string, retry: ErrorRetry = 'after_refresh', httpStatus = 409): ErrorCodeEntry {
  return { kind: 'state', retry, httpStatus, meaning }
}

function exhausted(meaning: string, httpStatus: number, retry: ErrorRetry): ErrorCodeEntry {
  return { kind: 'resource_exhausted', retry, httpStatus, meaning }
}

function contention(meaning: string): ErrorCodeEntry {
  return { kind: 'contention', retry: 'safe', httpStatus: 503, meaning }
}

/** Every operation is idempotent by id, key, handle or entry, so that a lost answer may be asked for again. */
function transport(meaning: string, httpStatus: number): ErrorCodeEntry {
  return { kind: 'transport', retry: 'safe', httpStatus, meaning }
}

function unavailable(meaning: string, retry: ErrorRetry = 'safe', httpStatus = 503): ErrorCodeEntry {
  return { kind: 'unavailable', retry, httpStatus, meaning }
}
