import {
  type CreateWaitpointOutcome,
  type DeliverSignal,
  type DeliverSignalOutcome,
  type ExecutionId,
  type Handle,
  type ListSignals,
  mintSignalId,
  mintSuspensionId,
  mintWaitpointId,
  must,
  type NewWaitpoint,
  parseExecutionId,
  partitionIndexOf,
  type ResumeCondition,
  type Signal,
  type SignalMatch,
  type SuspendItem,
  type SuspendOutcome,
  type SuspensionOperations,
  type Waitpoint,
  type WaitpointId,
} from '@flowfabric/core'
import { bytesOf, submitOne } from './builders.js'
import type { TestStore } from './use-store.js'
import { WorkerDriver } from './worker-driver.js'

/** What a test has in hand of one execution that waits, or is about to. */
export interface Waiting {
  readonly id: ExecutionId
  readonly handle: Handle
  readonly worker: WorkerDriver
}

/** A signal that matches came to the waitpoint. */
export function onSignal(waitpointId: WaitpointId, match?: SignalMatch): ResumeCondition {
  return match === undefined ? { kind: 'signal', waitpointId } : { kind: 'signal', waitpointId, match }
}

/** Suspensions, waitpoints and signals, by hand. */
export class SuspensionDriver {
  readonly store: TestStore
  #keys = 0

  constructor(store: TestStore) {
    this.store = store
  }

  get operations(): SuspensionOperations {
    return this.store.backend.suspensions
  }

  /** A solo execution that a worker holds. */
  async active(more: Parameters<typeof submitOne>[1] = {}): Promise<Waiting> {
    const id = await submitOne(this.store, more)
    const worker = new WorkerDriver(this.store, more.lane === undefined ? {} : { lanes: [more.lane] })
    const { handle, executionId } = await worker.claimOne()
    if (executionId !== id) throw new Error(`claimed ${executionId}, not ${id}`)
    return { id, handle, worker }
  }

  /** One that waits for a signal on a waitpoint of its own. */
  async suspended(
    more: Partial<SuspendItem> = {},
    spec: Parameters<typeof submitOne>[1] = {},
  ): Promise<Waiting & { readonly waitpointId: WaitpointId }> {
    const waiting = await this.active(spec)
    const waitpointId = this.mintWaitpoint(waiting.id)
    const answer = await this.suspend(waiting, {
      condition: onSignal(waitpointId),
      waitpoints: [{ waitpointId, name: 'gate' }],
      ...more,
    })
    if (answer.outcome !== 'suspended') throw new Error(`not suspended but ${answer.outcome}`)
    return { ...waiting, waitpointId }
  }

  mintWaitpoint(id: ExecutionId): WaitpointId {
    return mintWaitpointId(partitionIndexOf(id))
  }

  item(
    { id, handle }: Pick<Waiting, 'id' | 'handle'>,
    more: Pick<SuspendItem, 'condition'> & Partial<SuspendItem>,
  ): SuspendItem {
    return { handle, suspensionId: mintSuspensionId(partitionIndexOf(id)), reason: 'signal', ...more }
  }

  async suspend(
    waiting: Pick<Waiting, 'id' | 'handle'>,
    more: Pick<SuspendItem, 'condition'> & Partial<SuspendItem>,
  ): Promise<SuspendOutcome> {
    const items = [this.item(waiting, more)]
    const answer = await this.operations.suspend({ namespaces: [this.store.namespace], items })
    return must(answer.items[0], 'an answer')
  }

  async create(
    executionId: ExecutionId,
    more: Partial<NewWaitpoint> & { readonly handle?: Handle } = {},
  ): Promise<CreateWaitpointOutcome> {
    return this.operations.createWaitpoint({
      namespace: this.store.namespace,
      executionId,
      waitpointId: this.mintWaitpoint(executionId),
      name: 'gate',
      ...more,
    })
  }

  /** A new waitpoint; throws unless it was created. */
  async waitpoint(executionId: ExecutionId, name = 'gate', expiresAtMs?: number): Promise<WaitpointId> {
    const more = expiresAtMs === undefined ? { name } : { name, expiresAtMs }
    const created = await this.create(executionId, more)
    if (created.outcome !== 'created') throw new Error(`not created but ${created.outcome}`)
    return created.waitpoint.id
  }

  /** Delivers a signal under a key of its own. */
  async signal(
    waitpointId: WaitpointId,
    more: Partial<Omit<DeliverSignal, 'payload'>> & { readonly payload?: string | null } = {},
  ): Promise<DeliverSignalOutcome> {
    this.#keys += 1
    const { payload = null, ...rest } = more
    return this.operations.deliverSignal({
      namespace: this.store.namespace,
      waitpointId,
      signalId: mintSignalId(partitionIndexOf(waitpointId)),
      name: 'go',
      payload: payload === null ? null : bytesOf(payload),
      idempotencyKey: `key-${this.#keys}`,
      source: null,
      ...rest,
    })
  }

  /** Names of signals, one after the other, and what each was answered. */
  async signals(waitpointId: WaitpointId, ...names: readonly string[]): Promise<readonly string[]> {
    const outcomes: string[] = []
    for (const name of names) outcomes.push((await this.signal(waitpointId, { name })).outcome)
    return outcomes
  }

  async listWaitpoints(executionId: ExecutionId): Promise<readonly Waitpoint[]> {
    const { namespace } = this.store
    return (await this.operations.listWaitpoints({ namespace, executionId, limit: 1_000 })).items
  }

  async listSignals(executionId: ExecutionId, more: Partial<ListSignals> = {}): Promise<readonly Signal[]> {
    const { namespace } = this.store
    return (await this.operations.listSignals({ namespace, executionId, limit: 1_000, ...more })).items
  }

  /** An execution id that no store has. */
  unknownExecution(): ExecutionId {
    return parseExecutionId('{fp:0}:00000000-0000-7000-8000-000000000000')
  }
}
