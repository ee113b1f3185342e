/** What is known to be claimable in a partition: how many of each lane. */
export interface Offer {
  readonly lanes: ReadonlyMap<string, number>
}

export interface LaneShare {
  /** Where the lane stands; the one that is furthest behind goes first. */
  readonly virtualTime: number
  readonly weight: number
}

/**
 * How many of a claim each partition is asked for, in all exactly `max`: by what is known to be there, and where several
 * lanes have work, by their shares. What is known may be too little, so that the rest is asked for as well.
 */
export function allot(
  max: number,
  offers: readonly Offer[],
  shareOf: (lane: string) => LaneShare,
): readonly number[] {
  const only = offers.length === 1
  if (only) return [max]
  const left = offers.map(({ lanes }) => new Map(lanes))
  const allotted = offers.map(() => 0)
  const turns = new Map<string, number>()
  for (const { lanes } of offers) {
    for (const lane of lanes.keys()) {
      const { virtualTime, weight } = shareOf(lane)
      turns.set(lane, virtualTime + 1 / weight)
    }
  }
  let given = 0
  for (; given < max; given += 1) {
    const lane = earliest(turns)
    if (lane === undefined) break
    const index = richest(left, lane)
    if (index === undefined) {
      turns.delete(lane)
      given -= 1
      continue
    }
    allotted[index] = (allotted[index] ?? 0) + 1
    left[index]?.set(lane, (left[index]?.get(lane) ?? 0) - 1)
    turns.set(lane, (turns.get(lane) ?? 0) + 1 / shareOf(lane).weight)
  }
  for (let index = 0; given < max && offers.length > 0; given += 1, index = (index + 1) % offers.length) {
    allotted[index] = (allotted[index] ?? 0) + 1
  }
  return allotted
}

function earliest(turns: ReadonlyMap<string, number>): string | undefined {
  let best: string | undefined
  let bestTurn = Number.POSITIVE_INFINITY
  for (const [lane, turn] of turns) {
    if (turn >= bestTurn) continue
    best = lane
    bestTurn = turn
  }
  return best
}

/** Where most of the lane is left. */
function richest(left: readonly ReadonlyMap<string, number>[], lane: string): number | undefined {
  let best: number | undefined
  let most = 0
  left.forEach((lanes, index) => {
    const count = lanes.get(lane) ?? 0
    if (count <= most) return
    best = index
    most = count
  })
  return best
}
