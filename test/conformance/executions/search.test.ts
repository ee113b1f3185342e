import {
  type CountGrouping,
  type ExecutionFilter,
  type ExecutionId,
  type PublicState,
  parseKind,
  parseLaneId,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf, submitOne } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'

describe('executions by the time of their end', () => {
  const store = useStore()

  const list = async (filter: ExecutionFilter) => {
    const { backend, namespace } = store()
    const { items } = await backend.executions.list({ namespace, filter })
    expect((await backend.executions.count({ namespace, filter })).count).toBe(items.length)
    return items.map(({ id }) => id)
  }

  it('are those that have ended within both bounds, newest first by their creation', async () => {
    const { backend, namespace } = store()
    const ids: ExecutionId[] = []
    for (let n = 0; n < 4; n += 1) {
      ids.push(await submitOne(store()))
      await store().advance(10)
    }
    const beganMs = await store().nowMs()
    // The oldest ends last, and one doesn't.
    for (const id of [ids[2], ids[1], ids[0]]) {
      await backend.executions.cancel({ namespace, id: id as ExecutionId })
      await store().advance(10)
    }
    expect(await list({ endedFromMs: 0 })).toEqual([ids[2], ids[1], ids[0]])
    expect(await list({ endedFromMs: beganMs + 10 })).toEqual([ids[1], ids[0]])
    expect(await list({ endedBeforeMs: beganMs + 10 })).toEqual([ids[2]])
    expect(await list({ endedFromMs: beganMs + 10, endedBeforeMs: beganMs + 20 })).toEqual([ids[1]])
    expect(await list({ endedBeforeMs: beganMs })).toEqual([])
    expect(await list({ endedBeforeMs: 0 })).toEqual([])
    expect(await list({ endedFromMs: 0, states: ['waiting'] })).toEqual([])
    expect(await list({ endedFromMs: 0, states: ['cancelled'], createdFromMs: beganMs - 25 })).toEqual([
      ids[2],
    ])
    expect(await list({ endedFromMs: 0, createdBeforeMs: beganMs - 30 })).toEqual([ids[0]])
  })

  it('go by the end that stands: one that was replayed has none', async () => {
    const { backend, namespace } = store()
    const id = await submitOne(store())
    await backend.executions.cancel({ namespace, id })
    expect(await list({ endedFromMs: 0 })).toEqual([id])
    await backend.executions.replay({ namespace, id })
    expect(await list({ endedFromMs: 0 })).toEqual([])
  })

  it('are found among the members of a flow, too', async () => {
    const { backend, namespace } = store()
    const flow = await FlowDriver.submit(store(), { a: {}, b: {} })
    const nowMs = await store().nowMs()
    await store().advance(5)
    await backend.executions.cancel({ namespace, id: flow.id('a') })
    expect(await list({ flowId: flow.flowId, endedFromMs: nowMs + 5 })).toEqual([flow.id('a')])
    expect(await list({ flowId: flow.flowId, endedFromMs: nowMs + 6 })).toEqual([])
  })

  it('are found page by page', async () => {
    const { backend, namespace } = store()
    const ended = new Set<ExecutionId>()
    for (let n = 0; n < 12; n += 1) {
      const id = await submitOne(store())
      if (n % 3 === 0) continue
      await backend.executions.cancel({ namespace, id })
      ended.add(id)
      if (n % 2 === 0) await store().advance(1)
    }
    const seen: ExecutionId[] = []
    let cursor: string | undefined
    do {
      const filter = { endedFromMs: 0 }
      const page = await backend.executions.list({ namespace, filter, limit: 3, cursor })
      seen.push(...page.items.map(({ id }) => id))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    expect(seen).toHaveLength(ended.size)
    expect(new Set(seen)).toEqual(ended)
  })
})

describe('executions counted apart', () => {
  const store = useStore()

  const count = async (by: CountGrouping, filter?: ExecutionFilter) => {
    const { backend, namespace } = store()
    const answer = await backend.executions.count({ namespace, filter, by })
    expect((await backend.executions.count({ namespace, filter })).groups).toBeUndefined()
    const sum = (answer.groups ?? []).reduce((total, group) => total + group.count, 0)
    expect(sum).toBe(answer.count)
    return (answer.groups ?? []).map((group) => [group.name, group.count])
  }

  it('by lane, kind and state, the largest first, with and without a filter', async () => {
    const { backend, namespace } = store()
    const [fast, slow] = [parseLaneId('fast'), parseLaneId('slow')]
    const [mail, report] = [parseKind('mail'), parseKind('report')]
    const tags = { 'team.name': 'blue' }
    for (const more of [
      { lane: fast, kind: mail },
      { lane: fast, kind: report, tags },
      { lane: slow, kind: mail, delayMs: 60_000, tags },
    ])
      await submitOne(store(), more)
    const gone = await submitOne(store(), { lane: fast, kind: mail, tags })
    await backend.executions.cancel({ namespace, id: gone })

    expect(await count('lane')).toEqual([
      ['fast', 3],
      ['slow', 1],
    ])
    expect(await count('kind')).toEqual([
      ['mail', 3],
      ['report', 1],
    ])
    const states: readonly [PublicState, number][] = [
      ['waiting', 2],
      ['cancelled', 1],
      ['delayed', 1],
    ]
    expect(await count('state')).toEqual(states)
    expect(await count('state', { lane: fast })).toEqual([
      ['waiting', 2],
      ['cancelled', 1],
    ])
    expect(await count('lane', { states: ['waiting', 'delayed'] })).toEqual([
      ['fast', 2],
      ['slow', 1],
    ])
    expect(await count('kind', { lane: slow })).toEqual([['mail', 1]])
    expect(await count('kind', { tags })).toEqual([
      ['mail', 2],
      ['report', 1],
    ])
    expect(await count('lane', { tags, kind: mail })).toEqual([
      ['fast', 1],
      ['slow', 1],
    ])
    expect(await count('state', { endedFromMs: 0 })).toEqual([['cancelled', 1]])
    expect(await count('state', { createdFromMs: 0 })).toEqual(states)
    expect(await count('lane', { states: [] })).toEqual([])
    expect(await count('kind', { lane: parseLaneId('nobody') })).toEqual([])
  })

  it('of a flow alone', async () => {
    await submitOne(store())
    const flow = await FlowDriver.submit(store(), { a: {}, b: {}, c: { after: ['a'] } })
    expect(await count('state', { flowId: flow.flowId })).toEqual([
      ['waiting', 2],
      ['waiting_children', 1],
    ])
  })

  it('are refused by what there is not', async () => {
    const { backend, namespace } = store()
    for (const params of [
      { by: 'colour' },
      { filter: { endedFromMs: -1 } },
      { filter: { endedBeforeMs: 0.5 } },
    ])
      expect(await codeOf(backend.executions.count({ namespace, ...params } as never))).toBe('invalid_params')
  })
})
