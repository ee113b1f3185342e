import { describe, expect, it } from 'vitest'
import { limits } from '../limits.js'
import { createLaneShares } from './lane-shares.js'

const aLane = (id: number, weight: number) => ({ id, weight })

describe('lanes of a claim', () => {
  it('share by weight', () => {
    const shares = createLaneShares()
    const lanes = [aLane(1, 3), aLane(2, 1)]
    const given = new Map([
      [1, 0],
      [2, 0],
    ])
    for (let claim = 0; claim < 400; claim += 1) {
      const virtual = shares.virtualTimes(lanes)
      // One at a time, to the lane whose next one would end first.
      const ends = lanes.map(({ weight }, index) => (virtual[index] ?? 0) + 1 / weight)
      const chosen = (ends[0] ?? 0) <= (ends[1] ?? 0) ? 1 : 2
      given.set(chosen, (given.get(chosen) ?? 0) + 1)
      shares.charge(lanes, new Map([[chosen, 1]]), true)
    }
    expect(given.get(1)).toBeGreaterThanOrEqual(299)
    expect(given.get(1)).toBeLessThanOrEqual(301)
  })

  it('save little up while they have no work', () => {
    const shares = createLaneShares()
    const lanes = [aLane(1, 1), aLane(2, 1)]
    for (let claim = 0; claim < 1_000; claim += 1) shares.charge(lanes, new Map([[1, 10]]), true)
    const [busy = 0, idle = 0] = shares.virtualTimes(lanes)
    expect(busy - idle).toBe(limits.claimBatchMax)
  })

  it('begin anew when a claim has emptied all of them', () => {
    const shares = createLaneShares()
    const lanes = [aLane(1, 1), aLane(2, 1)]
    shares.charge(lanes, new Map([[1, 10]]), false)
    const [busy, idle] = shares.virtualTimes(lanes)
    expect(idle).toBe(busy)
  })
})
