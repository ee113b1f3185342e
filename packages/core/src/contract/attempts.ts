import type { ExecutionId, InstanceId } from '../ids/index.js'
import type { WorkerId } from '../names.js'
import type { PublicState } from '../state/public-state.js'
import type { Bytes, Failure, ItemError, Page, PageRequest, Scoped, WorkerScoped } from './conventions.js'
import type { FencingRefusal, Handle } from './leases.js'

/** Numbered runs of an execution, with their history and their journal. */
export interface AttemptOperations {
  /** All attempts, oldest first, the running one included. Throws `execution_not_found`, `invalid_cursor`. */
  list(params: ListAttempts): Promise<Page<AttemptRecord>>

  /** Record how far attempts have come. The last one wins. Atomic per item, fenced. One round trip for the batch. */
  recordProgress(params: RecordProgress): Promise<{ readonly items: readonly RecordProgressOutcome[] }>

  /**
   * Append to the execution's journal. Atomic per item, fenced. Idempotent by name: a repeat answers the entry that was
   * recorded first; a name recorded with another `type` is `journal_mismatch`; past the bounds `journal_full`.
   */
  recordStep(params: RecordSteps): Promise<{ readonly items: readonly RecordStepOutcome[] }>

  /** The journal in the order of recording, kept over attempts and generations until a fork. Throws `execution_not_found`. */
  loadSteps(params: LoadSteps): Promise<Page<StepRecord>>

  /** What the upstreams handed down, by `as` name, as the step that decided the group saw it. Throws `execution_not_found`. */
  loadUpstream(params: LoadUpstream): Promise<Page<UpstreamResult>>
}

export const attemptTypes = ['initial', 'retry', 'reclaim', 'replay'] as const
export type AttemptType = (typeof attemptTypes)[number]

export const attemptRecordStates = [
  'started',
  'suspended',
  'ended_success',
  'ended_failure',
  'ended_cancelled',
  'interrupted_reclaimed',
] as const
export type AttemptRecordState = (typeof attemptRecordStates)[number]

export const endedBys = [
  'holder',
  'lease_expiry',
  'revocation',
  'attempt_timeout',
  'suspension_timeout',
  'deadline',
  'cancel',
  'skip',
] as const
export type EndedBy = (typeof endedBys)[number]

export interface AttemptRecord {
  readonly executionId: ExecutionId
  /** From 0. */
  readonly index: number
  readonly type: AttemptType
  readonly generation: number
  readonly state: AttemptRecordState
  readonly epoch: number
  readonly workerId: WorkerId
  readonly instanceId: InstanceId
  readonly startedAtMs: number
  readonly endedAtMs: number | null
  readonly endedBy: EndedBy | null
  /** Its holder's end came after the lease was reaped. */
  readonly late: boolean
  readonly failure: Failure | null
}

export interface ListAttempts extends Scoped, PageRequest {
  readonly executionId: ExecutionId
}

export interface RecordProgress extends WorkerScoped {
  readonly items: readonly {
    readonly handle: Handle /** 0…100. */
    readonly percent: number
    readonly message?: string | undefined
  }[]
}

export type RecordProgressOutcome = { readonly outcome: 'recorded' } | FencingRefusal | ItemError

/** Type of a journal entry: which call of the handler's context wrote it. */
export type StepType = 'step' | 'sleep' | 'spawn' | 'submit' | 'call' | 'suspend'

export interface StepRecord {
  readonly name: string
  readonly type: StepType
  readonly result: Bytes | null
  readonly attemptIndex: number
  readonly recordedAtMs: number
}

export interface RecordSteps extends WorkerScoped {
  readonly items: readonly {
    readonly handle: Handle
    readonly name: string
    readonly type: StepType
    readonly result: Bytes | null
  }[]
}

export type RecordStepOutcome =
  | { readonly outcome: 'recorded'; readonly step: StepRecord }
  | { readonly outcome: 'already_recorded'; readonly step: StepRecord }
  | { readonly outcome: 'journal_mismatch'; readonly recordedType: StepType }
  | { readonly outcome: 'journal_full' }
  | FencingRefusal
  | ItemError

export interface LoadSteps extends Scoped, PageRequest {
  readonly executionId: ExecutionId
}

/** What an edge with an `as` name handed down when the group decided. */
export interface UpstreamResult {
  readonly as: string
  readonly executionId: ExecutionId
  /** The upstream's state at that moment. */
  readonly publicState: PublicState
  /** Its edge was satisfied in or before that step: `result` is what it recorded. */
  readonly satisfied: boolean
  readonly result: Bytes | null
}

export interface LoadUpstream extends Scoped, PageRequest {
  readonly executionId: ExecutionId
}
