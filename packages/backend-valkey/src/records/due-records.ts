import {
  type DueName,
  type DueRecords,
  type DueRow,
  type Namespace,
  quotaPartition,
  type RecordPlace,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { tagsOf } from '../maintenance/prepare.js'

/** As `lua/shared/records.lua` names them. */
export type RecordKind = 'operation' | 'webhook'

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

/** Records of one kind, each in the partition of its name, written on condition of its version. */
export function createDueRecords(ctx: ValkeyContext, kind: RecordKind): DueRecords {
  return {
    async read(record) {
      const { reply, news } = await ctx.invoke({
        name: 'records_read',
        tag: await tagOf(ctx, record),
        args: [kind, nameOf(record)],
      })
      // Nothing arrives as an empty map.
      const isThere = Array.isArray(reply) && reply.length > 0
      return { nowMs: news.nowMs, row: isThere ? toRow(reply as unknown as Row) : undefined }
    },

    async write({ expected, dueAtMs, progress, definition = '', createdAtMs = 0, mayBeLost, ...record }) {
      const tag = await tagOf(ctx, record)
      const name = nameOf(record)
      const dueMs = dueAtMs ?? NEVER
      if (expected !== null) {
        const args = [kind, name, expected, dueMs, progress, definition] as const
        const { reply, news } = await ctx.invoke({
          name: 'records_write',
          tag,
          args: [...args],
          brings: mayBeLost === true ? [] : undefined,
        })
        return { nowMs: news.nowMs, isWritten: reply }
      }
      const args = [kind, name, createdAtMs, dueMs, definition, progress] as const
      const { reply, news } = await ctx.invoke({ name: 'records_create', tag, args: [...args] })
      return { nowMs: news.nowMs, isWritten: reply }
    },

    async remove({ expected, ...record }) {
      const { reply } = await ctx.invoke({
        name: 'records_remove',
        tag: await tagOf(ctx, record),
        args: [kind, nameOf(record), expected],
      })
      return reply
    },

    async due({ partition, max, withinMs = 0 }) {
      const { reply, news } = await ctx.invoke({
        name: 'records_due',
        tag: `q:${partition}`,
        args: [kind, max, withinMs, BROKEN_AGAIN_MS],
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
      const before = [after?.createdAtMs ?? Number.MAX_SAFE_INTEGER, after?.id ?? ''] as const
      const pages = await Promise.all(
        tagsOf('quota', quota).map(async (tag) => {
          const args = [kind, namespace, ...before, limit] as const
          const { reply } = await ctx.invoke({ name: 'records_list', tag, args: [...args] })
          return asList(reply).map(toRow)
        }),
      )
      return pages.flat().sort(byPlace).slice(0, limit)
    },
  }
}

const nameOf = ({ namespace, id }: DueName) => `${namespace}/${id}`

async function tagOf(ctx: Pick<ValkeyContext, 'partitions'>, { namespace, id }: DueName): Promise<string> {
  const { quota } = await ctx.partitions()
  return `q:${quotaPartition(namespace, id, quota)}`
}

function toRow([name, version, createdAtMs, dueMs, definition, progress]: Row): DueRow {
  const [namespace = '', id = ''] = name.split('/')
  return {
    namespace: namespace as Namespace,
    id,
    version,
    createdAtMs,
    dueAtMs: dueMs === NEVER ? null : dueMs,
    definition,
    progress,
  }
}

/** Newest first, as each partition orders its own. */
function byPlace(a: RecordPlace, b: RecordPlace): number {
  return b.createdAtMs - a.createdAtMs || (a.id > b.id ? -1 : 1)
}
