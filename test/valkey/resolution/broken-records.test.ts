import { type ExecutionId, parseNamespace, uuidOf } from '@flowfabric/core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createTestBackend, type ValkeyInside } from '../../support/backends.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { inNamespace } from '../../support/use-store.js'

async function open(inlineResolveEdges: number | undefined) {
  const opened = await createTestBackend({ name: 'valkey', partitions: { flow: 1 }, inlineResolveEdges })
  onTestFinished(() => opened.close())
  const inside = opened.inside as ValkeyInside
  const store = inNamespace(opened, parseNamespace('broken'))
  const breakPart = (id: ExecutionId, part: string) =>
    inside.send('SET', `${inside.keyPrefix}:exec:{fp:0}:${uuidOf(id)}:${part}`, 'garbage')
  return { store, inside, breakPart }
}

describe('records that do not decode', () => {
  it.each([0, undefined])(
    'stop no neighbour: their edges stay pending and are told, inline %s',
    async (inline) => {
      const { store, breakPart } = await open(inline)
      const flow = await FlowDriver.submit(store, {
        a: {},
        b: { after: ['a'] },
        broken: { after: ['a'] },
        c: { after: ['a'] },
      })
      await breakPart(flow.id('broken'), 'group')
      await flow.start('a')
      expect(await flow.complete('a')).toBe('completed')
      const entryId = await store.entryOf(flow.id('a'))
      const answer = await store.backend.resolution.dispatchCompletion({ entryId })
      expect(answer).toMatchObject({ outcome: 'advanced', edges: inline === 0 ? 2 : 0 })
      expect(answer.outcome === 'advanced' && answer.corrupt).toEqual([
        `${uuidOf(flow.id('a'))}>${uuidOf(flow.id('broken'))}`,
      ])
      expect((await flow.tryStart('b', 'c')).sort()).toEqual(['b', 'c'])
      // It is taken again, later and later.
      expect(await store.entryOf(flow.id('a'))).toBe(entryId)
      expect((await store.backend.maintenance.pulse({ partitions: store.partitions })).partitions).toEqual([
        expect.objectContaining({ pending: expect.not.arrayContaining(['outbox']) }),
      ])
    },
  )

  it('put off their own entry alone', async () => {
    const { store, inside, breakPart } = await open(0)
    const flow = await FlowDriver.submit(store, {
      a: {},
      b: {},
      c: {},
      x: { after: ['a'] },
      y: { after: ['b'] },
      z: { after: ['c'] },
    })
    for (const name of ['a', 'b', 'c']) await flow.end(name, 'success')
    const entry = await store.entryOf(flow.id('a'))
    await inside.send('HSET', `${inside.keyPrefix}:idx:{fp:0}:outbox`, entry.slice(-36), 'garbage')
    await breakPart(flow.id('b'), 'core')
    const [partition] = store.partitions
    if (partition === undefined) throw new Error('no partition')
    const { items, more } = await store.backend.resolution.dispatchCompletions({ partition, max: 10 })
    expect(items.map(({ outcome }) => outcome)).toEqual(['error', 'error', 'advanced'])
    expect(more).toBe(false)
    expect(await flow.tryStart('z')).toEqual(['z'])
  })
})

describe('lost entries', () => {
  it('hold no flow open for ever: the net counts them anew', async () => {
    const { store } = await open(0)
    const flow = await FlowDriver.submit(store, { a: {}, b: { after: ['a'] } })
    await flow.end('a', 'failed')
    const [partition] = store.partitions
    if (partition === undefined) throw new Error('no partition')
    const reconcile = () => store.backend.resolution.reconcileDependencies({ partition, max: 100 })
    await store.faults.dropOutbox()
    expect((await reconcile()).items).not.toEqual([])
    expect(await flow.states()).toEqual({ a: 'failed', b: 'skipped' })
    // The end of the last member, and after it the settlement.
    for (let lost = 0; lost < 2; lost += 1) {
      await store.faults.dropOutbox()
      expect((await reconcile()).items).toEqual([])
    }
    await flow.settle()
    expect((await flow.flow()).state).toBe('failed')
  })
})
