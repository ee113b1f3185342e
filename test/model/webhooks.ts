import {
  createWebhookOperations,
  type DueName,
  type DueRecords,
  type DueRow,
  type EventOperations,
  makePartitionTag,
  type PartitionTag,
  quotaPartition,
  type WebhookOperations,
} from '@flowfabric/core'
import { type Model, operate } from './store.js'

/**
 * The role as every store has it: what is delivered when follows from one record alone, and is core's. The model gives it
 * records in a plain map, and its own feed.
 */
export function createWebhooks(model: Model, events: EventOperations): WebhookOperations {
  return createWebhookOperations({
    events,
    store: createRecords(model),
    partitions: async () => model.partitions,
  })
}

/** When somebody has to look next at one of a partition. */
export function nextWebhookIn(model: Model, partition: PartitionTag): number | null {
  const times = rowsIn(model, partition).flatMap(({ dueAtMs }) => dueAtMs ?? [])
  return times.length === 0 ? null : Math.min(...times)
}

function createRecords(model: Model): DueRecords {
  const { webhooks } = model
  return {
    read: (name) => operate(model, () => ({ nowMs: model.clock.nowMs(), row: webhooks.get(keyOf(name)) })),

    write: ({ expected, dueAtMs, progress, definition, createdAtMs = 0, namespace, id }) =>
      operate(model, () => {
        const key = keyOf({ namespace, id })
        const known = webhooks.get(key)
        const nowMs = model.clock.nowMs()
        if ((known?.version ?? null) !== expected) return { nowMs, isWritten: false }
        webhooks.set(key, {
          namespace,
          id,
          version: (expected ?? 0) + 1,
          createdAtMs: known?.createdAtMs ?? createdAtMs,
          dueAtMs,
          progress,
          definition: definition ?? known?.definition ?? '',
        })
        return { nowMs, isWritten: true }
      }),

    remove: ({ expected, ...name }) =>
      operate(model, () => webhooks.get(keyOf(name))?.version === expected && webhooks.delete(keyOf(name))),

    due: ({ partition, max, withinMs = 0 }) =>
      operate(model, () => {
        const nowMs = model.clock.nowMs()
        const sorted = rowsIn(model, makePartitionTag('quota', partition))
          .filter(({ dueAtMs }) => dueAtMs !== null)
          .sort((a, b) => (a.dueAtMs ?? 0) - (b.dueAtMs ?? 0) || (keyOf(a) < keyOf(b) ? -1 : 1))
        const rows = sorted.filter(({ dueAtMs }) => (dueAtMs ?? 0) <= nowMs + withinMs).slice(0, max)
        return { nowMs, rows, nextDueAtMs: sorted[rows.length]?.dueAtMs ?? null }
      }),

    list: ({ namespace, after, limit }) =>
      operate(model, () =>
        [...webhooks.values()]
          .filter((row) => row.namespace === namespace)
          .sort((a, b) => (placeOf(a) < placeOf(b) ? 1 : -1))
          .filter((row) => after === undefined || placeOf(row) < placeOf(after))
          .slice(0, limit),
      ),
  }
}

function rowsIn(model: Model, partition: PartitionTag): DueRow[] {
  return [...model.webhooks.values()].filter(
    ({ namespace, id }) =>
      makePartitionTag('quota', quotaPartition(namespace, id, model.partitions.quota)) === partition,
  )
}

const keyOf = ({ namespace, id }: DueName) => `${namespace}/${id}`
const placeOf = ({ createdAtMs, id }: Pick<DueRow, 'createdAtMs' | 'id'>) =>
  `${String(createdAtMs).padStart(16, '0')}/${id}`
