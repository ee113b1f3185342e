import {
  type FullScheduleRow,
  type Namespace,
  quotaPartition,
  type ScheduleId,
  type SchedulePlace,
  type ScheduleRow,
  type ScheduleStore,
  type ScheduleWrite,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { tagsOf } from '../maintenance/prepare.js'

type Row = readonly [
  name: string,
  label: string,
  version: number,
  dueMs: number,
  definition: string,
  progress: string,
]
type FullRow = readonly [...Row, work: string]

/** What cannot be read is told of, and then left alone for so long. */
const BROKEN_AGAIN_MS = 60_000
const NEVER = -1

/** Records of schedules, each in the partition of its name, written on condition of its version. */
export function createScheduleRecords(ctx: ValkeyContext): ScheduleStore {
  return {
    async read(schedule) {
      const { reply, news } = await ctx.invoke({
        name: 'schedules_read',
        tag: await tagOf(ctx, schedule),
        args: [nameOf(schedule)],
      })
      // Nothing arrives as an empty map.
      const isThere = Array.isArray(reply) && reply.length > 0
      return { nowMs: news.nowMs, row: isThere ? toFullRow(reply as FullRow) : undefined }
    },

    write: (change) => (change.expected === null ? create(ctx, change) : write(ctx, change, change.expected)),

    async remove({ expected, ...schedule }) {
      const { reply } = await ctx.invoke({
        name: 'schedules_remove',
        tag: await tagOf(ctx, schedule),
        args: [nameOf(schedule), expected],
      })
      return reply
    },

    async due({ partition, max }) {
      const { reply, news } = await ctx.invoke({
        name: 'schedules_due',
        tag: `q:${partition}`,
        args: [max, BROKEN_AGAIN_MS],
      })
      const [rows, nextDueMs] = reply
      return {
        nowMs: news.nowMs,
        rows: asList(rows).map(toFullRow),
        nextDueAtMs: nextDueMs === 0 ? null : nextDueMs,
      }
    },

    async list({ namespace, after, limit }) {
      const { quota } = await ctx.partitions()
      const pages = await Promise.all(
        tagsOf('quota', quota).map(async (tag) => {
          const args = [namespace, after?.label ?? '', after?.scheduleId ?? '', limit] as const
          const { reply } = await ctx.invoke({ name: 'schedules_list', tag, args: [...args] })
          return asList(reply).map(toRow)
        }),
      )
      return pages.flat().sort(byPlace).slice(0, limit)
    },
  }
}

async function create(ctx: ValkeyContext, change: ScheduleWrite): Promise<boolean> {
  const { dueAtMs, progress, put } = change
  if (put === undefined) return false
  const { reply } = await ctx.invoke({
    name: 'schedules_create',
    tag: await tagOf(ctx, change),
    args: [nameOf(change), dueAtMs ?? NEVER, progress, put.label, put.definition, put.work],
  })
  return reply
}

async function write(ctx: ValkeyContext, change: ScheduleWrite, expected: number): Promise<boolean> {
  const { dueAtMs, progress, mayBeLost, put = { label: '', definition: '', work: '' } } = change
  const { reply } = await ctx.invoke({
    name: 'schedules_write',
    tag: await tagOf(ctx, change),
    args: [nameOf(change), expected, dueAtMs ?? NEVER, progress, put.label, put.definition, put.work],
    brings: mayBeLost === true ? [] : undefined,
  })
  return reply
}

interface Name {
  readonly namespace: Namespace
  readonly scheduleId: ScheduleId
}

const nameOf = ({ namespace, scheduleId }: Name) => `${namespace}/${scheduleId}`

async function tagOf(
  ctx: Pick<ValkeyContext, 'partitions'>,
  { namespace, scheduleId }: Name,
): Promise<string> {
  const { quota } = await ctx.partitions()
  return `q:${quotaPartition(namespace, scheduleId, quota)}`
}

function toRow([name, label, version, dueMs, definition, progress]: Row): ScheduleRow {
  const [namespace = '', scheduleId = ''] = name.split('/')
  return {
    namespace: namespace as Namespace,
    scheduleId: scheduleId as ScheduleId,
    label,
    version,
    dueAtMs: dueMs === NEVER ? null : dueMs,
    definition,
    progress,
  }
}

function toFullRow(row: FullRow): FullScheduleRow {
  const [name, label, version, dueMs, definition, progress, work] = row
  return { ...toRow([name, label, version, dueMs, definition, progress]), work }
}

/** By the bytes of the label, as each partition orders its own. */
function byPlace(a: SchedulePlace, b: SchedulePlace): number {
  return Buffer.compare(Buffer.from(a.label), Buffer.from(b.label)) || (a.scheduleId < b.scheduleId ? -1 : 1)
}
