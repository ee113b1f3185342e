import { engineError, isEngineError } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { createGroup } from './group-commit.js'

interface Item {
  readonly key: string
  readonly otherKey?: string
  readonly bytes?: number
  readonly isExtra?: boolean
  readonly isBad?: boolean
}

/** A group whose statements are recorded, each held until `release`. */
function aGroup(itemsMax = 64, secondAt?: number) {
  const batches: string[][] = []
  const gates: (() => void)[] = []
  const group = createGroup<Item, string>({
    itemsMax,
    secondAt,
    sizeOf: ({ bytes = 0 }) => bytes,
    isExtra: ({ isExtra }) => isExtra === true,
    keyOf: ({ key }) => key,
    otherKeyOf: ({ otherKey }) => otherKey,
    async run(items) {
      batches.push(items.map(({ key }) => key))
      await new Promise<void>((resolve) => gates.push(resolve))
      if (items.some(({ isBad }) => isBad)) throw engineError('nul_in_text', 'bad', { field: 'x' })
      return items.map(({ key }) => `done ${key}`)
    },
  })
  const release = async () => {
    await new Promise((resolve) => setImmediate(resolve))
    gates.shift()?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { group, batches, release }
}

describe('a group', () => {
  it('joins what comes in one turn, and what comes while a statement is under way', async () => {
    const { group, batches, release } = aGroup()
    const first = [group.add({ key: 'a' }), group.add({ key: 'b' })]
    await release()
    expect(await Promise.all(first)).toEqual(['done a', 'done b'])
    const second = group.add({ key: 'c' })
    await new Promise((resolve) => setImmediate(resolve))
    const third = [group.add({ key: 'd' }), group.add({ key: 'e' })]
    await release()
    await release()
    expect(await Promise.all([second, ...third])).toEqual(['done c', 'done d', 'done e'])
    expect(batches).toEqual([['a', 'b'], ['c'], ['d', 'e']])
  })

  it('ends a statement before it has too many bytes, unless one item alone has them', async () => {
    const { group, batches, release } = aGroup()
    const half = 2 * 1024 * 1024
    const all = [
      group.add({ key: 'a', bytes: half }),
      group.add({ key: 'b', bytes: half }),
      group.add({ key: 'c', bytes: 1 }),
      group.add({ key: 'd', bytes: 3 * half }),
      group.add({ key: 'extra', isExtra: true }),
      group.add({ key: 'e' }),
    ]
    for (let statement = 0; statement < 4; statement++) await release()
    await Promise.all(all)
    expect(batches).toEqual([['a', 'b'], ['c'], ['d', 'extra'], ['e']])
  })

  it('takes along what counts as none, also when it is full', async () => {
    const { group, batches, release } = aGroup(2)
    const all = [
      group.add({ key: 'a' }),
      group.add({ key: 'b' }),
      group.add({ key: 'extra', isExtra: true }),
      group.add({ key: 'c' }),
    ]
    await release()
    await release()
    await Promise.all(all)
    expect(batches).toEqual([['a', 'b', 'extra'], ['c']])
  })

  it('takes a second key as it takes the first', async () => {
    const { group, batches, release } = aGroup(2, 2)
    const all = [
      group.add({ key: 'a', otherKey: 'x' }),
      group.add({ key: 'b', otherKey: 'y' }),
      group.add({ key: 'c', otherKey: 'x' }),
      group.add({ key: 'y' }),
      group.add({ key: 'd', otherKey: 'a' }),
    ]
    await release()
    expect(batches).toEqual([
      ['a', 'b'],
      ['c', 'y'],
    ])
    await release()
    await release()
    await Promise.all(all)
    expect(batches).toEqual([['a', 'b'], ['c', 'y'], ['d']])
  })

  it('never puts two items of one key into a statement, and keeps their order', async () => {
    const { group, batches, release } = aGroup()
    const all = [
      group.add({ key: 'a' }),
      group.add({ key: 'b' }),
      group.add({ key: 'a' }),
      group.add({ key: 'c' }),
    ]
    await release()
    await release()
    await Promise.all(all)
    expect(batches).toEqual([
      ['a', 'b'],
      ['a', 'c'],
    ])
  })

  it('holds at most so many items', async () => {
    const { group, batches, release } = aGroup(2)
    const all = ['a', 'b', 'c'].map((key) => group.add({ key }))
    await release()
    await release()
    await Promise.all(all)
    expect(batches).toEqual([['a', 'b'], ['c']])
  })

  it('begins a second statement for many, a third for none, and runs no key twice at a time', async () => {
    const { group, batches, release } = aGroup(64, 2)
    const turn = () => new Promise((resolve) => setImmediate(resolve))
    const all = [group.add({ key: 'a' })]
    await turn()
    all.push(group.add({ key: 'b' }))
    await turn()
    expect(batches).toEqual([['a']])
    all.push(group.add({ key: 'c' }), group.add({ key: 'a' }))
    await turn()
    expect(batches).toEqual([['a'], ['b', 'c']])
    all.push(group.add({ key: 'd' }), group.add({ key: 'e' }))
    await turn()
    expect(batches).toHaveLength(2)
    for (let statement = 0; statement < 3; statement += 1) await release()
    expect(await Promise.all(all)).toHaveLength(6)
    expect(batches).toEqual([['a'], ['b', 'c'], ['a', 'd', 'e']])
  })

  it('finds the culprit of a failing statement in halves, and its neighbours are unharmed', async () => {
    const { group, batches, release } = aGroup()
    const all = ['a', 'b', 'c', 'd'].map((key) => group.add({ key, isBad: key === 'c' }))
    const settled = Promise.allSettled(all)
    for (let statement = 0; statement < 5; statement += 1) await release()
    expect((await settled).map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
    ])
    expect(batches).toEqual([['a', 'b', 'c', 'd'], ['a', 'b'], ['c', 'd'], ['c'], ['d']])
  })

  it('does not send again what a lost connection may have carried out', async () => {
    let statements = 0
    const group = createGroup<Item, string>({
      itemsMax: 64,
      keyOf: ({ key }) => key,
      async run() {
        statements += 1
        throw engineError('connection_lost', 'gone', {}, { mayHaveCommitted: true })
      },
    })
    const settled = await Promise.allSettled([group.add({ key: 'a' }), group.add({ key: 'b' })])
    for (const each of settled) {
      expect(each.status === 'rejected' && isEngineError(each.reason) && each.reason.mayHaveCommitted).toBe(
        true,
      )
    }
    expect(statements).toBe(1)
  })
})
