/**
 * What this process knows of lanes beyond their routes, by `<namespace>/<lane>`: shares between them, and which hand out
 * nothing although work waits in them, because they are paused or all of their slots are in use. Claims learn it from their
 * answers; that a lane has room again is told by whoever makes room.
 */
export interface KnownLanes {
  weightOf(lane: string): number
  learnWeight(lane: string, weight: number): void
  /** How often room was made in the lane, as far as it was heard. Read before a look that may find it resting. */
  changesOf(lane: string): number
  /** A look found that it hands out nothing. Not believed when room was made since `changes` was read. */
  rest(lane: string, changes: number): void
  isResting(lane: string): boolean
  /** Whether any lane is. */
  readonly hasResting: boolean
  /** Room was made. Answers whether somebody here may wait for it. */
  wake(lane: string): boolean
  /** What was told meanwhile may have been missed. */
  wakeAll(): void
}

/** After so long a lane is looked at again, since what woke it may have been lost. */
const REST_MS = 1_000
/** Claims that wait look again by themselves after this. */
const REMEMBERED_MS = 15_000

interface Rest {
  changes: number
  /** When a look found it so. */
  foundAt: number
  isOver: boolean
}

export function createKnownLanes(now: () => number = () => performance.now()): KnownLanes {
  const weights = new Map<string, number>()
  const rests = new Map<string, Rest>()

  const isResting = ({ isOver, foundAt }: Rest) => !isOver && now() - foundAt < REST_MS
  const restOf = (lane: string): Rest => {
    let rest = rests.get(lane)
    if (rest === undefined) {
      rest = { changes: 0, foundAt: Number.NEGATIVE_INFINITY, isOver: true }
      rests.set(lane, rest)
    }
    return rest
  }

  return {
    weightOf: (lane) => weights.get(lane) ?? 1,
    learnWeight(lane, weight) {
      if (weight === 1) weights.delete(lane)
      else weights.set(lane, weight)
    },
    changesOf: (lane) => restOf(lane).changes,
    rest(lane, changes) {
      const rest = restOf(lane)
      rest.foundAt = now()
      rest.isOver = rest.changes !== changes
    },
    isResting(lane) {
      const rest = rests.get(lane)
      return rest !== undefined && isResting(rest)
    },
    get hasResting() {
      for (const rest of rests.values()) if (isResting(rest)) return true
      return false
    },
    wake(lane) {
      const rest = rests.get(lane)
      if (rest === undefined) return false
      rest.changes += 1
      rest.isOver = true
      return now() - rest.foundAt < REMEMBERED_MS
    },
    wakeAll() {
      for (const rest of rests.values()) {
        rest.changes += 1
        rest.isOver = true
      }
    },
  }
}
