import type { Hint } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'

const RETRY_MS = 1_000

/** This process's hints, and other processes' ones as soon as they are heard. */
export function listenForHints(ctx: ValkeyContext, onHint: (hint: Hint) => void): () => void {
  let isOver = false
  const stop = ctx.hints.listen(onHint)
  const begin = (): void => {
    if (isOver || ctx.closing.aborted) return
    // A store that isn't there yet may be later.
    ctx.readyMap().catch(() => setTimeout(begin, RETRY_MS).unref())
  }
  begin()
  return () => {
    isOver = true
    stop()
  }
}
