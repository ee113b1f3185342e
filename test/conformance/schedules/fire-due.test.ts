import { makePartitionTag, parseKind } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { minute, ScheduleDriver, useScheduleStore } from '../../support/schedule-driver.js'

describe('schedules.fireDue', () => {
  const store = useScheduleStore()

  it('starts what is due, once, under an id that follows from the tick', async () => {
    const schedule = await ScheduleDriver.create(store())
    expect(await schedule.fire()).toEqual([])
    const tickMs = (await store().nowMs()) + 1
    const items = await schedule.pass(1)
    const [started] = await schedule.started()
    expect(items).toEqual([{ outcome: 'started', scheduleId: schedule.id, tickMs, started: started?.id }])
    expect(started?.tags).toEqual({ 'schedule.id': schedule.id, 'schedule.tick_ms': String(tickMs) })
    expect(await schedule.fire()).toEqual([])
    expect(await schedule.read()).toMatchObject({
      lastFireAtMs: tickMs,
      nextFireAtMs: tickMs + minute,
      running: [started?.id],
    })
  })

  it('tells when the partition has work next', async () => {
    const schedule = await ScheduleDriver.create(store())
    const nowMs = await store().nowMs()
    const { schedules } = store().backend
    const request = { partition: schedule.partition, max: 10 }
    expect(await schedules.fireDue(request)).toEqual({ items: [], nextDueAtMs: nowMs + 1, more: false })
    await store().advance(1)
    expect(await schedules.fireDue(request)).toMatchObject({ nextDueAtMs: nowMs + 1 + minute, more: false })
  })

  it('an interval keeps to its grid however late a fire is', async () => {
    const schedule = await ScheduleDriver.create(store(), {
      timing: { kind: 'interval', everyMs: 10_000, offsetMs: 2_500 },
      overlap: 'allow_all',
    })
    for (const lateMs of [7_000, 12_345, 999, 20_000]) await schedule.pass(lateMs)
    const ticks = await schedule.startedTicks()
    expect(ticks.length).toBeGreaterThanOrEqual(4)
    expect(ticks.every((tick) => tick % 10_000 === 2_500)).toBe(true)
    expect(ticks.every((tick, place) => place === 0 || tick - (ticks[place - 1] ?? 0) === 10_000)).toBe(true)
  })

  it('cron ticks go by the wall clock of their zone', async () => {
    const schedule = await ScheduleDriver.create(store(), {
      timing: { kind: 'cron', expression: '30 15 2 * * *', timeZone: 'Asia/Kolkata' },
    })
    const [next] = await schedule.nextFires()
    expect(new Date(next ?? 0).toISOString()).toMatch(/T20:45:30\.000Z$/)
    await store().advance((next ?? 0) - (await store().nowMs()))
    expect(await schedule.fire()).toMatchObject([{ outcome: 'started', tickMs: next }])
  })

  it('missed ticks are caught up oldest first, a bounded number for each call', async () => {
    const schedule = await ScheduleDriver.create(store(), { overlap: 'allow_all' })
    const first = (await store().nowMs()) + 1
    await store().advance(7 * minute)
    const { schedules } = store().backend
    const pass = () => schedules.fireDue({ partition: schedule.partition, max: 3 })
    const passes = [await pass(), await pass(), await pass()]
    expect(passes.map(({ more }) => more)).toEqual([true, true, false])
    const ticks = passes.map(({ items }) => items.map(({ tickMs }) => (tickMs - first) / minute))
    expect(ticks).toEqual([[0, 1, 2], [3, 4, 5], [6]])
    expect(await schedule.startedTicks()).toHaveLength(7)
  })

  it('ticks beyond the catch-up window are passed over, and it says so', async () => {
    const schedule = await ScheduleDriver.create(store(), { overlap: 'allow_all', catchUpMs: 2 * minute })
    const first = (await store().nowMs()) + 1
    const items = await schedule.pass(10 * minute)
    expect(items.map(({ outcome, tickMs }) => [outcome, (tickMs - first) / minute])).toEqual([
      ['missed', 0],
      ['started', 8],
      ['started', 9],
    ])
    expect(await schedule.startedTicks()).toHaveLength(2)
    expect(await schedule.fire()).toEqual([])
  })

  it('jitter moves a fire by the same amount whenever it is asked for, never before its tick', async () => {
    const jitterMs = 20_000
    const schedule = await ScheduleDriver.create(store(), { jitterMs, overlap: 'allow_all' })
    const before = await schedule.nextFires()
    await schedule.change({ label: 'again' })
    expect(await schedule.nextFires()).toEqual(before)
    const late = before.map((atMs) => atMs % minute)
    expect(late.every((ms) => ms <= jitterMs)).toBe(true)
    expect(new Set(late).size).toBeGreaterThan(1)
    const [first = 0] = before
    await store().advance(first - 1 - (await store().nowMs()))
    expect(await schedule.fire()).toEqual([])
    expect(await schedule.pass(1)).toMatchObject([{ outcome: 'started', tickMs: first - (first % minute) }])
  })

  it('a lane that takes nothing shows with its code, and the ticks after it start again', async () => {
    const { backend, namespace } = store()
    const schedule = await ScheduleDriver.create(store())
    await backend.lanes.setState({ namespace, lane: schedule.lane, state: 'draining' })
    const [refused] = await schedule.passTick()
    expect(refused).toMatchObject({ outcome: 'refused', code: 'lane_not_accepting', started: null })
    const nowMs = await store().nowMs()
    const lastRefusal = { tickMs: refused?.tickMs, code: 'lane_not_accepting', atMs: nowMs }
    expect(await schedule.read()).toMatchObject({ running: [], lastRefusal })
    expect(await schedule.fire()).toEqual([])
    await backend.lanes.setState({ namespace, lane: schedule.lane, state: 'active' })
    expect(await schedule.passTick()).toMatchObject([{ outcome: 'started', tickMs: nowMs + minute }])
    expect(await schedule.startedTicks()).toEqual([nowMs + minute])
  })

  it('starts a flow by the names of its nodes, whole', async () => {
    const { backend, namespace } = store()
    const flow = new FlowDriver(store())
    const node = (name: string) => ({ name, kind: parseKind('work'), lane: flow.lane, input: null })
    const schedule = await ScheduleDriver.create(store(), {
      work: {
        kind: 'flow',
        name: 'nightly',
        tags: { 'my.tag': 'x' },
        nodes: [node('a'), { ...node('b'), join: { policy: { kind: 'any_of' } } }],
        edges: [{ from: 'a', to: 'b', as: 'first' }],
      },
    })
    const [item] = await schedule.passTick()
    expect(item?.outcome).toBe('started')
    const flowId = item?.started as typeof flow.flowId
    const graph = await backend.flows.getGraph({ namespace, flowId })
    expect(graph.items.map(({ execution }) => execution.name)).toEqual(['a', 'b'])
    expect(graph.items[1]?.incoming).toMatchObject([{ as: 'first', state: 'pending' }])
    const tags = { 'schedule.id': schedule.id, 'schedule.tick_ms': String(item?.tickMs) }
    expect(graph.items.map(({ execution }) => execution.tags)).toEqual([tags, tags])
    expect((await backend.flows.get({ namespace, flowId })).flow).toMatchObject({
      name: 'nightly',
      tags: { 'my.tag': 'x', ...tags },
    })
    expect(await schedule.passTick()).toMatchObject([{ outcome: 'skipped' }])
    await backend.flows.cancel({ namespace, flowId, policy: 'cancel_all' })
    await store().settle()
    expect(await schedule.passTick()).toMatchObject([{ outcome: 'started' }])
  })

  it('a timing that has come to its end is never due again', async () => {
    const year = new Date((await store().nowMs()) + 2 * 366 * 86_400_000).getUTCFullYear()
    const schedule = await ScheduleDriver.create(store(), {
      timing: { kind: 'cron', expression: `0 0 0 1 1 * ${year}`, timeZone: 'UTC' },
    })
    await store().advance(Date.UTC(year) - (await store().nowMs()))
    expect(await schedule.fire()).toMatchObject([{ outcome: 'started', tickMs: Date.UTC(year) }])
    expect(await schedule.read()).toMatchObject({ nextFireAtMs: null })
    expect(await schedule.nextFires()).toEqual([])
    expect(await schedule.pass(minute)).toEqual([])
  })

  it('a tick is not started again while what it started is kept, whatever the schedule is about by then', async () => {
    const schedule = await ScheduleDriver.create(store(), { overlap: 'allow_all' })
    const [first] = await schedule.passTick()
    const tickMs = first?.tickMs ?? 0
    await schedule.change({
      work: { kind: 'execution', spec: { kind: parseKind('other'), lane: schedule.lane, input: null } },
    })
    const again = await schedule.trigger('again', { fromMs: tickMs, toMs: tickMs })
    expect(again).toMatchObject({ outcome: 'triggered', started: [first?.started] })
    expect((await schedule.started()).map(({ id, kind }) => [id, kind])).toEqual([[first?.started, 'work']])
  })

  it('refuses a partition of another family, and a batch beyond its bounds', async () => {
    const { schedules } = store().backend
    const fire = (partition: string, max: number) =>
      codeOf(schedules.fireDue({ partition: partition as never, max }))
    expect(await fire(makePartitionTag('flow', 0), 1)).toBe('partition_tag_unknown_family')
    expect(await fire(makePartitionTag('quota', 99), 1)).toBe('partition_out_of_range')
    expect(await fire(makePartitionTag('quota', 0), 0)).toBe('invalid_params')
  })

  it('the pulse names a partition with due schedules, and when the next is due', async () => {
    const schedule = await ScheduleDriver.create(store())
    const { partition } = schedule
    const pulse = async () => {
      const { nowMs, partitions } = await store().backend.maintenance.pulse({ partitions: [partition] })
      return { nowMs, ...partitions[0] }
    }
    const nowMs = await store().nowMs()
    expect(await pulse()).toEqual({ nowMs, partition, pending: [], nextDueAtMs: nowMs + 1 })
    await store().advance(1)
    expect(await pulse()).toEqual({
      nowMs: nowMs + 1,
      partition,
      pending: ['schedules'],
      nextDueAtMs: nowMs + 1,
    })
    await schedule.fire()
    expect(await pulse()).toMatchObject({ pending: [], nextDueAtMs: nowMs + 1 + minute })
    await store().backend.schedules.pause({ ...schedule.name, paused: true })
    expect(await pulse()).toMatchObject({ pending: [], nextDueAtMs: null })
  })
})
