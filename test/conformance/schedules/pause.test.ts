import { limits, mintScheduleId } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../support/builders.js'
import { minute, ScheduleDriver, useScheduleStore } from '../../support/schedule-driver.js'

describe('schedules.pause', () => {
  const store = useScheduleStore()
  const pause = (schedule: ScheduleDriver, paused = true) =>
    store().backend.schedules.pause({ ...schedule.name, paused })

  it('stops and goes on, and is idempotent', async () => {
    const schedule = await ScheduleDriver.create(store())
    expect(await pause(schedule)).toEqual({ outcome: 'paused' })
    expect(await pause(schedule)).toEqual({ outcome: 'unchanged' })
    expect(await schedule.read()).toMatchObject({ paused: true, nextFireAtMs: null })
    expect(await schedule.nextFires()).toEqual([])
    expect(await pause(schedule, false)).toEqual({ outcome: 'resumed' })
    expect(await pause(schedule, false)).toEqual({ outcome: 'unchanged' })
    expect(await schedule.read()).toMatchObject({ paused: false, pauseReason: null })
  })

  it('ticks that were missed while paused are not caught up', async () => {
    const schedule = await ScheduleDriver.create(store(), { overlap: 'allow_all' })
    await pause(schedule)
    expect(await schedule.pass(5 * minute)).toEqual([])
    await pause(schedule, false)
    expect(await schedule.fire()).toEqual([])
    const [next] = await schedule.passTick()
    expect(next).toMatchObject({ outcome: 'started', tickMs: await store().nowMs() })
    expect(await schedule.startedTicks()).toHaveLength(1)
  })

  it('what waits in the buffer waits on, and starts after the pause', async () => {
    const schedule = await ScheduleDriver.create(store(), { overlap: 'buffer_one' })
    const [first] = await schedule.passTick()
    const [waiting] = await schedule.passTick()
    await pause(schedule)
    await schedule.end(first?.started)
    expect(await schedule.pass(limits.scheduleLookMsMax)).toEqual([])
    await pause(schedule, false)
    expect(await schedule.pass(limits.scheduleLookMsMax)).toMatchObject([
      { outcome: 'started', tickMs: waiting?.tickMs },
    ])
  })

  it('a paused schedule still starts by hand', async () => {
    const schedule = await ScheduleDriver.create(store())
    await pause(schedule)
    expect(await schedule.trigger('now')).toMatchObject({ outcome: 'triggered', refused: [] })
    expect(await schedule.started()).toHaveLength(1)
  })

  it('refuses a schedule that there is not, and what is no boolean', async () => {
    const { backend, namespace } = store()
    const scheduleId = mintScheduleId()
    const call = (paused: unknown) =>
      codeOf(backend.schedules.pause({ namespace, scheduleId, paused: paused as boolean }))
    expect(await call(true)).toBe('schedule_not_found')
    expect(await call('yes')).toBe('invalid_params')
  })
})
