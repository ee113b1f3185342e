import {
  type PutSchedule,
  parseKind,
  parseLaneId,
  parseNamespace,
  type ScheduleTiming,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { bytesOf, codeOf } from '../../support/builders.js'
import { minute, ScheduleDriver, useScheduleStore } from '../../support/schedule-driver.js'

describe('schedules.put', () => {
  const store = useScheduleStore()

  it('creates a schedule with every default filled in, and its first fire', async () => {
    const schedule = await ScheduleDriver.create(store())
    const nowMs = await store().nowMs()
    expect(await schedule.read()).toEqual({
      id: schedule.id,
      label: 'every minute',
      timing: { kind: 'interval', everyMs: minute },
      work: schedule.put.work,
      overlap: 'skip',
      jitterMs: 0,
      catchUpMs: 86_400_000,
      paused: false,
      pauseReason: null,
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
      lastFireAtMs: null,
      nextFireAtMs: nowMs + 1,
      running: [],
      bufferedMs: [],
      backfills: [],
      lastRefusal: null,
    })
  })

  it('answers whether it was created, and is idempotent by id', async () => {
    const schedule = await ScheduleDriver.create(store())
    const { schedules } = store().backend
    const before = await schedule.read()
    expect(await schedules.put(schedule.put)).toEqual({ outcome: 'replaced', schedule: before })
    const other = { ...schedule.put, namespace: parseNamespace('elsewhere') }
    expect((await schedules.put(other)).outcome).toBe('created')
    expect((await schedules.delete(other)).outcome).toBe('deleted')
    expect(await schedule.read()).toEqual(before)
  })

  it('keeps the bytes of inputs, and all that is said of the work', async () => {
    const work: PutSchedule['work'] = {
      kind: 'execution',
      spec: {
        kind: parseKind('work'),
        lane: parseLaneId('scheduled'),
        input: new Uint8Array([0, 255, 128, 34]),
        inputHash: 'of-mine',
        priority: 7,
        capabilities: ['gpu'],
        tags: { 'my.tag': 'ü' },
        timeouts: { deadlineMs: 5_000 },
        delayMs: 10,
        retentionMs: 1_000,
        maxReclaims: 2,
      },
    }
    const schedule = await ScheduleDriver.create(store(), { work })
    expect((await schedule.read()).work).toEqual(work)
    await schedule.passTick()
    const [started] = await schedule.started()
    expect(started).toMatchObject({
      priority: 7,
      capabilities: ['gpu'],
      timeouts: { deadlineMs: 5_000 },
      tags: { 'my.tag': 'ü', 'schedule.id': schedule.id },
    })
  })

  it('replaced: what it has been through stands, and an unchanged timing goes on', async () => {
    const schedule = await ScheduleDriver.create(store(), { overlap: 'buffer_all' })
    const [first] = await schedule.passTick()
    await schedule.passTick()
    await store().backend.schedules.pause({ ...schedule.name, paused: true, reason: 'for now' })
    const before = await schedule.read()
    expect(before).toMatchObject({ running: [first?.started], paused: true, pauseReason: 'for now' })
    await store().advance(10)
    const after = await schedule.change({ label: 'other', overlap: 'skip', jitterMs: 5 })
    const updatedAtMs = await store().nowMs()
    expect(after).toEqual({ ...before, label: 'other', overlap: 'skip', jitterMs: 5, updatedAtMs })
  })

  it('replaced: a tick that is due and not yet fired is kept by an unchanged timing', async () => {
    const schedule = await ScheduleDriver.create(store())
    const tickMs = (await store().nowMs()) + 1
    await store().advance(10)
    await schedule.change({ label: 'other' })
    expect(await schedule.fire()).toMatchObject([{ outcome: 'started', tickMs }])
  })

  it('replaced: ticks of another timing count from the change on', async () => {
    const schedule = await ScheduleDriver.create(store())
    await store().advance(5)
    const nowMs = await store().nowMs()
    const after = await schedule.change({ timing: { kind: 'interval', everyMs: 1_000, offsetMs: 4 } })
    expect(after.nextFireAtMs).toBe(nowMs + 1_000)
    expect(await schedule.fire()).toEqual([])
    expect(await schedule.pass(1_000)).toMatchObject([{ outcome: 'started', tickMs: nowMs + 1_000 }])
  })

  it.each<[string, ScheduleTiming]>([
    ['no cron text', { kind: 'cron', expression: 'sometimes', timeZone: 'UTC' }],
    ['too few fields', { kind: 'cron', expression: '* * * *', timeZone: 'UTC' }],
    ['a field out of range', { kind: 'cron', expression: '0 61 * * * *', timeZone: 'UTC' }],
    ['a day that never comes', { kind: 'cron', expression: '0 0 0 30 2 *', timeZone: 'UTC' }],
    ['a date', { kind: 'cron', expression: '2030-01-01T00:00:00', timeZone: 'UTC' }],
    ['the time of parsing', { kind: 'cron', expression: '0 ? * * * *', timeZone: 'UTC' }],
    ['no zone', { kind: 'cron', expression: '0 0 * * *', timeZone: '' }],
    ['an unknown zone', { kind: 'cron', expression: '0 0 * * *', timeZone: 'Mars/Olympus' }],
    ['an offset for a zone', { kind: 'cron', expression: '0 0 * * *', timeZone: '+02:00' }],
    ['an interval too small', { kind: 'interval', everyMs: 999 }],
    ['an interval that is no whole number', { kind: 'interval', everyMs: 1_000.5 }],
    ['an offset as long as the interval', { kind: 'interval', everyMs: 1_000, offsetMs: 1_000 }],
    ['an offset below 0', { kind: 'interval', everyMs: 1_000, offsetMs: -1 }],
  ])('refuses %s, and nothing changes', async (_, timing) => {
    const schedule = await ScheduleDriver.create(store())
    const before = await schedule.read()
    expect(await codeOf(schedule.change({ timing }))).toBe('invalid_schedule')
    expect(await schedule.read()).toEqual(before)
    expect(await schedule.passTick()).toMatchObject([{ outcome: 'started' }])
  })

  it('refuses what is bad input with its own code, and nothing is there', async () => {
    const { backend, namespace } = store()
    const schedule = await ScheduleDriver.create(store())
    await backend.schedules.delete(schedule.name)
    const { work } = schedule.put
    if (work.kind !== 'execution') throw new Error('a schedule of executions')
    const spec = (more: object) => ({ kind: 'execution' as const, spec: { ...work.spec, ...more } })
    const node = (name: string) => ({ ...work.spec, name })
    const flow = (nodes: string[], edges: string[]) => ({
      kind: 'flow' as const,
      nodes: nodes.map(node),
      edges: edges.map((edge) => ({ from: edge.charAt(0), to: edge.charAt(1) })),
    })
    const cases: [Partial<PutSchedule>, string][] = [
      [{ scheduleId: 'x' as never }, 'invalid_schedule_id'],
      [{ namespace: '' as never }, 'invalid_namespace'],
      [{ label: '' }, 'invalid_name'],
      [{ label: 'x'.repeat(129) }, 'name_too_long'],
      [{ timing: undefined as never }, 'invalid_params'],
      [{ timing: { kind: 'never' } as never }, 'invalid_params'],
      [{ overlap: 'sometimes' as never }, 'invalid_params'],
      [{ jitterMs: -1 }, 'invalid_params'],
      [{ jitterMs: 86_400_001 }, 'limit_exceeded'],
      [{ catchUpMs: 29_999 }, 'invalid_params'],
      [{ work: { kind: 'nothing' } as never }, 'invalid_params'],
      [{ work: spec({ kind: 'no kind' }) }, 'invalid_kind'],
      [{ work: spec({ lane: '' }) }, 'invalid_lane_id'],
      [{ work: spec({ startAtMs: 1 }) }, 'invalid_params'],
      [{ work: spec({ tags: { 'schedule.id': 'x' } }) }, 'invalid_params'],
      [{ work: spec({ input: 'text' }) }, 'invalid_params'],
      [{ work: flow([], []) }, 'empty_flow'],
      [{ work: flow(['a', 'a'], []) }, 'duplicate_name'],
      [{ work: flow(['a'], ['ax']) }, 'unknown_node'],
      [{ work: flow(['a', 'b'], ['ab', 'ba']) }, 'cycle'],
      [{ work: flow(['a'], ['aa']) }, 'self_edge'],
    ]
    for (const [more, code] of cases) {
      const refused = backend.schedules.put({ ...schedule.put, ...more })
      expect([more, await codeOf(refused)]).toEqual([more, code])
    }
    expect((await backend.schedules.list({ namespace })).items).toEqual([])
  })

  it('refuses work that is larger than a schedule holds', async () => {
    const schedule = await ScheduleDriver.create(store())
    const input = bytesOf('x'.repeat(1_000_000))
    const node = (name: string) => ({ name, kind: parseKind('work'), lane: schedule.lane, input })
    const work = { kind: 'flow' as const, nodes: [node('a'), node('b')], edges: [] }
    expect(await codeOf(schedule.change({ work }))).toBe('payload_too_large')
    expect((await schedule.read()).work).toMatchObject({ kind: 'execution' })
  })
})
