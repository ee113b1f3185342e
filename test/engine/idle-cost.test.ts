import { describe, expect, it } from 'vitest'
import { runIdleWorker } from './idle-worker.js'
import { openStage } from './stage.js'

const workersCount = 16
const measuredMs = 300_000

describe.each([1, 4])('an idle system with %i engine(s), 32 partitions and 16 workers', (enginesCount) => {
  it('costs at most 10 calls a second in all', { timeout: 60_000 }, async () => {
    const stage = openStage({ partitionCount: 32 })
    let over = false
    const engines = Array.from({ length: enginesCount }, () => stage.openEngine())
    for (const engine of engines) await engine.start()
    for (let worker = 0; worker < workersCount; worker++) {
      const engine = engines[worker % enginesCount]
      if (engine !== undefined) runIdleWorker(stage.clock, engine, () => over)
    }
    // What settles once, such as the first passes of a new owner, is not idling.
    await stage.clock.advance(120_000)
    stage.forgetCalls()
    await stage.clock.advance(measuredMs)
    const perSecond = stage.totalCalls() / (measuredMs / 1_000)
    expect(perSecond, JSON.stringify(Object.fromEntries(stage.calls))).toBeLessThanOrEqual(10)
    // It is looked after all the same.
    expect(stage.calls.get('maintenance.pulse')).toBeGreaterThan(measuredMs / 1_000 / 2)
    over = true
    await stage.close()
  })
})
