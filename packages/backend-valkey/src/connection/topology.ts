import type { Address } from './address.js'
import type { Node } from './node.js'

/** Which node serves which slot. */
export interface Topology {
  /** The primary of a slot; `undefined` while nobody is known to be. It may be one without a connection just now. */
  primaryOf(slot: number): Node | undefined
  /** All primaries, also those without slots. Empty until the first look has succeeded. */
  primaries(): readonly Node[]
  /** Why `primaryOf` knows none, for people. */
  readonly absence: string
  /** A connection came or went. */
  notice(): void
  /** A node said that the slot is served there. */
  learn(slot: number, address: Address): void
  /** Something does not look as it should: look again soon. Cheap; looks are never more frequent than they help. */
  suspect(): void
  close(): void
}

/** Looks at the servers: when asked to, when anybody has a suspicion, and every now and then. */
export interface Looks {
  /** At once, unless a look is under way. */
  now(): void
  suspect(): void
  close(): void
}

/** How long a server may take to say what it is. Not longer: while one that hangs is waited for, others go unasked. */
export const LOOK_WITHIN_MS = 1_000

const LOOK_EVERY_MS = 30_000
/** Between two looks; with up to as much by chance, since all processes meet the same fail-over at the same time. */
const SUSPICION_PAUSE_MS = 50

/** Runs one look at a time. A look that fails is tried again with the next suspicion. */
export function scheduleLooks(look: () => Promise<void>): Looks {
  let isLooking = false
  let isClosed = false
  let pending: NodeJS.Timeout | undefined

  const run = async (): Promise<void> => {
    pending = undefined
    isLooking = true
    // A look that fails has changed nothing.
    await look().catch(() => {})
    isLooking = false
  }
  const schedule = (waitMs: number): void => {
    if (isClosed || isLooking || pending !== undefined) return
    pending = setTimeout(run, waitMs)
  }
  const regular = setInterval(() => schedule(Math.random() * SUSPICION_PAUSE_MS), LOOK_EVERY_MS)
  // It alone is no reason for a process to go on.
  regular.unref()

  return {
    now() {
      if (isClosed || isLooking) return
      clearTimeout(pending)
      void run()
    },
    suspect: () => schedule(SUSPICION_PAUSE_MS * (1 + Math.random())),
    close() {
      isClosed = true
      clearInterval(regular)
      clearTimeout(pending)
    },
  }
}
