import { type ExecutionId, limits, mintScheduleId, type PutSchedule } from '@flowfabric/core'
import { foundationScanners } from '@flowfabric/scanners'
import { afterEach, describe, expect, it } from 'vitest'
import { kind, lane, namespace, openStage, type Stage } from './stage.js'

let stage: Stage

afterEach(() => stage.close())

function aSchedule(more: Partial<PutSchedule> = {}): PutSchedule {
  return {
    namespace,
    scheduleId: mintScheduleId(),
    label: 'of the test',
    timing: { kind: 'interval', everyMs: 1_000 },
    work: { kind: 'execution', spec: { kind, lane, input: null } },
    overlap: 'allow_all',
    ...more,
  }
}

/** How late each tick of the schedules was started, in ms of the store's time, over some time. */
async function latenessOver(ms: number): Promise<readonly number[]> {
  const seen = new Set<ExecutionId>()
  const late: number[] = []
  for (let passed = 0; passed < ms; passed += 1) {
    await stage.clock.advance(1)
    const nowMs = await stage.model.maintenance.serverTimeMs()
    const { items } = await stage.model.executions.list({ namespace, filter: { lane }, limit: 100 })
    for (const { id, tags } of items) {
      if (seen.has(id)) continue
      seen.add(id)
      late.push(nowMs - Number(tags['schedule.tick_ms']))
    }
  }
  return late
}

describe('a schedule', () => {
  it('fires within a few ms of each tick, though the engine’s clock is an hour off', async () => {
    stage = openStage({ skewMs: 3_600_000 })
    await stage.openEngine().start()
    await stage.clock.advance(1_234)
    for (const offsetMs of [0, 137, 500, 501, 999]) {
      await stage.model.schedules.put(aSchedule({ timing: { kind: 'interval', everyMs: 1_000, offsetMs } }))
    }
    const late = await latenessOver(3_000)
    expect(late.length).toBeGreaterThanOrEqual(14)
    for (const lateMs of late) expect(lateMs).toBeLessThanOrEqual(5)
  })

  it('is at most a second late when every hint is lost', async () => {
    stage = openStage()
    await stage.openEngine().start()
    stage.passHint = () => false
    await stage.clock.advance(1_234)
    await stage.model.schedules.put(aSchedule({ timing: { kind: 'interval', everyMs: 1_500 } }))
    for (const lateMs of await latenessOver(4_000)) expect(lateMs).toBeLessThanOrEqual(1_200)
  })

  it('never fires without its scanner, and catches up when it is back', async () => {
    stage = openStage()
    const without = stage.openEngine({
      scanners: foundationScanners().filter(({ name }) => name !== 'schedule_runner'),
    })
    await without.start()
    await stage.model.schedules.put(aSchedule())
    await stage.clock.advance(10_000)
    expect(await stage.model.executions.count({ namespace })).toMatchObject({ count: 0 })
    const stopped = without.stop({ graceMs: 0 })
    await stage.clock.advance(0)
    await stopped
    await stage.openEngine().start()
    await stage.clock.advance(500)
    expect(await stage.model.executions.count({ namespace })).toMatchObject({ count: 10 })
  })

  it('starts each tick once, however many engines there are, and goes on when its owner dies', async () => {
    stage = openStage()
    const engines = [stage.openEngine(), stage.openEngine(), stage.openEngine()]
    for (const engine of engines) await engine.start()
    await stage.clock.advance(1_000)
    await stage.model.schedules.put(aSchedule())
    const late = await latenessOver(5_000)
    expect(late.filter((lateMs) => lateMs <= 5)).toHaveLength(5)
    const [first, second] = engines
    for (const engine of [first, second]) {
      const stopped = engine?.stop({ graceMs: 0 })
      await stage.clock.advance(0)
      await stopped
    }
    await latenessOver(20_000)
    const { items } = await stage.model.executions.list({ namespace, limit: 100 })
    const ticks = items.map(({ tags }) => Number(tags['schedule.tick_ms'])).sort((a, b) => a - b)
    expect(ticks.map((tick) => tick - (ticks[0] ?? 0))).toEqual(
      Array.from({ length: ticks.length }, (_, place) => place * 1_000),
    )
    expect(ticks).toHaveLength(25)
  })

  it('that waits for what runs asks after it seldom', async () => {
    stage = openStage()
    await stage.openEngine().start()
    const put = aSchedule({ overlap: 'buffer_all', timing: { kind: 'interval', everyMs: 3_600_000 } })
    await stage.model.schedules.put(put)
    const nowMs = await stage.model.maintenance.serverTimeMs()
    const backfill = { fromMs: nowMs - 7_200_000, toMs: nowMs }
    await stage.model.schedules.trigger({ ...put, triggerKey: 'past', backfill })
    await stage.clock.advance(60_000)
    stage.forgetCalls()
    await stage.clock.advance(600_000)
    const looks = stage.calls.get('schedules.fireDue') ?? 0
    expect(looks).toBeGreaterThan(0)
    expect(looks).toBeLessThanOrEqual(600_000 / limits.scheduleLookMsMax + 5)
  })
})
