import {
  type ExecutionFilter,
  type ExecutionId,
  parseKind,
  parseLaneId,
  parseNamespace,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf, submitOne } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'

describe('executions.list and executions.count', () => {
  const store = useStore()

  const list = async (filter?: ExecutionFilter) => {
    const { backend, namespace } = store()
    const { items } = await backend.executions.list({ namespace, filter })
    expect((await backend.executions.count({ namespace, filter })).count).toBe(items.length)
    return items.map(({ id }) => id)
  }

  it('lists the newest first', async () => {
    const ids: ExecutionId[] = []
    for (let n = 0; n < 3; n += 1) {
      ids.unshift(await submitOne(store()))
      await store().advance(1)
    }
    expect(await list()).toEqual(ids)
  })

  it('filters by lane, kind, state, tags and time, all of which must match', async () => {
    const lane = parseLaneId('other')
    const nowMs = await store().nowMs()
    const plain = await submitOne(store())
    const inLane = await submitOne(store(), { lane })
    const ofKind = await submitOne(store(), { kind: parseKind('rare'), lane })
    const tagged = await submitOne(store(), { tags: { 'a.b': 'x', 'a.c': 'y' } })
    await store().advance(10)
    const delayed = await submitOne(store(), { delayMs: 1_000 })
    expect(new Set(await list({ lane }))).toEqual(new Set([inLane, ofKind]))
    expect(await list({ lane, kind: parseKind('rare') })).toEqual([ofKind])
    expect(await list({ tags: { 'a.b': 'x' } })).toEqual([tagged])
    expect(await list({ tags: { 'a.b': 'x', 'a.c': 'z' } })).toEqual([])
    expect(await list({ states: ['delayed', 'completed'] })).toEqual([delayed])
    expect(await list({ createdFromMs: nowMs + 10 })).toEqual([delayed])
    expect(new Set(await list({ createdBeforeMs: nowMs + 10 }))).toEqual(
      new Set([plain, inLane, ofKind, tagged]),
    )
  })

  it("filters by flow, and lists members among the namespace's executions", async () => {
    const solo = await submitOne(store())
    const flow = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] } })
    expect(new Set(await list({ flowId: flow.flowId }))).toEqual(new Set([flow.id('a'), flow.id('b')]))
    expect(await list()).toHaveLength(3)
    expect(await list({ states: ['waiting_children'] })).toEqual([flow.id('b')])
    expect(await list({ lane: parseLaneId('solos') })).toEqual([solo])
  })

  it("does not show another namespace's executions", async () => {
    await submitOne(store())
    const { backend } = store()
    const namespace = parseNamespace('foreign')
    expect((await backend.executions.list({ namespace })).items).toEqual([])
    expect((await backend.executions.count({ namespace })).count).toBe(0)
  })

  it('pages without skipping or repeating what existed when the listing began', async () => {
    const { backend, namespace } = store()
    const before: ExecutionId[] = []
    for (let n = 0; n < 5; n += 1) {
      before.push(await submitOne(store()))
      if (n % 2 === 0) await store().advance(1)
    }
    const seen: ExecutionId[] = []
    let cursor: string | undefined
    do {
      const page = await backend.executions.list({ namespace, limit: 2, cursor })
      seen.push(...page.items.map(({ id }) => id))
      cursor = page.nextCursor ?? undefined
      // What comes in the middle is newer than any cursor, and must not shift the rest.
      await store().advance(1)
      await submitOne(store())
    } while (cursor !== undefined)
    expect(seen).toHaveLength(5)
    expect(new Set(seen)).toEqual(new Set(before))
  })

  it.each([
    ['invalid_cursor', { cursor: 'nonsense' }],
    ['invalid_params', { limit: 0 }],
    ['limit_exceeded', { limit: 1_001 }],
    ['invalid_params', { filter: { states: ['running'] } }],
    ['invalid_lane_id', { filter: { lane: 'a b' } }],
    ['invalid_flow_id', { filter: { flowId: 'x' } }],
  ])('refuses a listing with %s', async (code, fault) => {
    const { backend, namespace } = store()
    expect(await codeOf(backend.executions.list({ namespace, ...fault } as never))).toBe(code)
  })

  it("refuses another listing's cursor", async () => {
    const { backend, namespace } = store()
    const id = await submitOne(store())
    const flow = await FlowDriver.submit(store(), { a: {}, b: {} })
    const page = await backend.flows.getGraph({ namespace, flowId: flow.flowId, limit: 1 })
    expect(await codeOf(backend.executions.list({ namespace, cursor: page.nextCursor ?? '' }))).toBe(
      'invalid_cursor',
    )
    expect(await list({ lane: parseLaneId('solos') })).toEqual([id])
  })
})
