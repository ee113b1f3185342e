import type { ClientBackend, ExecutionId, Frame, FramesTail, Namespace, StreamMode } from '@flowfabric/core'
import { backOff, isSafeToRepeat } from '../calls/call-safely.js'
import { pause } from '../calls/pause.js'
import { type Codec, jsonCodec } from '../payload/codec.js'

/** How long one read waits for frames. */
const WAIT_MS = 20_000
const AWAY = { initialMs: 100, maxMs: 5_000 }

export interface StreamOptions {
  /** Only of this attempt. Default: all of them, one after the other, until the execution has ended. */
  readonly attempt?: number | undefined
  /** Continue behind this position, which came with an earlier frame. */
  readonly cursor?: string | undefined
  /** Ends the following. */
  readonly signal?: AbortSignal | undefined
}

/** What a handler emitted. */
export interface StreamFrame {
  readonly data: unknown
  readonly type: string | null
  /** `summary`: `data` is a merge patch of the summary document. */
  readonly mode: StreamMode
  readonly attempt: number
  /** Its place in its attempt, from 0. A jump tells that frames were dropped which may be. */
  readonly number: number
  readonly atMs: number
  readonly cursor: string
}

interface Subject {
  readonly streams: Pick<ClientBackend['streams'], 'tail'>
  readonly namespace: Namespace
  readonly executionId: ExecutionId
  readonly codec: Codec
}

/**
 * Frames as they come, each once and in order, until the stream is closed or the signal is aborted. Survives the loss of
 * the server.
 */
export async function* followFrames(
  { streams, namespace, executionId, codec }: Subject,
  { attempt, signal, ...options }: StreamOptions,
): AsyncGenerator<StreamFrame, void, void> {
  let cursor = options.cursor
  for (let failures = 0; !signal?.aborted; ) {
    let tail: FramesTail
    try {
      tail = await streams.tail({
        namespace,
        executionId,
        attemptIndex: attempt,
        acrossAttempts: attempt === undefined,
        cursor,
        waitMs: WAIT_MS,
        signal,
      })
    } catch (error) {
      if (signal?.aborted) return
      if (!isSafeToRepeat(error)) throw error
      await pause(backOff(AWAY, ++failures, error), signal)
      continue
    }
    failures = 0
    cursor = tail.cursor
    for (const frame of tail.frames) yield await readFrame(frame, codec)
    if (tail.closed !== null) return
  }
}

async function readFrame(frame: Frame, codec: Codec): Promise<StreamFrame> {
  const { attemptIndex, frameNumber, mode, type, appendedAtMs, cursor } = frame
  // Patches are plaintext, whatever the codec.
  const data = await (mode === 'summary' ? jsonCodec : codec).decode(frame.frame)
  return { data, type, mode, attempt: attemptIndex, number: frameNumber, atMs: appendedAtMs, cursor }
}
