import { limits } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { minute, ScheduleDriver, useScheduleStore } from '../../support/schedule-driver.js'

describe('overlap of schedules', () => {
  const store = useScheduleStore()

  it('skip: a tick that meets a running one starts nothing', async () => {
    const schedule = await ScheduleDriver.create(store(), { overlap: 'skip' })
    const [first] = await schedule.passTick()
    expect(await schedule.passTick()).toMatchObject([{ outcome: 'skipped', started: null }])
    await schedule.end(first?.started)
    expect(await schedule.passTick()).toMatchObject([{ outcome: 'started' }])
    expect(await schedule.startedTicks()).toHaveLength(2)
  })

  it('buffer_one: one tick waits, those after it are skipped', async () => {
    const schedule = await ScheduleDriver.create(store(), { overlap: 'buffer_one' })
    const [first] = await schedule.passTick()
    const [waiting] = await schedule.passTick()
    expect(waiting).toMatchObject({ outcome: 'buffered', started: null })
    expect(await schedule.passTick()).toMatchObject([{ outcome: 'skipped' }])
    expect(await schedule.read()).toMatchObject({ bufferedMs: [waiting?.tickMs] })
    await schedule.end(first?.started)
    expect(await schedule.pass(limits.scheduleLookMsMax)).toMatchObject([
      { outcome: 'started', tickMs: waiting?.tickMs },
    ])
    expect(await schedule.read()).toMatchObject({ bufferedMs: [] })
  })

  it('buffer_all: every tick waits, and they start one after the other, oldest first', async () => {
    const schedule = await ScheduleDriver.create(store(), {
      timing: { kind: 'interval', everyMs: 3_600_000 },
      overlap: 'buffer_all',
    })
    const first = (await schedule.nextFires())[0] ?? 0
    await store().advance(first + 3 * 3_600_000 - (await store().nowMs()))
    expect((await schedule.fire()).map(({ outcome }) => outcome)).toEqual([
      'buffered',
      'buffered',
      'buffered',
      'started',
    ])
    for (let place = 0; place < 3; place += 1) {
      expect(await schedule.pass(limits.scheduleLookMsMax)).toEqual([])
      await schedule.end((await schedule.read()).running[0])
      const [next] = await schedule.pass(limits.scheduleLookMsMax)
      expect(next).toMatchObject({ outcome: 'started', tickMs: first + (place + 1) * 3_600_000 })
    }
    expect(await schedule.startedTicks()).toHaveLength(4)
  })

  it('what waits is looked for when a share of the running time has gone by, not all the time', async () => {
    const schedule = await ScheduleDriver.create(store(), { overlap: 'buffer_one' })
    await schedule.passTick()
    await schedule.passTick()
    const { maintenance } = store().backend
    const next = async () =>
      (await maintenance.pulse({ partitions: [schedule.partition] })).partitions[0]?.nextDueAtMs
    const nowMs = await store().nowMs()
    expect(await next()).toBe(nowMs + minute / 8)
    expect(await schedule.pass(minute / 8)).toEqual([])
    expect(await next()).toBe(nowMs + minute / 8 + Math.floor((minute + minute / 8) / 8))
  })

  it('cancel_other: what runs is cancelled, and the tick starts', async () => {
    const { backend, namespace } = store()
    const schedule = await ScheduleDriver.create(store(), { overlap: 'cancel_other' })
    const [first] = await schedule.passTick()
    const [second] = await schedule.passTick()
    expect(second?.outcome).toBe('started')
    const states = (await schedule.started()).map(({ publicState }) => publicState)
    expect(states).toEqual(['cancelled', 'waiting'])
    expect(await schedule.read()).toMatchObject({ running: [second?.started] })
    const { items } = await backend.executions.getResult({ namespace, ids: [first?.started as never] })
    expect(items).toMatchObject([{ outcome: 'cancelled', cancelCause: 'operator' }])
  })

  it('cancel_other: of ticks that are caught up together the last one stays', async () => {
    const schedule = await ScheduleDriver.create(store(), { overlap: 'cancel_other' })
    await store().advance(2 * minute + 1)
    expect((await schedule.fire()).map(({ outcome }) => outcome)).toEqual(['started', 'started', 'started'])
    const states = (await schedule.started()).map(({ publicState }) => publicState)
    expect(states).toEqual(['cancelled', 'cancelled', 'waiting'])
  })

  it('allow_all: every tick starts; get shows what runs now', async () => {
    const schedule = await ScheduleDriver.create(store(), { overlap: 'allow_all' })
    const [first] = await schedule.passTick()
    const [second] = await schedule.passTick()
    expect((await schedule.read()).running).toEqual([first?.started, second?.started])
    await schedule.end(first?.started)
    expect((await schedule.read()).running).toEqual([second?.started])
  })

  it('a change to skip leaves what waits its turn', async () => {
    const schedule = await ScheduleDriver.create(store(), { overlap: 'buffer_all' })
    const [first] = await schedule.passTick()
    const [waiting] = await schedule.passTick()
    await schedule.change({ overlap: 'skip' })
    await schedule.end(first?.started)
    const items = await schedule.pass(limits.scheduleLookMsMax)
    expect(items).toMatchObject([{ outcome: 'started', tickMs: waiting?.tickMs }])
  })

  it('what retention has removed has ended', async () => {
    const schedule = await ScheduleDriver.create(store())
    const { work } = schedule.put
    if (work.kind !== 'execution') throw new Error('a schedule of executions')
    await schedule.change({ work: { ...work, spec: { ...work.spec, retentionMs: 0 } } })
    const [first] = await schedule.passTick()
    await schedule.end(first?.started)
    for (const partition of store().partitions) {
      await store().backend.maintenance.trimRetention({ partition, max: 100 })
    }
    expect(await schedule.started()).toEqual([])
    expect(await schedule.passTick()).toMatchObject([{ outcome: 'started' }])
  })
})
