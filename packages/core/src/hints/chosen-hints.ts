import type { Hint, ListenParams } from '../contract/events.js'

/** The listener as a source of all hints calls it: those that it did not ask for are kept from it. */
export function chosenHints({ onHint, types }: ListenParams): (hint: Hint) => void {
  if (types === undefined) return onHint
  const chosen = new Set(types)
  return (hint) => {
    if (chosen.has(hint.type)) onHint(hint)
  }
}
