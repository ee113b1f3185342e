import { describe, expect, it } from 'vitest'
import type { SqlInside, TestBackend, ValkeyInside } from '../../support/backends.js'
import { codeOf } from '../../support/builders.js'
import { minute, ScheduleDriver, useScheduleStore } from '../../support/schedule-driver.js'

/** Puts something else in the place of how far a schedule has come. */
async function breakProgress({ inside }: TestBackend, schedule: ScheduleDriver, text: string): Promise<void> {
  if ('pool' in inside) {
    const { pool, schema } = inside as SqlInside
    await pool.query(`update ${schema}.schedule set progress = $1 where id = $2`, [text, schedule.id])
    return
  }
  const { send, keys } = inside as ValkeyInside
  const key = (await keys()).find((each) => each.endsWith(`/${schedule.id}`))
  await send('HSET', String(key), 'progress', text)
}

describe('a schedule whose record does not decode', () => {
  const store = useScheduleStore()

  it('is told as corruption by whoever needs it, is put off, and holds up no other', async () => {
    const broken = await ScheduleDriver.create(store())
    const sound = await ScheduleDriver.create(store())
    const whole = await readProgress(store().opened, broken)
    await breakProgress(store().opened, broken, '{"paused":"yes"}')
    await store().advance(1)
    const { items } = await store().backend.schedules.fireDue({ partition: sound.partition, max: 100 })
    expect(items.map(({ scheduleId, outcome, code }) => [scheduleId, outcome, code])).toEqual(
      expect.arrayContaining([
        [broken.id, 'error', 'corruption'],
        [sound.id, 'started', undefined],
      ]),
    )
    expect(await sound.fire()).toEqual([])
    expect(await broken.fire()).toEqual([])
    expect(await codeOf(broken.read())).toBe('corruption')
    expect(await codeOf(broken.trigger('x'))).toBe('corruption')
    // Once it is mended it goes on by itself.
    await breakProgress(store().opened, broken, whole)
    const outcomes = (await broken.pass(minute)).map(({ outcome }) => outcome)
    expect(outcomes.toSorted()).toEqual(['skipped', 'started'])
  })
})

async function readProgress({ inside }: TestBackend, schedule: ScheduleDriver): Promise<string> {
  if ('pool' in inside) {
    const { pool, schema } = inside as SqlInside
    const { rows } = await pool.query(`select progress from ${schema}.schedule where id = $1`, [schedule.id])
    return String(rows[0]?.progress)
  }
  const { send, keys } = inside as ValkeyInside
  const key = (await keys()).find((each) => each.endsWith(`/${schedule.id}`))
  return String(await send('HGET', String(key), 'progress'))
}
