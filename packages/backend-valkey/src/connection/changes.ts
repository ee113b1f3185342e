/** Wakes those who wait for anything to change: a node that is reached again, another owner of a slot, the end. */
export interface Changes {
  announce(): void
  /** Resolves with the next change, at the latest after `waitMs`. */
  wait(waitMs: number): Promise<void>
}

export function createChanges(): Changes {
  const waiting = new Set<() => void>()
  return {
    announce() {
      for (const wake of [...waiting]) wake()
    },
    wait: (waitMs) =>
      new Promise((resolve) => {
        const wake = () => {
          waiting.delete(wake)
          clearTimeout(timer)
          resolve()
        }
        const timer = setTimeout(wake, waitMs)
        waiting.add(wake)
      }),
  }
}
