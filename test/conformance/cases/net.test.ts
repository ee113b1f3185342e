import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { playScript } from '../../oracle/player.js'
import { dagScripts } from '../../oracle/script.js'
import { cleanUp } from '../../support/clean-up.js'
import { settle } from '../../support/drive.js'
import { FlowDriver, type GraphPlan } from '../../support/flow-driver.js'
import { isSoak } from '../../support/soak.js'
import { useStore } from '../../support/use-store.js'

describe('the net', () => {
  const store = useStore({ inlineResolveEdges: 0, partitions: { flow: 1 } })

  async function reconcile() {
    const items = []
    for (const partition of store().partitions)
      items.push(...(await store().backend.resolution.reconcileDependencies({ partition, max: 100 })).items)
    return items
  }

  it('dependency reconciler finds nothing when healthy and everything when not: healthy, under random DAGs', async () => {
    const { backend, partitions } = store()
    const found: unknown[] = []
    const stage = {
      backend,
      partitionCount: partitions.length,
      settle: async () => {
        await settle(backend, partitions, { except: ['projection'] })
        found.push(...(await reconcile()))
      },
    }
    await fc.assert(
      fc.asyncProperty(dagScripts({ nodesMax: 20, stepsMax: 25 }), async (script) => {
        await playScript(stage, script, new Map())
        await cleanUp(backend, partitions)
      }),
      { seed: 44, numRuns: isSoak ? 2_000 : 5, interruptAfterTimeLimit: isSoak ? 1_800_000 : 10_000 },
    )
    expect(found).toEqual([])
  }, 2_000_000)

  it('dependency reconciler finds nothing when healthy and everything when not: a level a pass, with every hint lost', async () => {
    const levels = 6
    const plan: GraphPlan = Object.fromEntries([
      ['n0', {}],
      ...Array.from({ length: levels }, (_, i) => [`n${i + 1}`, { after: [`n${i}`] }] as const),
      ['side', { after: ['n0'], join: { runOn: 'groupImpossible' } }],
    ])
    const flow = await FlowDriver.submit(store(), plan)
    await flow.end('n0', 'failed')
    let found = 0
    for (let pass = 0; pass < levels; pass += 1) {
      // The dispatcher is switched off: what ends leaves nothing that anyone would carry out.
      await store().faults.dropOutbox()
      const items = await reconcile()
      found += items.filter(({ outcome }) => outcome === 'edge_resolved').length
    }
    expect(found).toBe(levels + 1)
    const { n0, side, ...skipped } = await flow.states()
    expect([n0, side]).toEqual(['failed', 'waiting'])
    expect(new Set(Object.values(skipped))).toEqual(new Set(['skipped']))
    expect(await reconcile()).toEqual([])
  })
})
