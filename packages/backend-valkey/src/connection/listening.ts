import type { EngineError } from '@flowfabric/core'

/** A channel of sharded Pub/Sub, and the slot of its name. */
export interface ListenTarget {
  readonly channel: string
  readonly slot: number
}

export interface ListenHandlers {
  /** In the order in which the server sent them. The bytes are only the caller's until it returns. */
  onMessage(channel: string, message: Buffer): void
  /** From now on messages come. What was published before, or since the connection was lost, was missed. */
  onSubscribed(channels: readonly string[]): void
}

export interface Listening {
  /**
   * Resolves when every channel has been subscribed once. Rejects with an `EngineError` when a server refuses one for a
   * reason that doesn't pass by itself, or on `close`. It may be left alone: subscribing goes on.
   */
  readonly ready: Promise<void>
  stop(): void
}

/** One who listens, as the listener knows them. */
export interface Reader {
  readonly ready: Promise<void>
  hand(channel: string, message: Buffer): void
  /** The channel is subscribed; told at the end of this tick, together with others. */
  announce(channel: string): void
  /** `ready` will not come about, if it has not yet. */
  fail(error: EngineError): void
}

export function createReader(handlers: ListenHandlers, targets: readonly ListenTarget[]): Reader {
  const missing = new Set(targets.map(({ channel }) => channel))
  let fresh: string[] = []
  let resolveReady = () => {}
  let rejectReady = (_error: EngineError) => {}
  const ready = new Promise<void>((resolve, reject) => {
    resolveReady = resolve
    rejectReady = reject
  })
  // Nobody has to wait for it.
  ready.catch(() => {})
  if (missing.size === 0) resolveReady()

  const tell = (): void => {
    const told = fresh
    fresh = []
    for (const channel of told) missing.delete(channel)
    guard(() => handlers.onSubscribed(told))
    if (missing.size === 0) resolveReady()
  }

  return {
    ready,
    hand(channel, message) {
      guard(() => handlers.onMessage(channel, message))
    },
    announce(channel) {
      if (fresh.push(channel) === 1) process.nextTick(tell)
    },
    fail: (error) => rejectReady(error),
  }
}

/** A reader's fault is its own: the others must hear what comes, and the connection must go on. */
function guard(call: () => void): void {
  try {
    call()
  } catch {
    // The reader knows what it has thrown.
  }
}
