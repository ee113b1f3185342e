import {
  checkDrainWorker,
  checkListWorkers,
  engineError,
  type InstanceId,
  type Kind,
  type LaneId,
  type Namespace,
  parsePartitionTag,
  type WorkerId,
  type WorkerOperations,
  type WorkerView,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { heartbeatWorker } from './heartbeat.js'
import { registerWorker } from './register.js'

/** An instance that was silent for so long is taken for dead. */
const SILENT_MS = 30_000

interface WorkerRow {
  readonly worker_id: WorkerId
  readonly instance_id: InstanceId
  readonly namespaces: readonly Namespace[]
  readonly lanes: readonly LaneId[]
  readonly kinds: readonly Kind[]
  readonly capabilities: readonly string[]
  readonly concurrency: number
  readonly active: number
  readonly draining: boolean
  readonly registered_at: number
  readonly last_seen_at: number
}

/** The registry of worker instances. */
export function createWorkers(ctx: PostgresContext): WorkerOperations {
  return {
    register: (params) => registerWorker(ctx, params),
    heartbeat: (params) => heartbeatWorker(ctx, params),

    async list(params) {
      checkListWorkers(params)
      const rows = await ctx.db.query<WorkerRow>(
        `select worker_id, instance_id, namespaces, lanes, kinds, capabilities, concurrency, active, draining, registered_at, last_seen_at
         from ff.worker where $1 = any(namespaces) and ($2::text is null or $2 = any(lanes)) order by instance_id`,
        [params.namespace, params.lane ?? null],
      )
      return { outcome: 'listed', workers: rows.map(toWorker) }
    },

    async drain(params) {
      checkDrainWorker(params)
      const rows = await ctx.db.call<{ instance_id: string }>(
        'update ff.worker set draining = true where instance_id = $1 and $2 = any(namespaces) returning instance_id',
        [params.instanceId, params.namespace],
      )
      if (rows.length === 0) {
        throw engineError('worker_not_found', `No worker instance ${params.instanceId} is registered`)
      }
      return { outcome: 'draining' }
    },

    // Silence says nothing about leases: they run out by themselves. Whoever said goodbye has handed them back.
    async reapDead(params) {
      // The registry is one table: any partition of any family stands for it.
      parsePartitionTag(params.partition)
      const rows = await ctx.db.call<{ instance_id: InstanceId }>(
        `delete from ff.worker where instance_id in (
           select instance_id from ff.worker where last_seen_at <= ff.now_ms() - $1::bigint
           order by instance_id limit $2 for update skip locked)
         returning instance_id`,
        [SILENT_MS, params.max],
      )
      const items = rows
        .map(({ instance_id }) => ({ outcome: 'removed' as const, instanceId: instance_id, handedBack: 0 }))
        .sort((a, b) => (a.instanceId < b.instanceId ? -1 : 1))
      return { items, more: rows.length === params.max }
    },
  }
}

function toWorker(row: WorkerRow): WorkerView {
  return {
    workerId: row.worker_id,
    instanceId: row.instance_id,
    namespaces: row.namespaces,
    lanes: row.lanes,
    kinds: row.kinds,
    capabilities: row.capabilities,
    concurrency: row.concurrency,
    active: row.active,
    draining: row.draining,
    registeredAtMs: row.registered_at,
    lastSeenAtMs: row.last_seen_at,
  }
}
