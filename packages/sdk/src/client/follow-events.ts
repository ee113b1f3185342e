import type { ClientBackend, EngineEvent, EventFilter, Namespace } from '@flowfabric/core'
import { backOff, isSafeToRepeat } from '../calls/call-safely.js'
import { pause } from '../calls/pause.js'

/** How long one read waits for news. */
const WAIT_MS = 20_000
const AWAY = { initialMs: 100, maxMs: 5_000 }

export interface FollowOptions {
  readonly filter?: EventFilter | undefined
  /** Continue behind this position, which came with an earlier event. */
  readonly cursor?: string | undefined
  /** Where to begin without a cursor: `oldest` kept (default) or `now`. */
  readonly from?: 'oldest' | 'now' | undefined
  /** Ends the following. */
  readonly signal?: AbortSignal | undefined
}

/** Events that came together, and the position behind them. */
export interface EventBatch {
  readonly events: readonly EngineEvent[]
  readonly cursor: string
}

/**
 * The change feed, batch by batch, until the signal is aborted: each event once and in order along the cursors. Survives
 * the loss of the server. Throws `cursor_expired` to a reader that was away for too long.
 */
export async function* followEvents(
  events: Pick<ClientBackend['events'], 'read'>,
  namespace: Namespace,
  { filter, from, signal, ...options }: FollowOptions,
): AsyncGenerator<EventBatch> {
  let cursor = options.cursor
  for (let failures = 0; !signal?.aborted; ) {
    try {
      const page = await events.read({ namespace, cursor, from, filter, waitMs: WAIT_MS, signal })
      failures = 0
      cursor = page.cursor
      if (page.events.length > 0) yield { events: page.events, cursor }
    } catch (error) {
      if (signal?.aborted) return
      if (!isSafeToRepeat(error)) throw error
      await pause(backOff(AWAY, ++failures, error), signal)
    }
  }
}
