import type { SiblingReconcileItem } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { createStoreFaults } from '../../support/faults/open.js'
import { FlowDriver, type GraphPlan } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'

const race: GraphPlan = {
  a: {},
  b: {},
  c: {},
  join: { after: ['a', 'b', 'c'], join: { policy: { kind: 'any_of' } } },
}

describe('sibling cancel, after faults', () => {
  const store = useStore({ inlineResolveEdges: 0 }, { faulty: true })
  const faults = () => createStoreFaults(store().opened)

  async function fire(plan = race): Promise<FlowDriver> {
    const flow = await FlowDriver.submit(store(), plan)
    await flow.start('a', 'b', 'c')
    await flow.complete('a')
    await flow.settle({ except: ['sibling_cancels'] })
    return flow
  }

  async function reconcile(): Promise<SiblingReconcileItem[]> {
    const items: SiblingReconcileItem[] = []
    for (const partition of store().partitions)
      items.push(...(await store().backend.resolution.reconcileSiblingCancels({ partition, max: 50 })).items)
    return items
  }

  async function drain() {
    const items = []
    for (const partition of store().partitions)
      items.push(...(await store().backend.resolution.drainSiblingCancels({ partition, max: 50 })).items)
    return items
  }

  it('dispatcher drains: a purged sibling is not_found', async () => {
    const flow = await fire()
    await faults().purge(flow.id('b'))
    const [item] = await drain()
    expect(item?.outcome).toBe('drained')
    const dispositions = Object.fromEntries(
      item?.siblings.map(({ id, disposition }) => [id, disposition]) ?? [],
    )
    expect(dispositions).toEqual({ [flow.id('b')]: 'not_found', [flow.id('c')]: 'cancelled' })
    expect(await faults().pendingTuples()).toEqual([])
  })

  it('dispatcher drains: a failing cancel leaves the tuple for the next pass', async () => {
    const flow = await fire()
    const undo = await faults().refuseWrites(flow.id('c'))
    const [item] = await drain()
    expect(item?.outcome).not.toBe('drained')
    expect(await faults().pendingTuples()).toEqual([`${flow.flowId}|${flow.id('join')}`])
    expect((await flow.group('join')).cancelPending).toBe(true)
    await undo()
    expect((await drain())[0]?.outcome).toBe('drained')
    expect(await flow.states()).toMatchObject({ b: 'cancelled', c: 'cancelled' })
    expect(await faults().pendingTuples()).toEqual([])
  })

  it('reconciler: stale', async () => {
    const [cleared, gone] = [await fire(), await fire()]
    await faults().clearCancelFlag(cleared.id('join'))
    await faults().removeGroup(gone.id('join'))
    const before = await cleared.states()
    const items = await reconcile()
    expect(items.map(({ outcome }) => outcome)).toEqual(['sremmed_stale', 'sremmed_stale'])
    expect(new Set(items.map(({ tuple }) => tuple))).toEqual(
      new Set([`${cleared.flowId}|${cleared.id('join')}`, `${gone.flowId}|${gone.id('join')}`]),
    )
    expect(await faults().pendingTuples()).toEqual([])
    expect(await cleared.states()).toEqual(before)
    expect(await reconcile()).toEqual([])
  })

  it('reconciler: completed drain, with one sibling purged', async () => {
    const flow = await fire()
    await flow.complete('b')
    await faults().purge(flow.id('c'))
    expect(await reconcile()).toEqual([
      { outcome: 'completed_drain', tuple: `${flow.flowId}|${flow.id('join')}` },
    ])
    expect(await faults().pendingTuples()).toEqual([])
    expect((await flow.group('join')).cancelPending).toBe(false)
  })

  it('reconciler: poison and bounds', async () => {
    const flows = []
    for (let i = 0; i < 60; i += 1) flows.push(await fire())
    // A pending row without its group is what a malformed tuple is elsewhere.
    for (const flow of flows.slice(0, 3)) await faults().removeGroup(flow.id('join'))
    for (const flow of flows.slice(3)) {
      await flow.complete('b')
      await flow.complete('c')
    }
    const seen: SiblingReconcileItem[] = []
    for (let pass = 0; pass < 20 && (await faults().pendingTuples()).length > 0; pass += 1) {
      for (const partition of store().partitions) {
        const { items } = await store().backend.resolution.reconcileSiblingCancels({ partition, max: 50 })
        expect(items.length).toBeLessThanOrEqual(50)
        seen.push(...items)
      }
    }
    expect(await faults().pendingTuples()).toEqual([])
    const counted = (outcome: string) => seen.filter((item) => item.outcome === outcome).length
    expect([counted('sremmed_stale'), counted('completed_drain')]).toEqual([3, 57])
  })
})
