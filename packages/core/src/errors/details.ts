import type { ErrorCode } from './codes.js'

/** Details of an id or a name that did not parse. */
export interface IdErrorDetails {
  /** Which kind of id was expected: `execution`, `lane`, … */
  readonly idKind: string
  /** What is wrong with it: `not_a_uuid`, `unknown_family`, … */
  readonly fault: string
  /** The refused text, cut to 80 characters. */
  readonly value: string
}

/** Details of a bound that was passed. */
export interface LimitErrorDetails {
  /** The limit, in the unit that the code implies (bytes, characters or entries). */
  readonly max: number
  /** What was found. Absent where it wasn't measured to the end. */
  readonly actual?: number | undefined
  /** Which field or limit it is, where the code leaves that open. */
  readonly field?: string | undefined
}

interface TagFaultDetails {
  readonly value: string
}

interface FieldErrorDetails {
  /** One entry for each thing that is wrong; `path` is dotted, empty for the whole. */
  readonly issues: readonly { readonly path: string; readonly message: string }[]
}

/** What the details of a code hold. A code that isn't listed here may hold anything that is JSON, or nothing. */
export interface ErrorDetails {
  readonly invalid_flow_id: IdErrorDetails
  readonly invalid_attempt_id: IdErrorDetails
  readonly invalid_lease_id: IdErrorDetails
  readonly invalid_edge_id: IdErrorDetails
  readonly invalid_budget_id: IdErrorDetails
  readonly invalid_quota_id: IdErrorDetails
  readonly invalid_schedule_id: IdErrorDetails
  readonly invalid_operation_id: IdErrorDetails
  readonly invalid_webhook_id: IdErrorDetails
  readonly invalid_token_id: IdErrorDetails
  readonly invalid_instance_id: IdErrorDetails
  readonly invalid_claim_id: IdErrorDetails
  readonly invalid_signing_key_id: IdErrorDetails
  readonly invalid_execution_id: IdErrorDetails
  readonly invalid_waitpoint_id: IdErrorDetails
  readonly invalid_suspension_id: IdErrorDetails
  readonly invalid_signal_id: IdErrorDetails
  readonly invalid_entry_id: IdErrorDetails
  readonly invalid_lane_id: IdErrorDetails
  readonly invalid_namespace: IdErrorDetails
  readonly invalid_kind: IdErrorDetails
  readonly invalid_worker_id: IdErrorDetails
  readonly invalid_name: IdErrorDetails
  readonly invalid_tag: IdErrorDetails
  readonly invalid_capability: IdErrorDetails

  readonly partition_tag_without_braces: TagFaultDetails
  readonly partition_tag_without_family: TagFaultDetails
  readonly partition_tag_unknown_family: TagFaultDetails
  readonly partition_tag_without_index: TagFaultDetails
  readonly partition_tag_index_not_decimal: TagFaultDetails
  readonly partition_tag_leading_zeros: TagFaultDetails
  readonly partition_tag_index_too_large: TagFaultDetails
  readonly partition_out_of_range: { readonly index: number; readonly count: number }
  readonly partition_mismatch: {
    readonly id: string
    readonly expectedIndex: number
    readonly actualIndex: number
  }
  readonly invalid_partition_count: { readonly name: string; readonly value: number }
  /** Both counts of the first family that differs. */
  readonly partition_count_mismatch: {
    readonly family: string
    readonly stored: number
    readonly configured: number
  }

  readonly unknown_node: { readonly node: string }
  readonly self_edge: { readonly node: string }
  readonly duplicate_edge: { readonly upstream: string; readonly downstream: string }
  readonly duplicate_name: { readonly name: string }
  readonly duplicate_id: { readonly id: string }
  /** The nodes along the cycle in the direction of the edges; the first one is repeated at the end. */
  readonly cycle: { readonly path: readonly string[] }
  readonly invalid_quorum: { readonly node: string; readonly k: number; readonly n: number }
  readonly invalid_edge_policy: { readonly node: string }
  readonly on_satisfied_not_allowed: { readonly node: string }
  readonly on_impossible_not_allowed: { readonly node: string }
  readonly policy_without_edges: { readonly node: string }

  readonly name_too_long: LimitErrorDetails
  readonly tag_too_long: LimitErrorDetails
  readonly too_many_tags: LimitErrorDetails
  readonly too_many_capabilities: LimitErrorDetails
  readonly too_many_nodes: LimitErrorDetails
  readonly too_many_edges: LimitErrorDetails
  readonly payload_too_large: LimitErrorDetails
  readonly batch_too_large: LimitErrorDetails
  readonly body_too_large: LimitErrorDetails
  readonly limit_exceeded: LimitErrorDetails
  readonly too_many_records: LimitErrorDetails
  readonly cycle_check_exceeded: LimitErrorDetails
  readonly journal_full: Partial<LimitErrorDetails>
  readonly frame_too_large: LimitErrorDetails
  readonly condition_too_large: LimitErrorDetails
  readonly too_many_waitpoints: LimitErrorDetails
  readonly too_many_budgets: LimitErrorDetails
  readonly too_many_quotas: LimitErrorDetails
  readonly too_many_dimensions: LimitErrorDetails
  readonly unknown_dimension: { readonly dimension: string }
  readonly nul_in_text: { readonly field: string }
  readonly invalid_params: FieldErrorDetails
  readonly unknown_field: { readonly path: string }
  readonly invalid_handle: { readonly fault: string }

  // Refusing outcomes: the outcome's own fields, the same in process and over HTTP.
  readonly lane_not_accepting: { readonly lane: string; readonly laneState: string }
  /** What is recorded about the attempt or execution that the handle names. */
  readonly execution_not_active: {
    readonly recorded: {
      /** What ended the attempt: `holder`, `deadline`, `cancel`, …; `null` when nothing is recorded. */
      readonly endedBy: string | null
      /** The execution's terminal outcome as recorded; `none` when it isn't terminal. */
      readonly terminalOutcome: string
    }
  }
  readonly execution_terminal: { readonly terminalOutcome: string }
  readonly flow_not_open: { readonly flowState: string }
  readonly flow_terminal: { readonly flowState: string }
  readonly edge_group_decided: { readonly ids: readonly string[] }
  readonly graph_revision_mismatch: { readonly graphRevision: number }
  readonly replay_conflict: { readonly ids: readonly string[] }
  readonly max_replays_exceeded: { readonly ids: readonly string[] }
  readonly too_many_routes: { readonly lane: string }
  readonly frame_out_of_order: { readonly expectedFrameNumber: number }
  readonly stream_full: { readonly bound: string }
  readonly attempt_not_found: { readonly attemptIndex: number }

  readonly store_in_use: { readonly pid?: number | undefined; readonly url?: string | undefined }
  readonly schema_mismatch: { readonly stored: string | number; readonly supported: string | number }
  readonly retry_exhausted: { readonly tries: number }
  readonly unexpected_answer: { readonly status: number; readonly code?: string | undefined }
  /** `raw` is the text that did not decode, cut to 80 characters. */
  readonly corruption: { readonly subject: string; readonly raw?: string | undefined }
}

/** The details of a code. */
export type DetailsOf<C extends ErrorCode> = C extends keyof ErrorDetails
  ? ErrorDetails[C]
  : Readonly<Record<string, unknown>>
