import type { ExecutionId } from '../ids/index.js'
import type { Bytes, Cursor, ItemError, Page, PageRequest, Scoped, WorkerScoped } from './conventions.js'
import type { FencingRefusal, Handle } from './leases.js'

/** Frames that a running attempt emits, readable while and after it runs. */
export interface StreamOperations {
  /** Append frames, at most 256 a call. Atomic per item, fenced. Idempotent by (attempt, `frameNumber`). One round trip for the batch. */
  append(params: AppendFrames): Promise<{ readonly items: readonly AppendFrameOutcome[] }>

  /** A range of an attempt's frames, in order. Throws `execution_not_found`, `attempt_not_found`, `invalid_cursor`. */
  read(params: ReadFrames): Promise<Page<Frame>>

  /** Frames after a cursor; waits up to `waitMs` for the next. With `acrossAttempts` it goes on into later attempts. */
  tail(params: TailFrames): Promise<FramesTail>

  /** The summary document of an attempt, by default the newest. Throws `execution_not_found`, `attempt_not_found`. */
  readSummary(params: ReadStreamSummary): Promise<StreamSummary>
}

export const streamModes = ['durable', 'summary', 'best_effort'] as const
/** `summary` applies each frame as a JSON merge patch (RFC 7396) to one document; `best_effort` is capped by length and age. */
export type StreamMode = (typeof streamModes)[number]

export interface AppendFrames extends WorkerScoped {
  readonly items: readonly {
    readonly handle: Handle
    readonly mode: StreamMode
    /** From 0, by the holder; what makes a repeat the same. */
    readonly frameNumber: number
    /** At most 64 KiB. For `summary` a JSON merge patch in plaintext. */
    readonly frame: Bytes
    /** A word for readers, such as `token` or `log`. */
    readonly type?: string | undefined
  }[]
}

export type AppendFrameOutcome =
  | { readonly outcome: 'appended'; readonly cursor: Cursor }
  | { readonly outcome: 'already_appended'; readonly cursor: Cursor }
  | FencingRefusal
  | ItemError

export interface Frame {
  readonly attemptIndex: number
  readonly frameNumber: number
  readonly mode: StreamMode
  readonly type: string | null
  readonly frame: Bytes
  readonly appendedAtMs: number
  /** Continue after this frame. */
  readonly cursor: Cursor
}

export interface ReadFrames extends Scoped, PageRequest {
  readonly executionId: ExecutionId
  /** By default the newest. */
  readonly attemptIndex?: number | undefined
}

export interface TailFrames extends Scoped {
  readonly executionId: ExecutionId
  readonly attemptIndex?: number | undefined
  readonly acrossAttempts?: boolean | undefined
  readonly cursor?: Cursor | undefined
  readonly limit?: number | undefined
  readonly waitMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface FramesTail {
  readonly outcome: 'frames'
  readonly frames: readonly Frame[]
  readonly cursor: Cursor
  /** Why no more frames will come; `null` while they may. */
  readonly closed: 'attempt_ended' | 'lease_lost' | 'execution_terminal' | null
}

export interface ReadStreamSummary extends Scoped {
  readonly executionId: ExecutionId
  readonly attemptIndex?: number | undefined
}

export interface StreamSummary {
  readonly outcome: 'summary'
  readonly attemptIndex: number
  /** JSON text; `{}` before the first patch. */
  readonly document: Bytes
  readonly patchCount: number
  readonly updatedAtMs: number | null
}
