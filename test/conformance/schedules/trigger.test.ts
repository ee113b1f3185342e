import { limits, mintScheduleId, parseNamespace } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../support/builders.js'
import { minute, ScheduleDriver, useScheduleStore } from '../../support/schedule-driver.js'

describe('schedules.trigger', () => {
  const store = useScheduleStore()

  it('fires now, once for a key, whatever runs', async () => {
    const schedule = await ScheduleDriver.create(store(), { overlap: 'skip' })
    const first = await schedule.trigger('one')
    const [execution] = await schedule.started()
    expect(first).toEqual({ outcome: 'triggered', started: [execution?.id], refused: [] })
    expect(execution?.tags['schedule.tick_ms']).toBe(String(await store().nowMs()))
    expect(await schedule.trigger('one')).toEqual({ ...first, outcome: 'duplicate' })
    expect(await schedule.trigger('two')).toMatchObject({ outcome: 'triggered' })
    expect(await schedule.started()).toHaveLength(2)
    expect((await schedule.read()).running).toHaveLength(2)
    expect(await schedule.passTick()).toMatchObject([{ outcome: 'skipped' }])
  })

  it('a key is the same for a day, and the id of what it started for as long as that is kept', async () => {
    const schedule = await ScheduleDriver.create(store())
    await store().backend.schedules.pause({ ...schedule.name, paused: true })
    const first = await schedule.trigger('one')
    await store().advance(limits.scheduleTriggerKeyTtlMs)
    expect(await schedule.trigger('one')).toEqual(first)
    expect(await schedule.started()).toHaveLength(1)
  })

  it('a key that was refused may be used again', async () => {
    const { backend, namespace } = store()
    const schedule = await ScheduleDriver.create(store())
    const tickMs = await store().nowMs()
    await backend.lanes.setState({ namespace, lane: schedule.lane, state: 'disabled' })
    expect(await schedule.trigger('one')).toEqual({
      outcome: 'triggered',
      started: [],
      refused: [{ tickMs, code: 'lane_not_accepting' }],
    })
    expect(await schedule.read()).toMatchObject({ running: [], lastRefusal: { code: 'lane_not_accepting' } })
    await backend.lanes.setState({ namespace, lane: schedule.lane, state: 'active' })
    expect(await schedule.trigger('one')).toMatchObject({ outcome: 'triggered', refused: [] })
    expect(await schedule.started()).toHaveLength(1)
  })

  it('backfill: each tick of the range once, both ends included; those that have started already are not started again', async () => {
    const schedule = await ScheduleDriver.create(store(), { overlap: 'allow_all' })
    const own = [(await schedule.passTick())[0], (await schedule.passTick())[0]]
    const tickMs = own[0]?.tickMs ?? 0
    const range = { fromMs: tickMs - 2 * minute, toMs: tickMs + minute }
    const answer = await schedule.trigger('past', range)
    expect(answer).toMatchObject({ outcome: 'triggered', refused: [] })
    expect(answer).toHaveProperty('started.length', 4)
    expect(answer).toHaveProperty('started.2', own[0]?.started)
    const ticks = [-2, -1, 0, 1].map((place) => tickMs + place * minute)
    expect(await schedule.startedTicks()).toEqual(ticks)
    expect(await schedule.trigger('past', range)).toEqual({ ...answer, outcome: 'duplicate' })
    expect(await schedule.trigger('overlapping', { ...range, fromMs: tickMs })).toMatchObject({
      outcome: 'triggered',
      started: own.map((item) => item?.started),
    })
    expect(await schedule.startedTicks()).toEqual(ticks)
  })

  it('backfill: under any other policy one tick after the other, oldest first, by whoever runs the schedule', async () => {
    const schedule = await ScheduleDriver.create(store(), { overlap: 'skip' })
    await store().backend.schedules.pause({ ...schedule.name, paused: true })
    const nowMs = await store().nowMs()
    const toMs = nowMs - (nowMs % minute)
    const answer = await schedule.trigger('past', { fromMs: toMs - 2 * minute, toMs })
    expect(answer).toHaveProperty('started.length', 3)
    expect(await schedule.startedTicks()).toEqual([toMs - 2 * minute])
    expect((await schedule.read()).backfills).toEqual([{ triggerKey: 'past', ticksLeft: 2 }])
    for (const place of [1, 2]) {
      expect(await schedule.pass(limits.scheduleLookMsMax)).toEqual([])
      await schedule.end((await schedule.read()).running[0])
      expect(await schedule.pass(limits.scheduleLookMsMax)).toMatchObject([
        { outcome: 'started', tickMs: toMs - 2 * minute + place * minute },
      ])
    }
    expect((await schedule.read()).backfills).toEqual([])
    expect((await schedule.started()).map(({ id }) => id)).toEqual('started' in answer ? answer.started : [])
  })

  it('backfill: a large range goes on in batches, and a put in between changes none of its ticks', async () => {
    const schedule = await ScheduleDriver.create(store(), { overlap: 'allow_all' })
    await store().backend.schedules.pause({ ...schedule.name, paused: true })
    const nowMs = await store().nowMs()
    const toMs = nowMs - (nowMs % minute)
    const fromMs = toMs - 249 * minute
    expect(await schedule.trigger('past', { fromMs, toMs })).toHaveProperty('started.length', 250)
    expect((await schedule.read()).backfills).toEqual([{ triggerKey: 'past', ticksLeft: 150 }])
    await schedule.change({ timing: { kind: 'interval', everyMs: 7_000 } })
    await schedule.fire()
    await schedule.fire()
    expect((await schedule.read()).backfills).toEqual([])
    expect(await schedule.startedTicks()).toEqual(
      Array.from({ length: 250 }, (_, place) => fromMs + place * minute),
    )
  })

  it('a key means one range', async () => {
    const schedule = await ScheduleDriver.create(store(), { overlap: 'allow_all' })
    const nowMs = await store().nowMs()
    const range = { fromMs: nowMs - minute, toMs: nowMs }
    await schedule.trigger('one', range)
    expect(await schedule.trigger('one', { ...range, fromMs: nowMs - 2 * minute })).toEqual({
      outcome: 'idempotency_conflict',
    })
    expect(await schedule.trigger('one')).toEqual({ outcome: 'idempotency_conflict' })
    expect(await schedule.startedTicks()).toHaveLength(1)
  })

  it('a range without ticks starts nothing', async () => {
    const schedule = await ScheduleDriver.create(store())
    const nowMs = await store().nowMs()
    expect(await schedule.trigger('none', { fromMs: nowMs, toMs: nowMs })).toEqual({
      outcome: 'triggered',
      started: [],
      refused: [],
    })
    expect((await schedule.read()).backfills).toEqual([])
  })

  it('refuses a range that is too long, upside down or in the future, too many at once, and an unknown schedule', async () => {
    const { backend, namespace } = store()
    const schedule = await ScheduleDriver.create(store())
    const nowMs = await store().nowMs()
    const before = await schedule.read()
    const code = (range: { fromMs: number; toMs: number }) => codeOf(schedule.trigger('bad', range))
    expect(await code({ fromMs: nowMs - 1_001 * minute, toMs: nowMs })).toBe('limit_exceeded')
    expect(await code({ fromMs: nowMs, toMs: nowMs - 1 })).toBe('invalid_params')
    expect(await code({ fromMs: nowMs, toMs: nowMs + 1 })).toBe('invalid_params')
    expect(await codeOf(schedule.trigger(''))).toBe('invalid_params')
    expect(await schedule.read()).toEqual(before)
    for (let place = 0; place < 10; place += 1)
      await schedule.trigger(`${place}`, { fromMs: nowMs - 2 * minute, toMs: nowMs })
    expect(await code({ fromMs: nowMs - minute, toMs: nowMs })).toBe('limit_exceeded')
    const strange = { ...schedule.name, namespace: parseNamespace('elsewhere'), triggerKey: 'x' }
    expect(await codeOf(backend.schedules.trigger(strange))).toBe('schedule_not_found')
    const unknown = { namespace, scheduleId: mintScheduleId(), triggerKey: 'x' }
    expect(await codeOf(backend.schedules.trigger(unknown))).toBe('schedule_not_found')
  })

  it('refuses more than what is remembered as running', async () => {
    const schedule = await ScheduleDriver.create(store())
    for (let place = 0; place < limits.scheduleRunningMax; place += 1) await schedule.trigger(`${place}`)
    expect(await codeOf(schedule.trigger('one more'))).toBe('limit_exceeded')
    await schedule.end((await schedule.started())[0]?.id)
    expect(await schedule.trigger('one more')).toMatchObject({ outcome: 'triggered' })
  })
})
