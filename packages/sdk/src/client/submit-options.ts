import type { BudgetDemandSpec, ExecutionId, QuotaDemandSpec, Tags, Timeouts } from '@flowfabric/core'
import type { RetryOptions } from '../tasks/define-task.js'

/** What may be said of one piece of work, beside what its task says. */
export interface WorkOptions {
  readonly lane?: string | undefined
  /** 0…9000, higher first. */
  readonly priority?: number | undefined
  readonly tags?: Tags | undefined
  readonly capabilities?: readonly string[] | undefined
  readonly retry?: RetryOptions | undefined
  /** Merged with the task's. */
  readonly timeouts?: Timeouts | undefined
  /** Not before acceptance plus this. */
  readonly delayMs?: number | undefined
  /** Not before this store time. */
  readonly startAt?: number | Date | undefined
  /** Schedule-to-close, from when it first may start; short for `timeouts.deadlineMs`. */
  readonly deadlineMs?: number | undefined
  readonly retentionMs?: number | undefined
  /** W3C traceparent, carried to the worker. */
  readonly traceContext?: string | undefined
  /** Budgets, with what is reserved of each while it runs; `ctx.spend` charges them. */
  readonly budgets?: readonly BudgetDemandSpec[] | undefined
  /** Quotas in which it needs room to start. */
  readonly quotas?: readonly QuotaDemandSpec[] | undefined
}

export interface SubmitOptions extends WorkOptions {
  /** An id of your own, minted whole (see `client.mintId`): a repeat with it is answered as the same execution. */
  readonly id?: ExecutionId | undefined
  /** A repeat under the same key, with the same content, is answered as the same execution. */
  readonly idempotencyKey?: string | undefined
  /** How long the key is kept, default 24 h. */
  readonly idempotencyTtlMs?: number | undefined
}

/** The arguments after the task: a task without input needs none. */
export type TaskInput<Input, Options> = [Input] extends [undefined]
  ? [input?: undefined, options?: Options | undefined]
  : undefined extends Input
    ? [input?: Input, options?: Options | undefined]
    : [input: Input, options?: Options | undefined]
