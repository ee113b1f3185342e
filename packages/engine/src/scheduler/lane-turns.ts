/**
 * Whose turn it is among lanes that compete for the next try: weighted fair queueing by virtual time. A lane that was
 * served moves on by what it got over its weight, and the one that is furthest behind is next.
 */
export class LaneTurns {
  readonly #virtualTime = new Map<string, number>()
  #floor = 0

  /** The lane that is furthest behind; the first one given among equals. */
  choose(lanes: Iterable<string>): string | undefined {
    let chosen: string | undefined
    let least = Number.POSITIVE_INFINITY
    for (const lane of lanes) {
      const time = this.#timeOf(lane)
      if (time < least) {
        least = time
        chosen = lane
      }
    }
    if (chosen !== undefined) this.#floor = Math.max(this.#floor, least)
    return chosen
  }

  serve(lane: string, count: number, weight: number): void {
    this.#virtualTime.set(lane, this.#timeOf(lane) + Math.max(count, 1) / Math.max(weight, 1))
    if (this.#virtualTime.size > LANES_MAX) this.#forgetPassed()
  }

  /** A lane that was idle begins where the others are: idleness earns no credit. */
  #timeOf(lane: string): number {
    return Math.max(this.#virtualTime.get(lane) ?? this.#floor, this.#floor)
  }

  #forgetPassed(): void {
    for (const [lane, time] of this.#virtualTime) if (time <= this.#floor) this.#virtualTime.delete(lane)
  }
}

const LANES_MAX = 10_000
