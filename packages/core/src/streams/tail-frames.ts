import type { FramesTail, TailFrames } from '../contract/streams.js'
import { type FrameRange, rangeToTail, type StreamLook, toFramesTail } from './frame-look.js'
import type { FrameWaiters } from './frame-waiters.js'

export interface TailParts {
  readonly look: (range: FrameRange) => Promise<StreamLook>
  readonly waiters: FrameWaiters
  /** Ends every wait. */
  readonly closing: AbortSignal
}

/** A lost hint, and an attempt that ended without its execution, are found so late; later the longer nothing came. */
const RECHECK_MS_MIN = 1_000
const RECHECK_MS_MAX = 10_000

/** Looks for frames; without any it waits, and looks again whenever there is news of the execution, and now and then. */
export async function tailFrames(
  params: TailFrames,
  { look, waiters, closing }: TailParts,
): Promise<FramesTail> {
  const { executionId, waitMs = 0, signal } = params
  let range = rangeToTail(params)
  if (waitMs === 0) return toFramesTail(executionId, range, await look(range))
  const signals = signal === undefined ? [closing] : [closing, signal]
  // The process's own clock: it measures how long the caller waits, never what is due.
  const endsAt = performance.now() + waitMs
  let recheckMs = RECHECK_MS_MIN
  for (;;) {
    const ticket = waiters.enter(executionId)
    try {
      const found = await look(range)
      const tail = toFramesTail(executionId, range, found)
      const leftMs = endsAt - performance.now()
      const isOver = leftMs <= 0 || signals.some(({ aborted }) => aborted)
      if (tail.frames.length > 0 || tail.closed !== null || isOver) return tail
      // A later attempt does not become the newest one of this call.
      range = { ...range, attemptIndex: found.attemptIndex }
      const isNews = await ticket.wait(Math.min(leftMs, recheckMs), signals)
      recheckMs = isNews ? RECHECK_MS_MIN : Math.min(recheckMs * 2, RECHECK_MS_MAX)
    } finally {
      ticket.leave()
    }
  }
}
