import type {
  Amounts,
  BudgetId,
  CancelCause,
  ExecutionId,
  Failure,
  FlowId,
  FlowResultOutcome,
  RecordedOutcome,
} from '@flowfabric/core'

/** Thrown by a handler: this attempt has failed, and no other one will do better. */
export class TerminalError extends Error {
  override readonly name: string = 'TerminalError'
  /** The category of the recorded failure. */
  readonly category: string

  constructor(message: string, options: { readonly category?: string; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.category = options.category ?? 'terminal'
  }
}

/**
 * A child that `ctx.call` waited for has ended, and not with success. No later attempt sees it end otherwise; a handler that
 * can do without it catches this.
 */
export class CallFailedError extends TerminalError {
  override readonly name = 'CallFailedError'
  /** The name of the call. */
  readonly call: string
  readonly childId: ExecutionId | FlowId
  /** How it ended; `not_found`: it was removed before this one could be told. */
  readonly outcome: Exclude<RecordedOutcome, 'success'> | 'not_found'
  /** Of an execution. */
  readonly failure: Failure | null
  readonly cancelCause: CancelCause | null
  /** Of a flow: members whose end nothing made good. */
  readonly failures: FlowFailures

  constructor(end: {
    readonly call: string
    readonly childId: ExecutionId | FlowId
    readonly outcome: Exclude<RecordedOutcome, 'success'> | 'not_found'
    readonly failure: Failure | null
    readonly cancelCause: CancelCause | null
    readonly failures: FlowFailures
  }) {
    const why = end.failure?.message ?? end.cancelCause
    super(`The call ${end.call} (${end.childId}) ended as ${end.outcome}${why == null ? '' : `: ${why}`}`, {
      category: end.failure?.category ?? `child_${end.outcome}`,
    })
    this.call = end.call
    this.childId = end.childId
    this.outcome = end.outcome
    this.failure = end.failure
    this.cancelCause = end.cancelCause
    this.failures = end.failures
  }
}

/** Thrown by `ctx.retryAt`: this attempt has failed, and the next one should not start before that store time. */
export class RetryAtError extends Error {
  override readonly name = 'RetryAtError'
  readonly atMs: number

  constructor(atMs: number, message: string) {
    super(message)
    this.atMs = atMs
  }
}

/** Thrown by `ctx.spend`: a hard limit of the budget is passed. What was spent is charged. */
export class BudgetExceeded extends Error {
  override readonly name = 'BudgetExceeded'
  /** Of the failure that is recorded of a handler which does not catch it. */
  readonly category = 'budget_exceeded'
  readonly budgetId: BudgetId
  /** In this period, by all. */
  readonly used: Amounts

  constructor(budgetId: BudgetId, used: Amounts) {
    super(`Budget ${budgetId} is past its hard limit`)
    this.budgetId = budgetId
    this.used = used
  }
}

/** An awaited execution has ended, and not with success. */
export class ExecutionNotSucceededError extends Error {
  override readonly name = 'ExecutionNotSucceededError'
  readonly executionId: ExecutionId
  readonly outcome: Exclude<RecordedOutcome, 'success'>
  readonly failure: Failure | null
  readonly cancelCause: CancelCause | null

  constructor(end: {
    readonly executionId: ExecutionId
    readonly outcome: Exclude<RecordedOutcome, 'success'>
    readonly failure: Failure | null
    readonly cancelCause: CancelCause | null
  }) {
    const why = end.failure?.message ?? end.cancelCause
    super(`Execution ${end.executionId} ended as ${end.outcome}${why == null ? '' : `: ${why}`}`)
    this.executionId = end.executionId
    this.outcome = end.outcome
    this.failure = end.failure
    this.cancelCause = end.cancelCause
  }
}

type FlowFailures = Exclude<FlowResultOutcome, { outcome: 'pending' }>['failures']

/** An awaited flow has ended, and not as completed. */
export class FlowNotCompletedError extends Error {
  override readonly name = 'FlowNotCompletedError'
  readonly flowId: FlowId
  readonly outcome: 'failed' | 'cancelled'
  /** Members whose end nothing made good. */
  readonly failures: FlowFailures

  constructor(end: {
    readonly flowId: FlowId
    readonly outcome: 'failed' | 'cancelled'
    readonly failures: FlowFailures
  }) {
    const members = end.failures.map(({ name, id, publicState }) => `${name ?? id} ${publicState}`).join(', ')
    super(`Flow ${end.flowId} ended as ${end.outcome}${members === '' ? '' : `: ${members}`}`)
    this.flowId = end.flowId
    this.outcome = end.outcome
    this.failures = end.failures
  }
}

/** The result was not there in the time that the caller gave. The execution or flow goes on. */
export class ResultTimeoutError extends Error {
  override readonly name = 'ResultTimeoutError'
  readonly id: string

  constructor(id: string, timeoutMs: number) {
    super(`No result of ${id} within ${timeoutMs} ms`)
    this.id = id
  }
}

/** This run of the handler does not count any more: what it still writes is refused. */
export class AttemptLostError extends Error {
  override readonly name = 'AttemptLostError'
  readonly refusal: string

  constructor(refusal: string) {
    super(`The attempt is not held any more (${refusal.replaceAll('_', ' ')})`)
    this.refusal = refusal
  }
}
