import type { ExecutionId } from '../ids/index.js'
import type { Bytes, Cursor, ItemError, Page, PageRequest, Scoped, WorkerScoped } from './conventions.js'
import type { FencingRefusal, Handle } from './leases.js'

/**
 * Frames that a running attempt emits, readable while and after it runs.
 *
 * Each attempt has one stream; it is open as long as the attempt is, also while that is delayed, and goes with its
 * execution at retention. A replay keeps the streams of earlier attempts.
 */
export interface StreamOperations {
  /**
   * Append frames, at most 256 a call. Atomic per item, fenced; frames of one attempt keep the order of the call.
   *
   * The holder counts its frames from 0 under each lease, without gaps. A number that was appended under this lease is
   * answered as `already_appended`, whatever its frame; one beyond the next is refused as `frame_out_of_order` and changes
   * nothing, and so is what follows a refused frame. One round trip for the batch; one more for an attempt that another
   * process appended to before.
   */
  append(params: AppendFrames): Promise<{ readonly items: readonly AppendFrameOutcome[] }>

  /** A range of an attempt's frames, in order. Throws `execution_not_found`, `attempt_not_found`, `invalid_cursor`. */
  read(params: ReadFrames): Promise<Page<Frame>>

  /**
   * Frames after a cursor; waits up to `waitMs` for the next. With `acrossAttempts` it goes on into later attempts, and
   * begins with the first. Along a chain of cursors each kept frame comes exactly once, in order. Frames that were dropped
   * (`best_effort`, `summary`) are a jump in `frameNumber`, never an error. Throws as `read`.
   */
  tail(params: TailFrames): Promise<FramesTail>

  /** The summary document of an attempt. Throws `execution_not_found`, `attempt_not_found`. */
  readSummary(params: ReadStreamSummary): Promise<StreamSummary>
}

export const streamModes = ['durable', 'summary', 'best_effort'] as const
/**
 * What becomes of a frame. `durable`: kept as long as its execution; past the bounds of an attempt `stream_full`.
 * `summary`: a JSON merge patch (RFC 7396) that is applied to the attempt's one document, and kept as a delta as long as a
 * `best_effort` frame is. `best_effort`: the newest so many of an attempt, none older than so long when the next comes.
 */
export type StreamMode = (typeof streamModes)[number]

export interface AppendFrames extends WorkerScoped {
  readonly items: readonly FrameToAppend[]
}

export interface FrameToAppend {
  readonly handle: Handle
  readonly mode: StreamMode
  /** From 0 under each lease, without gaps: what makes a repeat the same. */
  readonly frameNumber: number
  /** At most 64 KiB, else `frame_too_large`. For `summary` a JSON object; other JSON is `invalid_patch`, no JSON `payload_opaque`. */
  readonly frame: Bytes
  /** A word for readers, such as `token` or `log`. */
  readonly type?: string | undefined
}

export type AppendFrameOutcome =
  | { readonly outcome: 'appended'; readonly cursor: Cursor }
  | { readonly outcome: 'already_appended'; readonly cursor: Cursor }
  | { readonly outcome: 'frame_out_of_order'; readonly expectedFrameNumber: number }
  | { readonly outcome: 'stream_full'; readonly bound: StreamBound }
  | FencingRefusal
  | ItemError

/** What an attempt's stream has no room for: another durable frame, its bytes, or what its summary would become. */
export type StreamBound = 'frames' | 'bytes' | 'document'

export interface Frame {
  readonly attemptIndex: number
  /** Its place among the frames of its attempt, from 0, counted on over the leases of one that was delayed. */
  readonly frameNumber: number
  readonly mode: StreamMode
  readonly type: string | null
  readonly frame: Bytes
  readonly appendedAtMs: number
  /** Continue after this frame. */
  readonly cursor: Cursor
}

/** A page ends early before it would be longer than 4 MiB. */
export interface ReadFrames extends Scoped, PageRequest {
  readonly executionId: ExecutionId
  /** By default that of the cursor, or the newest. */
  readonly attemptIndex?: number | undefined
}

export interface TailFrames extends Scoped {
  readonly executionId: ExecutionId
  /** By default that of the cursor, or the newest; with `acrossAttempts` the first. */
  readonly attemptIndex?: number | undefined
  readonly acrossAttempts?: boolean | undefined
  readonly cursor?: Cursor | undefined
  /** 1…1000, default 100. */
  readonly limit?: number | undefined
  readonly waitMs?: number | undefined
  /** Ends the wait early. */
  readonly signal?: AbortSignal | undefined
}

export interface FramesTail {
  readonly outcome: 'frames'
  readonly frames: readonly Frame[]
  readonly cursor: Cursor
  /** Why no more frames will come, once all were read; `null` while they may. */
  readonly closed: StreamClosed | null
}

/**
 * `attempt_ended`: by its holder or its timeout. `lease_lost`: the lease ran out or was taken away. `execution_terminal`:
 * the execution was ended by other hands or, across attempts, has ended at all; a replay may open the latter again.
 */
export type StreamClosed = (typeof streamClosings)[number]
export const streamClosings = ['attempt_ended', 'lease_lost', 'execution_terminal'] as const

export interface ReadStreamSummary extends Scoped {
  readonly executionId: ExecutionId
  /** By default the newest. */
  readonly attemptIndex?: number | undefined
}

export interface StreamSummary {
  readonly outcome: 'summary'
  readonly attemptIndex: number
  /** JSON text; `{}` before the first patch. */
  readonly document: Bytes
  /** How many patches it is made of. */
  readonly patchCount: number
  readonly updatedAtMs: number | null
}
