import type {
  Amounts,
  AttemptType,
  ExecutionId,
  FlowId,
  Kind,
  LaneId,
  Namespace,
  ResumePolicy,
  SuspensionReason,
  SuspensionTimeout,
  Tags,
} from '@flowfabric/core'
import type { FlowSubmitOptions } from '../client/submit-flow.js'
import type { SubmitOptions, TaskInput } from '../client/submit-options.js'
import type { FlowDefinition } from '../flows/define-flow.js'
import type { SpawnBuilder } from '../flows/spawn-builder.js'
import type { OpenWaitpoint, WaitpointOptions } from '../suspensions/open-waitpoint.js'
import type { Resumed, SignalSchemas } from '../suspensions/received-signal.js'
import type { WaitCondition } from '../suspensions/wait-condition.js'
import type { NoUpstream, Task } from './task.js'
import type { UpstreamList, UpstreamViews } from './upstream.js'

/** What a handler works with. It belongs to one run of one attempt. */
export interface HandlerContext<Input = undefined, Upstream = unknown> {
  /** The input, checked against the task's schema. */
  readonly input: Input
  /** What each named upstream handed down, by the name of its edge. */
  readonly upstream: UpstreamViews<Upstream>
  /** The result of one upstream. Throws a `TerminalError` when it has none. */
  resultOf<Name extends SingleNames<Upstream>>(name: Name): Upstream[Name]
  /** The results of a list, in its order, without those that have none. */
  resultsOf<Name extends ListNames<Upstream>>(name: Name): readonly ListItem<Upstream[Name]>[]

  /** Aborted when this run should stop; `signal.reason` is an `AbortReason`. */
  readonly signal: AbortSignal
  readonly attempt: AttemptInfo
  readonly execution: ExecutionInfo
  /** The store's time now, in ms since the epoch, as far as this process can tell. */
  now(): number

  /**
   * Runs `fn` once and records what it returns: later attempts get the recorded value without running it. Names are
   * unique within a run. Steps may run side by side.
   */
  step<Result>(name: string, fn: () => Result | Promise<Result>): Promise<Result>
  /** Waits. Short pauses are waited for in place; longer ones as `sleepUntil`. */
  sleep(ms: number): Promise<void>
  /**
   * Waits until a store time. Beyond the worker's limit for waiting in place, this run ends here: the lease is given
   * back, and when the time has come the handler runs again from its top, with its steps replayed.
   */
  sleepUntil(time: number | Date): Promise<void>

  /**
   * Names a point to wait on, ahead of the suspension, so that its token can be handed out. Later runs get the same one.
   * Signals that come before the handler waits are kept.
   */
  waitpoint(name: string, options?: WaitpointOptions): Promise<OpenWaitpoint>
  /**
   * Waits for signals, or for the ends of others. Unless that has come already, this run ends here and its slot is free:
   * when the condition holds, the same attempt goes on in any worker, from its top, and gets what came. It is recorded, so
   * that later attempts get the same.
   */
  suspend<const Schemas extends SignalSchemas = SignalSchemas>(
    condition: WaitCondition,
    options?: SuspendOptions<Schemas>,
  ): Promise<Resumed<Schemas>>
  /**
   * Runs a child, exactly once however often this handler runs, and answers its result; it waits as `suspend` does. It is
   * cancelled when this execution is, unless it is `detached`. Throws `CallFailedError` when it does not succeed.
   */
  call<Input, Output>(
    name: string,
    task: Task<Input, Output, NoUpstream, unknown>,
    ...rest: TaskInput<Input, CallOptions>
  ): Promise<Output>
  call<Input, Results>(
    name: string,
    flow: FlowDefinition<Input, Results>,
    ...rest: TaskInput<Input, CallFlowOptions>
  ): Promise<Results>

  /** Reports how far this attempt is. The last report wins; they are sent in batches. */
  progress(percent: number, message?: string): void
  readonly log: ContextLog

  /**
   * Emits a frame for who follows this execution; those of a run come in the order of the calls. Resolves when it is
   * recorded, and need not be waited for: the attempt ends after its frames. A handler that runs again emits again.
   */
  emit(data: unknown, options?: EmitOptions): Promise<void>
  /**
   * Changes this attempt's summary document by a JSON merge patch (RFC 7396): members replace those of the document, `null`
   * removes one. Throws `payload_opaque` in a worker whose codec is not JSON.
   */
  summary(patch: Readonly<Record<string, unknown>>): Promise<void>

  /**
   * Charges what was spent to the budgets that this execution names, or to the one that is stated. A handler that runs again
   * and spends again is charged again, unless it states a key. Throws `BudgetExceeded` once a hard limit is passed.
   */
  spend(amounts: Amounts, options?: SpendOptions): Promise<void>
  /** Takes a slot of a quota, and its units, for this handler's own use: waits for room. It goes with the attempt. */
  acquire(quotaId: string, options?: AcquireOptions): Promise<AcquiredSlot>

  /** Grows the flow that this execution is a member of. Running it again adds nothing twice. Throws `execution_not_in_flow`. */
  spawn(build: (f: SpawnBuilder) => void): Promise<void>
  /** Submits other work, exactly once however often this handler runs: its id follows from this execution and the name. */
  submit<Input>(
    name: string,
    task: Task<Input, unknown, NoUpstream, unknown>,
    ...rest: TaskInput<Input, SpawnedOptions>
  ): Promise<ExecutionId>

  /** Ends this attempt as failed, and asks for the next one at that store time instead of the computed one. */
  retryAt(time: number | Date, message?: string): never
}

export interface SpendOptions {
  /** The id of a budget of this namespace. */
  readonly budget?: string | undefined
  /** What makes a repeat the same, for 24 h, in whichever attempt. */
  readonly key?: string | undefined
}

export interface AcquireOptions {
  /** Counted for itself; default the empty one. */
  readonly key?: string | undefined
  /** Rate units, default 1. */
  readonly cost?: number | undefined
}

export interface AcquiredSlot {
  /** Gives the slot back before the attempt ends. */
  release(): Promise<void>
}

export interface EmitOptions {
  /**
   * `durable` (default): kept with the execution, at most 10,000 and 8 MiB of an attempt. `best_effort`: the newest 1,000 of
   * an attempt, for an hour.
   */
  readonly mode?: 'durable' | 'best_effort' | undefined
  /** A word for readers, such as `token` or `log`. */
  readonly type?: string | undefined
}

export interface SuspendOptions<Schemas extends SignalSchemas = SignalSchemas> {
  /** Unique among the suspensions of a run; default: by their order. */
  readonly name?: string | undefined
  /** Shows as what it waits for; default `signal`. */
  readonly reason?: SuspensionReason | undefined
  /** When it gives up, and what happens then. Default: never. */
  readonly timeout?: SuspensionTimeout | undefined
  readonly resumePolicy?: ResumePolicy | undefined
  /**
   * Schemas of payloads by the names of signals, checked when it is resumed: what does not fit fails the execution. The
   * condition's `match` keeps such signals out before.
   */
  readonly signals?: Schemas | undefined
}

/** What a call may say. */
export interface CallOptions extends SpawnedOptions {
  /** Whether the child outlives this execution when that is cancelled, expires or is skipped; default `false`. */
  readonly detached?: boolean | undefined
}

export interface CallFlowOptions
  extends Pick<CallOptions, 'detached'>,
    Pick<FlowSubmitOptions, 'deadlineMs' | 'tags'> {}

/** What a submit from inside a handler may say. */
export type SpawnedOptions = Omit<SubmitOptions, 'id' | 'idempotencyKey' | 'idempotencyTtlMs'>

type ListNames<Upstream> = {
  [Name in keyof Upstream]: Upstream[Name] extends UpstreamList<unknown> ? Name : never
}[keyof Upstream]
type SingleNames<Upstream> = Exclude<keyof Upstream, ListNames<Upstream>>
type ListItem<Value> = Value extends UpstreamList<infer Output> ? Output : never

export interface AttemptInfo {
  /** From 0, over all generations of the execution. */
  readonly index: number
  readonly type: AttemptType
  /** Store time at which the attempt times out. */
  readonly deadlineAtMs: number | null
}

export interface ExecutionInfo {
  readonly id: ExecutionId
  readonly namespace: Namespace
  readonly flowId: FlowId | null
  /** Its name as a node of its flow. */
  readonly name: string | null
  readonly kind: Kind
  readonly lane: LaneId
  readonly priority: number
  readonly generation: number
  readonly tags: Tags
  readonly traceContext: string | null
}

export interface ContextLog {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

export type LogFields = Readonly<Record<string, unknown>>
