import type {
  Amounts,
  AttemptRecordState,
  AttemptType,
  BudgetId,
  BudgetSettings,
  Bytes,
  CancelCause,
  ChildEnd,
  ClaimId,
  ConditionState,
  DelayReason,
  Demands,
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
  ParentLink,
  ParkedBy,
  PublicState,
  QuotaId,
  QuotaSettings,
  Resumption,
  RetryPolicy,
  Signal,
  StateVector,
  StepRecord,
  StoredFrame,
  StreamHead,
  SuspensionId,
  SuspensionView,
  Tags,
  Timeouts,
  WaitpointId,
  WorkerId,
} from '@flowfabric/core'

/** What the model keeps. Whatever follows from something else is not kept, but computed: see `facts.ts`. */

export interface ExecutionRecord {
  readonly id: ExecutionId
  readonly namespace: Namespace
  readonly flowId: FlowId | null
  readonly parent: ParentLink | null
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
  readonly demands: Demands
  /** Empty when it names no quota and no budget. */
  readonly admissionKey: string
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
  /** What has no room for it, while it is the refused head of its admission key. */
  refused: Refused | null

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

  suspension: SuspensionRecord | null
  resumption: ResumptionRecord | null
  waitpoints: WaitpointRecord[]
  /** In the order of their sequence. */
  signals: SignalRecord[]
  signalSequence: number
  /** Those that it called, and those whose end it waited for. */
  readonly children: Map<ExecutionId | FlowId, ChildRecord>
}

export interface Refused {
  readonly by: ParkedBy
  readonly sinceMs: number
  /** When it is worth another look by itself. */
  readonly retryAtMs: number | null
  /** Order of the refusals over the whole store. */
  readonly sequence: number
}

export interface QuotaRecord {
  readonly id: QuotaId
  readonly namespace: Namespace
  readonly createdAtMs: number
  /** What it was created as. */
  readonly content: string
  settings: QuotaSettings
  readonly keys: Map<string, QuotaKeyRecord>
}

export interface QuotaKeyRecord {
  /** Units by the steps in which they were taken. */
  readonly steps: Map<number, number>
  /** By execution and use. */
  readonly holders: Map<string, QuotaHolder>
}

export interface QuotaHolder {
  readonly executionId: ExecutionId
  readonly epoch: number
  /** `null`: what its claim took. */
  readonly holderKey: string | null
  /** What its claim paid, and in which step, for a yield. */
  readonly paid: { readonly atMs: number; readonly units: number } | null
  /** Order of the grants over the whole store. */
  readonly sequence: number
  /** Its cancel is on its way. */
  isCancelled: boolean
}

export interface BudgetRecord {
  readonly id: BudgetId
  readonly namespace: Namespace
  readonly createdAtMs: number
  /** What it was created as. */
  readonly content: string
  settings: BudgetSettings
  period: number
  periodStartedAtMs: number
  nextResetAtMs: number | null
  used: Amounts
  /** What is left of each execution's estimate. */
  readonly reservations: Map<ExecutionId, Amounts>
  /** When each usage was reported, and each reset asked for, by their keys. */
  readonly reports: Map<string, number>
  readonly resets: Map<string, number>
}

export interface SuspensionRecord extends Omit<SuspensionView, 'escalated'> {
  readonly delayMs: number
  readonly closesWaitpoints: boolean
  escalated: boolean
  state: ConditionState
}

/** Its signals are those that name its suspension. */
export type ResumptionRecord = Pick<Resumption, 'suspensionId' | 'by' | 'atMs' | 'children'>

export interface WaitpointRecord {
  readonly id: WaitpointId
  readonly name: string
  readonly createdAtMs: number
  readonly expiresAtMs: number | null
  closed: boolean
}

export interface SignalRecord extends Omit<Signal, 'suspensionId'> {
  readonly sequence: number
  readonly idempotencyKey: string
  suspensionId: SuspensionId | null
}

export interface ChildRecord {
  readonly id: ExecutionId | FlowId
  /** It names this execution as its parent. */
  readonly linked: boolean
  readonly detached: boolean
  readonly end: ChildEnd | null
  /** It was cancelled with this parent, or had ended by then. */
  stopped: boolean
}

/** A message between a parent and a child, in the outbox of the partition in whose step it was left. */
export type MessageRecord = { readonly id: EntryId; readonly namespace: Namespace } & (
  | {
      readonly kind: 'child_linked' | 'child_watched'
      readonly child: ExecutionId | FlowId
      readonly parent: ParentLink
    }
  | { readonly kind: 'child_ended'; readonly child: ExecutionId | FlowId; readonly end: ChildEnd }
  | { readonly kind: 'parent_stopped'; readonly parent: ParentLink; readonly generation: number }
  /** A quota's oldest holder is to make room. */
  | { readonly kind: 'holder_cancelled'; readonly executionId: ExecutionId; readonly epoch: number }
)

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

export type PutDown = 'complete' | 'fail' | 'delay' | 'suspend' | 'yield'

export interface FlowRecord {
  readonly id: FlowId
  readonly namespace: Namespace
  readonly parent: ParentLink | null
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
