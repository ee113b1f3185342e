import { type ExecutionId, engineError } from '@flowfabric/core'
import { pause } from '../calls/pause.js'
import { RetryAtError, TerminalError } from '../errors.js'
import { jsonCodec } from '../payload/codec.js'
import type { AttemptInfo, ContextLog, ExecutionInfo, HandlerContext } from '../tasks/handler-context.js'
import type { AnyTask } from '../tasks/task.js'
import type { UpstreamView } from '../tasks/upstream.js'
import { type Callee, callChild } from './call-child.js'
import { FrameSender } from './frame-sender.js'
import type { HeldLease } from './held-lease.js'
import { Journal } from './journal.js'
import type { LogLevel } from './logger.js'
import { parkUntil } from './park.js'
import { spawnNodes } from './spawn-nodes.js'
import { submitFromHandler } from './submit-from-handler.js'
import { suspendRun } from './suspend-run.js'
import { readUpstream, type Views } from './upstream-views.js'
import { acquire, spend } from './use-limits.js'
import { waitpointOfRun } from './waitpoint-of-run.js'
import type { WorkerCore } from './worker-core.js'

/**
 * The context of one run. Most handlers use little of it, so each part is made when it is first asked for. Methods are
 * getters that answer closures: a handler may take the context apart.
 */
export class RunContext implements HandlerContext<unknown, unknown> {
  readonly #core: WorkerCore
  readonly #held: HeldLease
  readonly #readInput: () => unknown
  #input: { readonly value: unknown } | undefined
  #upstream: Views | undefined
  #journal: Journal | undefined
  #uses = 0

  constructor(core: WorkerCore, held: HeldLease, readInput: () => unknown) {
    this.#core = core
    this.#held = held
    this.#readInput = readInput
  }

  get input(): unknown {
    this.#input ??= { value: this.#readInput() }
    return this.#input.value
  }

  get upstream(): never {
    this.#upstream ??= readUpstream(this.#held.claimed.upstream, this.#core.codec)
    return this.#upstream as never
  }

  get resultOf() {
    return (name: string): never => {
      const view = (this.upstream as Views)[name] as UpstreamView<unknown> | undefined
      if (view?.satisfied) return view.result as never
      throw new TerminalError(
        `The upstream ${name} handed no result down (${view?.state ?? 'there is no such edge'})`,
      )
    }
  }

  get resultsOf() {
    return (name: string): never => {
      const views = ((this.upstream as Views)[name] ?? []) as readonly UpstreamView<unknown>[]
      return views.filter((view) => view.satisfied).map((view) => view.result) as never
    }
  }

  get signal(): AbortSignal {
    return this.#held.signal
  }

  get attempt(): AttemptInfo {
    const { attemptIndex, attemptType, attemptDeadlineAtMs } = this.#held.claimed
    return { index: attemptIndex, type: attemptType, deadlineAtMs: attemptDeadlineAtMs }
  }

  get execution(): ExecutionInfo {
    const { claimed } = this.#held
    return {
      id: claimed.executionId,
      namespace: claimed.namespace,
      flowId: claimed.flowId,
      name: claimed.name,
      kind: claimed.kind,
      lane: claimed.lane,
      priority: claimed.priority,
      generation: claimed.generation,
      tags: claimed.tags,
      traceContext: claimed.traceContext,
    }
  }

  get now() {
    return () => this.#held.storeTime()
  }

  get step() {
    const journal = this.#journalOfRun()
    return <Result>(name: string, fn: () => Result | Promise<Result>) => journal.step(name, fn)
  }

  get sleep() {
    return async (ms: number): Promise<void> => {
      if (ms > this.#core.sleepInPlaceMsMax) return this.sleepUntil(this.#held.storeTime() + ms)
      await pause(ms, this.signal)
      this.signal.throwIfAborted()
    }
  }

  get sleepUntil() {
    return (time: number | Date): Promise<void> =>
      parkUntil(this.#core, this.#held, this.#journalOfRun(), Number(time))
  }

  get waitpoint(): HandlerContext['waitpoint'] {
    return (name, options) => waitpointOfRun(this.#core, this.#held, name, options)
  }

  get suspend(): HandlerContext['suspend'] {
    const journal = this.#journalOfRun()
    return (condition, options) =>
      suspendRun(this.#core, this.#held, journal, condition, options) as Promise<never>
  }

  get call(): HandlerContext['call'] {
    const journal = this.#journalOfRun()
    return (name: string, callee: Callee, ...[input, options]: readonly unknown[]): Promise<never> =>
      callChild(this.#core, this.#held, journal, name, callee, input, options as object) as Promise<never>
  }

  get progress() {
    return (percent: number, message?: string): void =>
      this.#core.progress.report(this.#held.claimed.handle, { percent, message })
  }

  get emit(): HandlerContext['emit'] {
    // What JSON has no word for is null, as it is in a list.
    return (data, { mode = 'durable', type } = {}) =>
      this.#framesOfRun().emit({ mode, type }, () =>
        this.#core.codec.encode(data === undefined ? null : data),
      )
  }

  get summary(): HandlerContext['summary'] {
    return (patch) =>
      this.#framesOfRun().emit({ mode: 'summary', type: undefined }, () => {
        if (this.#core.codec === jsonCodec) return jsonCodec.encode(patch)
        throw engineError('payload_opaque', 'A summary is merged by the store, and this codec hides it')
      })
  }

  get log(): ContextLog {
    const write = (level: LogLevel) => (message: string, fields?: Readonly<Record<string, unknown>>) => {
      const { executionId, kind, attemptIndex } = this.#held.claimed
      this.#core.logger.log(level, message, { executionId, kind, attempt: attemptIndex, ...fields })
    }
    return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
  }

  get spend(): HandlerContext['spend'] {
    return (amounts, options = {}) =>
      spend(this.#core, this.#held, amounts, options.key ?? this.#nextUse(), options)
  }

  get acquire(): HandlerContext['acquire'] {
    return (quotaId, options = {}) => acquire(this.#core, this.#held, quotaId, this.#nextUse(), options)
  }

  get spawn(): HandlerContext['spawn'] {
    return (build) => spawnNodes(this.#core, this.#held, build)
  }

  get submit(): HandlerContext['submit'] {
    return (name: string, task: AnyTask, ...[input, options]: readonly unknown[]): Promise<ExecutionId> =>
      submitFromHandler(this.#core, this.#held, name, task, input, options as object | undefined)
  }

  get retryAt() {
    return (time: number | Date, message = 'asked to be tried again later'): never => {
      throw new RetryAtError(Number(time), message)
    }
  }

  /** Tells the uses of one run apart, and those of this lease from those of others. */
  #nextUse(): string {
    this.#uses += 1
    return `${this.#held.claimed.handle}/${this.#uses}`
  }

  #framesOfRun(): FrameSender {
    this.#held.frames ??= new FrameSender(this.#core, this.#held)
    return this.#held.frames
  }

  #journalOfRun(): Journal {
    this.#journal ??= new Journal(this.#core, this.#held)
    return this.#journal
  }
}
