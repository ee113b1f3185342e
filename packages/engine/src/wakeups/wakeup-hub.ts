import type { EventOperations, Hint } from '@flowfabric/core'
import { errorFields, type Logger } from '../logger.js'
import { HintBatch } from './hint-batch.js'

/**
 * Merges the store's hints with those of this process, and gives them to everyone here who waits for something: the
 * store is listened to once, however many wait. Hints that come together are delivered together, once each.
 */
export class WakeupHub {
  readonly #events: Pick<EventOperations, 'listen'>
  readonly #logger: Logger
  readonly #listeners = new Set<(hint: Hint) => void>()
  readonly #batch = new HintBatch()
  #deliveryPlanned = false
  #stopListening: (() => void) | undefined

  constructor(events: Pick<EventOperations, 'listen'>, logger: Logger) {
    this.#events = events
    this.#logger = logger
  }

  start(): void {
    this.#stopListening ??= this.#events.listen({ onHint: (hint) => this.publish(hint) })
  }

  stop(): void {
    this.#stopListening?.()
    this.#stopListening = undefined
  }

  /** The answer ends the subscription. */
  listen(onHint: (hint: Hint) => void): () => void {
    // A wrapper of its own, so that the same function may be subscribed twice and each subscription ended by itself.
    const listener = (hint: Hint) => onHint(hint)
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Takes a hint, from the store or from this process. It is delivered after the running step of the event loop. */
  publish(hint: Hint): void {
    this.#batch.add(hint)
    if (this.#deliveryPlanned) return
    this.#deliveryPlanned = true
    queueMicrotask(() => this.#deliver())
  }

  #deliver(): void {
    this.#deliveryPlanned = false
    for (const hint of this.#batch.take()) {
      for (const listener of this.#listeners) this.#tell(listener, hint)
    }
  }

  /** A listener that throws must not keep the hint from the others. */
  #tell(listener: (hint: Hint) => void, hint: Hint): void {
    try {
      listener(hint)
    } catch (error) {
      this.#logger.log('error', 'A listener failed on a hint', { hint: hint.type, ...errorFields(error) })
    }
  }
}
