import {
  type AppendFrameOutcome,
  attemptNotFound,
  checkAppendFrames,
  checkReadFrames,
  checkReadSummary,
  checkTailFrames,
  cutPage,
  type ExecutionId,
  emptyStream,
  encodeFrameCursor,
  type FrameRange,
  type FrameToAppend,
  judgeFrames,
  limits,
  must,
  type Namespace,
  rangeToRead,
  rangeToTail,
  type StoredFrame,
  type StreamHead,
  type StreamLook,
  type StreamOperations,
  type StreamSummary,
  toFramePage,
  toFramesTail,
} from '@flowfabric/core'
import { findExecution, isTerminal } from './facts.js'
import { hint } from './feed.js'
import type { AttemptEntry, AttemptStream, ExecutionRecord } from './records.js'
import { type Model, operate, waitFor } from './store.js'
import { write } from './worker-writes.js'

export function createStreams(model: Model): StreamOperations {
  return {
    append: (params) =>
      operate(model, () => {
        const handles = checkAppendFrames(params)
        const items = params.items.map((item, index) =>
          write(model, params.namespaces, handles[index], 'append', ({ x, attempt }) =>
            appendFrame(model, x, attempt, item),
          ),
        )
        return { items }
      }),

    read: (params) =>
      operate(model, () => {
        checkReadFrames(params, model.partitions)
        const { namespace, executionId } = params
        const range = rangeToRead(params)
        return toFramePage(executionId, range, look(model, namespace, executionId, range))
      }),

    tail: async (params) => {
      const { namespace, executionId, waitMs = 0, signal } = params
      const read = (range: FrameRange) =>
        toFramesTail(executionId, range, look(model, namespace, executionId, range))
      const begin = await operate(model, () => {
        checkTailFrames(params, model.partitions)
        const range = rangeToTail(params)
        read(range)
        // A later attempt does not become the newest one of this call.
        return { ...range, attemptIndex: look(model, namespace, executionId, range).attemptIndex }
      })
      const news = () => {
        const tail = read(begin)
        return tail.frames.length > 0 || tail.closed !== null ? tail : undefined
      }
      const found =
        waitMs > 0 ? await waitFor(model, { ms: waitMs, signal }, news) : await operate(model, news)
      return found ?? operate(model, () => read(begin))
    },

    readSummary: (params) =>
      operate(model, (): StreamSummary => {
        checkReadSummary(params, model.partitions)
        const { attempts } = findExecution(model, params.namespace, params.executionId)
        const attemptIndex = params.attemptIndex ?? Math.max(0, attempts.length - 1)
        if (params.attemptIndex !== undefined && attemptIndex >= attempts.length) {
          throw attemptNotFound(attemptIndex)
        }
        const stream = attempts[attemptIndex]?.stream
        const { document, patchCount } = stream?.head ?? emptyStream
        return {
          outcome: 'summary',
          attemptIndex,
          document: document ?? new TextEncoder().encode('{}'),
          patchCount,
          updatedAtMs: stream?.patchedAtMs ?? null,
        }
      }),
  }
}

function appendFrame(
  model: Model,
  x: ExecutionRecord,
  attempt: AttemptEntry,
  item: FrameToAppend,
): Exclude<AppendFrameOutcome, { readonly outcome: 'error' }> {
  attempt.stream ??= { head: emptyStream, durable: [], capped: [], patchedAtMs: null }
  const judged = judgeFrames(attempt.stream.head, attempt.epoch, [item])
  const verdict = must(judged.verdicts[0], 'a verdict')
  if (verdict.outcome === 'appended') keepFrame(model, x, attempt, attempt.stream, item, judged.head)
  if (!('number' in verdict)) return verdict
  const position = { attemptIndex: attempt.index, number: verdict.number + 1 }
  return { outcome: verdict.outcome, cursor: encodeFrameCursor(x.id, position) }
}

function keepFrame(
  model: Model,
  x: ExecutionRecord,
  attempt: AttemptEntry,
  stream: AttemptStream,
  { mode, type, frame }: FrameToAppend,
  head: StreamHead,
): void {
  const appendedAtMs = model.clock.nowMs()
  const kept = {
    attemptIndex: attempt.index,
    frameNumber: stream.head.nextNumber,
    mode,
    type: type ?? null,
    frame,
    appendedAtMs,
  }
  if (mode === 'durable') stream.durable.push(kept)
  else stream.capped.push(kept)
  stream.head = head
  if (mode === 'summary') stream.patchedAtMs = appendedAtMs
  trimCapped(stream.capped, appendedAtMs)
  attempt.hasEffects = true
  hint(model, { type: 'frames', executionId: x.id })
}

/** Drops frames, the oldest first, until what is left is within the bounds. */
function trimCapped(capped: StoredFrame[], nowMs: number): void {
  let bytes = capped.reduce((sum, { frame }) => sum + frame.byteLength, 0)
  for (let [oldest] = capped; oldest !== undefined; [oldest] = capped) {
    const fits = capped.length <= limits.cappedFramesMax && bytes <= limits.cappedBytesMax
    if (fits && nowMs - oldest.appendedAtMs <= limits.cappedAgeMsMax) return
    capped.shift()
    bytes -= oldest.frame.byteLength
  }
}

function framesOf({ stream }: AttemptEntry): readonly StoredFrame[] {
  if (stream === null) return []
  return [...stream.durable, ...stream.capped].sort((a, b) => a.frameNumber - b.frameNumber)
}

function look(
  model: Model,
  namespace: Namespace,
  executionId: ExecutionId,
  { attemptIndex: asked, from, acrossAttempts, limit }: FrameRange,
): StreamLook {
  const x = findExecution(model, namespace, executionId)
  const attemptIndex = asked ?? Math.max(0, x.attempts.length - 1)
  const attempt = x.attempts[attemptIndex]
  const wanted = x.attempts
    .filter(({ index }) => index === attemptIndex || (acrossAttempts && index > attemptIndex))
    .flatMap(framesOf)
    .filter((frame) => frame.attemptIndex > attemptIndex || frame.frameNumber >= from)
  const frames = cutPage(wanted, limit)
  return {
    attemptCount: x.attempts.length,
    isTerminal: isTerminal(x),
    attemptIndex,
    state: attempt?.state ?? null,
    endedBy: attempt?.endedBy ?? null,
    nextNumber: attempt?.stream?.head.nextNumber ?? 0,
    frames,
    more: frames.length < wanted.length,
  }
}
