import { defaultLane, makePartitionTag, mintScheduleId, type PutSchedule, parseKind } from '@flowfabric/core'
import { scheduleRunner } from '@flowfabric/scanners'
import { describe, expect, it } from 'vitest'
import type { ModelBackend } from '../model/index.js'
import { contextOf, namespace, openModel, pass } from './scan.js'

const minute = 60_000

async function putSchedule(model: ModelBackend, more: Partial<PutSchedule> = {}): Promise<PutSchedule> {
  const schedule: PutSchedule = {
    namespace,
    scheduleId: mintScheduleId(),
    label: 'of the test',
    timing: { kind: 'interval', everyMs: minute },
    work: { kind: 'execution', spec: { kind: parseKind('work'), lane: defaultLane, input: null } },
    ...more,
  }
  await model.schedules.put(schedule)
  return schedule
}

describe('schedule_runner', () => {
  it('starts what is due, with how late it was, and says when the next is', async () => {
    const model = openModel()
    await putSchedule(model)
    const nowMs = await model.maintenance.serverTimeMs()
    const toTick = minute - (nowMs % minute)
    await model.maintenance.advanceTime({ byMs: toTick + 30 })
    expect(await model.executions.count({ namespace })).toMatchObject({ count: 0 })
    const { report, seen } = await pass(scheduleRunner(), model)
    expect(report).toMatchObject({ processed: 1, errors: 0, nextDueAtMs: nowMs + toTick + minute })
    expect(seen.counts).toEqual({ 'schedule_ticks_total{started}': 1 })
    expect(seen.observed).toEqual({ 'schedule_start_lag_ms{started}': [30] })
    expect(await model.executions.count({ namespace })).toMatchObject({ count: 1 })
    expect((await pass(scheduleRunner(), model)).report).toMatchObject({ processed: 0, errors: 0 })
  })

  it('counts a refusal as work done, since its tick is used up, and says so in the log', async () => {
    const model = openModel()
    await putSchedule(model)
    await model.lanes.setState({ namespace, lane: defaultLane, state: 'draining' })
    await model.maintenance.advanceTime({ byMs: minute })
    const { report, seen } = await pass(scheduleRunner(), model)
    expect(report).toMatchObject({ processed: 1, errors: 0 })
    expect(seen.counts).toEqual({ 'schedule_ticks_total{refused}': 1 })
    expect(seen.lines).toMatchObject([{ level: 'warn' }])
  })

  it('what another runner was quicker with counts nowhere, and what failed is an error', async () => {
    const model = openModel()
    const item = { scheduleId: mintScheduleId(), tickMs: 1, started: null }
    const { context, seen } = contextOf(model)
    const backend = {
      ...model,
      schedules: {
        ...model.schedules,
        fireDue: async () => ({
          items: [
            { ...item, outcome: 'lost_race' as const },
            { ...item, outcome: 'error' as const, code: 'store_unreachable' },
          ],
          more: false,
        }),
      },
    }
    const report = await scheduleRunner().scanPartition({ ...context, backend }, makePartitionTag('quota', 0))
    expect(report).toMatchObject({ processed: 0, errors: 1 })
    expect(seen.counts).toEqual({ 'schedule_ticks_total{lost_race}': 1, 'schedule_ticks_total{error}': 1 })
  })
})
