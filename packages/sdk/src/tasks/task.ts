import type { Kind, LaneId, RetryPolicy, Tags, Timeouts } from '@flowfabric/core'
import type { AnySchema } from '../schema/standard-schema.js'
import type { HandlerContext } from './handler-context.js'

declare const types: unique symbol

/**
 * A kind of work, with its types: what a caller gives (`Input`), what its handler sees (`Parsed`), what is recorded
 * (`Output`), and the results that must be handed down to it (`Upstream`, by name).
 */
export interface Task<Input = undefined, Output = unknown, Upstream = NoUpstream, Parsed = Input> {
  readonly kind: Kind
  readonly spec: TaskSpec
  readonly input: AnySchema | undefined
  readonly output: AnySchema | undefined
  /** Erased here; `defineTask` has checked it. */
  readonly handler: ((context: HandlerContext<never, never>) => unknown) | undefined
  /** Types only: there is nothing here at run time. */
  readonly [types]?: {
    readonly input: (value: Input) => void
    readonly output: Output
    readonly upstream: (value: Upstream) => void
    readonly parsed: Parsed
  }
}

/** A task of any types, for lists of tasks. */
export interface AnyTask extends Pick<Task, 'kind' | 'spec' | 'input' | 'output' | 'handler'> {}

/** No result is handed down. */
// biome-ignore lint/complexity/noBannedTypes: the object type without required properties is what is meant.
export type NoUpstream = {}

/** What executions of a task begin with; a submit or a node may say otherwise. */
export interface TaskSpec {
  readonly lane: LaneId
  readonly capabilities: readonly string[]
  readonly priority: number | undefined
  readonly tags: Tags | undefined
  readonly retry: RetryPolicy | undefined
  readonly timeouts: Timeouts | undefined
  readonly retentionMs: number | undefined
  readonly maxReclaims: number | undefined
}
