import { mintFlowId, parseNamespace } from '@flowfabric/core'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { readFacts } from '../../../packages/backend-valkey/src/flows/read-facts.js'
import { outcomeLetters } from '../../../packages/backend-valkey/src/records/letters.js'
import { createContext, createValkeyBackend } from '../../../packages/backend-valkey/src/valkey-backend.js'
import { createTestBackend } from '../../support/backends.js'
import { flowPartitions } from '../../support/drive.js'
import { FlowDriver, type FlowStage, type GraphPlan } from '../../support/flow-driver.js'
import { createTestValkey } from '../../support/servers/test-valkey.js'
import { inNamespace, type TestStore } from '../../support/use-store.js'

/** More than one call of the library changes. */
const MANY = 230

const many = (n: number, node: (place: number) => GraphPlan[string] = () => ({})): GraphPlan =>
  Object.fromEntries(Array.from({ length: n }, (_, place) => [`n${place}`, node(place)] as const))

async function openStore(options: { readonly inlineResolveEdges?: number } = {}): Promise<TestStore> {
  const opened = await createTestBackend({ name: 'valkey', partitions: { flow: 1 }, ...options })
  onTestFinished(() => opened.close())
  return inNamespace(opened, parseNamespace('steps'))
}

describe.each([0, 64])('what goes on in steps, resolving %i edges inline', (inlineResolveEdges) => {
  it('a cancel ends all members as if it were one step, and lets the finaliser run', async () => {
    const store = await openStore({ inlineResolveEdges })
    const flow = await FlowDriver.submit(store, {
      ...many(MANY),
      first: { after: ['n0', 'n229'] },
      tidy: { after: ['n0', 'n229', 'first'], join: { runOn: 'always', policy: { kind: 'any_of' } } },
    })
    await flow.start('n0')
    expect(await flow.cancel('cancel_all')).toEqual({ outcome: 'cancelling', remaining: 1, failures: [] })
    await flow.settle()
    const { tidy, ...others } = await flow.states()
    expect(tidy).toBe('waiting')
    expect(new Set(Object.values(others))).toEqual(new Set(['cancelled']))
    expect((await flow.execution('first')).cancelCause).toBe('flow')
    await store.expectNoIndexFindings()
  })

  it('a deadline expires all members, and decides nothing in between', async () => {
    const store = await openStore({ inlineResolveEdges })
    const plan = { ...many(MANY), child: { after: ['n0'] } }
    const flow = await FlowDriver.submit(store, plan, { deadlineMs: 1_000 })
    await store.pass(1_000)
    expect(new Set(Object.values(await flow.states()))).toEqual(new Set(['expired']))
    expect((await flow.flow()).state).toBe('failed')
    await store.expectNoIndexFindings()
  })

  it('losers and all that only fed them are cancelled, however many there are', async () => {
    const store = await openStore({ inlineResolveEdges })
    const flow = await FlowDriver.submit(store, {
      ...many(MANY, (place) => (place === 0 ? {} : { after: [`n${place - 1}`] })),
      win: {},
      race: { after: ['win', `n${MANY - 1}`], join: { policy: { kind: 'any_of' } } },
    })
    await flow.end('win', 'success')
    await flow.settle()
    const { win, race, ...others } = await flow.states()
    expect([win, race]).toEqual(['completed', 'waiting'])
    expect(new Set(Object.values(others))).toEqual(new Set(['cancelled']))
    expect((await flow.execution('n0')).cancelCause).toBe('ancestor')
    await store.expectNoIndexFindings()
  })

  it('a replay of many members reopens them all, with new inputs', async () => {
    const store = await openStore({ inlineResolveEdges })
    const flow = await failedFan(store)
    const answer = await flow.replay(['root'], { root: 'forked' })
    expect(answer.outcome === 'replayed' ? answer.ids.length : answer).toBe(MANY + 1)
    expect(await flow.flow()).toMatchObject({ state: 'open', generation: 2 })
    await flow.settle()
    const { root, other, ...children } = await flow.states()
    expect([root, other]).toEqual(['waiting', 'completed'])
    expect(new Set(Object.values(children))).toEqual(new Set(['waiting_children']))
    await flow.start('root')
    expect(Buffer.from(flow.lease('root').input ?? []).toString()).toBe('forked')
    await flow.complete('root')
    await flow.settle()
    expect(await flow.state('n229')).toBe('waiting')
    await store.expectNoIndexFindings()
  })
})

/** A root that failed, all that it skipped, and one that did well. */
async function failedFan(stage: FlowStage): Promise<FlowDriver> {
  const plan = { root: {}, ...many(MANY, () => ({ after: ['root'] })), other: {} }
  const flow = await FlowDriver.submit(stage, plan)
  await flow.end('root', 'failed')
  await flow.end('other', 'success')
  await flow.settle()
  return flow
}

describe('a replay whose process dies', () => {
  async function open() {
    const { url, drop } = await createTestValkey()
    onTestFinished(() => drop())
    const options = { url, partitions: { flow: 1, budget: 1, quota: 1 }, dispatchInProcess: false }
    const backend = createValkeyBackend(options)
    const { ctx, close } = createContext(options)
    onTestFinished(async () => {
      await Promise.all([backend.maintenance.close(), close()])
    })
    await backend.maintenance.prepare({ virtualTime: { startMs: 1_000_000 } })
    const flow = await failedFan({
      backend,
      namespace: parseNamespace('steps'),
      partitions: flowPartitions(1),
    })
    /** Its first step, and nothing more. */
    const begin = async (hasInputs: boolean, change: (outcome: string) => string = (outcome) => outcome) => {
      const facts = await readFacts(ctx, flow.flowId)
      const rows = facts.members
        .filter(({ name }) => name !== 'other')
        .map(({ id, outcome }): [string, string, string, number, string] => [
          id.slice(-36),
          change(outcomeLetters.write(outcome)),
          'k',
          0,
          '',
        ])
      const { namespace } = flow.stage
      const { revision, generation } = facts
      const { reply } = await ctx.invoke({
        name: 'flows_replay_begin',
        tag: 'fp:0',
        args: [namespace, flow.flowId, revision, generation, facts.change, true, rows, true, hasInputs],
      })
      expect(reply[0]).toBe('begun')
      expect((await flow.flow()).state).toBe('replaying')
    }
    return { backend, flow, begin }
  }

  it('is finished by the dispatcher, and nothing starts before', async () => {
    const { flow, begin } = await open()
    await begin(false)
    expect(await flow.tryStart('root')).toEqual([])
    await flow.settle()
    expect(await flow.flow()).toMatchObject({ state: 'open', generation: 2 })
    expect(await flow.tryStart('root')).toEqual(['root'])
  })

  it('is taken back when its inputs never come', async () => {
    const { backend, flow, begin } = await open()
    const before = await flow.graph()
    await begin(true)
    await flow.settle()
    expect((await flow.flow()).state).toBe('replaying')
    await backend.maintenance.advanceTime({ byMs: 60_000 })
    await flow.settle()
    expect(await flow.flow()).toMatchObject({ state: 'failed', generation: 1 })
    expect(await flow.graph()).toEqual(before)
  })

  it('is taken back when a member is not as the plan saw it', async () => {
    const { flow, begin } = await open()
    const before = await flow.graph()
    await begin(false, (letter) => (letter === 'f' ? 's' : letter))
    await flow.settle()
    expect(await flow.flow()).toMatchObject({ state: 'failed', generation: 1 })
    expect(await flow.graph()).toEqual(before)
    expect((await flow.replay('failed')).outcome).toBe('replayed')
  })

  it('is finished by a cancel that comes before the dispatcher', async () => {
    const { flow, begin } = await open()
    await begin(false)
    await flow.cancel('cancel_all')
    await flow.settle()
    expect(await flow.flow()).toMatchObject({ state: 'cancelled', generation: 2 })
  })
})

it('dispatches in the background what its calls leave, races included', async () => {
  const { url, drop } = await createTestValkey()
  onTestFinished(() => drop())
  const backend = createValkeyBackend({ url, partitions: { flow: 1, budget: 1, quota: 1 } })
  onTestFinished(() => backend.maintenance.close())
  await backend.maintenance.prepare()
  const stage = { backend, namespace: parseNamespace('background'), partitions: flowPartitions(1) }
  const flow = new FlowDriver(stage, mintFlowId())
  await flow.submit({
    root: {},
    ...many(MANY, () => ({ after: ['root'] })),
    slow: {},
    race: { after: ['root', 'slow'], join: { policy: { kind: 'any_of' } } },
  })
  await flow.end('root', 'success')
  await vi.waitFor(async () => {
    const { root, slow, ...others } = await flow.states()
    expect([root, slow]).toEqual(['completed', 'cancelled'])
    expect(new Set(Object.values(others))).toEqual(new Set(['waiting']))
  })
})
