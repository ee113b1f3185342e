import { mintScheduleId, parseNamespace } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../support/builders.js'
import { minute, ScheduleDriver, useScheduleStore } from '../../support/schedule-driver.js'

describe('schedules.get', () => {
  const store = useScheduleStore()

  it('shows the next ten fires', async () => {
    const schedule = await ScheduleDriver.create(store())
    const nowMs = await store().nowMs()
    expect(await schedule.nextFires()).toEqual(
      Array.from({ length: 10 }, (_, place) => nowMs + 1 + place * minute),
    )
  })

  it('refuses a schedule that there is not, also one of another namespace', async () => {
    const { backend, namespace } = store()
    const schedule = await ScheduleDriver.create(store())
    const elsewhere = { ...schedule.name, namespace: parseNamespace('elsewhere') }
    expect(await codeOf(backend.schedules.get(elsewhere))).toBe('schedule_not_found')
    const unknown = { namespace, scheduleId: mintScheduleId() }
    expect(await codeOf(backend.schedules.get(unknown))).toBe('schedule_not_found')
    expect(await codeOf(backend.schedules.get({ namespace, scheduleId: 'x' as never }))).toBe(
      'invalid_schedule_id',
    )
  })
})

describe('schedules.list', () => {
  const store = useScheduleStore({ partitions: { quota: 3 } })

  it('goes by label, page by page, and neither skips nor repeats', async () => {
    const { backend, namespace } = store()
    const labels = ['b', 'a', 'Ünder', 'a', 'z', '\u{1f600}', '\uffee', 'b 2', 'a']
    const byLabel = new Map<string, string[]>()
    for (const label of labels) {
      const { id } = await ScheduleDriver.create(store(), { label })
      byLabel.set(label, [...(byLabel.get(label) ?? []), id].sort())
    }
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await backend.schedules.list({ namespace, limit: 2, cursor })
      expect(page.items.length).toBeLessThanOrEqual(2)
      seen.push(...page.items.map(({ id }) => id))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    // By the bytes of their UTF-8.
    const order = ['a', 'b', 'b 2', 'z', 'Ünder', '\uffee', '\u{1f600}']
    expect(seen).toEqual(order.flatMap((label) => byLabel.get(label) ?? []))
  })

  it('follows a changed label, and shows all but the work', async () => {
    const { backend, namespace } = store()
    const schedule = await ScheduleDriver.create(store(), { label: 'before' })
    await schedule.change({ label: 'after' })
    const { work: _work, ...summary } = await schedule.read()
    expect(await backend.schedules.list({ namespace })).toEqual({ items: [summary], nextCursor: null })
  })

  it('is of one namespace, and refuses what no page gave', async () => {
    const { backend, namespace } = store()
    await ScheduleDriver.create(store())
    const elsewhere = parseNamespace('elsewhere')
    expect((await backend.schedules.list({ namespace: elsewhere })).items).toEqual([])
    expect(await codeOf(backend.schedules.list({ namespace, cursor: 'x' }))).toBe('invalid_cursor')
    expect(await codeOf(backend.schedules.list({ namespace, limit: 0 }))).toBe('invalid_params')
  })
})

describe('schedules.delete', () => {
  const store = useScheduleStore()

  it('is gone with all that waits, what it started goes on, and is idempotent', async () => {
    const { backend } = store()
    const schedule = await ScheduleDriver.create(store(), { overlap: 'buffer_all' })
    const [first] = await schedule.passTick()
    await schedule.passTick()
    expect(await backend.schedules.delete(schedule.name)).toEqual({ outcome: 'deleted' })
    expect(await backend.schedules.delete(schedule.name)).toEqual({ outcome: 'not_found' })
    expect(await codeOf(backend.schedules.get(schedule.name))).toBe('schedule_not_found')
    expect(await schedule.passTick()).toEqual([])
    expect((await schedule.started()).map(({ id, publicState }) => [id, publicState])).toEqual([
      [first?.started, 'waiting'],
    ])
  })

  it('leaves those of other namespaces alone', async () => {
    const { backend } = store()
    const schedule = await ScheduleDriver.create(store())
    const elsewhere = { ...schedule.name, namespace: parseNamespace('elsewhere') }
    expect(await backend.schedules.delete(elsewhere)).toEqual({ outcome: 'not_found' })
    expect((await schedule.read()).id).toBe(schedule.id)
  })
})
