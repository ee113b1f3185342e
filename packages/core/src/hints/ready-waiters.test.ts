import { describe, expect, it } from 'vitest'
import type { LaneId, Namespace } from '../names.js'
import { createReadyWaiters, type StartTimer } from './ready-waiters.js'

const lane = 'default/work'
const startTimer: StartTimer = (onEnd, ms) => {
  const timer = setTimeout(onEnd, ms)
  return () => clearTimeout(timer)
}
const hint = (count: number) =>
  ({ type: 'ready', namespace: 'default' as Namespace, lane: 'work' as LaneId, count }) as const

describe('claims that wait for work', () => {
  it('are woken one at a time, and no more of them than there is work', async () => {
    const waiters = createReadyWaiters(startTimer)
    const woken: number[] = []
    const waits = [0, 1, 2].map(async (index) => {
      const baton = await waiters.enter({}, new Set([lane])).wait(200, [])
      if (baton === undefined) return
      woken.push(index)
      waiters.pass(baton, 1)
    })
    waiters.onHint(hint(2))
    await Promise.all(waits)
    expect(woken).toEqual([0, 1])
  })

  it('hand on a hint that they could not use', async () => {
    const waiters = createReadyWaiters(startTimer)
    const first = waiters.enter({}, new Set([lane]))
    const second = waiters.enter({}, new Set([lane])).wait(1_000, [])
    waiters.onHint(hint(1))
    const baton = await first.wait(1_000, [])
    expect(baton).toBeDefined()
    if (baton !== undefined) waiters.pass(baton, 0)
    expect(await second).toBe(baton)
  })

  it('lose no hint that comes between the look and the wait', async () => {
    const waiters = createReadyWaiters(startTimer)
    const ticket = waiters.enter({}, new Set([lane]))
    waiters.onHint(hint(1))
    expect(await ticket.wait(10_000, [])).toMatchObject({ lane })
  })

  it('that leave hand on a hint that came meanwhile', async () => {
    const waiters = createReadyWaiters(startTimer)
    const leaving = waiters.enter({}, new Set([lane]))
    const staying = waiters.enter({}, new Set([lane])).wait(1_000, [])
    waiters.onHint(hint(1))
    leaving.leave()
    expect(await staying).toMatchObject({ lane })
  })

  it('never get the same hint twice', async () => {
    const waiters = createReadyWaiters(startTimer)
    const claim = {}
    const baton = await (async () => {
      const ticket = waiters.enter(claim, new Set([lane]))
      waiters.onHint(hint(0))
      return ticket.wait(100, [])
    })()
    const again = waiters.enter(claim, new Set([lane]))
    if (baton !== undefined) waiters.pass(baton, 0)
    expect(await again.wait(20, [])).toBeUndefined()
  })

  it('are not woken for other lanes, and end with their signal', async () => {
    const waiters = createReadyWaiters(startTimer)
    const controller = new AbortController()
    const wait = waiters.enter({}, new Set(['default/other'])).wait(10_000, [controller.signal])
    waiters.onHint(hint(1))
    controller.abort()
    expect(await wait).toBeUndefined()
  })
})
