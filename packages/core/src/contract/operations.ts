import type { BudgetId, ExecutionId, OperationId } from '../ids/index.js'
import type { Page, PageRequest, ScanRequest, ScanResult, Scoped } from './conventions.js'
import type { ExecutionFilter } from './executions.js'

/** Durable bulk jobs: what is done to many executions, in bounded batches, with progress and a list of failures. */
export interface BulkOperations {
  /** Begin one. What it works on is what matches when it begins. Idempotent by id. */
  create(
    params: CreateOperation,
  ): Promise<{ readonly outcome: 'created' | 'duplicate'; readonly operation: Operation }>

  /** Throws `operation_not_found`. */
  get(params: GetOperation): Promise<{ readonly outcome: 'found'; readonly operation: Operation }>

  /** Newest first. */
  list(params: ListOperations): Promise<Page<Operation>>

  /** Carry out the next batches of a partition. Each item is idempotent, so that a crash repeats nothing. */
  advance(params: ScanRequest): Promise<ScanResult<OperationAdvanceItem>>

  /** Stop after the batch that runs. What is done stays. Atomic, idempotent. Throws `operation_not_found`. */
  stop(params: GetOperation): Promise<{ readonly outcome: 'stopped' | 'already_ended' }>
}

export type OperationWork =
  | { readonly kind: 'cancel'; readonly filter: ExecutionFilter; readonly reason?: string | undefined }
  | { readonly kind: 'replay'; readonly filter: ExecutionFilter; readonly reason?: string | undefined }
  /** Written by the step that recorded the breach. */
  | {
      readonly kind: 'budget_breach'
      readonly budgetId: BudgetId
      readonly rule: 'cancel_pending' | 'fail_running'
    }

export interface CreateOperation extends Scoped {
  readonly operationId: OperationId
  readonly work: OperationWork
}

export interface GetOperation extends Scoped {
  readonly operationId: OperationId
}

export interface ListOperations extends Scoped, PageRequest {}

export interface Operation {
  readonly id: OperationId
  readonly work: OperationWork
  readonly state: 'running' | 'completed' | 'stopped'
  readonly done: number
  readonly unchanged: number
  readonly failed: number
  /** `null` until it has been counted. */
  readonly total: number | null
  /** The first 100. */
  readonly failures: readonly { readonly executionId: ExecutionId; readonly code: string }[]
  readonly createdAtMs: number
  readonly endedAtMs: number | null
}

export interface OperationAdvanceItem {
  readonly outcome: 'advanced' | 'completed' | 'error'
  readonly operationId: OperationId
  readonly done: number
  readonly failed: number
}
