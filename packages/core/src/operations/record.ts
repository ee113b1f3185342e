import type { Operation, OperationState, OperationWork } from '../contract/operations.js'
import type { ExecutionId, FlowId, OperationId } from '../ids/index.js'
import type { Namespace } from '../names.js'

/** What a job is about, for good. */
export interface OperationDefinition {
  readonly work: OperationWork
  readonly beganAtMs: number
  /** Store time of each flow partition when it began; one alone holds for all of them. What was created later is not looked at. */
  readonly boundsMs: readonly number[]
}

/** An execution of a batch: what is done to it is done to this generation. */
export interface OperationItem {
  readonly id: ExecutionId
  readonly generation: number
  readonly flowId: FlowId | null
}

export interface OperationBatch {
  /** Of the job, from 1 on. Whoever has carried it out settles this batch and no other. */
  readonly number: number
  readonly items: readonly OperationItem[]
}

/** How far a job has come. Each change of it is one conditional write. */
export interface OperationProgress {
  readonly state: OperationState
  readonly endedAtMs: number | null
  readonly total: Operation['total']
  /** Counting is tried once. */
  readonly isCounted: boolean
  readonly done: number
  readonly unchanged: number
  readonly failed: number
  readonly failures: Operation['failures']
  /** Where the walk over the executions goes on, as the store tells it; `null` before the first look. */
  readonly place: string | null
  /** The walk has come to its end. */
  readonly isWalked: boolean
  /** Decided and not known to have been carried out: whoever meets it carries it out. */
  readonly batch: OperationBatch | null
  /** Number of the last batch. */
  readonly batches: number
}

/** A job as it is stored, decoded. */
export interface StoredOperation {
  readonly namespace: Namespace
  readonly operationId: OperationId
  /** Raised by every write: a write names the version that it was decided on. */
  readonly version: number
  readonly createdAtMs: number
  /** When a runner has to look at it; `null` is never. */
  readonly dueAtMs: number | null
  readonly definition: OperationDefinition
  readonly progress: OperationProgress
}
