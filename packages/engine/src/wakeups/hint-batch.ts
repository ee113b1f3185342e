import type { Hint } from '@flowfabric/core'

/**
 * Hints merged until they are delivered: the counts of a lane add up, the earliest due time of a partition stays, and
 * all else is kept once.
 */
export class HintBatch {
  readonly #hints = new Map<string, Hint>()

  get isEmpty(): boolean {
    return this.#hints.size === 0
  }

  add(hint: Hint): void {
    const key = keyOf(hint)
    const known = this.#hints.get(key)
    this.#hints.set(key, known === undefined ? hint : merge(known, hint))
  }

  /** Everything merged so far, in the order of its first arrival; the batch is empty afterwards. */
  take(): readonly Hint[] {
    const hints = [...this.#hints.values()]
    this.#hints.clear()
    return hints
  }
}

function keyOf(hint: Hint): string {
  switch (hint.type) {
    case 'ready':
      return `ready ${hint.namespace} ${hint.lane}`
    case 'due':
    case 'outbox':
    case 'events':
      return `${hint.type} ${hint.partition}`
    case 'ended':
      return `ended ${hint.id}`
    case 'attention':
    case 'frames':
      return `${hint.type} ${hint.executionId}`
  }
}

function merge(known: Hint, hint: Hint): Hint {
  if (known.type === 'ready' && hint.type === 'ready') {
    const isKnown = known.count > 0 && hint.count > 0
    return { ...known, count: isKnown ? known.count + hint.count : 0 }
  }
  if (known.type === 'due' && hint.type === 'due') {
    return { ...known, dueAtMs: Math.min(known.dueAtMs, hint.dueAtMs) }
  }
  return known
}
