import { mintEntryId, must } from '@flowfabric/core'
import {
  cancelReconciler,
  completionDispatcher,
  dependencyReconciler,
  edgeCancelDispatcher,
  edgeCancelReconciler,
  flowProjector,
} from '@flowfabric/scanners'
import { describe, expect, it } from 'vitest'
import type { ModelBackend } from '../model/index.js'
import { FlowDriver, type GraphPlan } from '../support/flow-driver.js'
import { contextOf, openModel, partition, pass, stageOf } from './scan.js'

const fanOut: GraphPlan = { a: {}, b: { after: ['a'] }, c: { after: ['a'] } }
const race: GraphPlan = {
  left: {},
  right: {},
  first: { after: ['left', 'right'], join: { policy: { kind: 'any_of' } } },
}

const submit = (model: ModelBackend, plan: GraphPlan) => FlowDriver.submit(stageOf(model), plan)

describe('the completion dispatcher', () => {
  it('carries a completion on, counts what it decided, and finds nothing the second time', async () => {
    const model = openModel({ inlineResolveEdges: 0 })
    const flow = await submit(model, fanOut)
    await flow.end('a', 'success')
    const first = await pass(completionDispatcher(), model)
    expect(first.report).toMatchObject({ processed: 1, errors: 0 })
    expect(first.seen.counts).toEqual({
      'dispatch_total{advanced}': 1,
      'edges_resolved_total{edge}': 2,
      'edges_resolved_total{satisfied}': 2,
    })
    expect(first.seen.lines.filter(({ level }) => level === 'info')).toHaveLength(1)
    expect(await flow.states()).toEqual({ a: 'completed', b: 'waiting', c: 'waiting' })
    const second = await pass(completionDispatcher(), model)
    expect(second.report).toMatchObject({ processed: 0, errors: 0 })
    expect(second.seen.counts).toEqual({})
  })

  it('says that a flow settled, and nothing of a leaf that changed nothing', async () => {
    const model = openModel({ inlineResolveEdges: 0 })
    const flow = await submit(model, { only: {} })
    await flow.end('only', 'success')
    const lines: string[] = []
    for (let each = 0; each < 3; each++) {
      const { seen } = await pass(completionDispatcher(), model)
      lines.push(...seen.lines.filter(({ level }) => level === 'info').map(({ message }) => message))
    }
    expect(lines).toEqual(['A flow settled'])
    expect((await flow.flow()).state).toBe('completed')
  })

  it('counts a message that was carried as work, so that those behind it come at once', async () => {
    const model = openModel()
    const entryId = mintEntryId(0)
    const delivered = { outcome: 'delivered', entryId, message: 'child_ended', more: false } as const
    const { context, seen } = contextOf(model)
    const resolution = {
      ...model.resolution,
      dispatchCompletions: async () => ({ items: [delivered], more: true }),
    }
    const backend = { ...model, resolution }
    const report = await completionDispatcher().scanPartition({ ...context, backend }, partition)
    expect(report).toMatchObject({ processed: 1, errors: 0, more: true })
    expect(seen.counts).toEqual({ 'dispatch_total{delivered}': 1 })
  })

  it('goes on while a call stopped at its bound', async () => {
    const model = openModel({ inlineResolveEdges: 0, hopMaxEdges: 4 })
    const children = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`c${i}`, { after: ['a'] }]))
    const flow = await submit(model, { a: {}, ...children })
    await flow.end('a', 'success')
    let passes = 0
    for (let more = true; more; passes++) {
      const { report } = await pass(completionDispatcher({ max: 1 }), model)
      more = report.processed > 0
      if (passes > 20) throw new Error('it does not come to an end')
    }
    expect(Object.values(await flow.states()).filter((state) => state === 'waiting')).toHaveLength(10)
  })
})

describe('the edge-cancel dispatcher', () => {
  it('cancels the losers of a race once, and counts what became of them', async () => {
    const model = openModel()
    const flow = await submit(model, race)
    await flow.end('left', 'success')
    const first = await pass(edgeCancelDispatcher(), model)
    expect(first.seen.counts).toEqual({
      'sibling_cancel_groups_total{drained}': 1,
      'sibling_cancel_total{cancelled}': 1,
    })
    expect(first.report).toMatchObject({ processed: 2, errors: 0 })
    expect((await flow.execution('right')).cancelCause).toBe('sibling')
    const second = await pass(edgeCancelDispatcher(), model)
    expect(second.report.processed).toBe(0)
    expect(second.seen.counts).toEqual({})
  })
})

describe('the edge-cancel reconciler', () => {
  it('leaves a group alone while a sibling runs, and doesn’t count it', async () => {
    const model = openModel()
    const flow = await submit(model, race)
    await flow.start('right')
    await flow.end('left', 'success')
    const { report, seen } = await pass(edgeCancelReconciler(), model)
    expect(report).toMatchObject({ processed: 0, errors: 0 })
    expect(seen.counts).toEqual({ 'sibling_cancel_reconcile_total{no_op}': 1 })
    expect((await flow.group('first')).cancelPending).toBe(true)
    expect((await flow.execution('right')).publicState).toBe('active')
  })

  it('finishes a drain whose siblings have all ended', async () => {
    const model = openModel()
    const flow = await submit(model, race)
    await flow.end('left', 'success')
    await flow.cancelMember('right')
    const { report, seen } = await pass(edgeCancelReconciler(), model)
    expect(report.processed).toBe(1)
    expect(seen.counts).toEqual({ 'sibling_cancel_reconcile_total{completed_drain}': 1 })
    expect((await flow.group('first')).cancelPending).toBe(false)
  })
})

describe('the cancel reconciler', () => {
  it('cancels what a flow’s cancel left, and finds nothing the second time', async () => {
    const model = openModel()
    const flow = await submit(model, { root: {}, rest: { after: ['root'] } })
    // What a caller that died between the two steps of a cancel leaves: the flow's state, and its members as they were.
    const record = must(model.store.flows.get(flow.flowId), 'the flow')
    record.state = 'cancelling'
    record.cancel = { policy: 'cancel_all', finalisers: true, requestedAtMs: model.store.clock.nowMs() }
    const first = await pass(cancelReconciler(), model)
    expect(first.seen.counts).toMatchObject({ 'flow_cancel_backlog_total{done}': 1 })
    expect(first.report.processed).toBeGreaterThan(0)
    expect(await flow.states()).toEqual({ root: 'cancelled', rest: 'cancelled' })
    const second = await pass(cancelReconciler(), model)
    expect(second.report.processed).toBe(0)
  })
})

describe('the dependency reconciler', () => {
  it('finds nothing in a healthy system', async () => {
    const model = openModel()
    const flow = await submit(model, fanOut)
    await flow.end('a', 'success')
    const { report, seen } = await pass(dependencyReconciler(), model)
    expect(report).toMatchObject({ processed: 0, errors: 0 })
    expect(seen.counts).toEqual({})
  })

  it('catches edges whose completion was lost, and says so', async () => {
    const model = openModel({ inlineResolveEdges: 0 })
    const flow = await submit(model, fanOut)
    await flow.end('a', 'success')
    model.store.outbox.clear()
    const { report, seen } = await pass(dependencyReconciler(), model)
    expect(report.processed).toBe(4)
    expect(seen.counts).toEqual({
      'dependency_reconciler_found_total{edge_resolved}': 2,
      'dependency_reconciler_found_total{group_decided}': 2,
    })
    expect(await flow.states()).toMatchObject({ b: 'waiting', c: 'waiting' })
  })

  it('names a policy of a newer version, and takes it neither for a change nor for a failure', async () => {
    const model = openModel()
    const flow = await submit(model, fanOut)
    const group = must(model.store.flows.get(flow.flowId)?.groups.get(flow.id('b')), 'the group')
    group.join = null
    await flow.end('a', 'success')
    const { report, seen } = await pass(dependencyReconciler(), model)
    expect(report).toMatchObject({ processed: 0, errors: 0 })
    expect(seen.counts).toEqual({ 'dependency_reconciler_found_total{unknown_policy}': 1 })
  })
})

describe('the flow projector', () => {
  it('streams all live flows in batches, and a second pass changes nothing', async () => {
    const model = openModel()
    const flows = []
    for (let each = 0; each < 5; each++) flows.push(await submit(model, fanOut))
    const first = await pass(flowProjector({ max: 2 }), model)
    expect(first.report).toMatchObject({ processed: 5, errors: 0 })
    for (const flow of flows) expect((await flow.flow()).summary.totalMembers).toBe(3)
    const second = await pass(flowProjector({ max: 2 }), model)
    expect(second.report.processed).toBe(0)
    expect(second.seen.counts).toEqual({ 'flow_projection_total{unchanged}': 5 })
  })

  it('a batch that fails half-way costs one error, and what was done stays counted', async () => {
    const model = openModel()
    for (let each = 0; each < 4; each++) await submit(model, fanOut)
    const project = model.resolution.projectSummaries
    let calls = 0
    Object.assign(model.resolution, {
      projectSummaries: (params: Parameters<typeof project>[0]) => {
        calls++
        if (calls === 2) throw new Error('the store went away')
        return project(params)
      },
    })
    const { report } = await pass(flowProjector({ max: 2 }), model)
    expect(report).toMatchObject({ processed: 2, errors: 1 })
  })

  it('a batch that fails at the start fails the pass', async () => {
    const model = openModel()
    await model.maintenance.close()
    await expect(pass(flowProjector(), model)).rejects.toMatchObject({ code: 'closed' })
  })
})
