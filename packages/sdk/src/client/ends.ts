import {
  type ClientBackend,
  type ExecutionId,
  engineError,
  type FlowId,
  type FlowResultOutcome,
  isEngineError,
  limits,
  type Namespace,
  type ResultOutcome,
} from '@flowfabric/core'
import { type Checked, EndWaiter } from './end-waiter.js'

export type ExecutionEnd = Exclude<ResultOutcome, { outcome: 'pending' } | { outcome: 'error' }>
export type FlowEnd = Exclude<FlowResultOutcome, { outcome: 'pending' }>

/** Flows are read one by one; this many side by side. */
const FLOWS_PER_CHECK = 32
/** A subscription without anybody who waits is ended after this. */
const LISTEN_IDLE_MS = 5_000

/** Waits for the ends of executions and flows, over one subscription to hints that exists while somebody waits. */
export class Ends {
  readonly #backend: ClientBackend
  readonly #executions: EndWaiter<ExecutionEnd>
  readonly #flows: EndWaiter<FlowEnd>
  #stopListening: (() => void) | undefined
  #idleTimer: NodeJS.Timeout | undefined

  constructor(backend: ClientBackend, namespace: Namespace) {
    this.#backend = backend
    this.#executions = new EndWaiter({
      batchMax: limits.resultBatchMax,
      check: async (ids) => {
        const { items } = await backend.executions.getResult({
          namespace,
          ids: ids as readonly ExecutionId[],
        })
        return items.map(readExecutionEnd)
      },
    })
    this.#flows = new EndWaiter({
      batchMax: FLOWS_PER_CHECK,
      check: (ids) => Promise.all(ids.map((id) => this.#readFlowEnd(namespace, id as FlowId))),
    })
  }

  /** The recorded end, or `undefined` when the time is over. */
  ofExecution(id: ExecutionId, timeoutMs: number | undefined): Promise<ExecutionEnd | undefined> {
    this.#listen()
    return this.#executions.wait(id, timeoutMs)
  }

  ofFlow(id: FlowId, timeoutMs: number | undefined): Promise<FlowEnd | undefined> {
    this.#listen()
    return this.#flows.wait(id, timeoutMs)
  }

  close(): void {
    const error = engineError('closed', 'The client was closed')
    this.#executions.close(error)
    this.#flows.close(error)
    this.#stop()
  }

  /** Listening begins before the first read, so that no end falls between the two. */
  #listen(): void {
    this.#stopListening ??= this.#backend.events.listen({
      types: ['ended'],
      onHint: (hint) => {
        if (hint.type !== 'ended') return
        this.#executions.notice(hint.id)
        this.#flows.notice(hint.id)
      },
    })
    this.#idleTimer ??= setTimeout(() => this.#stopIfIdle(), LISTEN_IDLE_MS).unref()
  }

  #stopIfIdle(): void {
    this.#idleTimer = undefined
    if (this.#executions.isIdle && this.#flows.isIdle) this.#stop()
    else this.#listen()
  }

  #stop(): void {
    clearTimeout(this.#idleTimer)
    this.#idleTimer = undefined
    this.#stopListening?.()
    this.#stopListening = undefined
  }

  async #readFlowEnd(namespace: Namespace, flowId: FlowId): Promise<Checked<FlowEnd>> {
    try {
      const answer = await this.#backend.flows.getResult({ namespace, flowId })
      return answer.outcome === 'pending' ? undefined : { end: answer }
    } catch (error) {
      if (isEngineError(error) && error.retry === 'safe') return undefined
      return { error }
    }
  }
}

function readExecutionEnd(answer: ResultOutcome): Checked<ExecutionEnd> {
  if (answer.outcome === 'pending') return undefined
  if (answer.outcome === 'error') return answer.error.retry === 'safe' ? undefined : { error: answer.error }
  return { end: answer }
}
