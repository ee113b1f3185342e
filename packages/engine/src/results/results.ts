import type {
  ExecutionId,
  ExecutionOperations,
  FlowId,
  FlowOperations,
  FlowResultOutcome,
  Hint,
  Namespace,
  ResultOutcome,
} from '@flowfabric/core'
import { limits } from '@flowfabric/core'
import type { Clock, Timer } from '../clock.js'
import { errorFields, type Logger } from '../logger.js'
import type { EngineMetrics } from '../metrics/engine-metrics.js'
import { Rechecker } from '../rechecker.js'
import { readExecutionEnds } from './read-execution-ends.js'

export interface ResultsOptions {
  readonly executions: Pick<ExecutionOperations, 'getResult'>
  readonly flows: Pick<FlowOperations, 'getResult'>
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  readonly metrics: EngineMetrics
}

interface WaitParams {
  readonly namespace: Namespace
  /** At most this long; then the answer is `pending`. */
  readonly waitMs: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Waits for the ends of executions and flows: reads once, then again when a hint names one, and together with all others
 * that are waited for in a re-check that covers lost hints. Nobody polls.
 */
export class Results {
  readonly #options: ResultsOptions
  readonly #waiting = new Map<string, Set<Wait>>()
  readonly #rechecker: Rechecker
  #flowsLookedAt = 0
  #isStopped = false

  constructor(options: ResultsOptions) {
    this.#options = options
    this.#rechecker = new Rechecker(options.clock, options.random, () => this.#recheck())
  }

  /** The execution's recorded end, or `pending` when the wait is over first. Throws as `executions.getResult`'s item. */
  async waitForExecution(params: WaitParams & { readonly id: ExecutionId }): Promise<ResultOutcome> {
    const { namespace, id } = params
    return this.#waitFor<ResultOutcome>(id, params, async () => {
      const { items } = await this.#options.executions.getResult({ namespace, ids: [id] })
      const item = items[0]
      if (item === undefined) throw new Error(`getResult answered nothing for ${id}`)
      return item
    })
  }

  /** The flow's result, or `pending` when the wait is over first. Throws `flow_not_found`. */
  async waitForFlow(params: WaitParams & { readonly flowId: FlowId }): Promise<FlowResultOutcome> {
    const { namespace, flowId } = params
    return this.#waitFor<FlowResultOutcome>(flowId, params, () =>
      this.#options.flows.getResult({ namespace, flowId }),
    )
  }

  takeHint(hint: Hint): void {
    if (hint.type !== 'ended' || !this.#waiting.has(hint.id)) return
    this.#rechecker.quicken()
    this.#wake(hint.id)
  }

  /** All who wait are answered with what is known: `pending`. */
  stop(): void {
    this.#isStopped = true
    this.#rechecker.want(false)
    for (const waits of this.#waiting.values()) for (const wait of waits) wait.giveUp()
  }

  async #waitFor<Outcome extends { readonly outcome: string }>(
    id: string,
    { namespace, waitMs, signal }: WaitParams,
    read: () => Promise<Outcome>,
  ): Promise<Outcome> {
    const wait = new Wait(id, namespace)
    const giveUp = () => wait.giveUp()
    if (waitMs <= 0 || this.#isStopped || signal?.aborted === true) giveUp()
    else wait.timer = this.#options.clock.setTimer(Math.min(waitMs, limits.resultWaitMsMax), giveUp)
    signal?.addEventListener('abort', giveUp)
    this.#enter(wait)
    try {
      while (true) {
        // Armed before the reading, so that an end that is recorded meanwhile is not missed.
        const woken = wait.arm()
        const wasOver = wait.isOver
        const outcome = await read()
        if (outcome.outcome !== 'pending' || wasOver) return outcome
        await woken
      }
    } finally {
      signal?.removeEventListener('abort', giveUp)
      this.#leave(wait)
    }
  }

  #enter(wait: Wait): void {
    const waits = this.#waiting.get(wait.id) ?? new Set()
    this.#waiting.set(wait.id, waits.add(wait))
    this.#changed()
  }

  #leave(wait: Wait): void {
    wait.timer?.cancel()
    const waits = this.#waiting.get(wait.id)
    waits?.delete(wait)
    if (waits?.size === 0) this.#waiting.delete(wait.id)
    this.#changed()
  }

  #changed(): void {
    this.#options.metrics.resultsWaiting.set(this.#waiting.size)
    this.#rechecker.want(this.#waiting.size > 0 && !this.#isStopped)
  }

  #wake(id: string): void {
    for (const wait of this.#waiting.get(id) ?? []) wait.wake()
  }

  /** One reading for all executions of a namespace; flows, which have no such reading, in turns of a bounded number. */
  async #recheck(): Promise<boolean> {
    const { executions, flows, logger } = this.#options
    const waits = [...this.#waiting.values()].flatMap((set) => [...set].slice(0, 1))
    const executionWaits = waits.filter((wait) => wait.id.startsWith('{'))
    const flowWaits = waits.filter((wait) => !wait.id.startsWith('{'))
    let news = false
    try {
      for (const id of await readExecutionEnds(executions, executionWaits)) {
        news = true
        this.#wake(id)
      }
      for (const wait of this.#nextFlows(flowWaits)) {
        const { outcome } = await flows.getResult({ namespace: wait.namespace, flowId: wait.id as FlowId })
        if (outcome === 'pending') continue
        news = true
        this.#wake(wait.id)
      }
    } catch (error) {
      logger.log('debug', 'Awaited ends could not be looked for', errorFields(error))
    }
    return news
  }

  #nextFlows(waits: readonly Wait[]): readonly Wait[] {
    const from = waits.length <= FLOWS_PER_LOOK ? 0 : this.#flowsLookedAt % waits.length
    this.#flowsLookedAt = from + FLOWS_PER_LOOK
    return [...waits.slice(from), ...waits.slice(0, from)].slice(0, FLOWS_PER_LOOK)
  }
}

/** Someone who waits for one end. */
class Wait {
  readonly id: string
  readonly namespace: Namespace
  timer: Timer | undefined
  isOver = false
  #resolve: () => void = () => {}

  constructor(id: string, namespace: Namespace) {
    this.id = id
    this.namespace = namespace
  }

  /** Resolves at the next wake, or at once when the wait is over. */
  arm(): Promise<void> {
    return new Promise((resolve) => {
      this.#resolve = resolve
      if (this.isOver) resolve()
    })
  }

  /** It may have ended. */
  wake(): void {
    this.#resolve()
  }

  giveUp(): void {
    this.isOver = true
    this.#resolve()
  }
}

const FLOWS_PER_LOOK = 16
