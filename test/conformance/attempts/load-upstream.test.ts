import { parseNamespace } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { bytesOf, codeOf, submitOne } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'

describe('attempts.loadUpstream', () => {
  const store = useStore()
  const load = async (executionId: string, more: object = {}) =>
    store().backend.attempts.loadUpstream({
      namespace: store().namespace,
      executionId: executionId as never,
      ...more,
    })

  it('is empty until the group has decided, and for what has no upstreams', async () => {
    const flow = await FlowDriver.submit(store(), { a: {}, b: { after: { a: 'input' } } })
    expect((await load(flow.id('b'))).items).toEqual([])
    expect((await load(flow.id('a'))).items).toEqual([])
    expect((await load(await submitOne(store()))).items).toEqual([])
  })

  it('tells what each named upstream had come to when the group decided, and never changes', async () => {
    const flow = await FlowDriver.submit(store(), {
      quick: {},
      broken: {},
      slow: {},
      unnamed: {},
      join: {
        after: { quick: 'c_quick', broken: 'a_broken', slow: 'b_slow' },
        join: { policy: { kind: 'any_of', onSatisfied: 'let_run' } },
      },
    })
    await flow.end('broken', 'failed')
    await flow.settle()
    await flow.start('quick', 'slow')
    await flow.complete('quick', 'done')
    await flow.settle()
    const expected = [
      {
        as: 'a_broken',
        executionId: flow.id('broken'),
        publicState: 'failed',
        satisfied: false,
        result: null,
      },
      { as: 'b_slow', executionId: flow.id('slow'), publicState: 'active', satisfied: false, result: null },
      {
        as: 'c_quick',
        executionId: flow.id('quick'),
        publicState: 'completed',
        satisfied: true,
        result: bytesOf('done'),
      },
    ]
    expect((await load(flow.id('join'))).items).toEqual(expected)
    await flow.complete('slow', 'too late')
    await flow.settle()
    expect((await load(flow.id('join'))).items).toEqual(expected)
    await flow.start('join')
    expect(flow.lease('join').upstream).toEqual(expected)
  })

  it('pages by name', async () => {
    const flow = await FlowDriver.submit(store(), {
      a: {},
      b: {},
      c: {},
      join: { after: { a: 'x', b: 'z', c: 'y' } },
    })
    for (const name of ['a', 'b', 'c']) await flow.end(name, 'success')
    await flow.settle()
    const first = await load(flow.id('join'), { limit: 2 })
    const second = await load(flow.id('join'), { limit: 2, cursor: first.nextCursor })
    expect([first, second].map(({ items }) => items.map(({ as }) => as))).toEqual([['x', 'y'], ['z']])
    expect(second.nextCursor).toBeNull()
  })

  it('is refused for unknown and foreign executions, and for bad cursors', async () => {
    const id = await submitOne(store())
    expect(await codeOf(load(store().aSolo().id))).toBe('execution_not_found')
    expect(await codeOf(load(id, { namespace: parseNamespace('foreign') }))).toBe('execution_not_found')
    expect(await codeOf(load(id, { cursor: 'nonsense' }))).toBe('invalid_cursor')
  })
})
