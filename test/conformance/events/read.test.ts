import {
  type EngineEvent,
  eventTypes,
  type Hint,
  parseLaneId,
  parseNamespace,
  type ReadEvents,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf, submitOne } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('events.read', () => {
  const store = useStore({ partitions: { flow: 4 } })

  /** Some stores number their events after commit, by the partition's owner. */
  async function number(): Promise<void> {
    for (const partition of store().partitions)
      await store().backend.maintenance.upkeep({ partition, max: 500 })
  }

  async function read(params: Omit<ReadEvents, 'namespace'> = {}) {
    await number()
    return store().backend.events.read({ namespace: store().namespace, ...params })
  }

  async function readAll(params: Omit<ReadEvents, 'namespace'> = {}) {
    const events: EngineEvent[] = []
    let { cursor } = params
    for (;;) {
      const page = await read({ ...params, cursor })
      events.push(...page.events)
      if (page.cursor === cursor) return { events, cursor }
      cursor = page.cursor
    }
  }

  const keyOf = (event: EngineEvent) => `${event.partition}#${event.number}`

  async function happen(flows = 3): Promise<FlowDriver[]> {
    const drivers = []
    for (let i = 0; i < flows; i += 1) {
      const flow = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] } })
      await flow.end('a', i % 2 === 0 ? 'success' : 'failed')
      await flow.settle()
      drivers.push(flow)
    }
    return drivers
  }

  it('cursor exactly once, over all partitions: pages of any size give each event once and in order', async () => {
    await happen(6)
    const { events } = await readAll({ limit: 1_000 })
    expect(events.length).toBeGreaterThan(20)
    expect(new Set(events.map(keyOf)).size).toBe(events.length)
    for (const limit of [1, 3, 7]) {
      const paged = await readAll({ limit })
      expect(paged.events.map(keyOf).sort()).toEqual(events.map(keyOf).sort())
      expectOrdered(paged.events)
    }
    expectOrdered(events)
  })

  it('a chain of cursors goes on with what comes later, and nothing twice', async () => {
    await happen(2)
    const first = await readAll()
    await happen(2)
    const second = await readAll({ cursor: first.cursor })
    const everything = await readAll()
    expect([...first.events, ...second.events].map(keyOf).sort()).toEqual(everything.events.map(keyOf).sort())
    expect((await readAll({ cursor: second.cursor })).events).toEqual([])
  })

  it('a cursor outlives the process that gave it', async () => {
    await happen(1)
    const { cursor } = await read({ limit: 2 })
    const rest = await readAll({ cursor })
    // The same text, as another process would bring it.
    const again = await readAll({ cursor: JSON.parse(JSON.stringify(cursor)) as string })
    expect(again.events).toEqual(rest.events)
    expect(rest.events.length).toBeGreaterThan(0)
  })

  it("tells a flow's story in order: what led to an event comes before it", async () => {
    const [flow] = await happen(1)
    const { events } = await readAll({ filter: { flowId: flow?.flowId } })
    const story = events.map((event) =>
      event.type === 'execution'
        ? `${event.name} ${event.publicState}`
        : event.type === 'flow'
          ? `flow ${event.state}`
          : event.type === 'signal'
            ? event.name
            : event.change,
    )
    const at = (line: string) => story.indexOf(line)
    for (const line of ['flow open', 'a active', 'a completed', 'b waiting'])
      expect(at(line), line).toBeGreaterThan(-1)
    expect(at('a waiting')).toBeLessThan(at('a active'))
    expect(at('a active')).toBeLessThan(at('a completed'))
    expect(at('a completed')).toBeLessThan(at('b waiting'))
  })

  it('numbers rise within a partition', async () => {
    await happen(4)
    const { events } = await readAll()
    const last = new Map<string, number>()
    for (const { partition, number } of events) {
      expect(number).toBeGreaterThan(last.get(partition) ?? 0)
      last.set(partition, number)
    }
  })

  it('filters by execution, flow, lane and type; its cursor moves on all the same', async () => {
    const [one, two] = await happen(2)
    const only = async (filter: ReadEvents['filter']) => (await readAll({ filter })).events
    expect(
      new Set((await only({ flowId: one?.flowId })).map((event) => 'flowId' in event && event.flowId)),
    ).toEqual(new Set([one?.flowId]))
    const ofA = await only({ executionId: two?.id('a') })
    expect(ofA.map((event) => event.type === 'execution' && event.executionId)).toEqual(
      ofA.map(() => two?.id('a')),
    )
    expect(ofA.length).toBeGreaterThan(1)
    expect(new Set((await only({ types: ['flow'] })).map(({ type }) => type))).toEqual(new Set(['flow']))
    expect((await only({ types: [...eventTypes] })).length).toBe((await only(undefined)).length)
    expect(await only({ types: ['signal', 'budget'] })).toEqual([])
    expect(await codeOf(read({ filter: { types: ['colour' as never] } }))).toBe('invalid_params')
    expect((await only({ lane: parseLaneId('nobody') })).length).toBe(0)
    const page = await read({ filter: { lane: parseLaneId('nobody') }, limit: 1_000 })
    expect((await readAll({ cursor: page.cursor })).events).toEqual([])
  })

  it('begins with now when asked', async () => {
    await happen(1)
    const { events, cursor } = await read({ from: 'now' })
    expect(events).toEqual([])
    const [flow] = await happen(1)
    const later = await readAll({ cursor })
    expect(later.events.length).toBeGreaterThan(0)
    expect(new Set(later.events.map((event) => 'flowId' in event && event.flowId))).toEqual(
      new Set([flow?.flowId]),
    )
  })

  it("never shows another namespace's events", async () => {
    await happen(1)
    await number()
    const page = await store().backend.events.read({
      namespace: parseNamespace('elsewhere-events'),
      limit: 1_000,
    })
    expect(page.events).toEqual([])
  })

  it.each([
    ['terminal', ['completed']],
    ['all', ['waiting', 'active', 'completed']],
    ['none', []],
  ] as const)('shows of solo executions what the lane says: %s', async (eventLevel, expected) => {
    const { backend, namespace } = store()
    await backend.lanes.configure({ namespace, lane: parseLaneId('solos'), settings: { eventLevel } })
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    await worker.complete((await worker.claimOne()).handle)
    const states = (await store().eventsOf(id)).map(({ publicState }) => publicState)
    expect(states).toEqual(expected)
  })

  it('refuses a cursor that is none, and changes nothing by it', async () => {
    await expect(read({ cursor: 'no cursor' })).rejects.toMatchObject({ code: 'invalid_cursor' })
    await expect(read({ limit: 0 })).rejects.toMatchObject({ kind: 'validation' })
  })

  function expectOrdered(events: readonly EngineEvent[]): void {
    const numbers = new Map<string, number>()
    for (const event of events) {
      const object =
        'executionId' in event ? event.executionId : event.type === 'flow' ? event.flowId : event.budgetId
      expect(event.number).toBeGreaterThan(numbers.get(object) ?? 0)
      numbers.set(object, event.number)
    }
  }
})

describe('events.listen', () => {
  const store = useStore({})

  it('tells of ready work and of ends, and is silent once ended', async () => {
    const { backend } = store()
    const seen: string[] = []
    const stop = backend.events.listen({ onHint: (hint) => seen.push(hint.type) })
    const id = await submitOne(store())
    expect(seen).toContain('ready')
    const worker = new WorkerDriver(store())
    await worker.complete((await worker.claimOne()).handle)
    expect(seen).toContain('ended')
    stop()
    const before = seen.length
    await submitOne(store())
    expect(seen.length).toBe(before)
    expect(id).toBeDefined()
  })

  it('tells only of what was asked for', async () => {
    const { backend } = store()
    const seen: Hint[] = []
    const stop = backend.events.listen({ types: ['ended'], onHint: (hint) => seen.push(hint) })
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    await worker.complete((await worker.claimOne()).handle)
    expect(seen).toEqual([{ type: 'ended', id }])
    stop()
  })
})
