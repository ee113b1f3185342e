import {
  checkDrainWorker,
  checkListWorkers,
  engineError,
  type InstanceId,
  type Namespace,
  type WorkerOperations,
  type WorkerView,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { homeTag } from '../maintenance/prepare.js'
import { heartbeatWorker } from './heartbeat.js'
import { reapDead } from './reap-dead.js'
import { registerWorker } from './register.js'

/** The registry of worker instances, in the home partition. */
export function createWorkers(ctx: ValkeyContext): WorkerOperations {
  return {
    register: (params) => registerWorker(ctx, params),
    heartbeat: (params) => heartbeatWorker(ctx, params),

    async list(params) {
      checkListWorkers(params)
      const { reply } = await ctx.invoke({ name: 'workers_list', tag: homeTag, args: [] })
      const workers = asList(reply)
        .map(toWorker)
        .filter(
          ({ namespaces, lanes }) =>
            namespaces.includes(params.namespace) &&
            (params.lane === undefined || lanes.includes(params.lane)),
        )
        .sort((a, b) => (a.instanceId < b.instanceId ? -1 : 1))
      return { outcome: 'listed', workers }
    },

    async drain(params) {
      checkDrainWorker(params)
      const { reply: isKnown } = await ctx.invoke({
        name: 'workers_drain',
        tag: homeTag,
        args: [params.namespace, params.instanceId],
      })
      if (!isKnown) {
        throw engineError('worker_not_found', `No worker instance ${params.instanceId} is registered`)
      }
      return { outcome: 'draining' }
    },

    reapDead: (params) => reapDead(ctx, params),
  }
}

type Served = Pick<WorkerView, 'workerId' | 'lanes' | 'kinds' | 'capabilities' | 'concurrency'>
type Listed = readonly [
  instance: string,
  namespaces: readonly string[],
  text: string,
  registeredMs: number,
  active: number,
  draining: boolean,
  seenMs: number,
]

function toWorker([
  instanceId,
  namespaces,
  text,
  registeredAtMs,
  active,
  draining,
  lastSeenAtMs,
]: Listed): WorkerView {
  return {
    ...(JSON.parse(text) as Served),
    instanceId: instanceId as InstanceId,
    namespaces: namespaces as readonly Namespace[],
    active,
    draining,
    registeredAtMs,
    lastSeenAtMs,
  }
}
