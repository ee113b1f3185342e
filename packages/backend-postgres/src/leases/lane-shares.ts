import { limits } from '@flowfabric/core'
import type { LaneEntry } from '../db/catalog.js'

/**
 * Weighted fair sharing between the lanes of a claim. Each lane's virtual time grows by 1 / weight with each execution
 * it was given; the lane that is furthest behind goes first. A lane that had no work saves up little.
 */
export interface LaneShares {
  /** The virtual times at which the lanes stand now, for the claim statement. */
  virtualTimes(lanes: readonly LaneEntry[]): readonly number[]
  /** Tells what a claim gave out, lane by lane, and whether it got all that it asked for. */
  charge(lanes: readonly LaneEntry[], claimedByLane: ReadonlyMap<number, number>, isFull: boolean): void
}

/** As far as one claim can put lanes apart that all have work; a lane further behind had none. */
const CREDIT_MAX = limits.claimBatchMax

export function createLaneShares(): LaneShares {
  const finishes = new Map<number, number>()
  let floor = 0
  const startOf = (id: number) => Math.max(floor, finishes.get(id) ?? 0)
  return {
    virtualTimes: (lanes) => lanes.map(({ id }) => startOf(id)),
    charge(lanes, claimedByLane, isFull) {
      if (lanes.length < 2) return
      let latest = floor
      for (const { id, weight } of lanes) {
        const finish = startOf(id) + (claimedByLane.get(id) ?? 0) / weight
        finishes.set(id, finish)
        latest = Math.max(latest, finish)
      }
      // A claim that was not filled has emptied all of its lanes: they begin anew, side by side.
      floor = isFull ? Math.max(floor, latest - CREDIT_MAX) : latest
    },
  }
}
