import type { FailLease } from '@flowfabric/core'
import { callSafely } from '../calls/call-safely.js'
import { listPages } from '../client/list-pages.js'
import { decodePayload, encodePayload, jsonCodec } from '../payload/codec.js'
import { acceptsEverything } from '../schema/type.js'
import { validate } from '../schema/validate.js'
import type { HandlerContext } from '../tasks/handler-context.js'
import type { AnyTask } from '../tasks/task.js'
import { describeFailure, describeInvalidInput } from './failures.js'
import type { HeldLease } from './held-lease.js'
import { ParkedSignal } from './park.js'
import { RunContext } from './run-context.js'
import type { WorkerCore } from './worker-core.js'
import type { Middleware } from './worker-options.js'

/** How a run ended, for whoever records it. */
export interface RunEnd {
  readonly complete: (held: HeldLease, result: Uint8Array | null) => void
  readonly fail: (held: HeldLease, end: Pick<FailLease, 'failure' | 'retry'>) => void
  /** The lease went while it ran: there is nothing to record. */
  readonly ignore: (held: HeldLease) => void
}

interface PreparedTask {
  readonly task: AnyTask
  readonly handle: (context: HandlerContext<never, never>) => unknown
  /** The input must be checked before the handler begins. */
  readonly checksInput: boolean
}

/** Runs handlers. A run that needs nothing special costs one context and the handler's own promise. */
export class Runner {
  readonly #core: WorkerCore
  readonly #end: RunEnd
  readonly #tasks: ReadonlyMap<string, PreparedTask>

  constructor(core: WorkerCore, tasks: readonly AnyTask[], middleware: readonly Middleware[], end: RunEnd) {
    this.#core = core
    this.#end = end
    this.#tasks = new Map(tasks.map((task) => [task.kind, prepareTask(task, middleware)]))
  }

  run(held: HeldLease): void {
    const prepared = this.#tasks.get(held.claimed.kind)
    if (prepared === undefined) {
      this.#fail(held, new Error(`This worker has no task of kind ${held.claimed.kind}`))
      return
    }
    this.#core.observer.started?.(held.claimed)
    const { upstreamTruncated, stepsTruncated } = held.claimed
    if (upstreamTruncated || stepsTruncated) void this.#loadAndStart(held, prepared)
    else this.#start(held, prepared)
  }

  #start(held: HeldLease, prepared: PreparedTask): void {
    const read = () => decodePayload(this.#core.codec, held.claimed.input)
    // JSON that nobody checks is parsed when the handler asks for it, which many don't.
    if (!prepared.checksInput && this.#core.codec === jsonCodec) this.#invoke(held, prepared, read)
    else void this.#startChecked(held, prepared, read)
  }

  async #startChecked(held: HeldLease, prepared: PreparedTask, read: () => unknown): Promise<void> {
    let input: unknown
    try {
      input = await validate(prepared.task.input, await read(), `input of ${prepared.task.kind}`)
    } catch (error) {
      this.#settleFailure(held, describeInvalidInput(error))
      return
    }
    this.#invoke(held, prepared, () => input)
  }

  #invoke(held: HeldLease, prepared: PreparedTask, readInput: () => unknown): void {
    try {
      const context: unknown = new RunContext(this.#core, held, readInput)
      const result = prepared.handle(context as HandlerContext<never, never>)
      if (isThenable(result)) {
        result.then(
          (value) => this.#succeed(held, prepared, value),
          (error) => this.#fail(held, error),
        )
      } else this.#succeed(held, prepared, result)
    } catch (error) {
      this.#fail(held, error)
    }
  }

  #succeed(held: HeldLease, prepared: PreparedTask, value: unknown): void {
    if (held.state === 'gone') {
      this.#end.ignore(held)
      return
    }
    try {
      const checked = validate(prepared.task.output, value, `result of ${prepared.task.kind}`)
      const encoded =
        checked instanceof Promise ? checked.then((each) => this.#encode(each)) : this.#encode(checked)
      if (encoded instanceof Promise) {
        encoded.then(
          (bytes) => this.#settleSuccess(held, bytes),
          (error) => this.#fail(held, error),
        )
      } else this.#settleSuccess(held, encoded)
    } catch (error) {
      this.#fail(held, error)
    }
  }

  #encode(value: unknown) {
    return encodePayload(this.#core.codec, value)
  }

  #settleSuccess(held: HeldLease, bytes: Uint8Array | null): void {
    if (held.state === 'gone') this.#end.ignore(held)
    // Its frames come before its end, behind which none is taken.
    else if (held.frames?.isIdle === false) {
      void held.frames.whenIdle().then(() => this.#settleSuccess(held, bytes))
    } else if (held.writing !== undefined) {
      this.#afterWriting(held, held.writing, () => this.#settleSuccess(held, bytes))
    } else this.#end.complete(held, bytes)
  }

  #fail(held: HeldLease, error: unknown): void {
    // Ended by the process's own shutdown: the goodbye hands it back, and no attempt is used up.
    if (held.state === 'gone' || error instanceof ParkedSignal || held.reason?.kind === 'shutting_down') {
      this.#end.ignore(held)
    } else this.#settleFailure(held, describeFailure(error))
  }

  #settleFailure(held: HeldLease, end: Pick<FailLease, 'failure' | 'retry'>): void {
    if (held.state === 'gone') this.#end.ignore(held)
    else if (held.frames?.isIdle === false) {
      void held.frames.whenIdle().then(() => this.#settleFailure(held, end))
    } else if (held.writing !== undefined) {
      this.#afterWriting(held, held.writing, () => this.#settleFailure(held, end))
    } else this.#end.fail(held, end)
  }

  /** A run whose journal lacks what it went by has failed. */
  #afterWriting(held: HeldLease, writing: Promise<unknown>, then: () => void): void {
    held.writing = undefined
    writing.then(then, (error) => this.#fail(held, error))
  }

  /** Reads what was too large to come with the claim. */
  async #loadAndStart(held: HeldLease, prepared: PreparedTask): Promise<void> {
    const { executionId, namespace, upstreamTruncated, stepsTruncated } = held.claimed
    const { attempts } = this.#core.backend
    const bounds = { tries: Number.POSITIVE_INFINITY, initialMs: 100, maxMs: 5_000 }
    try {
      const [upstream, steps] = await Promise.all([
        upstreamTruncated
          ? listPages((page) =>
              callSafely(
                () => attempts.loadUpstream({ namespace, executionId, ...page }),
                bounds,
                held.signal,
              ),
            )
          : held.claimed.upstream,
        stepsTruncated
          ? listPages((page) =>
              callSafely(() => attempts.loadSteps({ namespace, executionId, ...page }), bounds, held.signal),
            )
          : held.claimed.steps,
      ])
      held.claimed = { ...held.claimed, upstream, steps }
    } catch (error) {
      this.#fail(held, error)
      return
    }
    this.#start(held, prepared)
  }
}

function prepareTask(task: AnyTask, middleware: readonly Middleware[]): PreparedTask {
  const { handler } = task
  if (handler === undefined)
    throw new TypeError(`The task ${task.kind} has no handler: a worker cannot run it`)
  return { task, handle: wrapHandler(handler, middleware), checksInput: !acceptsEverything(task.input) }
}

function wrapHandler(
  handler: NonNullable<AnyTask['handler']>,
  middleware: readonly Middleware[],
): PreparedTask['handle'] {
  return middleware.reduceRight<PreparedTask['handle']>(
    (next, around) => (context) => around(context, async () => next(context)),
    handler,
  )
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
