import { createHash } from 'node:crypto'
import type { FoundationBackend } from '@flowfabric/core'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { createModel } from '../model/index.js'
import { createRandom } from '../model/random.js'
import { type BackendName, createTestBackend, type TestBackend } from '../support/backends.js'
import { isReplay, runRandomly, type Tallies } from '../support/random-runs.js'
import { isSoak } from '../support/soak.js'
import { expectEveryOperation, expectEveryOperationBothWays } from './both-ways.js'
import { claimsByChoice } from './operations/claims-by-choice.js'
import { askForEverything, runSteps, type Settling, type Step, stepsArbitrary } from './run.js'
import { newWorld, type Side } from './world.js'

const stores: readonly BackendName[] = ['model', 'pglite', 'postgres18', 'valkey', 'valkeyCluster']
const modes: readonly { readonly settling: Settling; readonly inlineResolveEdges: number | undefined }[] = [
  { settling: 'each_step', inlineResolveEdges: undefined },
  // With nothing inline both must also agree on what is still pending.
  { settling: 'by_drives', inlineResolveEdges: 0 },
]

let runCount = 0
const played = new Map<string, number>()

/**
 * The same steps mint the same ids, so that partitions are the same when they are played again; but on one store, where ids
 * are everybody's, a second time mints others.
 */
function seedOf(name: string, steps: readonly Step[]): number {
  const digest = createHash('sha256').update(name).update(JSON.stringify(steps)).digest()
  const key = digest.toString('hex')
  const times = played.get(key) ?? 0
  played.set(key, times + 1)
  return digest.readUInt32LE(0) + times
}

describe.each(stores.flatMap((name) => modes.map((mode) => ({ name, ...mode }))))(
  'the model and $name, inlineResolveEdges $inlineResolveEdges, settling $settling',
  ({ name, inlineResolveEdges, settling }) => {
    let opened: TestBackend
    beforeAll(async () => {
      opened = await createTestBackend({ name, inlineResolveEdges })
    })
    afterAll(() => opened?.close())

    it('answer alike and look alike after every call', async () => {
      const { backend, partitions, partitionCounts } = opened
      const tallies: Tallies = new Map()
      const runs = await runRandomly(
        `differential on ${name}, ${settling}`,
        fc.asyncProperty(stepsArbitrary(isSoak ? 120 : 60), async (steps) => {
          // A model of its own for each run: other runs live in other namespaces of the store.
          const startMs = await backend.maintenance.serverTimeMs()
          const model = createModel({ partitions: partitionCounts, startMs, inlineResolveEdges, seed: 7 })
          await model.maintenance.prepare()
          const backends = new Map<Side, FoundationBackend>([
            ['model', model],
            ['store', backend],
          ])
          runCount += 1
          const world = newWorld({
            name: String(runCount),
            model,
            backends,
            claims: claimsByChoice,
            minting: { uuid: createRandom(seedOf(name, steps)).uuid, count: partitionCounts.flow },
            partitions,
          })
          await runSteps(world, steps, tallies, { settling })
        }),
        { shortRuns: 8, soakRuns: 2_000, soakMs: 120_000, tallies, first: [askForEverything()] },
      )
      // A long run reaches both answers of everything, a short one at least calls it. One that is replayed need not.
      if (runs >= 400) expectEveryOperationBothWays(tallies)
      else if (!isReplay) expectEveryOperation(tallies)
    })
  },
)
