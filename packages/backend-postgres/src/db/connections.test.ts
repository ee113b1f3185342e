import { EventEmitter } from 'node:events'
import type pg from 'pg'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createConnections } from './connections.js'

/** What `createConnections` uses of a pool. */
class AnyPool {
  readonly options: { readonly max: number }
  isDown = false

  constructor(max: number) {
    this.options = { max }
  }

  async connect(): Promise<pg.PoolClient> {
    if (this.isDown) throw new Error('no server')
    return Object.assign(new EventEmitter(), { release: () => {} }) as unknown as pg.PoolClient
  }
}

function aPool(max = 10) {
  const pool = new AnyPool(max)
  const connections = createConnections(pool as unknown as pg.Pool)
  const lent: pg.PoolClient[] = []
  return {
    pool,
    connections,
    lent,
    /** Asks for so many, and answers how many are lent by then. */
    async ask(count: number): Promise<number> {
      for (let i = 0; i < count; i += 1) void connections.lend().then((client) => lent.push(client))
      await vi.advanceTimersByTimeAsync(0)
      return lent.length
    },
    async giveBack(broken?: Error): Promise<number> {
      connections.giveBack(lent.shift() as pg.PoolClient, broken)
      await vi.advanceTimersByTimeAsync(0)
      return lent.length
    },
    async after(ms: number): Promise<number> {
      await vi.advanceTimersByTimeAsync(ms)
      return lent.length
    },
  }
}

describe('connections', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('outlives the loss of one that is lent and does nothing', async () => {
    const { ask, giveBack, lent } = aPool()
    await ask(1)
    const [client] = lent
    expect(() => client?.emit('error', new Error('terminated'))).not.toThrow()
    await giveBack()
    expect(client?.listenerCount('error')).toBe(0)
  })

  it('lends few at first, and what is given back to whoever waits', async () => {
    const { ask, giveBack } = aPool()
    expect(await ask(6)).toBe(4)
    expect(await giveBack()).toBe(4)
    expect(await giveBack()).toBe(4)
    expect(await giveBack()).toBe(3)
  })

  it('serves in order of arrival', async () => {
    const { ask, connections, giveBack } = aPool()
    await ask(4)
    const order: string[] = []
    void connections.lend().then(() => order.push('first'))
    void connections.lend().then(() => order.push('second'))
    await giveBack()
    expect(order).toEqual(['first'])
    await giveBack()
    expect(order).toEqual(['first', 'second'])
  })

  it('uses one more when nothing comes back for 50 ms, and so on up to the maximum', async () => {
    const { ask, after } = aPool(6)
    expect(await ask(8)).toBe(4)
    expect(await after(49)).toBe(4)
    expect(await after(2)).toBe(5)
    // From here on the pool's own queue and its time limit have the say.
    expect(await after(50)).toBe(8)
  })

  it('uses one more when callers have waited for half a second without a break, though some come back', async () => {
    const { ask, giveBack, after } = aPool()
    await ask(30)
    for (let ms = 0; ms < 500; ms += 20) {
      expect(await giveBack()).toBe(4)
      await ask(1)
      await after(20)
    }
    expect(await after(1)).toBe(5)
  })

  it('does not count pauses in which nobody waited', async () => {
    const { ask, giveBack, after } = aPool()
    await ask(4)
    for (let round = 0; round < 40; round += 1) {
      expect(await ask(1)).toBe(4)
      await after(30)
      expect(await giveBack()).toBe(4)
      await after(30)
    }
  })

  it('begins with few again when none was used any more', async () => {
    const { ask, after, giveBack } = aPool()
    await ask(5)
    expect(await after(51)).toBe(5)
    for (let i = 0; i < 4; i += 1) await giveBack()
    expect(await ask(5)).toBe(5)
    for (let i = 0; i < 6; i += 1) await giveBack()
    expect(await ask(5)).toBe(4)
  })

  it('does not take one look without anything given back for a stall: its own process may have been busy', async () => {
    const { ask, giveBack, after } = aPool()
    await ask(20)
    for (let round = 0; round < 6; round += 1) {
      await giveBack()
      expect(await after(45)).toBe(4)
    }
  })

  it('a small pool is left to itself', async () => {
    const { ask } = aPool(2)
    expect(await ask(3)).toBe(3)
  })

  it('refuses who waits and who comes once it is closed', async () => {
    const { ask, connections, giveBack } = aPool()
    await ask(4)
    const waiting = connections.lend()
    connections.close()
    await expect(waiting).rejects.toMatchObject({ code: 'closed' })
    await expect(connections.lend()).rejects.toMatchObject({ code: 'closed' })
    expect(await giveBack()).toBe(3)
  })

  it('a connection that could not be made leaves its place to the next', async () => {
    const { pool, connections, ask } = aPool()
    pool.isDown = true
    for (let i = 0; i < 9; i += 1) await expect(connections.lend()).rejects.toThrow('no server')
    pool.isDown = false
    expect(await ask(4)).toBe(4)
  })
})
