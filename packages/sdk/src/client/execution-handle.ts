import {
  type AttemptRecord,
  type CancelExecutionOutcome,
  type DeliverSignalOutcome,
  type Execution,
  type ExecutionId,
  engineError,
  type HoldOutcome,
  type ReleaseOutcome,
  type ReplayExecutionOutcome,
  type Tags,
  type Waitpoint,
} from '@flowfabric/core'
import { callSafely } from '../calls/call-safely.js'
import { refusalError } from '../calls/refusals.js'
import { ExecutionNotSucceededError, ResultTimeoutError } from '../errors.js'
import { decodePayload, jsonCodec } from '../payload/codec.js'
import type { OpenWaitpoint, WaitpointOptions } from '../suspensions/open-waitpoint.js'
import type { ReceivedSignal } from '../suspensions/received-signal.js'
import type { ClientCore } from './client-core.js'
import type { ExecutionEnd } from './ends.js'
import { followFrames, type StreamFrame, type StreamOptions } from './follow-frames.js'
import { listPages } from './list-pages.js'
import {
  listSignalsOf,
  listWaitpointsOf,
  openWaitpointOf,
  type SignalOptions,
  sendSignal,
  waitpointIdOf,
} from './waitpoints.js'

export interface ResultOptions {
  /** Default: as long as it takes. */
  readonly timeoutMs?: number | undefined
}

/** What the patches of an attempt made. */
export interface Summary {
  readonly attempt: number
  readonly document: unknown
  readonly patchCount: number
  readonly updatedAtMs: number | null
}

/** An execution, from the outside. */
export interface ExecutionHandle<Output = unknown> {
  readonly id: ExecutionId
  /** Whether the submit that gave this handle met an execution that was there already. */
  readonly isDuplicate: boolean
  /** The record as it is now. */
  status(): Promise<Execution>
  /**
   * The recorded result, as soon as it is there. Throws `ExecutionNotSucceededError` when it ended otherwise, and
   * `ResultTimeoutError` when the time is over.
   */
  result(options?: ResultOptions): Promise<Output>
  /** The recorded end, whatever it is. Throws `ResultTimeoutError`. */
  end(options?: ResultOptions): Promise<ExecutionEnd>
  cancel(options?: { readonly reason?: string; readonly graceMs?: number }): Promise<CancelExecutionOutcome>
  replay(options?: { readonly reason?: string; readonly input?: unknown }): Promise<ReplayExecutionOutcome>
  hold(options?: { readonly reason?: string }): Promise<HoldOutcome>
  release(): Promise<ReleaseOutcome>
  changePriority(priority: number): Promise<void>
  setTags(change: { readonly set?: Tags; readonly remove?: readonly string[] }): Promise<Tags>
  /** All attempts, oldest first, the running one included. */
  attempts(): Promise<readonly AttemptRecord[]>
  /**
   * What its attempts emit, each frame once and in order, as it comes: of all attempts until the execution has ended, or of
   * one. A frame's `cursor` is where a later call goes on.
   */
  stream(options?: StreamOptions): AsyncGenerator<StreamFrame, void, void>
  /** The summary document of an attempt, by default the newest. */
  summary(options?: { readonly attempt?: number | undefined }): Promise<Summary>
  /**
   * Sends a signal to one of its waitpoints, by its name, or by its id where it has another one than follows from the name.
   * Its source is the subject of this client's credentials. Throws `waitpoint_not_found`.
   */
  signal(
    waitpoint: string,
    name: string,
    payload?: unknown,
    options?: SignalOptions,
  ): Promise<DeliverSignalOutcome>
  /** Names a point to wait on, or finds it there, to hand out its token before the handler waits. */
  waitpoint(name: string, options?: WaitpointOptions): Promise<OpenWaitpoint>
  /** Has a waitpoint take no more signals. */
  closeWaitpoint(waitpoint: string): Promise<void>
  /** Oldest first. */
  waitpoints(): Promise<readonly Waitpoint[]>
  /** The signals that were kept, of all waitpoints or of one, in the order of their arrival. */
  signals(options?: { readonly waitpoint?: string | undefined }): Promise<readonly ReceivedSignal[]>
  /** Why it does not run, or since when it does: as far as the connection offers `explain`. */
  explain(): Promise<unknown>
}

export function createExecutionHandle<Output>(
  core: ClientCore,
  id: ExecutionId,
  isDuplicate = false,
): ExecutionHandle<Output> {
  return new CoreExecutionHandle<Output>(core, id, isDuplicate)
}

class CoreExecutionHandle<Output> implements ExecutionHandle<Output> {
  readonly #core: ClientCore
  readonly id: ExecutionId
  readonly isDuplicate: boolean

  constructor(core: ClientCore, id: ExecutionId, isDuplicate: boolean) {
    this.#core = core
    this.id = id
    this.isDuplicate = isDuplicate
  }

  async status(): Promise<Execution> {
    return (await callSafely(() => this.#core.backend.executions.get(this.#subject))).execution
  }

  async result(options?: ResultOptions): Promise<Output> {
    const end = await this.end(options)
    if (end.outcome !== 'success') throw new ExecutionNotSucceededError({ ...end, executionId: this.id })
    return (await decodePayload(this.#core.codec, end.result)) as Output
  }

  async end({ timeoutMs }: ResultOptions = {}): Promise<ExecutionEnd> {
    const end = await this.#core.ends.ofExecution(this.id, timeoutMs)
    if (end === undefined) throw new ResultTimeoutError(this.id, timeoutMs ?? 0)
    return end
  }

  cancel(
    options: { readonly reason?: string; readonly graceMs?: number } = {},
  ): Promise<CancelExecutionOutcome> {
    return callSafely(() => this.#core.backend.executions.cancel({ ...this.#subject, ...options }))
  }

  async replay(
    options: { readonly reason?: string; readonly input?: unknown } = {},
  ): Promise<ReplayExecutionOutcome> {
    const { input, reason } = options
    const payload = input === undefined ? undefined : await this.#core.codec.encode(input)
    // Not repeated by itself: a second one may meet what the first one has set going.
    return this.#core.backend.executions.replay({ ...this.#subject, reason, input: payload })
  }

  signal(waitpoint: string, name: string, payload?: unknown, options?: SignalOptions) {
    return sendSignal(this.#core, waitpointIdOf(this.id, waitpoint), name, payload, options)
  }

  waitpoint(name: string, options?: WaitpointOptions): Promise<OpenWaitpoint> {
    return openWaitpointOf(this.#core, this.id, name, options)
  }

  async closeWaitpoint(waitpoint: string): Promise<void> {
    const { backend, namespace } = this.#core
    const waitpointId = waitpointIdOf(this.id, waitpoint)
    await callSafely(() => backend.suspensions.closeWaitpoint({ namespace, waitpointId }))
  }

  waitpoints(): Promise<readonly Waitpoint[]> {
    return listWaitpointsOf(this.#core, this.id)
  }

  signals({ waitpoint }: { readonly waitpoint?: string | undefined } = {}) {
    return listSignalsOf(this.#core, this.id, waitpoint)
  }

  hold(options: { readonly reason?: string } = {}): Promise<HoldOutcome> {
    return callSafely(() => this.#core.backend.executions.hold({ ...this.#subject, ...options }))
  }

  release(): Promise<ReleaseOutcome> {
    return callSafely(() => this.#core.backend.executions.release(this.#subject))
  }

  async changePriority(priority: number): Promise<void> {
    const params = { ...this.#subject, priority }
    const answer = await callSafely(() => this.#core.backend.executions.changePriority(params))
    if (answer.outcome !== 'changed') throw refusalError(answer, this.id)
  }

  async setTags(change: { readonly set?: Tags; readonly remove?: readonly string[] }): Promise<Tags> {
    return (await callSafely(() => this.#core.backend.executions.setTags({ ...this.#subject, ...change })))
      .tags
  }

  attempts(): Promise<readonly AttemptRecord[]> {
    const { backend, namespace } = this.#core
    const params = { namespace, executionId: this.id }
    return listPages((page) => callSafely(() => backend.attempts.list({ ...params, ...page })))
  }

  stream(options: StreamOptions = {}): AsyncGenerator<StreamFrame, void, void> {
    const { backend, namespace, codec } = this.#core
    return followFrames({ streams: backend.streams, namespace, executionId: this.id, codec }, options)
  }

  async summary({ attempt }: { readonly attempt?: number | undefined } = {}): Promise<Summary> {
    const { backend, namespace } = this.#core
    const params = { namespace, executionId: this.id, attemptIndex: attempt }
    const answer = await callSafely(() => backend.streams.readSummary(params))
    const { attemptIndex, patchCount, updatedAtMs } = answer
    return { attempt: attemptIndex, document: jsonCodec.decode(answer.document), patchCount, updatedAtMs }
  }

  async explain(): Promise<unknown> {
    const { explain } = this.#core
    if (explain === undefined) {
      throw engineError(
        'invalid_configuration',
        'This connection has no explain: connect to an engine or a server',
      )
    }
    return callSafely(() => explain(this.#subject))
  }

  get #subject() {
    return { namespace: this.#core.namespace, id: this.id }
  }
}
