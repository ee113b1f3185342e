/** Counts what has begun and not ended, so that closing can wait for it. */
export interface UnderWay {
  enter(): void
  leave(): void
  /** Resolves when nothing is under way. */
  idle(): Promise<void>
}

export function createUnderWay(): UnderWay {
  let count = 0
  let waiting: (() => void)[] = []
  return {
    enter() {
      count += 1
    },
    leave() {
      count -= 1
      if (count > 0) return
      for (const wake of waiting) wake()
      waiting = []
    },
    idle: () => (count === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  }
}
