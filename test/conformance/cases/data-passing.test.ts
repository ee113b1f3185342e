import { describe, expect, it } from 'vitest'
import { FlowDriver, textOf } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'

const bytes = (text: string) => new TextEncoder().encode(text)

/** What the upstreams handed down: name, whether satisfied, state and result. */
function whatIsSeenBy(flow: FlowDriver, name: string) {
  return flow
    .lease(name)
    .upstream.map(({ as, satisfied, publicState, result }) => [as, satisfied, publicState, textOf(result)])
}

describe('data passing', () => {
  const store = useStore({})

  it('named upstream results', async () => {
    const input = bytes('its own')
    const flow = await FlowDriver.submit(store(), {
      one: {},
      two: {},
      three: {},
      join: { after: { one: 'a', two: 'b', three: 'c' }, input },
    })
    await flow.start('one', 'two', 'three')
    await flow.complete('one', 'first')
    await flow.complete('two', 'second')
    await flow.complete('three', null)
    await flow.settle()
    await flow.start('join')
    const seen = () => flow.lease('join').upstream.map((each) => ({ ...each, result: textOf(each.result) }))
    const expected = [
      { as: 'a', executionId: flow.id('one'), publicState: 'completed', satisfied: true, result: 'first' },
      { as: 'b', executionId: flow.id('two'), publicState: 'completed', satisfied: true, result: 'second' },
      { as: 'c', executionId: flow.id('three'), publicState: 'completed', satisfied: true, result: null },
    ]
    expect(seen()).toEqual(expected)
    expect(flow.lease('join').input).toEqual(input)
    expect(await flow.fail('join', { afterMs: 0 })).toBe('retrying')
    await flow.start('join')
    expect(flow.lease('join').attemptType).toBe('retry')
    expect(seen()).toEqual(expected)
    expect(flow.lease('join').input).toEqual(input)
  })

  it('ends of one call are seen together by the join that they decide', async () => {
    const flow = await FlowDriver.submit(store(), {
      one: {},
      two: {},
      join: {
        after: { one: 'a', two: 'b' },
        join: { policy: { kind: 'any_of', onSatisfied: 'let_run' } },
      },
    })
    await flow.start('one', 'two')
    const items = ['one', 'two'].map((name) => ({ handle: flow.lease(name).handle, result: bytes(name) }))
    const { backend, namespace } = store()
    const answer = await backend.leases.complete({ namespaces: [namespace], items })
    expect(answer.items.map(({ outcome }) => outcome)).toEqual(['completed', 'completed'])
    await flow.settle()
    await flow.start('join')
    expect(whatIsSeenBy(flow, 'join')).toEqual([
      ['a', true, 'completed', 'one'],
      ['b', true, 'completed', 'two'],
    ])
  })

  it('a join that decides in the same wave sees an upstream as it was before that was let go', async () => {
    const flow = await FlowDriver.submit(store(), {
      first: {},
      next: { after: ['first'] },
      join: {
        after: { first: 'a', next: 'b' },
        join: { policy: { kind: 'any_of', onSatisfied: 'let_run' } },
      },
    })
    await flow.start('first')
    await flow.complete('first', 'done')
    await flow.settle()
    await flow.start('join', 'next')
    expect(whatIsSeenBy(flow, 'join')).toEqual([
      ['a', true, 'completed', 'done'],
      ['b', false, 'waiting_children', null],
    ])
  })

  it('any_of gives exactly those that had succeeded at firing', async () => {
    const flow = await FlowDriver.submit(store(), {
      one: {},
      two: {},
      bad: {},
      join: {
        after: { one: 'a', two: 'b', bad: 'c' },
        join: { policy: { kind: 'any_of', onSatisfied: 'let_run' } },
      },
    })
    await flow.start('one', 'two', 'bad')
    await flow.fail('bad')
    await flow.settle()
    await flow.complete('one', 'first')
    await flow.settle()
    // What succeeds after the decision is not handed down, so that every attempt sees the same.
    await flow.complete('two', 'too late')
    await flow.settle()
    await flow.start('join')
    expect(whatIsSeenBy(flow, 'join')).toEqual([
      ['a', true, 'completed', 'first'],
      ['b', false, 'active', null],
      ['c', false, 'failed', null],
    ])
  })

  it('over the byte bound results are paged, and load', async () => {
    const size = 100_000
    const flow = await FlowDriver.submit(store(), {
      one: {},
      two: {},
      three: {},
      four: {},
      join: { after: { one: 'a', two: 'b', three: 'c', four: 'd' } },
    })
    const all = ['one', 'two', 'three', 'four']
    await flow.start(...all)
    for (const name of all) await flow.complete(name, name.padEnd(size, '.'))
    await flow.settle()
    await flow.start('join')
    const { upstream, upstreamTruncated } = flow.lease('join')
    expect(upstreamTruncated).toBe(true)
    expect(upstream.map(({ as }) => as)).toEqual(['a', 'b'])
    const { backend, namespace } = store()
    const loaded: (string | null)[] = []
    let cursor: string | undefined
    do {
      const page = await backend.attempts.loadUpstream({
        namespace,
        executionId: flow.id('join'),
        limit: 3,
        cursor,
      })
      loaded.push(...page.items.map(({ result }) => textOf(result)?.replaceAll('.', '') ?? null))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    expect(loaded).toEqual(all)
  })
})
