import {
  type ClaimRequest,
  defaultLane,
  defaultNamespace,
  type ExecutionId,
  type ExecutionSubmission,
  type FoundationBackend,
  type Hint,
  mintClaimId,
  mintInstanceId,
  mintSoloExecutionId,
  parseKind,
  parseWorkerId,
} from '@flowfabric/core'
import {
  createEngine,
  createManualClock,
  type Engine,
  type EngineOptions,
  type ManualClock,
} from '@flowfabric/engine'
import { foundationScanners } from '@flowfabric/scanners'
import { createModel, type ModelBackend } from '../model/index.js'

export const namespace = defaultNamespace
export const lane = defaultLane
export const kind = parseKind('work')

const startMs = 1_800_000_000_000

export interface StageOptions {
  readonly partitionCount?: number
  readonly inlineResolveEdges?: number
  /** How far the engines' clock is ahead of the store's. */
  readonly skewMs?: number
}

/**
 * The model with engines on one manual clock: the store's time moves with it, and every call of every engine goes through
 * a gate that counts, refuses or delays it, as a network would.
 */
export interface Stage {
  readonly clock: ManualClock
  readonly model: ModelBackend
  readonly count: number
  /** Calls since the last `forget`, by `role.operation`. */
  readonly calls: ReadonlyMap<string, number>
  forgetCalls(): void
  totalCalls(): number
  /** What the network does to a call: throws to refuse it, or waits. */
  disturb: ((operation: string, params: unknown) => Promise<void> | void) | undefined
  /** What the network does to an answer. */
  disturbAnswer: ((operation: string) => Promise<void> | void) | undefined
  /** Which hints get through. */
  passHint: (hint: Hint) => boolean
  openEngine(options?: Partial<EngineOptions>): Engine
  /** Submits past all engines. */
  submit(traits?: Partial<ExecutionSubmission>): Promise<ExecutionId>
  anItem(traits?: Partial<ExecutionSubmission>): ExecutionSubmission
  aClaim(traits?: Partial<ClaimRequest>): ClaimRequest
  stateOf(id: ExecutionId): Promise<string>
  /** Stops every engine. */
  close(): Promise<void>
}

export function openStage(options: StageOptions = {}): Stage {
  const count = options.partitionCount ?? 4
  const clock = createManualClock()
  const model = createModel({
    partitions: { flow: count, budget: 1, quota: 8 },
    startMs,
    inlineResolveEdges: options.inlineResolveEdges,
  })
  const storeNowMs = () => startMs + Math.floor(clock.nowMs() - (options.skewMs ?? 0))
  Object.assign(model.store.clock, { nowMs: storeNowMs })
  const calls = new Map<string, number>()
  const engines: Engine[] = []

  const stage: Stage = {
    clock,
    model,
    count,
    calls,
    disturb: undefined,
    disturbAnswer: undefined,
    passHint: () => true,
    forgetCalls: () => calls.clear(),
    totalCalls: () => [...calls.values()].reduce((sum, each) => sum + each, 0),
    openEngine(engineOptions = {}) {
      const engine = createEngine({
        backend: gate(model, stage, calls),
        scanners: foundationScanners(),
        clock,
        random: () => 0.5,
        ...engineOptions,
      })
      engines.push(engine)
      return engine
    },
    async submit(traits = {}) {
      const item = stage.anItem(traits)
      const { items } = await model.executions.submit({ namespace, items: [item] })
      if (items[0]?.outcome !== 'accepted') throw new Error(`not accepted: ${JSON.stringify(items)}`)
      return item.id
    },
    anItem: (traits = {}) => ({
      id: mintSoloExecutionId({ namespace, lane: traits.lane ?? lane, shards: 1, count }),
      kind,
      lane,
      input: null,
      ...traits,
    }),
    aClaim: (traits = {}) => ({
      claimId: mintClaimId(),
      workerId: parseWorkerId('w'),
      instanceId: mintInstanceId(),
      namespaces: [namespace],
      lanes: [lane],
      kinds: [kind],
      capabilities: [],
      max: 1,
      leaseTtlMs: 30_000,
      waitMs: 30_000,
      ...traits,
    }),
    async stateOf(id) {
      return (await model.executions.get({ namespace, id })).execution.publicState
    },
    async close() {
      for (const engine of engines) {
        const stopped = engine.stop({ graceMs: 0 })
        await clock.advance(0)
        await stopped
      }
    },
  }
  return stage
}

type Operation = (params: unknown) => unknown

/** The same store behind the stage's network. */
function gate(model: ModelBackend, stage: Stage, calls: Map<string, number>): FoundationBackend {
  return new Proxy(model, {
    get(target, role: keyof ModelBackend & string) {
      const operations: unknown = target[role]
      if (typeof operations !== 'object' || operations === null || role === 'store') return operations
      return new Proxy(operations, {
        get(_, operation: string) {
          const call: unknown = Reflect.get(operations, operation)
          if (typeof call !== 'function') return call
          if (operation === 'listen') return gateListen(model, stage)
          return (params: unknown) => send(`${role}.${operation}`, call.bind(operations) as Operation, params)
        },
      })
    },
  })

  async function send(operation: string, call: Operation, params: unknown): Promise<unknown> {
    calls.set(operation, (calls.get(operation) ?? 0) + 1)
    await stage.disturb?.(operation, params)
    const answer = await call(params)
    await stage.disturbAnswer?.(operation)
    return answer
  }
}

function gateListen(model: ModelBackend, stage: Stage): FoundationBackend['events']['listen'] {
  return ({ onHint }) =>
    model.events.listen({
      onHint(hint) {
        if (stage.passHint(hint)) onHint(hint)
      },
    })
}
