import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { playScript } from '../oracle/player.js'
import { dagScripts } from '../oracle/script.js'
import { type BackendName, createTestBackend, type TestBackend } from '../support/backends.js'
import { settle } from '../support/drive.js'
import { runRandomly, type Tallies } from '../support/random-runs.js'
import { isSoak, rounds } from '../support/soak.js'

const stores: readonly (readonly [BackendName, number | undefined])[] = [
  ['model', 0],
  ['model', undefined],
  ['pglite', 0],
  ['pglite', undefined],
  ['postgres18', 0],
  ['postgres18', undefined],
]

describe.each(stores)(
  'random DAGs against the oracle, on %s, inlineResolveEdges %s',
  (name, inlineResolveEdges) => {
    let opened: TestBackend
    beforeAll(async () => {
      opened = await createTestBackend({ name, inlineResolveEdges, partitions: { flow: 1 } })
    })
    afterAll(() => opened?.close())

    it('end as it says, step by step', async () => {
      const { backend, partitions } = opened
      const stage = {
        backend,
        partitionCount: 1,
        settle: () => settle(backend, partitions, { except: ['projection'] }),
      }
      const tallies: Tallies = new Map()
      await runRandomly(
        `random DAGs on ${name}, inlineResolveEdges ${inlineResolveEdges ?? 'default'}`,
        fc.asyncProperty(dagScripts({ nodesMax: 40, stepsMax: isSoak ? 80 : 50 }), (script) =>
          playScript(stage, script, tallies),
        ),
        { numRuns: rounds(2_000), shortMs: 8_000, tallies },
      )
      if (!isSoak) return
      // Each way to end was taken, else the script generator has lost its point.
      for (const operation of [
        'leases.complete',
        'leases.fail',
        'executions.cancel',
        'flows.extend',
        'flows.replay',
      ])
        expect(tallies.get(operation)?.size, operation).toBeGreaterThan(1)
    })
  },
)
