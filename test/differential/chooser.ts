/**
 * Turns the plain numbers of a generated call into choices, one after the other. Zero is the simplest choice everywhere,
 * so that shrinking the numbers simplifies the call.
 */
export class Chooser {
  readonly #picks: readonly number[]
  #at = 0

  constructor(picks: readonly number[]) {
    this.#picks = picks
  }

  /** A whole number below `n`. */
  below(n: number): number {
    const pick = this.#picks[this.#at % this.#picks.length] ?? 0
    this.#at += 1
    return pick % n
  }

  of<Item>(items: readonly [Item, ...Item[]]): Item {
    return items[this.below(items.length)] ?? items[0]
  }

  /** One of what there is; nothing of nothing. */
  among<Item>(items: readonly Item[]): Item | undefined {
    return items[this.below(Math.max(1, items.length))]
  }

  /** True once in `n` times; never in the simplest case. */
  rarely(n: number): boolean {
    return this.below(n) === n - 1
  }
}
