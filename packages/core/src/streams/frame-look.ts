import type { AttemptRecordState, EndedBy } from '../contract/attempts.js'
import type { Bytes, Page } from '../contract/conventions.js'
import type { Frame, FramesTail, ReadFrames, StreamClosed, TailFrames } from '../contract/streams.js'
import { engineError } from '../errors/engine-error.js'
import type { ExecutionId } from '../ids/index.js'
import { limits } from '../limits.js'
import { decodeFrameCursor, encodeFrameCursor, invalidFrameCursor } from './frame-cursor.js'

/** Which frames a store is asked for. */
export interface FrameRange {
  /** `null`: the newest. */
  readonly attemptIndex: number | null
  /** Number of the first frame that is wanted of that attempt. */
  readonly from: number
  readonly acrossAttempts: boolean
  readonly limit: number
  /** Who says that there is such a place; what a caller says may be wrong. */
  readonly said: 'by_default' | 'by_index' | 'by_cursor'
}

/** Frames as they are stored. */
export type StoredFrame = Omit<Frame, 'cursor'>

/** What a store answers: the frames, and what is recorded of their attempt and execution in the same step. */
export interface StreamLook {
  readonly attemptCount: number
  readonly isTerminal: boolean
  /** The attempt that was looked at; the first one where there is none yet. */
  readonly attemptIndex: number
  /** Of that attempt; `null` where it has not begun. */
  readonly state: AttemptRecordState | null
  readonly endedBy: EndedBy | null
  /** How many frames that attempt was given. */
  readonly nextNumber: number
  readonly frames: readonly StoredFrame[]
  /** Whether frames were left unread. */
  readonly more: boolean
}

/** Throws `invalid_cursor`. */
export function rangeToRead({ executionId, attemptIndex, cursor, limit }: ReadFrames): FrameRange {
  return rangeOf(executionId, { attemptIndex, cursor, limit, acrossAttempts: false })
}

/** Throws `invalid_cursor`. */
export function rangeToTail(params: TailFrames): FrameRange {
  const { executionId, acrossAttempts = false } = params
  return rangeOf(executionId, { ...params, acrossAttempts })
}

function rangeOf(
  executionId: ExecutionId,
  {
    attemptIndex,
    acrossAttempts,
    cursor,
    limit = limits.pageSizeDefault,
  }: Pick<TailFrames, 'attemptIndex' | 'cursor' | 'limit'> & { readonly acrossAttempts: boolean },
): FrameRange {
  if (cursor === undefined) {
    const said = attemptIndex === undefined ? 'by_default' : 'by_index'
    return { attemptIndex: attemptIndex ?? (acrossAttempts ? 0 : null), from: 0, acrossAttempts, limit, said }
  }
  const position = decodeFrameCursor(executionId, cursor)
  const fits =
    attemptIndex === undefined ||
    (acrossAttempts ? position.attemptIndex >= attemptIndex : position.attemptIndex === attemptIndex)
  if (!fits) throw invalidFrameCursor()
  return {
    attemptIndex: position.attemptIndex,
    from: position.number,
    acrossAttempts,
    limit,
    said: 'by_cursor',
  }
}

/**
 * Throws `attempt_not_found`, `invalid_cursor`. A cursor may name the attempt that comes next: the one that it was given
 * for may have been handed back unstarted.
 */
export function checkLook({ said, from }: FrameRange, look: StreamLook): void {
  const { attemptIndex, attemptCount, nextNumber } = look
  if (said === 'by_index' && attemptIndex >= attemptCount) throw attemptNotFound(attemptIndex)
  if (said === 'by_cursor' && (attemptIndex > attemptCount || from > nextNumber)) throw invalidFrameCursor()
}

/** Throws as `checkLook`. */
export function toFramePage(executionId: ExecutionId, range: FrameRange, look: StreamLook): Page<Frame> {
  checkLook(range, look)
  const items = look.frames.map((frame) => toFrame(executionId, frame))
  return { items, nextCursor: look.more ? (items.at(-1)?.cursor ?? null) : null }
}

/** Throws as `checkLook`. */
export function toFramesTail(executionId: ExecutionId, range: FrameRange, look: StreamLook): FramesTail {
  checkLook(range, look)
  const frames = look.frames.map((frame) => toFrame(executionId, frame))
  const here = { attemptIndex: look.attemptIndex, number: range.from }
  return {
    outcome: 'frames',
    frames,
    cursor: frames.at(-1)?.cursor ?? encodeFrameCursor(executionId, here),
    closed: look.more ? null : closedBy(range, look),
  }
}

/** The error of an attempt that there is not. */
export function attemptNotFound(attemptIndex: number) {
  return engineError('attempt_not_found', `The execution has no attempt ${attemptIndex}`, { attemptIndex })
}

function toFrame(executionId: ExecutionId, frame: StoredFrame): Frame {
  const { attemptIndex, frameNumber } = frame
  return { ...frame, cursor: encodeFrameCursor(executionId, { attemptIndex, number: frameNumber + 1 }) }
}

/** What is recorded says it; nothing is written when an attempt ends. */
function closedBy({ acrossAttempts }: FrameRange, look: StreamLook): StreamClosed | null {
  const { state, endedBy, isTerminal } = look
  if (acrossAttempts || state === null) return isTerminal ? 'execution_terminal' : null
  if (state === 'started' || state === 'suspended') return null
  switch (endedBy) {
    case 'lease_expiry':
    case 'revocation':
      return 'lease_lost'
    case 'deadline':
    case 'cancel':
    case 'skip':
      return 'execution_terminal'
    default:
      return 'attempt_ended'
  }
}

/** What a page holds: as many as asked for, and not more bytes than the bound unless its first frame is longer. */
export function cutPage<Item extends { readonly frame: Bytes }>(
  frames: readonly Item[],
  limit: number,
): readonly Item[] {
  let bytes = 0
  const end = frames.findIndex(({ frame }, place) => {
    bytes += frame.byteLength
    return place === limit || (place > 0 && bytes > limits.streamPageBytesMax)
  })
  return end === -1 ? frames : frames.slice(0, end)
}
