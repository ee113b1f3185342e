import {
  checkDrainWorker,
  checkEngineHeartbeat,
  checkListWorkers,
  checkRegisterWorker,
  checkWorkerHeartbeat,
  type EngineOperations,
  engineError,
  type InstanceId,
  parsePartitionTag,
  type WorkerOperations,
  type WorkerView,
} from '@flowfabric/core'
import { loseLease } from './attempt-ends.js'
import { step } from './step.js'
import { type Model, operate } from './store.js'

const SILENT_WORKER_MS = 30_000
const SILENT_ENGINE_MS = 15_000

export function createWorkers(model: Model): WorkerOperations {
  return {
    register: (params) =>
      operate(model, () => {
        checkRegisterWorker(params)
        const handedBack = model.workers.has(params.instanceId) ? handBack(model, params.instanceId) : 0
        const nowMs = model.clock.nowMs()
        const { workerId, instanceId, namespaces, lanes, kinds, capabilities, concurrency } = params
        model.workers.set(instanceId, {
          workerId,
          instanceId,
          namespaces,
          lanes,
          kinds,
          capabilities,
          concurrency,
          active: 0,
          draining: false,
          registeredAtMs: nowMs,
          lastSeenAtMs: nowMs,
        })
        return { outcome: 'registered' as const, handedBack }
      }),

    heartbeat: (params) =>
      operate(model, () => {
        checkWorkerHeartbeat(params)
        const worker = model.workers.get(params.instanceId)
        if (
          worker === undefined ||
          !worker.namespaces.some((namespace) => params.namespaces.includes(namespace))
        ) {
          return { outcome: 'unknown_instance' as const, draining: false }
        }
        if (params.goodbye) {
          model.workers.delete(params.instanceId)
          handBack(model, params.instanceId)
          return { outcome: 'gone' as const, draining: worker.draining }
        }
        const lastSeenAtMs = model.clock.nowMs()
        model.workers.set(params.instanceId, { ...worker, active: params.active, lastSeenAtMs })
        return { outcome: 'beating' as const, draining: worker.draining }
      }),

    list: (params) =>
      operate(model, () => {
        checkListWorkers(params)
        const workers = [...model.workers.values()].filter(
          (worker) =>
            worker.namespaces.includes(params.namespace) &&
            (params.lane === undefined || worker.lanes.includes(params.lane)),
        )
        return { outcome: 'listed' as const, workers: workers.sort(byInstance) }
      }),

    drain: (params) =>
      operate(model, () => {
        checkDrainWorker(params)
        const worker = model.workers.get(params.instanceId)
        if (worker === undefined || !worker.namespaces.includes(params.namespace)) {
          throw engineError('worker_not_found', `no worker instance ${params.instanceId} is registered`)
        }
        model.workers.set(params.instanceId, { ...worker, draining: true })
        return { outcome: 'draining' as const }
      }),

    // The registry isn't partitioned: any partition of any family stands for it. Silence says nothing about leases, which
    // run out by themselves.
    reapDead: (params) =>
      operate(model, () => {
        parsePartitionTag(params.partition)
        const silentSinceMs = model.clock.nowMs() - SILENT_WORKER_MS
        const dead = [...model.workers.values()].filter((worker) => worker.lastSeenAtMs <= silentSinceMs)
        const items = dead.sort(byInstance).slice(0, params.max)
        for (const { instanceId } of items) model.workers.delete(instanceId)
        return {
          items: items.map(({ instanceId }) => ({ outcome: 'removed' as const, instanceId, handedBack: 0 })),
          more: dead.length > items.length,
        }
      }),
  }
}

export function createEngines(model: Model): EngineOperations {
  const listed = () => [...model.engines.values()].sort((a, b) => (a.engineId < b.engineId ? -1 : 1))
  return {
    heartbeat: (params) =>
      operate(model, () => {
        checkEngineHeartbeat(params)
        const nowMs = model.clock.nowMs()
        const { engineId, label } = params
        const startedAtMs = model.engines.get(engineId)?.startedAtMs ?? nowMs
        if (params.goodbye) model.engines.delete(engineId)
        else model.engines.set(engineId, { engineId, label, startedAtMs, lastSeenAtMs: nowMs })
        const silentSinceMs = nowMs - (params.aliveMs ?? SILENT_ENGINE_MS)
        const engines = listed().filter((engine) => engine.lastSeenAtMs > silentSinceMs)
        return { outcome: 'beating' as const, engines, nowMs }
      }),

    list: () => operate(model, () => ({ outcome: 'listed' as const, engines: listed() })),
  }
}

/** What the instance still holds is claimable again at once, as if its leases had run out now. */
function handBack(model: Model, instanceId: InstanceId): number {
  const held = [...model.executions.values()].filter((x) => x.lease?.instanceId === instanceId)
  step(model, () => {
    for (const x of held) loseLease(model, x, 'lease_expiry')
  })
  return held.length
}

function byInstance(a: WorkerView, b: WorkerView): number {
  return a.instanceId < b.instanceId ? -1 : 1
}
