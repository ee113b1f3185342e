import type { Hint } from '../contract/events.js'

/** Where hints of this process meet those who wait for them. Best effort: nothing depends on it but latency. */
export interface HintHub {
  /** Tell everyone in this process, and other processes as soon as they are connected. Called after the commit. */
  emit(hint: Hint): void
  /** A hint that came from another process: it is not sent on. */
  receive(hint: Hint): void
  listen(onHint: (hint: Hint) => void): () => void
  /** Called with each hint of this process, for the one who sends them on. */
  forward(send: (hint: Hint) => void): void
  /** Whether anyone would see a hint; lets hot paths skip making them. */
  readonly hasListeners: boolean
}

export function createHintHub(): HintHub {
  const listeners = new Set<(hint: Hint) => void>()
  let send: ((hint: Hint) => void) | undefined

  const deliver = (hint: Hint) => {
    for (const onHint of listeners) {
      try {
        onHint(hint)
      } catch {
        // A listener's fault is its own: the operation that emitted has committed and must answer.
      }
    }
  }

  return {
    emit(hint) {
      deliver(hint)
      send?.(hint)
    },
    receive: deliver,
    listen(onHint) {
      // Wrapped, so that the same function may listen twice and each end is its own.
      const own = (hint: Hint) => onHint(hint)
      listeners.add(own)
      return () => listeners.delete(own)
    },
    forward(sender) {
      send = sender
    },
    get hasListeners() {
      return listeners.size > 0 || send !== undefined
    },
  }
}
