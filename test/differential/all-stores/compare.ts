import { must } from '@flowfabric/core'
import { describe, it } from 'vitest'
import { createModel } from '../../model/index.js'
import { type BackendName, createTestBackend, startMs, type TestBackend } from '../../support/backends.js'
import { addTallies, chooseSeed, isReplay, plain, type Tallies } from '../../support/random-runs.js'
import { isSoak } from '../../support/soak.js'
import { expectEveryOperationBothWays } from '../both-ways.js'
import { claimsInOrder } from '../operations/claims-in-order.js'
import type { Settling } from '../run.js'
import { newWorld } from '../world.js'
import { type Compared, playOnAll } from './play.js'
import { createReport, type Report } from './report.js'
import { createDrawing } from './steps.js'
import { readVersions } from './versions.js'

export interface Setting {
  /** How the report calls it. */
  readonly name: string
  readonly inlineResolveEdges: number | undefined
  readonly settling: Settling
}

const stores: readonly BackendName[] = ['pglite', 'postgres18', 'valkey', 'valkeyCluster']

/** In a soak the two settings together make twenty seeds. */
const [seedCount, stepsPerSeed] = isSoak ? [10, 10_000] : [1, 150]

/**
 * The same random calls, with the same ids, to the model and to all stores at once. What is not compared: which of
 * several lanes or partitions a claim takes from (`claimsInOrder` asks for no such choice), drawn ids and pauses, and
 * when a flow's summary was written (see `normalize` and `takeSnapshot`).
 */
export function compareAllStores(setting: Setting): void {
  describe(`the model and all stores at once, ${setting.name}`, () => {
    it('answer alike and look alike after every call', async () => {
      const all: Tallies = new Map()
      const report = createReport(setting.name)
      for (const seed of seedsOf(setting)) {
        if (report.isOverTime()) break
        const tallies: Tallies = new Map()
        await playSeed(setting, seed, tallies, report)
        addTallies(all, plain(tallies))
      }
      // A short run need not reach both answers of everything, nor one seed that is replayed; its report says what it missed.
      if (isSoak && !isReplay) expectEveryOperationBothWays(all)
    })
  })
}

/** Each setting has seeds of its own. One alone where it is given, to be replayed. */
function seedsOf({ settling }: Setting): readonly number[] {
  const first = chooseSeed()
  if (process.env.FF_SEED !== undefined) return [first]
  const parity = settling === 'each_step' ? 0 : 1
  return Array.from({ length: seedCount }, (_, index) => (first + index) * 2 + parity)
}

async function playSeed(setting: Setting, seed: number, tallies: Tallies, report: Report): Promise<void> {
  const { inlineResolveEdges, settling } = setting
  const opened: TestBackend[] = []
  const compared: Compared = { answers: 0, parts: 0, wholes: 0 }
  try {
    // One after the other: while PGlite starts, this process answers no server.
    for (const name of stores)
      opened.push(await createTestBackend({ name, inlineResolveEdges, partitions: { quota: 2, budget: 2 } }))
    const { partitionCounts, partitions } = must(opened[0], 'a store')
    const model = createModel({ partitions: partitionCounts, startMs, inlineResolveEdges, seed })
    const backends = new Map([
      ['model', model] as const,
      ...opened.map(({ name, backend }) => [name, backend] as const),
    ])
    const drawing = createDrawing(seed)
    const minting = { uuid: drawing.uuid, count: partitionCounts.flow }
    const world = newWorld({
      name: 'alike',
      model,
      backends,
      claims: claimsInOrder,
      minting,
      partitions,
    })
    report.begin(seed, await readVersions(backends))
    await playOnAll(world, { drawing, steps: stepsPerSeed, settling, tallies, compared })
    report.end(compared, tallies)
  } catch (error) {
    report.end(compared, tallies, error)
    throw report.explain(seed, error)
  } finally {
    await Promise.all(opened.map((store) => store.close()))
  }
}
