import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { playScript } from '../../oracle/player.js'
import { dagScripts } from '../../oracle/script.js'
import { type BackendName, createTestBackend, type TestBackend } from '../../support/backends.js'
import { cleanUp } from '../../support/clean-up.js'
import { settle } from '../../support/drive.js'
import { runRandomly, type Tallies } from '../../support/random-runs.js'
import { isSoak } from '../../support/soak.js'

/** Random DAGs on a store, held to the oracle after every step. A soak plays 2,000 for each setting, however long they take. */
export function playRandomDags(name: BackendName): void {
  describe.each([0, undefined])(`on ${name}, inlineResolveEdges %s`, (inlineResolveEdges) => {
    let opened: TestBackend
    beforeAll(async () => {
      opened = await createTestBackend({ name, inlineResolveEdges, partitions: { flow: 1 } })
    })
    afterAll(() => opened?.close())

    it(
      'end as it says, step by step',
      async () => {
        const { backend, partitions } = opened
        const stage = {
          backend,
          partitionCount: 1,
          settle: () => settle(backend, partitions, { except: ['projection'] }),
        }
        const tallies: Tallies = new Map()
        await runRandomly(
          `random DAGs on ${name}, inlineResolveEdges ${inlineResolveEdges ?? 'default'}`,
          fc.asyncProperty(dagScripts({ nodesMax: 40, stepsMax: isSoak ? 80 : 50 }), async (script) => {
            await playScript(stage, script, tallies)
            await cleanUp(backend, partitions)
          }),
          { shortRuns: name === 'model' ? 100 : 16, soakRuns: 2_000, soakMs: soakMsMax, tallies },
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
      },
      isSoak ? soakMsMax + 300_000 : 300_000,
    )
  })
}

/** More than 2,000 take on a slow machine: all of them count. */
const soakMsMax = 3 * 3_600_000
