import type {
  AttemptRecordState,
  AttemptType,
  Bytes,
  CancelCause,
  ClaimId,
  DelayReason,
  EdgeId,
  EndedBy,
  EntryId,
  Execution,
  ExecutionId,
  Failure,
  FlowCancelPolicy,
  FlowId,
  FlowResultOutcome,
  FlowState,
  FlowSummary,
  GroupDecision,
  InstanceId,
  Join,
  Kind,
  Lane,
  LaneId,
  LeaseHandle,
  LeaseId,
  Namespace,
  OutcomeBucket,
  PublicState,
  RetryPolicy,
  StateVector,
  StepRecord,
  StoredFrame,
  StreamHead,
  Tags,
  Timeouts,
  WorkerId,
} from '@flowfabric/core'

/** What the model keeps. Whatever follows from something else is not kept, but computed: see `facts.ts`. */

export interface ExecutionRecord {
  readonly id: ExecutionId
  readonly namespace: Namespace
  readonly flowId: FlowId | null
  readonly name: string | null
  readonly kind: Kind
  readonly lane: LaneId
  readonly capabilities: readonly string[]
  readonly retry: RetryPolicy
  readonly timeouts: Timeouts
  readonly inputHash: string
  readonly traceContext: string | null
  readonly retentionMs: number | null
  readonly maxReclaims: number
  readonly createdAtMs: number
  /** Order of acceptance over the whole store. */
  readonly sequence: number
  input: Bytes | null
  priority: number
  tags: Tags

  state: StateVector
  /** What the last event said; an event follows when one of them has changed. */
  announced: { readonly publicState: PublicState; readonly generation: number } | null
  blockedByDependencies: boolean
  held: boolean
  notBeforeMs: number | null
  delayReason: DelayReason | null

  generation: number
  epoch: number
  retryCount: number
  reclaimCount: number
  replayCount: number
  /** It was claimed in this generation. */
  claimed: boolean
  firstEligibleAtMs: number | null
  readyAtMs: number | null
  score: number | null

  attempts: AttemptEntry[]
  lease: Lease | null
  /** The lease that a yield handed back, until the next claim. */
  yielded: LeaseHandle | null
  cancelRequested: Execution['cancelRequested']
  cancelCause: CancelCause | null
  /** A race that it lost would cancel it, but another join still needs it. */
  wanted: Wanted | null

  result: Bytes | null
  failure: Failure | null
  progress: Execution['progress']
  terminalAtMs: number | null
  /** Until when it is kept; set by its end. */
  keptUntilMs: number | null
  steps: StepRecord[]
}

export interface Wanted {
  readonly cause: 'sibling' | 'ancestor'
  readonly ancestors: 'cancel' | 'let_run'
}

export interface Lease {
  readonly leaseId: LeaseId
  readonly claimId: ClaimId
  readonly workerId: WorkerId
  readonly instanceId: InstanceId
  readonly startedAtMs: number
  readonly attemptDeadlineAtMs: number | null
  /** The vector from before the claim, for a yield. */
  readonly before: StateVector
  expiresAtMs: number
}

export interface AttemptEntry {
  readonly index: number
  readonly type: AttemptType
  readonly generation: number
  readonly startedAtMs: number
  state: AttemptRecordState
  epoch: number
  leaseId: LeaseId
  workerId: WorkerId
  instanceId: InstanceId
  endedAtMs: number | null
  endedBy: EndedBy | null
  late: boolean
  failure: Failure | null
  /** Active time under earlier leases of this attempt. */
  usedMs: number
  /** It recorded progress, a step or a frame, or went on from a delay: it can't be yielded. */
  hasEffects: boolean
  /** How its holder put it down, and what that call answered. */
  putDown: { readonly operation: PutDown; readonly answer: { readonly outcome: string } } | null
  /** Since its first frame was asked for. */
  stream: AttemptStream | null
}

export interface AttemptStream {
  head: StreamHead
  /** Those that are kept, each in order. */
  readonly durable: StoredFrame[]
  readonly capped: StoredFrame[]
  patchedAtMs: number | null
}

export type PutDown = 'complete' | 'fail' | 'delay' | 'yield'

export interface FlowRecord {
  readonly id: FlowId
  readonly namespace: Namespace
  readonly name: string | null
  readonly tags: Tags
  readonly createdAtMs: number
  readonly sequence: number
  readonly deadlineMs: number | null
  /** The content of the submission; `null` for a draft. */
  readonly content: GraphContent | null
  state: FlowState
  graphRevision: number
  generation: number
  deadlineAtMs: number | null
  draftExpiresAtMs: number | null
  terminalAtMs: number | null
  cancel: { policy: FlowCancelPolicy; finalisers: boolean; readonly requestedAtMs: number } | null
  /** What `flow_only` left as the flow's result. */
  frozenResult: Exclude<FlowResultOutcome, { readonly outcome: 'pending' }> | null
  readonly members: ExecutionId[]
  readonly edges: EdgeRecord[]
  readonly groups: Map<ExecutionId, GroupRecord>
  summary: FlowSummary | null
  /** Something changed since the summary was written. */
  changed: boolean
  changedAtMs: number
  /** In the live set: the projector visits it. */
  live: boolean
}

export interface GraphContent {
  /** Ids replaced by positions. */
  readonly shape: string
  readonly ids: string
}

export interface EdgeRecord {
  readonly id: EdgeId
  readonly from: ExecutionId
  readonly to: ExecutionId
  readonly as: string | null
  state: GroupDecision
  /** Where its upstream's end was counted. */
  bucket: OutcomeBucket | null
  /** What a named edge handed down when the group decided. */
  seen: { readonly publicState: PublicState; readonly satisfied: boolean } | null
}

export interface GroupRecord {
  readonly node: ExecutionId
  /** `null`: a stored policy that this version doesn't know. */
  join: Join | null
  storedPolicy: string
  state: GroupDecision
  released: boolean
  cancelReason: 'sibling_quorum_satisfied' | 'sibling_quorum_impossible' | null
  /** The pending tuple, with members that a later replay exempted from it. */
  siblingCancel: { readonly exempt: Set<ExecutionId> } | null
}

export interface OutboxEntry {
  readonly id: EntryId
  readonly kind: 'completion' | 'flow_settled'
  readonly flowId: FlowId | null
  /** Of a completion. */
  readonly executionId: ExecutionId | null
  /** Of the execution; of the flow for `flow_settled`. */
  readonly generation: number
  readonly graphRevision: number
}

export interface IdempotencyRecord {
  readonly target: string
  readonly kind: string
  readonly content: string
  readonly expiresAtMs: number
}

export type LaneRecord = { -readonly [K in keyof Lane]: Lane[K] }
