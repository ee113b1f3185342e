import { describe, expect, it } from 'vitest'
import { createStoreFaults } from '../../support/faults/open.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'

const names = ['c0', 'c1', 'c2', 'c3', 'c4']
const plan = { a: {}, ...Object.fromEntries(names.map((name) => [name, { after: ['a'] }] as const)) }

describe('dispatch, after faults', () => {
  const store = useStore({ inlineResolveEdges: 0 }, { faulty: true })
  const faults = () => createStoreFaults(store().opened)

  it("corrupt edge doesn't stop its neighbours", async () => {
    const flow = await FlowDriver.submit(store(), plan)
    // A downstream without its group, and an edge whose downstream is gone.
    await faults().removeGroup(flow.id('c1'))
    await faults().purge(flow.id('c3'))
    const ids = names.map((name) => flow.id(name))
    await flow.end('a', 'success')
    const entryId = await store().entryOf(flow.id('a'))
    const answer = await store().backend.resolution.dispatchCompletion({ entryId })
    if (answer.outcome !== 'advanced') throw new Error(`answered ${answer.outcome}`)
    expect(answer).toMatchObject({ edges: 3, satisfied: 3 })
    expect(answer.corrupt).toHaveLength(2)
    for (const id of [ids[1], ids[3]])
      expect(
        answer.corrupt.some((text) => text.includes(id?.slice(-36) ?? '')),
        String(id),
      ).toBe(true)
    expect((await flow.tryStart(...names)).sort()).toEqual(['c0', 'c2', 'c4'])
    const { backend, namespace } = store()
    const { count } = await backend.executions.count({ namespace, filter: { flowId: flow.flowId } })
    expect(count).toBe(5)
  })

  it('read failure fails closed', async () => {
    const flow = await FlowDriver.submit(store(), plan)
    await flow.end('a', 'success')
    const undo = await faults().refuseGroupWrites(flow.id('c2'))
    const before = await flow.graph()
    for (const partition of store().partitions) {
      // A failed item is reported or thrown; either way nothing is decided from what couldn't be read.
      await store()
        .backend.resolution.dispatchCompletions({ partition, max: 10 })
        .catch(() => undefined)
    }
    const during = await flow.graph()
    expect(during.find(({ execution }) => execution.id === flow.id('c2'))).toEqual(
      before.find(({ execution }) => execution.id === flow.id('c2')),
    )
    await undo()
    // Left entries are taken again with growing pauses.
    await store().advance(60_000)
    await flow.settle()
    expect((await flow.tryStart(...names)).sort()).toEqual(names)
    for (const name of names)
      expect((await flow.group(name)).counters).toEqual({ n: 1, succeeded: 1, failed: 0, skipped: 0 })
  })

  it('stored policy of a newer version: onSatisfied absent is cancel_remaining', async () => {
    const flow = await FlowDriver.submit(store(), {
      a: {},
      b: {},
      race: { after: ['a', 'b'], join: { policy: { kind: 'any_of', onSatisfied: 'let_run' } } },
    })
    await faults().forgetOnDecided(flow.id('race'))
    await flow.start('a', 'b')
    await flow.complete('a')
    await flow.settle()
    expect(await flow.group('race')).toMatchObject({ cancelReason: 'sibling_quorum_satisfied' })
    expect(await flow.state('b')).toBe('cancelled')
  })

  it('live set: a flow whose record is gone is dropped, and disturbs nobody', async () => {
    const [gone, stays] = [
      await FlowDriver.submit(store(), { a: {} }),
      await FlowDriver.submit(store(), { a: {} }),
    ]
    await faults().purgeFlow(gone.flowId)
    for (const partition of store().partitions) {
      const { items } = await store().backend.resolution.projectSummaries({ partition, max: 100 })
      expect(
        items.filter(({ flowId, outcome }) => flowId === gone.flowId && outcome === 'projected'),
      ).toEqual([])
    }
    expect((await stays.flow()).summary.totalMembers).toBe(1)
  })
})
