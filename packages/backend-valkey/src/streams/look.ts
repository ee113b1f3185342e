import {
  engineError,
  type FrameRange,
  limits,
  partitionIndexOf,
  type StoredFrame,
  type StreamLook,
  type TailFrames,
  uuidOf,
} from '@flowfabric/core'
import { bytesAt } from '../channel/handed-out.js'
import type { ValkeyContext } from '../context.js'
import { executionNotFound } from '../executions/get.js'
import { asList } from '../library/as-list.js'
import { orNotFound } from '../library/not-found.js'
import { attemptRecordStateLetters, endedByLetters, streamModeLetters } from '../records/letters.js'
import { copyOf } from '../records/stored-step.js'

type Row = readonly [attempt: number, number: number, mode: string, type: string, atMs: number, place: number]

/** Throws `execution_not_found`. */
export async function lookAtFrames(
  ctx: ValkeyContext,
  { namespace, executionId }: Pick<TailFrames, 'namespace' | 'executionId'>,
  { attemptIndex, from, acrossAttempts, limit }: FrameRange,
): Promise<StreamLook> {
  const attempt = attemptIndex === null ? 0 : attemptIndex + 1
  const { reply, bytes } = await orNotFound(
    ctx.invoke({
      name: 'streams_look',
      tag: `fp:${partitionIndexOf(executionId)}`,
      args: [namespace, uuidOf(executionId), attempt, from, limit, acrossAttempts, limits.streamPageBytesMax],
    }),
    () => executionNotFound(executionId),
  )
  const [attemptCount, isTerminal, index, state, by, nextNumber, rows, more] = reply
  return {
    attemptCount,
    isTerminal,
    attemptIndex: index,
    state: state === '' ? null : attemptRecordStateLetters.read(state),
    endedBy: by === '' ? null : endedByLetters.read(by),
    nextNumber,
    frames: asList(rows).map((row) => toFrame(row, bytes)),
    more,
  }
}

function toFrame(row: Row, bytes: readonly Uint8Array[]): StoredFrame {
  const [attemptIndex, frameNumber, mode, type, appendedAtMs, place] = row
  const frame = bytesAt(bytes, place)
  if (frame === null)
    throw engineError('corruption', 'a frame came without its bytes', { subject: 'streams_look' })
  return {
    attemptIndex,
    frameNumber,
    mode: streamModeLetters.read(mode),
    type: type === '' ? null : type,
    frame: copyOf(frame),
    appendedAtMs,
  }
}
