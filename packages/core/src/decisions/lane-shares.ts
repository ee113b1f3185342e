import { limits } from '../limits.js'

/** A lane as the sharing sees it; its id is the store's. */
export interface SharingLane<Id> {
  readonly id: Id
  readonly weight: number
}

/**
 * Weighted fair sharing between the lanes of a claim. Each lane's virtual time grows by 1 / weight with each execution
 * it was given; the lane that is furthest behind goes first. A lane that had no work saves up little.
 */
export interface LaneShares<Id> {
  /** The virtual times at which the lanes stand now, for the claim statement. */
  virtualTimes(lanes: readonly SharingLane<Id>[]): readonly number[]
  /** Tells what a claim gave out, lane by lane, and whether it got all that it asked for. */
  charge(lanes: readonly SharingLane<Id>[], claimedByLane: ReadonlyMap<Id, number>, isFull: boolean): void
}

/** As far as one claim can put lanes apart that all have work; a lane further behind had none. */
const CREDIT_MAX = limits.claimBatchMax

export function createLaneShares<Id>(): LaneShares<Id> {
  const finishes = new Map<Id, number>()
  let floor = 0
  const startOf = (id: Id) => Math.max(floor, finishes.get(id) ?? 0)
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
