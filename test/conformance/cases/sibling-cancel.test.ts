import type { Hint, SiblingCancelItem } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { FlowDriver, type GraphPlan } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'

const race: GraphPlan = {
  a: {},
  b: {},
  c: {},
  join: { after: ['a', 'b', 'c'], join: { policy: { kind: 'any_of' } } },
}

const untilCancelled = { except: ['sibling_cancels'] } as const

describe('sibling cancel', () => {
  const store = useStore({ inlineResolveEdges: 0 })

  /** The upstreams of pending edges that have not ended: what the pending set leads to. */
  async function membersOf(flow: FlowDriver, node: string): Promise<string[]> {
    const states = await flow.states()
    const nodes = await flow.graph()
    const names = new Map(nodes.map(({ execution }) => [execution.id, execution.name ?? '']))
    const { incoming } = await flow.node(node)
    const pending = incoming
      .filter(({ state }) => state === 'pending')
      .map(({ from }) => names.get(from) ?? '')
    return pending.filter((name) => states[name] === 'active').sort()
  }

  async function drain(flow: FlowDriver): Promise<SiblingCancelItem[]> {
    const items: SiblingCancelItem[] = []
    for (const partition of store().partitions)
      items.push(...(await store().backend.resolution.drainSiblingCancels({ partition, max: 50 })).items)
    return items.filter(({ flowId }) => flowId === flow.flowId)
  }

  const tuplesOf = async (flow: FlowDriver) =>
    (await store().faults.pendingTuples()).filter((tuple) => tuple.startsWith(flow.flowId))

  it('atomic bookkeeping', async () => {
    const flow = await FlowDriver.submit(store(), race)
    await flow.start('a', 'b', 'c')
    await flow.complete('a')
    const entryId = await store().entryOf(flow.id('a'))
    const { dispatchCompletion } = store().backend.resolution
    expect((await dispatchCompletion({ entryId })).outcome).toBe('advanced')
    const fired = { state: 'satisfied', cancelReason: 'sibling_quorum_satisfied', cancelPending: true }
    expect(await flow.group('join')).toMatchObject(fired)
    expect(await tuplesOf(flow)).toEqual([`${flow.flowId}|${flow.id('join')}`])
    expect(await membersOf(flow, 'join')).toEqual(['b', 'c'])
    await flow.complete('b')
    await flow.settle(untilCancelled)
    expect(await membersOf(flow, 'join')).toEqual(['c'])
    // It decided once: what ends later enqueues nothing again.
    expect(await tuplesOf(flow)).toHaveLength(1)
    expect(await flow.group('join')).toMatchObject(fired)
  })

  it('atomic bookkeeping, with nobody left to cancel', async () => {
    const flow = await FlowDriver.submit(store(), {
      a: {},
      join: { after: ['a'], join: { policy: { kind: 'any_of' } } },
    })
    await flow.end('a', 'success')
    await flow.settle(untilCancelled)
    expect(await flow.group('join')).toMatchObject({
      cancelReason: 'sibling_quorum_satisfied',
      cancelPending: true,
    })
    expect(await tuplesOf(flow)).toHaveLength(1)
    expect(await drain(flow)).toMatchObject([{ outcome: 'drained', siblings: [] }])
    expect(await tuplesOf(flow)).toEqual([])
    expect((await flow.group('join')).cancelPending).toBe(false)
  })

  it('dispatcher drains', async () => {
    const flow = await FlowDriver.submit(store(), race)
    await flow.start('a', 'b', 'c')
    await flow.complete('a')
    await flow.settle(untilCancelled)
    const hints: Hint[] = []
    const stop = store().backend.events.listen({ onHint: (hint) => hints.push(hint) })
    const items = await drain(flow)
    stop()
    expect(items).toMatchObject([{ outcome: 'drained', downstreamId: flow.id('join') }])
    const siblings = [...(items[0]?.siblings ?? [])].sort((x, y) => (x.id < y.id ? -1 : 1))
    expect(siblings).toEqual(
      ['b', 'c'].map((name) => ({ id: flow.id(name), disposition: 'cancelled', via: 'sibling' })),
    )
    expect(await tuplesOf(flow)).toEqual([])
    expect(await flow.group('join')).toMatchObject({
      cancelPending: false,
      cancelReason: 'sibling_quorum_satisfied',
    })
    for (const name of ['b', 'c']) {
      expect(await flow.execution(name)).toMatchObject({
        publicState: 'cancelled',
        cancelCause: 'sibling',
        lease: null,
      })
      // Its worker is told to look, and learns that its lease is gone.
      expect(hints).toContainEqual({ type: 'attention', executionId: flow.id(name) })
      expect(await flow.complete(name)).toBe('execution_not_active')
    }
    await flow.settle()
    await flow.end('join', 'success')
    await flow.settle()
    expect((await flow.flow()).state).toBe('completed')
  })

  it('dispatcher drains: a sibling that finished meanwhile is already_terminal', async () => {
    const flow = await FlowDriver.submit(store(), race)
    await flow.start('a', 'b', 'c')
    await flow.complete('a')
    await flow.settle(untilCancelled)
    // Its end is recorded, and its edge is still pending.
    await flow.complete('b')
    const [item] = await drain(flow)
    const dispositions = Object.fromEntries(
      item?.siblings.map(({ id, disposition }) => [id, disposition]) ?? [],
    )
    expect(dispositions).toEqual({ [flow.id('b')]: 'already_terminal', [flow.id('c')]: 'cancelled' })
    expect(await flow.states()).toMatchObject({ b: 'completed', c: 'cancelled' })
  })

  it('dispatcher drains: with let_run nothing is cancelled', async () => {
    const policy = { kind: 'any_of', onSatisfied: 'let_run' } as const
    const flow = await FlowDriver.submit(store(), {
      ...race,
      join: { after: ['a', 'b', 'c'], join: { policy } },
    })
    await flow.start('a', 'b', 'c')
    await flow.complete('a')
    await flow.settle()
    expect(await tuplesOf(flow)).toEqual([])
    expect(await flow.group('join')).toMatchObject({ cancelReason: null, cancelPending: false })
    expect(await flow.states()).toMatchObject({ b: 'active', c: 'active', join: 'waiting' })
  })

  it('dispatcher drains: an impossible quorum cancels survivors', async () => {
    const plan = {
      ...race,
      join: { after: ['a', 'b', 'c'], join: { policy: { kind: 'quorum', k: 3 } } },
    } as const
    const flow = await FlowDriver.submit(store(), plan)
    await flow.start('a', 'b', 'c')
    await flow.fail('a')
    await flow.settle()
    expect(await flow.group('join')).toMatchObject({
      state: 'impossible',
      cancelReason: 'sibling_quorum_impossible',
      cancelPending: false,
    })
    expect(await flow.states()).toEqual({ a: 'failed', b: 'cancelled', c: 'cancelled', join: 'skipped' })
    expect((await flow.execution('b')).cancelCause).toBe('sibling')
  })

  it.each([
    [false, 'active'],
    [true, 'cancelled'],
  ] as const)(
    'dispatcher drains: shared siblings are spared, and not with cancelShared: %s',
    async (cancelShared, state) => {
      const flow = await FlowDriver.submit(store(), {
        a: {},
        shared: {},
        other: { after: ['shared'] },
        join: { after: ['a', 'shared'], join: { policy: { kind: 'any_of' }, cancelShared } },
      })
      await flow.start('a', 'shared')
      await flow.complete('a')
      await flow.settle()
      expect(await flow.state('shared')).toBe(state)
      expect(await flow.state('other')).toBe(cancelShared ? 'skipped' : 'waiting_children')
    },
  )

  it('a spared sibling is cancelled as soon as nobody needs it any more', async () => {
    const flow = await FlowDriver.submit(store(), {
      a: {},
      shared: {},
      also: {},
      other: { after: ['shared', 'also'] },
      join: { after: ['a', 'shared'], join: { policy: { kind: 'any_of' } } },
    })
    await flow.start('a', 'shared', 'also')
    await flow.complete('a')
    await flow.settle()
    expect(await flow.state('shared')).toBe('active')
    await flow.fail('also')
    await flow.settle()
    expect(await flow.states()).toMatchObject({ shared: 'cancelled', other: 'skipped' })
    expect((await flow.execution('shared')).cancelCause).toBe('sibling')
  })

  it('a spared sibling is cancelled when an extend decides the last group that needed it', async () => {
    const flow = await FlowDriver.submit(store(), {
      a: {},
      bad: {},
      shared: {},
      other: { after: ['shared'] },
      join: { after: ['a', 'shared'], join: { policy: { kind: 'any_of' } } },
    })
    await flow.start('a', 'shared', 'bad')
    await flow.complete('a')
    await flow.fail('bad')
    await flow.settle()
    expect(await flow.state('shared')).toBe('active')
    await flow.extend({}, { edges: [flow.edge('bad', 'other')] })
    expect(await flow.states()).toMatchObject({ shared: 'cancelled', other: 'skipped' })
    expect((await flow.execution('shared')).cancelCause).toBe('sibling')
  })

  it.each([
    ['cancel', 'cancelled'],
    ['let_run', 'active'],
  ] as const)('ancestors that only fed a cancelled sibling: %s', async (ancestors, state) => {
    const flow = await FlowDriver.submit(store(), {
      first: {},
      second: {},
      feeds: {},
      loser: { after: ['feeds', 'second'] },
      join: { after: ['first', 'loser'], join: { policy: { kind: 'any_of' }, ancestors } },
    })
    await flow.start('first', 'feeds', 'second')
    await flow.complete('first')
    await flow.settle()
    expect(await flow.states()).toMatchObject({ feeds: state, second: state, loser: 'cancelled' })
    expect((await flow.execution('loser')).cancelCause).toBe('sibling')
    if (state === 'cancelled') expect((await flow.execution('feeds')).cancelCause).toBe('ancestor')
  })

  it('reconciler: no-op', async () => {
    const flow = await FlowDriver.submit(store(), race)
    await flow.start('a', 'b', 'c')
    await flow.complete('a')
    await flow.settle(untilCancelled)
    const before = JSON.stringify([await flow.graph(), await tuplesOf(flow)])
    for (let pass = 0; pass < 10; pass += 1) {
      for (const partition of store().partitions) {
        const { items } = await store().backend.resolution.reconcileSiblingCancels({ partition, max: 50 })
        const mine = items.filter(({ tuple }) => tuple.startsWith(flow.flowId))
        expect(mine.map(({ outcome }) => outcome)).not.toContain('error')
        for (const item of mine)
          expect(item).toEqual({ outcome: 'no_op', tuple: `${flow.flowId}|${flow.id('join')}` })
      }
    }
    expect(JSON.stringify([await flow.graph(), await tuplesOf(flow)])).toBe(before)
    await drain(flow)
    expect(await flow.states()).toMatchObject({ b: 'cancelled', c: 'cancelled' })
  })

  it('reconciler: completed drain', async () => {
    const flow = await FlowDriver.submit(store(), race)
    await flow.start('a', 'b', 'c')
    await flow.complete('a')
    await flow.settle(untilCancelled)
    await flow.complete('b')
    await flow.complete('c')
    await flow.settle(untilCancelled)
    const outcomes: string[] = []
    for (const partition of store().partitions) {
      const { items } = await store().backend.resolution.reconcileSiblingCancels({ partition, max: 50 })
      outcomes.push(
        ...items.filter(({ tuple }) => tuple.startsWith(flow.flowId)).map(({ outcome }) => outcome),
      )
    }
    expect(outcomes).toEqual(['completed_drain'])
    expect(await tuplesOf(flow)).toEqual([])
    expect((await flow.group('join')).cancelPending).toBe(false)
  })
})

describe('sibling cancels of groups that decide together', () => {
  const store = useStore()

  const several: GraphPlan = {
    a: {},
    b: {},
    first: { after: ['a', 'b'], join: { policy: { kind: 'quorum', k: 2 } } },
    finaliser: {
      after: ['a', 'b'],
      join: { policy: { kind: 'quorum', k: 2 }, runOn: 'always', settled: true },
    },
    last: { after: ['a', 'finaliser'], join: { policy: { kind: 'quorum', k: 2 } } },
  }

  // Ids are minted in both orders, so that what goes by them goes wrong in one.
  it.each([
    ['in this order', several],
    ['in the other one', Object.fromEntries(Object.entries(several).reverse())],
  ])('are carried out in the order in which their nodes were accepted, with ids %s', async (_, minted) => {
    for (let round = 0; round < 3; round += 1) {
      const flow = new FlowDriver(store())
      flow.toGraph(minted)
      await flow.submit(several)
      await flow.start('a')
      await flow.fail('a')
      await flow.settle()
      expect((await flow.execution('b')).cancelCause).toBe('sibling')
      // `b` had ended before anybody came for it.
      const finaliser = await flow.execution('finaliser')
      expect(finaliser).toMatchObject({ publicState: 'cancelled', cancelCause: 'sibling' })
      expect(finaliser.firstEligibleAtMs).not.toBeNull()
    }
  })
})
