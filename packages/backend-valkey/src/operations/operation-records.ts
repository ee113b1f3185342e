import {
  type Namespace,
  type OperationId,
  type OperationName,
  type OperationPlace,
  type OperationRow,
  type OperationStore,
  quotaPartition,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { tagsOf } from '../maintenance/prepare.js'

type Row = readonly [
  name: string,
  version: number,
  createdMs: number,
  dueMs: number,
  definition: string,
  progress: string,
]

/** What cannot be read is told of, and then left alone for so long. */
const BROKEN_AGAIN_MS = 60_000
const NEVER = -1

/** Records of bulk operations, each in the partition of its name, written on condition of its version. */
export function createOperationRecords(ctx: ValkeyContext): OperationStore {
  return {
    async read(operation) {
      const { reply, news } = await ctx.invoke({
        name: 'operations_read',
        tag: await tagOf(ctx, operation),
        args: [nameOf(operation)],
      })
      // Nothing arrives as an empty map.
      const isThere = Array.isArray(reply) && reply.length > 0
      return { nowMs: news.nowMs, row: isThere ? toRow(reply as unknown as Row) : undefined }
    },

    async write({ expected, dueAtMs, progress, created, ...operation }) {
      const tag = await tagOf(ctx, operation)
      const name = nameOf(operation)
      const dueMs = dueAtMs ?? NEVER
      if (expected !== null) {
        const args = [name, expected, dueMs, progress] as const
        const { reply, news } = await ctx.invoke({ name: 'operations_write', tag, args: [...args] })
        return { nowMs: news.nowMs, isWritten: reply }
      }
      const { atMs = 0, definition = '' } = created ?? {}
      const args = [name, atMs, dueMs, definition, progress] as const
      const { reply, news } = await ctx.invoke({ name: 'operations_create', tag, args: [...args] })
      return { nowMs: news.nowMs, isWritten: reply }
    },

    async remove({ expected, ...operation }) {
      const { reply } = await ctx.invoke({
        name: 'operations_remove',
        tag: await tagOf(ctx, operation),
        args: [nameOf(operation), expected],
      })
      return reply
    },

    async due({ partition, max }) {
      const { reply, news } = await ctx.invoke({
        name: 'operations_due',
        tag: `q:${partition}`,
        args: [max, BROKEN_AGAIN_MS],
      })
      const [rows, nextDueMs] = reply
      return {
        nowMs: news.nowMs,
        rows: asList(rows).map(toRow),
        nextDueAtMs: nextDueMs === 0 ? null : nextDueMs,
      }
    },

    async list({ namespace, after, limit }) {
      const { quota } = await ctx.partitions()
      const args = [
        namespace,
        after?.createdAtMs ?? Number.MAX_SAFE_INTEGER,
        after?.operationId ?? '',
        limit,
      ] as const
      const pages = await Promise.all(
        tagsOf('quota', quota).map(async (tag) => {
          const { reply } = await ctx.invoke({ name: 'operations_list', tag, args: [...args] })
          return asList(reply).map(toRow)
        }),
      )
      return pages.flat().sort(byPlace).slice(0, limit)
    },
  }
}

const nameOf = ({ namespace, operationId }: OperationName) => `${namespace}/${operationId}`

async function tagOf(
  ctx: Pick<ValkeyContext, 'partitions'>,
  { namespace, operationId }: OperationName,
): Promise<string> {
  const { quota } = await ctx.partitions()
  return `q:${quotaPartition(namespace, operationId, quota)}`
}

function toRow([name, version, createdAtMs, dueMs, definition, progress]: Row): OperationRow {
  const [namespace = '', operationId = ''] = name.split('/')
  return {
    namespace: namespace as Namespace,
    operationId: operationId as OperationId,
    version,
    createdAtMs,
    dueAtMs: dueMs === NEVER ? null : dueMs,
    definition,
    progress,
  }
}

/** Newest first, as each partition orders its own. */
function byPlace(a: OperationPlace, b: OperationPlace): number {
  return b.createdAtMs - a.createdAtMs || (a.operationId > b.operationId ? -1 : 1)
}
