import { type FlowSummary, type ProjectionItem, publicStates } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { FlowDriver, type GraphPlan } from '../../support/flow-driver.js'
import { rounds } from '../../support/soak.js'
import { useStore } from '../../support/use-store.js'

describe('projector', () => {
  const store = useStore({})

  async function project(): Promise<ProjectionItem[]> {
    const items: ProjectionItem[] = []
    for (const partition of store().partitions) {
      let cursor: string | undefined
      do {
        const page = await store().backend.resolution.projectSummaries({ partition, max: 100, cursor })
        expect(page.items.length).toBeLessThanOrEqual(100)
        items.push(...page.items)
        cursor = page.cursor ?? undefined
      } while (cursor !== undefined)
    }
    return items
  }

  async function summaryOf(flow: FlowDriver): Promise<FlowSummary> {
    await flow.settle()
    await project()
    return (await flow.flow()).summary
  }

  const pair: GraphPlan = { a: {}, b: { after: ['a'] } }

  const cases: readonly (readonly [string, GraphPlan, (flow: FlowDriver) => Promise<unknown>, string])[] = [
    [
      'all succeeded',
      pair,
      async (flow) => {
        await flow.end('a', 'success')
        await flow.settle()
        await flow.end('b', 'success')
      },
      'completed',
    ],
    ['all terminal, one failed unabsorbed', pair, (flow) => flow.end('a', 'failed'), 'failed'],
    [
      'skips only besides success',
      { a: {}, b: { after: ['a'], join: { runOn: 'groupImpossible' } } },
      (flow) => flow.end('a', 'success'),
      'completed',
    ],
    ['one active', { a: {}, b: {} }, (flow) => flow.start('a'), 'running'],
    [
      'some put aside and none claimable',
      { a: { delayMs: 60_000 }, b: { after: ['a'] } },
      async () => undefined,
      'blocked',
    ],
    ['waiting and waiting_children', pair, async () => undefined, 'open'],
    ['flow cancelled', pair, (flow) => flow.cancel('cancel_all'), 'cancelled'],
  ]

  it.each(cases)('derived states, one case each: %s', async (_, plan, happen, expected) => {
    const flow = await FlowDriver.submit(store(), plan)
    await happen(flow)
    const summary = await summaryOf(flow)
    expect(summary.publicFlowState).toBe(expected)
    expect(Object.keys(summary.counts).sort()).toEqual([...publicStates].sort())
    const total = Object.values(summary.counts).reduce((sum, count) => sum + count, 0)
    expect(total).toBe(summary.totalMembers)
    expect(total).toBe(Object.keys(plan).length)
    expect(summary.lastSummaryUpdateAtMs).toBe(await store().nowMs())
  })

  it('derived states, one case each: store time, though the clocks of engines differ from it', async () => {
    const flow = await FlowDriver.submit(store(), pair)
    await store().advance(3_600_000)
    await flow.start('a')
    const summary = await summaryOf(flow)
    expect(summary.lastSummaryUpdateAtMs).toBe(await store().nowMs())
    expect(summary.firstStartAtMs).toBe(await store().nowMs())
  })

  it('derived states, one case each: 1 000 members are counted exactly', async () => {
    const members = Math.max(200, rounds(1_000))
    const plan = Object.fromEntries(Array.from({ length: members }, (_, i) => [`n${i}`, {}] as const))
    const flow = await FlowDriver.submit(store(), plan)
    const names = Object.keys(plan)
    await flow.start(...names.slice(0, 60))
    for (const name of names.slice(0, 20)) await flow.complete(name)
    for (const name of names.slice(20, 30)) await flow.fail(name)
    const { counts, totalMembers } = await summaryOf(flow)
    expect(totalMembers).toBe(members)
    expect(counts).toMatchObject({ completed: 20, failed: 10, active: 30, waiting: members - 60 })
  }, 60_000)

  it('authoritative state untouched', async () => {
    const open = await FlowDriver.submit(store(), pair)
    await summaryOf(open)
    await store().faults.storeSummaryState(open.flowId, 'completed')
    expect((await open.extend({ c: { after: ['b'] } })).outcome).toBe('extended')
    const closed = await FlowDriver.submit(store(), pair)
    await closed.cancel('cancel_all')
    await summaryOf(closed)
    await store().faults.storeSummaryState(closed.flowId, 'open')
    expect(await closed.extend({ c: { after: ['b'] } })).toEqual({
      outcome: 'flow_not_open',
      flowState: 'cancelled',
    })
    for (const flow of [open, closed]) {
      const before = (await flow.flow()).state
      await project()
      expect((await flow.flow()).state).toBe(before)
    }
  })

  it('live set', async () => {
    const flow = await FlowDriver.submit(store(), pair)
    await flow.end('a', 'failed')
    await flow.settle()
    const visits = async () => (await project()).filter(({ flowId }) => flowId === flow.flowId)
    await visits()
    expect((await flow.flow()).summary.publicFlowState).toBe('failed')
    expect(await visits()).toEqual([])
    const toldAtMs = (await flow.flow()).summary.lastSummaryUpdateAtMs
    await store().advance(1_000)
    expect((await flow.replay(['a'])).outcome).toBe('replayed')
    await flow.settle()
    await visits()
    const { summary } = await flow.flow()
    expect(summary).toMatchObject({ publicFlowState: 'open', counts: { waiting: 1, waiting_children: 1 } })
    expect(summary.lastSummaryUpdateAtMs).toBeGreaterThan(toldAtMs ?? 0)
  })

  it('live set: an empty flow cannot exist', async () => {
    const flow = new FlowDriver(store())
    await expect(flow.submit({})).rejects.toMatchObject({ code: 'empty_flow' })
    await expect(flow.flow()).rejects.toMatchObject({ code: 'flow_not_found' })
  })

  it('what has not changed is unchanged', async () => {
    const flow = await FlowDriver.submit(store(), pair)
    await summaryOf(flow)
    const again = (await project()).filter(({ flowId }) => flowId === flow.flowId)
    expect(again.map(({ outcome }) => outcome)).not.toContain('projected')
  })
})
