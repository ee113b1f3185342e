import {
  makePartitionTag,
  type OverlapPolicy,
  overlapPolicies,
  type PutSchedule,
  parseKind,
  parseScheduleId,
  type ScheduleFireItem,
  type ScheduleId,
  type ScheduleTiming,
} from '@flowfabric/core'
import type { Chooser } from '../chooser.js'
import { type Call, lanes, type World } from '../world.js'
import { encode } from './spec.js'

/** Nobody claims it: ticks that one call starts have the same score, and so no order. */
const kind = parseKind('scheduled')
const malformed = 'no id' as ScheduleId

const timings: readonly [ScheduleTiming, ...ScheduleTiming[]] = [
  { kind: 'interval', everyMs: 30_000 },
  { kind: 'interval', everyMs: 61_000, offsetMs: 7 },
  { kind: 'cron', expression: '*/20 * * * * *', timeZone: 'UTC' },
  { kind: 'cron', expression: '0 30 2 * * *', timeZone: 'Europe/Berlin' },
]

export function put(c: Chooser, world: World): Call {
  const isNew = world.schedules.length < 4 && c.below(2) === 0
  const scheduleId = (isNew ? undefined : c.among(world.schedules)) ?? parseScheduleId(world.minting.uuid())
  const params: PutSchedule = {
    namespace: world.namespace,
    scheduleId,
    label: c.of(['a', 'b', 'ü']),
    timing: c.rarely(10) ? { kind: 'interval', everyMs: 10 } : c.of(timings),
    work: {
      kind: 'execution',
      spec: {
        kind,
        lane: c.of(lanes),
        input: c.rarely(2) ? encode(`tick ${c.below(2)}`) : null,
        retentionMs: 60_000,
      },
    },
    overlap: c.of(overlapPolicies as readonly [OverlapPolicy, ...OverlapPolicy[]]),
    catchUpMs: c.of([30_000, 90_000]),
    ...(c.rarely(4) ? { jitterMs: 10_000 } : {}),
  }
  return {
    text: `schedules.put ${scheduleId} ${JSON.stringify({ ...params, work: undefined })}`,
    on: (backend) => backend.schedules.put(params),
    keep: (answers) => {
      const answer = answers.get('model') as object
      if (!('thrown' in answer) && !world.schedules.includes(scheduleId)) world.schedules.push(scheduleId)
    },
  }
}

export function get(c: Chooser, world: World): Call {
  const params = chooseName(c, world)
  return { text: `schedules.get ${params.scheduleId}`, on: (backend) => backend.schedules.get(params) }
}

export function list(c: Chooser, world: World): Call {
  const params = { namespace: world.namespace, limit: c.rarely(8) ? 0 : 1 + c.below(3) }
  return {
    text: `schedules.list by ${params.limit}`,
    on: async (backend) => {
      const items: unknown[] = []
      let cursor: string | undefined
      do {
        const page = await backend.schedules.list({ ...params, cursor })
        items.push(...page.items)
        cursor = page.nextCursor ?? undefined
      } while (cursor !== undefined)
      return { items }
    },
  }
}

export function remove(c: Chooser, world: World): Call {
  const params = chooseName(c, world)
  return {
    text: `schedules.delete ${params.scheduleId}`,
    on: (backend) => backend.schedules.delete(params),
    keep: () => {
      const place = world.schedules.indexOf(params.scheduleId)
      // Asked for in another namespace it is still there.
      if (place >= 0 && params.namespace === world.namespace) world.schedules.splice(place, 1)
    },
  }
}

export function pause(c: Chooser, world: World): Call {
  const params = {
    ...chooseName(c, world),
    paused: c.below(3) === 0,
    ...(c.rarely(2) ? { reason: 'so' } : {}),
  }
  return {
    text: `schedules.pause ${params.scheduleId} ${params.paused}`,
    on: (backend) => backend.schedules.pause(params),
  }
}

export function trigger(c: Chooser, world: World): Call {
  const name = chooseName(c, world)
  const triggerKey = c.of(['one', 'two', 'three'])
  const nowMs = world.model.store.clock.nowMs()
  const range = { fromMs: nowMs - c.of([60_000, 120_000]), toMs: nowMs + (c.rarely(6) ? 1 : 0) }
  const params = { ...name, triggerKey, ...(c.rarely(2) ? { backfill: range } : {}) }
  return {
    text: `schedules.trigger ${params.scheduleId} ${JSON.stringify({ triggerKey, backfill: params.backfill })}`,
    on: (backend) => backend.schedules.trigger(params),
  }
}

/** All partitions, a few ticks for each call. */
export function fireDue(c: Chooser, world: World): Call {
  const max = c.rarely(12) ? 0 : c.of([100, 8, 3])
  const { quota } = world.model.store.partitions
  return {
    text: `schedules.fireDue by ${max}`,
    on: async (backend) => {
      const items: ScheduleFireItem[] = []
      for (let index = 0; index < quota; index += 1) {
        const partition = makePartitionTag('quota', index)
        items.push(...(await backend.schedules.fireDue({ partition, max })).items)
      }
      return { items }
    },
    keep: (answers) => {
      const answer = answers.get('model') as { readonly items?: readonly ScheduleFireItem[] }
      for (const { started } of answer.items ?? []) {
        if (started !== null) world.executions.push(started as (typeof world.executions)[number])
      }
    },
  }
}

function chooseName(c: Chooser, world: World): Pick<PutSchedule, 'namespace' | 'scheduleId'> {
  const namespace = c.rarely(12) ? world.foreign : world.namespace
  const scheduleId = c.rarely(12) ? malformed : (c.among(world.schedules) ?? malformed)
  return { namespace, scheduleId }
}
