import { type InstanceId, laneStates, type Namespace, type PartitionTag } from '@flowfabric/core'
import type { Chooser } from '../chooser.js'
import { withoutUnusedLanes } from '../lanes-in-use.js'
import { type Call, kinds, lanes, type World, workerId } from '../world.js'
import { demandKinds } from './demands.js'
import { ageingMs } from './spec.js'

export function configureLane(c: Chooser, world: World): Call {
  const settings = {
    ...(c.rarely(2) ? { concurrency: c.of([null, 1, 2]) } : {}),
    ...(c.rarely(3) ? { ageingMs: c.of([null, ageingMs]) } : {}),
    ...(c.rarely(3) ? { eventLevel: c.of(['terminal', 'all', 'none'] as const) } : {}),
    ...(c.rarely(12) ? { weight: 0 } : {}),
  }
  const params = { namespace: world.namespace, lane: c.of(lanes), settings }
  return {
    text: `lanes.configure ${params.lane} ${JSON.stringify(settings)}`,
    on: (backend) => backend.lanes.configure(params),
  }
}

export function setLaneState(c: Chooser, world: World): Call {
  const wrong = c.rarely(12) ? ('closed' as (typeof laneStates)[number]) : undefined
  const state = wrong ?? (c.below(2) === 0 ? 'active' : c.of(laneStates))
  const params = { namespace: world.namespace, lane: c.of(lanes), state }
  return { text: `lanes.setState ${params.lane} ${state}`, on: (backend) => backend.lanes.setState(params) }
}

export function listLanes(c: Chooser, world: World): Call {
  const namespace = c.rarely(12) ? malformed : world.namespace
  return {
    text: `lanes.list of ${namespace}`,
    on: async (backend) => withoutUnusedLanes(await backend.lanes.list({ namespace })),
  }
}

/** Of all partitions; of nothing that crashed half-way there is nothing to finish. */
export function syncCopies(c: Chooser, world: World): Call {
  const max = c.rarely(8) ? 0 : 100
  return {
    text: `lanes.syncCopies by ${max}`,
    on: async (backend) => {
      const items: unknown[] = []
      for (const partition of world.partitions)
        items.push(...(await backend.lanes.syncCopies({ partition, max })).items)
      return { items }
    },
  }
}

const malformed = 'No Name' as Namespace

export function registerWorker(c: Chooser, world: World): Call {
  const params = {
    namespaces: [world.namespace],
    workerId,
    instanceId: world.instances[c.below(2)] ?? world.instances[0],
    lanes: [...lanes],
    kinds: [...kinds, ...demandKinds],
    capabilities: c.rarely(2) ? ['gpu'] : [],
    concurrency: c.rarely(15) ? 0 : 4,
  }
  return { text: `workers.register ${params.instanceId}`, on: (backend) => backend.workers.register(params) }
}

export function beatWorker(c: Chooser, world: World): Call {
  const params = {
    namespaces: [world.namespace],
    instanceId: world.instances[c.below(2)] ?? world.instances[0],
    active: c.below(3),
    ...(c.rarely(4) ? { goodbye: true } : {}),
  }
  return {
    text: `workers.heartbeat ${params.instanceId}${params.goodbye ? ', goodbye' : ''}`,
    on: (backend) => backend.workers.heartbeat(params),
  }
}

export function listWorkers(c: Chooser, world: World): Call {
  const lane = c.rarely(2) ? { lane: c.of(lanes) } : {}
  const namespace = c.rarely(12) ? malformed : world.namespace
  return {
    text: `workers.list of ${namespace}`,
    on: (backend) => backend.workers.list({ namespace, ...lane }),
  }
}

export function drainWorker(c: Chooser, world: World): Call {
  const instanceId = world.instances[c.below(2)] ?? world.instances[0]
  return {
    text: `workers.drain ${instanceId}`,
    on: (backend) => backend.workers.drain({ namespace: world.namespace, instanceId }),
  }
}

/** The registry is one for the whole store, so that other runs' are among them. */
export function reapDead(c: Chooser, world: World): Call {
  const partition = c.rarely(8) ? malformedPartition : (world.partitions[0] ?? malformedPartition)
  return {
    text: `workers.reapDead of ${partition}`,
    on: async (backend) => {
      const items: { readonly instanceId: InstanceId }[] = []
      let more = true
      while (more) {
        const answer = await backend.workers.reapDead({ partition, max: 100 })
        items.push(...answer.items)
        more = answer.more
      }
      return { items: items.filter(({ instanceId }) => world.instances.includes(instanceId)) }
    },
  }
}

const malformedPartition = 'no partition' as PartitionTag
