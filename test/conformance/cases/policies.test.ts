import { terminalVector } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { FlowDriver } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'

const three = { a: {}, b: {}, c: {} }

describe.each([
  ['nothing inline', { inlineResolveEdges: 0 }],
  ['the default', {}],
])('policies, with %s', (_, options) => {
  const store = useStore(options)

  it('outcome buckets', async () => {
    const flow = await FlowDriver.submit(store(), {
      good: {},
      bad: {},
      gone: {},
      slow: { timeouts: { deadlineMs: 1_000 } },
      skip: { after: ['bad'] },
      join: {
        after: ['good', 'bad', 'gone', 'slow', 'skip'],
        join: { policy: { kind: 'any_of', onSatisfied: 'let_run' }, runOn: 'always' },
      },
    })
    await flow.end('good', 'success')
    await flow.end('bad', 'failed')
    await flow.end('gone', 'cancelled')
    await store().advance(1_000)
    await flow.settle()
    expect(await flow.states()).toMatchObject({
      good: 'completed',
      bad: 'failed',
      gone: 'cancelled',
      slow: 'expired',
      skip: 'skipped',
    })
    expect((await flow.group('join')).counters).toEqual({ n: 5, succeeded: 1, failed: 3, skipped: 1 })
  })

  it('all_of end to end', async () => {
    const plan = { ...three, join: { after: ['a', 'b', 'c'] } }
    const held = await FlowDriver.submit(store(), plan)
    await held.end('a', 'success')
    await held.end('b', 'success')
    await held.settle()
    expect(await held.tryStart('join')).toEqual([])
    await held.end('c', 'success')
    await held.settle()
    expect(await held.tryStart('join')).toEqual(['join'])
    expect(await held.tryStart('join')).toEqual([])

    const broken = await FlowDriver.submit(store(), plan)
    await broken.start('a', 'b', 'c')
    await broken.fail('a')
    await broken.settle()
    expect(await broken.states()).toEqual({ a: 'failed', b: 'active', c: 'active', join: 'skipped' })
    expect(await broken.complete('b')).toBe('completed')
    expect(await broken.complete('c')).toBe('completed')
    await broken.settle()
    expect((await broken.flow()).state).toBe('failed')
  })

  it('any_of first success', async () => {
    const policy = { kind: 'any_of', onSatisfied: 'let_run' } as const
    const flow = await FlowDriver.submit(store(), {
      ...three,
      join: { after: ['a', 'b', 'c'], join: { policy } },
    })
    await flow.start('a', 'b', 'c')
    await flow.complete('b')
    await flow.settle()
    expect(await flow.tryStart('join')).toEqual(['join'])
    const { epoch } = await flow.execution('join')
    await flow.fail('a')
    await flow.settle()
    expect((await flow.group('join')).counters).toEqual({ n: 3, succeeded: 1, failed: 1, skipped: 0 })
    await flow.complete('c')
    await flow.settle()
    expect(await flow.group('join')).toMatchObject({
      state: 'satisfied',
      counters: { n: 3, succeeded: 2, failed: 1, skipped: 0 },
    })
    expect(await flow.execution('join')).toMatchObject({ publicState: 'active', epoch, attemptCount: 1 })
    expect(await flow.tryStart('join')).toEqual([])
  })

  it('quorum headroom', async () => {
    const five = { a: {}, b: {}, c: {}, d: {}, e: {} }
    const lost = await FlowDriver.submit(store(), {
      ...five,
      join: { after: Object.keys(five), join: { policy: { kind: 'quorum', k: 3, onSatisfied: 'let_run' } } },
    })
    await lost.start(...Object.keys(five))
    for (const name of ['a', 'b']) await lost.fail(name)
    await lost.settle()
    expect(await lost.state('join')).toBe('waiting_children')
    await lost.fail('c')
    await lost.settle()
    expect(await lost.states()).toMatchObject({ join: 'skipped', d: 'active', e: 'active' })

    const won = await FlowDriver.submit(store(), {
      bad: {},
      skip: { after: ['bad'] },
      a: {},
      b: {},
      join: { after: ['skip', 'a', 'b'], join: { policy: { kind: 'quorum', k: 2 } } },
    })
    await won.end('bad', 'failed')
    await won.settle()
    expect(await won.states()).toMatchObject({ skip: 'skipped', join: 'waiting_children' })
    await won.end('a', 'success')
    await won.end('b', 'success')
    await won.settle()
    expect(await won.tryStart('join')).toEqual(['join'])
  })

  it('downstream already terminal', async () => {
    const flow = await FlowDriver.submit(store(), {
      ...three,
      join: { after: ['a', 'b', 'c'], join: { policy: { kind: 'any_of' } } },
    })
    await flow.start('a', 'b', 'c')
    await flow.cancelMember('join')
    await flow.settle()
    const before = await flow.execution('join')
    const eventsBefore = await store().eventsOf(flow.id('join'))
    await flow.complete('a')
    await flow.settle()
    expect(await flow.execution('join')).toEqual(before)
    expect(await store().eventsOf(flow.id('join'))).toEqual(eventsBefore)
    expect(await flow.group('join')).toMatchObject({ state: 'satisfied', cancelPending: false })
    expect(await flow.states()).toMatchObject({ b: 'cancelled', c: 'cancelled' })
    expect((await flow.execution('b')).cancelCause).toBe('sibling')
  })

  it('skip is a full transition', async () => {
    const flow = await FlowDriver.submit(store(), {
      a: {},
      b: { after: ['a'], timeouts: { deadlineMs: 60_000, queueTtlMs: 60_000 } },
      after: { after: ['b'], join: { policy: { kind: 'any_of' }, runOn: 'always' } },
    })
    await flow.end('a', 'failed')
    await flow.settle()
    const skipped = await flow.execution('b')
    expect(skipped).toMatchObject({
      state: terminalVector('skipped'),
      publicState: 'skipped',
      lease: null,
      failure: null,
      cancelCause: null,
      attemptCount: 0,
      terminalAtMs: await store().nowMs(),
    })
    const ends = (await store().eventsOf(flow.id('b'))).filter(({ publicState }) => publicState === 'skipped')
    expect(ends).toHaveLength(1)
    expect((await flow.group('after')).counters).toEqual({ n: 1, succeeded: 0, failed: 0, skipped: 1 })
    expect(await flow.state('after')).toBe('waiting')
    await store().expectNoIndexFindings()
    await store().advance(120_000)
    await flow.settle()
    expect(await flow.execution('b')).toEqual(skipped)
  })

  it('dependency never erases another block', async () => {
    const hourMs = 3_600_000
    const flow = await FlowDriver.submit(store(), {
      a: {},
      later: { after: ['a'], delayMs: hourMs },
      held: { after: ['a'] },
      early: { after: ['a'] },
    })
    const { backend, namespace } = store()
    const on = (name: string) => ({ namespace, id: flow.id(name) })
    expect((await backend.executions.hold(on('held'))).outcome).toBe('held')
    expect((await backend.executions.hold(on('early'))).outcome).toBe('held')
    expect((await backend.executions.release(on('early'))).outcome).toBe('released')
    // Lifting the hold before the group is satisfied frees nothing.
    expect(await flow.tryStart('early', 'held', 'later')).toEqual([])
    expect(await flow.state('early')).toBe('waiting_children')
    await flow.end('a', 'success')
    await flow.settle()
    expect(await flow.tryStart('held', 'later')).toEqual([])
    expect((await flow.execution('held')).state.blockingReason).toBe('paused_by_operator')
    expect(await flow.state('later')).toBe('delayed')
    expect(await flow.tryStart('early')).toEqual(['early'])
    expect((await backend.executions.release(on('held'))).outcome).toBe('released')
    expect(await flow.tryStart('held')).toEqual(['held'])
    await store().advance(hourMs)
    await flow.settle()
    expect(await flow.tryStart('later')).toEqual(['later'])
  })
})
