import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createModel } from '../model/index.js'
import { type BackendName, createTestBackend, type TestBackend } from '../support/backends.js'
import { runRandomly, type Tallies } from '../support/random-runs.js'
import { isSoak, rounds } from '../support/soak.js'
import { operations } from './operations/index.js'
import { type RunOptions, runSteps, splitTally, stepsArbitrary } from './run.js'
import { newWorld } from './world.js'

const stores: readonly BackendName[] = ['model', 'pglite', 'postgres18']
const modes: readonly (RunOptions & { readonly inlineResolveEdges: number | undefined })[] = [
  { settling: 'each_step', inlineResolveEdges: undefined },
  // With nothing inline both must also agree on what is still pending.
  { settling: 'by_drives', inlineResolveEdges: 0 },
]

/** Operations that a correct caller can never be refused. */
const neverRefused = new Set([
  'lanes.list',
  'workers.list',
  'events.read',
  'drive',
  'maintenance.advanceTime',
  'maintenance.trimRetention',
])

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
          await runSteps(newWorld(model, backend, partitions), steps, tallies, { settling })
        }),
        { numRuns: rounds(2_000), shortMs: 10_000, soakMs: 120_000, tallies },
      )
      // A long run reaches both answers of everything; a short one need not.
      if (runs >= 400) expectEveryOperationBothWays(tallies)
    })
  },
)

function expectEveryOperationBothWays(tallies: Tallies): void {
  const missing = Object.keys(operations).flatMap((operation) => {
    const { accepted, refused } = splitTally(tallies.get(operation))
    return [
      ...(accepted === 0 ? [`${operation} accepted`] : []),
      ...(refused === 0 && !neverRefused.has(operation) ? [`${operation} refused`] : []),
    ]
  })
  expect(missing).toEqual([])
}
