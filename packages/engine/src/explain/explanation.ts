import type {
  BudgetFacts,
  CancelCause,
  ExecutionId,
  Failure,
  FlowId,
  FlowState,
  GroupCounters,
  InstanceId,
  Join,
  LaneId,
  LaneState,
  ParkedBy,
  PublicState,
  QuotaFacts,
  QuotaShortage,
  RecordedOutcome,
  SuspensionView,
  Waitpoint,
  WorkerId,
} from '@flowfabric/core'

/** Why an execution does not run, or that it runs or ran. */
export interface Explanation {
  readonly executionId: ExecutionId
  readonly publicState: PublicState
  /** What holds it back first: were it gone, the next of `reasons` would show. */
  readonly dominant: ExplainReason
  /** Everything that holds it back now, the dominant one first. */
  readonly reasons: readonly ExplainReason[]
}

/** One reason: in words, with what proves it, since when it has held (where that is recorded), and what would end it. */
export type ExplainReason = ReasonEvidence & {
  readonly message: string
  readonly sinceMs: number | null
  readonly releasedBy: string
}

export type ReasonEvidence =
  | {
      readonly reason: 'ended'
      readonly evidence: {
        readonly outcome: RecordedOutcome
        readonly failure: Failure | null
        readonly cancelCause: CancelCause | null
      }
    }
  | {
      readonly reason: 'running'
      readonly evidence: {
        readonly workerId: WorkerId | null
        readonly instanceId: InstanceId | null
        readonly attemptIndex: number | null
        readonly leaseExpiresAtMs: number | null
        /** Someone asked it to stop. */
        readonly cancelRequested: { readonly graceEndsAtMs: number; readonly cause: CancelCause } | null
      }
    }
  | {
      readonly reason: 'suspended'
      readonly evidence: {
        readonly blockingReason: string
        readonly suspension: SuspensionView | null
        /** Those that its condition names. */
        readonly waitpoints: readonly Waitpoint[]
      }
    }
  | { readonly reason: 'draft_flow'; readonly evidence: FlowEvidence }
  | { readonly reason: 'cancelling_flow'; readonly evidence: FlowEvidence }
  | { readonly reason: 'replaying_flow'; readonly evidence: FlowEvidence }
  | { readonly reason: 'dependencies'; readonly evidence: DependencyEvidence & { readonly join: Join } }
  | {
      /** The stored policy was written by a newer version: only that version decides the group. */
      readonly reason: 'unknown_policy'
      readonly evidence: DependencyEvidence & { readonly storedPolicy: string }
    }
  | { readonly reason: 'held'; readonly evidence: Record<string, never> }
  | { readonly reason: 'start_time' | 'delay'; readonly evidence: { readonly untilMs: number } }
  | {
      readonly reason: 'retry_backoff'
      readonly evidence: {
        readonly untilMs: number
        readonly retryCount: number
        readonly failure: Failure | null
      }
    }
  | {
      readonly reason: 'reclaim_backoff'
      readonly evidence: { readonly untilMs: number; readonly reclaimCount: number }
    }
  | {
      readonly reason: 'lane_paused' | 'lane_disabled'
      readonly evidence: { readonly lane: LaneId; readonly laneState: LaneState }
    }
  | {
      readonly reason: 'lane_concurrency'
      readonly evidence: {
        readonly lane: LaneId
        readonly concurrency: number
        readonly active: number
        readonly ahead: number
      }
    }
  | {
      /** A quota that it names has no room for it. */
      readonly reason: 'quota'
      readonly evidence: { readonly quota: QuotaFacts; readonly shortage: QuotaShortage }
    }
  | {
      /** A budget that it names has no room for its estimate. */
      readonly reason: 'budget'
      readonly evidence: { readonly budget: BudgetFacts; readonly dimension: string }
    }
  | {
      /** The head of its admission key was refused: until that is woken, nothing of the key is looked at. */
      readonly reason: 'parked'
      readonly evidence: { readonly head: ExecutionId; readonly by: ParkedBy }
    }
  | { readonly reason: 'no_worker'; readonly evidence: { readonly lane: LaneId } }
  | {
      /** Workers are there, and none of them serves it: by its kind, by its capabilities, or because they are draining. */
      readonly reason: 'no_capable_worker'
      readonly evidence: {
        readonly lane: LaneId
        readonly kind: string
        readonly workers: number
        readonly servingKind: number
        readonly draining: number
        /** Capabilities that even the best of those serving its kind lacks. */
        readonly missing: readonly string[]
      }
    }
  | {
      /** Nothing holds it back: it waits for its turn. */
      readonly reason: 'queued'
      readonly evidence: {
        readonly lane: LaneId
        /** Claimable executions of its route before it, counted up to 1000. */
        readonly ahead: number
        readonly workers: number
        readonly afterReclaim: boolean
      }
    }
  | {
      /** A block that this version has no better words for. */
      readonly reason: 'blocked'
      readonly evidence: { readonly eligibilityState: string; readonly blockingReason: string }
    }

export interface FlowEvidence {
  readonly flowId: FlowId
  readonly flowState: FlowState
}

export interface DependencyEvidence {
  readonly counters: GroupCounters
  /** The group has decided, and its node waits for the last upstream (`settled`). */
  readonly decided: boolean
  readonly pendingUpstreams: readonly {
    readonly id: ExecutionId
    readonly name: string | null
    readonly publicState: PublicState
  }[]
}

export type ReasonName = ReasonEvidence['reason']
