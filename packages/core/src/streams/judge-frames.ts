import type { Bytes } from '../contract/conventions.js'
import type { StreamBound, StreamMode } from '../contract/streams.js'
import { limits } from '../limits.js'
import { type JsonValue, mergePatch } from './merge-patch.js'

/** What is kept of an attempt's stream beside its frames. */
export interface StreamHead {
  /** How many frames it was given, and so the number of the next. */
  readonly nextNumber: number
  /** The lease under which the last one came, and the number that its first frame got. */
  readonly epoch: number
  readonly leaseBase: number
  readonly durableFrames: number
  readonly durableBytes: number
  /** Patches that the document is made of. */
  readonly patchCount: number
  /** JSON text; `null` before the first patch. */
  readonly document: Bytes | null
  /** Store time of the last append; with `nextNumber` what tells one head from another. */
  readonly writtenAtMs: number
}

/** The head of a stream that has no frames. */
export const emptyStream: StreamHead = {
  nextNumber: 0,
  epoch: 0,
  leaseBase: 0,
  durableFrames: 0,
  durableBytes: 0,
  patchCount: 0,
  document: null,
  writtenAtMs: 0,
}

/** A frame that is asked for, checked already. */
export interface AskedFrame {
  readonly mode: StreamMode
  readonly frameNumber: number
  readonly frame: Bytes
}

/** What becomes of a frame; `number` is its place among the attempt's frames. */
export type FrameVerdict =
  | { readonly outcome: 'appended' | 'already_appended'; readonly number: number }
  | { readonly outcome: 'frame_out_of_order'; readonly expectedFrameNumber: number }
  | { readonly outcome: 'stream_full'; readonly bound: StreamBound }

export interface JudgedFrames {
  readonly verdicts: readonly FrameVerdict[]
  /** The head after what was accepted; but for `writtenAtMs`, which is the store's. */
  readonly head: StreamHead
}

/**
 * Decides which of a holder's frames are appended, in order, and what they make of the head. The one place where it is
 * decided, for every store: a store writes it if the head is still the one that was judged.
 */
export function judgeFrames(head: StreamHead, epoch: number, frames: readonly AskedFrame[]): JudgedFrames {
  const leaseBase = head.epoch === epoch ? head.leaseBase : head.nextNumber
  const summary = openSummary(head)
  let { nextNumber, durableFrames, durableBytes } = head
  const verdicts = frames.map(({ mode, frameNumber, frame }): FrameVerdict => {
    const expectedFrameNumber = nextNumber - leaseBase
    if (frameNumber < expectedFrameNumber) {
      return { outcome: 'already_appended', number: leaseBase + frameNumber }
    }
    if (frameNumber > expectedFrameNumber) return { outcome: 'frame_out_of_order', expectedFrameNumber }
    if (mode === 'durable') {
      const bound = fullBound(durableFrames, durableBytes + frame.byteLength)
      if (bound !== undefined) return { outcome: 'stream_full', bound }
      durableFrames += 1
      durableBytes += frame.byteLength
    } else if (mode === 'summary' && !summary.apply(frame)) {
      return { outcome: 'stream_full', bound: 'document' }
    }
    nextNumber += 1
    return { outcome: 'appended', number: nextNumber - 1 }
  })
  const isLeaseNew = nextNumber > head.nextNumber
  return {
    verdicts,
    head: {
      nextNumber,
      epoch: isLeaseNew ? epoch : head.epoch,
      leaseBase: isLeaseNew ? leaseBase : head.leaseBase,
      durableFrames,
      durableBytes,
      ...summary.close(),
      writtenAtMs: head.writtenAtMs,
    },
  }
}

function fullBound(frames: number, bytes: number): StreamBound | undefined {
  if (frames >= limits.streamFramesMax) return 'frames'
  return bytes > limits.streamBytesMax ? 'bytes' : undefined
}

interface OpenSummary {
  /** Applies a patch; false, and nothing is changed, where the document would be longer than it may. */
  apply(patch: Bytes): boolean
  close(): Pick<StreamHead, 'document' | 'patchCount'>
}

/** The document is read with the first patch, and written after the last one. */
function openSummary({ document, patchCount }: StreamHead): OpenSummary {
  let value: JsonValue | undefined
  let bytes = document?.byteLength ?? EMPTY_BYTES
  let patches = 0
  return {
    apply(patch) {
      value ??= document === null ? {} : readJson(document)
      const change = readJson(patch)
      const merged = mergePatch(value, change)
      // Merging adds at most what the patch itself is long: only near the bound it has to be measured.
      const mostBytes = bytes + writeJson(change).byteLength
      const mergedBytes = mostBytes > limits.summaryBytesMax ? writeJson(merged).byteLength : mostBytes
      if (mergedBytes > limits.summaryBytesMax) return false
      value = merged
      bytes = mergedBytes
      patches += 1
      return true
    },
    close: () =>
      value === undefined || patches === 0
        ? { document, patchCount }
        : { document: writeJson(value), patchCount: patchCount + patches },
  }
}

const EMPTY_BYTES = 2
const utf8 = new TextEncoder()
const utf8Decoder = new TextDecoder()

function readJson(bytes: Bytes): JsonValue {
  return JSON.parse(utf8Decoder.decode(bytes)) as JsonValue
}

function writeJson(value: JsonValue): Bytes {
  return utf8.encode(JSON.stringify(value))
}
