import { engineError } from '@flowfabric/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Checked, EndWaiter } from './end-waiter.js'

/** Records of ends, and how often they were read. */
function createRecords() {
  const ends = new Map<string, Checked<string>>()
  const checks: string[][] = []
  let failure: unknown
  const fail = (error: unknown) => {
    failure = error
  }
  const waiter = new EndWaiter<string>({
    batchMax: 2,
    check: async (ids) => {
      checks.push([...ids])
      if (failure !== undefined) throw failure
      return ids.map((id) => ends.get(id))
    },
  })
  return { ends, checks, waiter, fail }
}

describe('waiting for an end', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
  afterEach(() => void vi.useRealTimers())

  test('reads the record once at first, so that an end that was there is found', async () => {
    const { ends, checks, waiter } = createRecords()
    ends.set('a', { end: 'done' })
    expect(await waiter.wait('a')).toBe('done')
    expect(checks).toEqual([['a']])
  })

  test('reads it again on a hint, and only then', async () => {
    const { ends, checks, waiter } = createRecords()
    const wait = waiter.wait('a')
    await vi.advanceTimersByTimeAsync(900)
    waiter.notice('b')
    expect(checks).toEqual([['a']])
    ends.set('a', { end: 'done' })
    waiter.notice('a')
    expect(await wait).toBe('done')
    expect(checks).toHaveLength(2)
  })

  test('covers lost hints by a re-check that backs off from 1 s to 10 s', async () => {
    const { checks, waiter } = createRecords()
    void waiter.wait('a').catch(() => undefined)
    const readsBy: number[] = []
    for (const untilMs of [990, 1_010, 3_010, 7_010, 15_010, 25_010, 35_010]) {
      await vi.advanceTimersByTimeAsync(untilMs - performance.now())
      readsBy.push(checks.length)
    }
    expect(readsBy).toEqual([1, 2, 3, 4, 5, 6, 7])
    waiter.close(new Error('over'))
  })

  test('reads many in few batches', async () => {
    const { ends, checks, waiter } = createRecords()
    const waits = ['a', 'b', 'c'].map((id) => {
      ends.set(id, { end: id })
      return waiter.wait(id)
    })
    expect(await Promise.all(waits)).toEqual(['a', 'b', 'c'])
    expect(checks).toEqual([['a', 'b'], ['c']])
  })

  test('answers nothing when the time is over, and leaves no timer', async () => {
    const { waiter } = createRecords()
    const wait = waiter.wait('a', 200)
    await vi.advanceTimersByTimeAsync(201)
    expect(await wait).toBeUndefined()
    expect(waiter.isIdle).toBe(true)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('goes on while the store is away, and ends with an error that no re-check cures', async () => {
    const { waiter, fail } = createRecords()
    fail(engineError('store_unreachable', 'away'))
    const wait = waiter.wait('a')
    const outcome = wait.catch((error: unknown) => error)
    await vi.advanceTimersByTimeAsync(3_100)
    expect(waiter.isIdle).toBe(false)
    fail(engineError('forbidden', 'no'))
    await vi.advanceTimersByTimeAsync(10_000)
    expect(await outcome).toMatchObject({ code: 'forbidden' })
  })
})
