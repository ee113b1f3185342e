import {
  type Backoff,
  defaultLane,
  defaultRetryPolicy,
  parseCapabilities,
  parseKind,
  parseLaneId,
  type RetryPolicy,
  type Tags,
  type Timeouts,
} from '@flowfabric/core'
import type { StandardSchema } from '../schema/standard-schema.js'
import type { HandlerContext } from './handler-context.js'
import type { NoUpstream, Task } from './task.js'
import type { UpstreamSpec, UpstreamValues } from './upstream.js'

/** How a task is described. Absent policies take the documented defaults. */
export interface TaskOptions<Input, Parsed, Result, Output, Upstream> extends TaskPolicies {
  /** Which handler an execution needs; may carry a version, as in `resize@2`. */
  readonly kind: string
  /** Any Standard Schema: checked at submit and at claim. Without one the task takes no input. */
  readonly input?: StandardSchema<Input, Parsed> | undefined
  /** Any Standard Schema, checked before completion. What it makes of the result is recorded, as JSON. */
  readonly output?: StandardSchema<Result, Output> | undefined
  /** What is handed down to it by the edges of a flow, by name. */
  readonly upstream?: Upstream | undefined
  /** Left out where the task is only submitted. It may run more than once: what it does outside should be repeatable. */
  readonly handler?:
    | ((
        context: HandlerContext<
          Parsed,
          Upstream extends UpstreamSpec ? UpstreamValues<Upstream> : NoUpstream
        >,
      ) => Result | Promise<Result>)
    | undefined
}

export interface TaskPolicies {
  /** Default `default`. */
  readonly lane?: string | undefined
  /** What a worker must advertise. */
  readonly capabilities?: readonly string[] | undefined
  /** 0…9000, higher first. */
  readonly priority?: number | undefined
  readonly tags?: Tags | undefined
  readonly retry?: RetryOptions | undefined
  readonly timeouts?: Timeouts | undefined
  /** How long an execution is kept once terminal; default: the lane's. */
  readonly retentionMs?: number | undefined
  readonly maxReclaims?: number | undefined
}

/** A retry policy, as far as it differs from the default; `false` means a single attempt. */
export type RetryOptions =
  | false
  | {
      /** Initial and retry attempts together. */
      readonly maxAttempts?: number | undefined
      readonly backoff?: { readonly [Field in keyof Backoff]?: Backoff[Field] | undefined } | undefined
      /** Categories of failure that end the execution at once. */
      readonly nonRetryable?: readonly string[] | undefined
    }

/** Defines a kind of work with its types. Throws `invalid_kind`, `invalid_lane_id`, `invalid_capability`. */
export function defineTask<
  Input = undefined,
  Parsed = Input,
  Result = unknown,
  Output = Result,
  Upstream extends UpstreamSpec = NoUpstream,
>(
  options: TaskOptions<Input, Parsed, Result, Output, Upstream>,
): Task<Input, Output, UpstreamValues<Upstream>, Parsed> {
  return {
    kind: parseKind(options.kind),
    spec: {
      lane: options.lane === undefined ? defaultLane : parseLaneId(options.lane),
      capabilities: parseCapabilities(options.capabilities ?? []),
      priority: options.priority,
      tags: options.tags,
      retry: resolveRetry(options.retry),
      timeouts: options.timeouts,
      retentionMs: options.retentionMs,
      maxReclaims: options.maxReclaims,
    },
    input: options.input,
    output: options.output,
    handler: options.handler as Task['handler'],
  }
}

/**
 * Adds the handler to a task that was defined without one, so that clients need not load what only workers need.
 */
export function implementTask<Input, Output, Upstream, Parsed>(
  task: Task<Input, Output, Upstream, Parsed>,
  handler: (context: HandlerContext<Parsed, Upstream>) => Output | Promise<Output>,
): Task<Input, Output, Upstream, Parsed> {
  return { ...task, handler: handler as Task['handler'] }
}

/** Fills in a retry policy; nothing at all stays nothing, and means the store's default. */
export function resolveRetry(retry: RetryOptions | undefined): RetryPolicy | undefined {
  if (retry === undefined) return undefined
  if (retry === false) return freezePolicy({ ...defaultRetryPolicy, maxAttempts: 1 })
  const stated = Object.entries(retry.backoff ?? {}).filter(([, value]) => value !== undefined)
  return freezePolicy({
    maxAttempts: retry.maxAttempts ?? defaultRetryPolicy.maxAttempts,
    backoff: { ...defaultRetryPolicy.backoff, ...Object.fromEntries(stated) },
    nonRetryable: retry.nonRetryable ?? defaultRetryPolicy.nonRetryable,
  })
}

/** A copy that nobody can change, so that whoever sends it may remember what they made of it. */
function freezePolicy({ maxAttempts, backoff, nonRetryable }: RetryPolicy): RetryPolicy {
  return Object.freeze({
    maxAttempts,
    backoff: Object.freeze({ ...backoff }),
    // What is no list is refused when it is submitted.
    nonRetryable: Array.isArray(nonRetryable) ? Object.freeze([...nonRetryable]) : nonRetryable,
  })
}
