import { type FoundationBackend, limits, type ScheduleFireItem } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { minute, ScheduleDriver } from '../support/schedule-driver.js'
import { rounds } from '../support/soak.js'
import { race, useSessions, Ways } from './use-sessions.js'

/** All of it in a soak, and in `npm test` a tenth of it, at least 200. */
const fireRounds = Math.max(200, rounds(2_000))

/** Each of the ticks was started by exactly one execution. */
async function expectOnce(schedule: ScheduleDriver, ticks: readonly number[]): Promise<void> {
  expect(await schedule.startedTicks()).toEqual([...ticks])
}

/** The starts that were told, by tick; what both tell is told of one execution. */
function startsOf(...answers: readonly (readonly ScheduleFireItem[])[]): ReadonlyMap<number, string> {
  const starts = new Map<number, string>()
  for (const { outcome, tickMs, started } of answers.flat()) {
    if (outcome !== 'started') continue
    expect(starts.get(tickMs) ?? started).toBe(started)
    starts.set(tickMs, String(started))
  }
  return starts
}

describe('races of schedules', () => {
  const sessions = useSessions()

  const fireOn = async (backend: FoundationBackend, schedule: ScheduleDriver) =>
    (await backend.schedules.fireDue({ partition: schedule.partition, max: 10 })).items.filter(
      ({ scheduleId }) => scheduleId === schedule.id,
    )

  /** Some races on one schedule, and the next ones on another, so that no listing grows long. */
  const perSchedule = 25

  it('fire/fire: of two runners one takes a tick, and none is lost', { timeout: 240_000 }, async () => {
    const { store, one, two } = sessions()
    const ways = new Ways()
    for (let round = 0; round < fireRounds; ) {
      const schedule = await ScheduleDriver.create(store, { overlap: 'allow_all' })
      const ticks: number[] = []
      for (let turn = 0; turn < perSchedule; turn += 1, round += 1) {
        await store.advance(minute)
        ticks.push((await store.nowMs()) - ((await store.nowMs()) % minute))
        const [a, b] = await race(
          round,
          () => fireOn(one, schedule),
          () => fireOn(two, schedule),
        )
        ways.saw(
          [...a, ...b]
            .map(({ outcome }) => outcome)
            .sort()
            .join('+'),
        )
        expect(startsOf(a, b).has(ticks.at(-1) ?? 0)).toBe(true)
      }
      await expectOnce(schedule, ticks)
      await one.schedules.delete(schedule.name)
    }
    ways.expectOnly(['started', 'lost_race+started'])
    expect(Object.keys(ways.all).length).toBeGreaterThan(1)
  })

  it('pause/fire: a tick fires whole, or not at all', { timeout: 240_000 }, async () => {
    const { store, one, two } = sessions()
    const ways = new Ways()
    for (let round = 0; round < fireRounds; ) {
      const schedule = await ScheduleDriver.create(store, { overlap: 'allow_all' })
      const ticks: number[] = []
      for (let turn = 0; turn < perSchedule; turn += 1, round += 1) {
        await store.advance(minute)
        const [items, paused] = await race(
          round,
          () => fireOn(one, schedule),
          () => two.schedules.pause({ ...schedule.name, paused: true }),
        )
        expect(paused.outcome).toBe('paused')
        const starts = startsOf(items)
        ticks.push(...starts.keys())
        ways.saw(items.map(({ outcome }) => outcome).join('+') || 'nothing')
        expect(await fireOn(two, schedule)).toEqual([])
        expect((await two.schedules.pause({ ...schedule.name, paused: false })).outcome).toBe('resumed')
      }
      await expectOnce(schedule, ticks)
      await one.schedules.delete(schedule.name)
    }
    ways.expectOnly(['started', 'lost_race', 'nothing'])
    expect(Object.keys(ways.all).length).toBeGreaterThan(1)
  })

  it('trigger/trigger: one key fires once', { timeout: 120_000 }, async () => {
    const { store, one, two } = sessions()
    const schedule = await ScheduleDriver.create(store, { overlap: 'allow_all' })
    const triggerKeys = Array.from({ length: 100 }, (_, place) => `key ${place}`)
    for (const [round, triggerKey] of triggerKeys.entries()) {
      const call = (backend: FoundationBackend) => () =>
        backend.schedules.trigger({ ...schedule.name, triggerKey })
      const [a, b] = await race(round, call(one), call(two))
      expect([a.outcome, b.outcome].sort()).toEqual(['duplicate', 'triggered'])
      expect({ ...a, outcome: '' }).toEqual({ ...b, outcome: '' })
    }
    expect(await schedule.started()).toHaveLength(triggerKeys.length)
    await one.schedules.delete(schedule.name)
  })

  it('put/fire: what is decided by the old work is started by the old work, once', {
    timeout: 120_000,
  }, async () => {
    const { store, one, two } = sessions()
    const schedule = await ScheduleDriver.create(store, { overlap: 'allow_all' })
    const ticks: number[] = []
    for (let round = 0; round < 100; round += 1) {
      await store.advance(minute)
      ticks.push((await store.nowMs()) - ((await store.nowMs()) % minute))
      await race(
        round,
        () => fireOn(one, schedule),
        () => two.schedules.put({ ...schedule.put, label: `round ${round}` }),
      )
      // A tick that lost to the change is due still.
      await fireOn(one, schedule)
    }
    await expectOnce(schedule, ticks)
    await one.schedules.delete(schedule.name)
  })
})

describe('a runner that dies', () => {
  const sessions = useSessions()

  /** The same store, whose calls of that name are lost from then on: before they are carried out, or after. */
  it.each([
    ['before what it decided on was started', 'before'],
    ['after it was started, before that was noted', 'after'],
  ] as const)('%s: another one finishes it, and the tick starts once', async (_, when) => {
    const { store, one, two } = sessions()
    const schedule = await ScheduleDriver.create(store, { overlap: 'skip' })
    await store.advance(1)
    const tickMs = await store.nowMs()
    const submit = one.executions.submit.bind(one.executions)
    const dying = { ...one.executions }
    one.executions.submit = async (params) => {
      if (when === 'after') await submit(params)
      throw new Error('killed')
    }
    try {
      await expect(schedule.fire()).rejects.toThrow('killed')
    } finally {
      one.executions.submit = dying.submit
    }
    expect(await fireBy(two, schedule)).toEqual([])
    await store.advance(limits.scheduleStartRepeatMs)
    const [item] = await fireBy(two, schedule)
    expect(item).toMatchObject({ outcome: 'started', tickMs })
    expect(await schedule.startedTicks()).toEqual([tickMs])
    expect(await fireBy(two, schedule)).toEqual([])
    await one.schedules.delete(schedule.name)
  })

  it('between, and whoever changes or deletes the schedule finishes it first', async () => {
    const { store, one } = sessions()
    for (const change of ['put', 'delete', 'trigger'] as const) {
      const schedule = await ScheduleDriver.create(store, { overlap: 'allow_all' })
      await store.advance(1)
      const tickMs = await store.nowMs()
      const { submit } = one.executions
      one.executions.submit = async () => {
        throw new Error('killed')
      }
      try {
        await expect(schedule.fire()).rejects.toThrow('killed')
      } finally {
        one.executions.submit = submit
      }
      expect(await schedule.startedTicks()).toEqual([])
      if (change === 'put') await schedule.change({ label: 'other' })
      else if (change === 'delete') await one.schedules.delete(schedule.name)
      else await schedule.trigger('now')
      expect((await schedule.startedTicks())[0]).toBe(tickMs)
      await one.schedules.delete(schedule.name)
    }
  })

  const fireBy = async (backend: FoundationBackend, schedule: ScheduleDriver) =>
    (await backend.schedules.fireDue({ partition: schedule.partition, max: 10 })).items.filter(
      ({ scheduleId }) => scheduleId === schedule.id,
    )
})
