import type { LaneEntry } from '../db/catalog.js'

/**
 * Weighted fair sharing between the lanes of a claim. Each lane's virtual time grows by 1 / weight with each execution
 * it was given; the lane that is furthest behind goes first. A lane that had no work doesn't save up a claim to it.
 */
export interface LaneShares {
  /** The virtual times at which the lanes stand now, for the claim statement. */
  virtualTimes(lanes: readonly LaneEntry[]): readonly number[]
  /** Tells what a claim gave out, lane by lane. */
  charge(lanes: readonly LaneEntry[], claimedByLane: ReadonlyMap<number, number>): void
}

export function createLaneShares(): LaneShares {
  const finishes = new Map<number, number>()
  let floor = 0
  const startOf = (id: number) => Math.max(floor, finishes.get(id) ?? 0)
  return {
    virtualTimes: (lanes) => lanes.map(({ id }) => startOf(id)),
    charge(lanes, claimedByLane) {
      if (lanes.length < 2 || claimedByLane.size === 0) return
      let lowest = Number.POSITIVE_INFINITY
      for (const { id, weight } of lanes) {
        const claimed = claimedByLane.get(id)
        if (claimed === undefined) continue
        const start = startOf(id)
        finishes.set(id, start + claimed / weight)
        lowest = Math.min(lowest, start)
      }
      floor = Math.max(floor, lowest)
    },
  }
}
