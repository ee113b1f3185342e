import type { BudgetId, ExecutionId, OperationId } from '../ids/index.js'
import type { Page, PageRequest, ScanRequest, ScanResult, Scoped } from './conventions.js'
import type { ExecutionFilter } from './executions.js'

/**
 * Durable bulk jobs: what is done to many executions, in bounded batches, with progress and a list of failures.
 *
 * A job looks at each execution that was accepted before it began, once, newest first in each partition. It is done to an
 * execution that matches when its turn comes; what ended since the job began is not replayed. So nothing that was accepted
 * after the answer of `create` is touched, but for what was accepted in the very millisecond in which the job began.
 */
export interface BulkOperations {
  /**
   * Begin one. Idempotent by id: the same work answers `duplicate`. Reads each flow partition's clock, then writes the record
   * in one step.
   */
  create(params: CreateOperation): Promise<CreateOperationOutcome>

  /** Throws `operation_not_found`. */
  get(params: GetOperation): Promise<{ readonly outcome: 'found'; readonly operation: Operation }>

  /** Newest first. A cursor neither skips nor repeats a job that is kept. Throws `invalid_cursor`. */
  list(params: ListOperations): Promise<Page<Operation>>

  /** Wait after the batch that runs. Atomic, idempotent. Throws `operation_not_found`. */
  pause(params: ChangeOperation): Promise<{ readonly outcome: 'paused' | 'already_paused' | 'already_ended' }>

  /** Go on where it stopped; it began when it began. Atomic, idempotent. Throws `operation_not_found`. */
  resume(params: ChangeOperation): Promise<{ readonly outcome: 'resumed' | 'not_paused' | 'already_ended' }>

  /**
   * Carry out the next batches of a partition of the quota family, of at most `max` executions. Each batch is recorded before
   * it is carried out, and each item holds for the generation that was recorded, so that a crash repeats nothing. Removes jobs
   * that ended long ago.
   */
  advance(params: ScanRequest): Promise<ScanResult<OperationAdvanceItem>>

  /** End after the batch that runs. What is done stays. Atomic, idempotent. Throws `operation_not_found`. */
  stop(params: ChangeOperation): Promise<{ readonly outcome: 'stopped' | 'already_ended' }>
}

export type OperationWork =
  /** The filter's states, if any, are states of what has not ended. */
  | { readonly kind: 'cancel'; readonly filter: ExecutionFilter; readonly reason?: string | undefined }
  /** The filter names the states, and they are states of what has ended. A member is replayed with its descendants. */
  | { readonly kind: 'replay'; readonly filter: ExecutionFilter; readonly reason?: string | undefined }
  /**
   * What carries the budget and has not ended is cancelled (`budget`) unless it runs; by `fail_running` also what runs fails,
   * with a failure of category `budget_exceeded`. Written on behalf of the step that recorded the breach, never by a user.
   */
  | {
      readonly kind: 'budget_breach'
      readonly budgetId: BudgetId
      readonly rule: 'cancel_pending' | 'fail_running'
    }

export interface CreateOperation extends Scoped {
  readonly operationId: OperationId
  readonly work: OperationWork
}

export type CreateOperationOutcome =
  | { readonly outcome: 'created' | 'duplicate'; readonly operation: Operation }
  /** The id is that of a job with other work. */
  | { readonly outcome: 'operation_conflict' }

export interface GetOperation extends Scoped {
  readonly operationId: OperationId
}

export interface ChangeOperation extends GetOperation {
  readonly reason?: string | undefined
}

export interface ListOperations extends Scoped, PageRequest {}

export const operationStates = ['running', 'paused', 'completed', 'stopped'] as const
export type OperationState = (typeof operationStates)[number]

export interface Operation {
  readonly id: OperationId
  readonly work: OperationWork
  readonly state: OperationState
  /** They are as the job wants them, and were not before. */
  readonly done: number
  /** They ended, ran again or went before their turn, by whoever's hand. */
  readonly unchanged: number
  readonly failed: number
  /** How many matched shortly after it began; `null` until they have been counted, and where they could not be. */
  readonly total: number | null
  /** The first 100. */
  readonly failures: readonly { readonly executionId: ExecutionId; readonly code: string }[]
  readonly createdAtMs: number
  readonly endedAtMs: number | null
}

export const operationAdvanceOutcomes = ['advanced', 'completed', 'lost_race', 'removed', 'error'] as const

/** What one call did for a job. */
export interface OperationAdvanceItem {
  readonly outcome: (typeof operationAdvanceOutcomes)[number]
  readonly operationId: OperationId
  readonly done: number
  readonly unchanged: number
  readonly failed: number
  readonly code?: string | undefined
}
