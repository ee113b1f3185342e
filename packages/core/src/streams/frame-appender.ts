import type { ItemError } from '../contract/conventions.js'
import type { FencingRefusal } from '../contract/leases.js'
import type { AppendFrameOutcome, AppendFrames, FrameToAppend } from '../contract/streams.js'
import { engineError, isEngineError } from '../errors/engine-error.js'
import type { LeaseHandle } from '../handle.js'
import { limits } from '../limits.js'
import type { Namespace } from '../names.js'
import { checkAppendFrames } from '../validation/streams.js'
import { encodeFrameCursor } from './frame-cursor.js'
import type { StoredFrame } from './frame-look.js'
import { createHeadCache } from './head-cache.js'
import { emptyStream, type FrameVerdict, judgeFrames, type StreamHead } from './judge-frames.js'

/** What is written for one attempt in one step, if the head is still the one that it was judged by. */
export interface FrameWrite {
  readonly handle: LeaseHandle
  readonly namespaces: readonly Namespace[]
  /** The head that was judged: the same number and time of its last append. */
  readonly expected: StreamHead
  /** The head after it; a document that is the same object as before is unchanged. */
  readonly head: StreamHead
  readonly frames: readonly NewFrame[]
}

export type NewFrame = Pick<StoredFrame, 'frameNumber' | 'mode' | 'type' | 'frame'>

export type FrameWriteOutcome =
  | { readonly outcome: 'written'; readonly writtenAtMs: number }
  /** Nothing was written: this is the head that there is. */
  | { readonly outcome: 'moved'; readonly head: StreamHead }
  | FencingRefusal

/** One fenced step of a store. Rejects with what was wrong with this write, or with the store. */
export type WriteFrames = (write: FrameWrite) => Promise<FrameWriteOutcome>

interface Waiting {
  readonly handle: LeaseHandle
  readonly namespaces: readonly Namespace[]
  readonly item: FrameToAppend
  resolve(outcome: AppendFrameOutcome): void
  reject(error: unknown): void
}

/** Bytes of the frames of one write. */
const WRITE_BYTES_MAX = 1_048_576
/** How often a head may be found to have moved: others that append under the same lease would have to come between each time. */
const TRIES_MAX = 10

/**
 * Appends frames for a store whose step only writes: what becomes of each is judged here, by the head as this process
 * knows it, and judged anew where it is another one by now. Calls for an attempt that come while one is under way go
 * together in the next.
 */
export function createFrameAppender(write: WriteFrames) {
  const heads = createHeadCache()
  const queues = new Map<string, Waiting[]>()

  const append = (waiting: Waiting): void => {
    const key = keyOf(waiting.handle)
    const queue = queues.get(key)
    if (queue !== undefined) {
      queue.push(waiting)
      return
    }
    queues.set(key, [waiting])
    // After this turn's other calls.
    queueMicrotask(() => void drain(key))
  }

  const drain = async (key: string): Promise<void> => {
    const queue = queues.get(key)
    while (queue !== undefined && queue.length > 0) {
      const batch = queue.splice(0, countTogether(queue))
      try {
        const outcomes = await carryOut(key, batch)
        batch.forEach(({ resolve }, place) => {
          resolve(outcomes[place] as AppendFrameOutcome)
        })
      } catch (error) {
        // Whether it was written is not known.
        heads.forget(key)
        for (const { reject } of batch) reject(error)
      }
    }
    queues.delete(key)
  }

  const carryOut = async (key: string, batch: readonly Waiting[]): Promise<readonly AppendFrameOutcome[]> => {
    const [first] = batch
    if (first === undefined) return []
    const { handle, namespaces } = first
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const expected = heads.get(key) ?? emptyStream
      const { verdicts, head } = judgeFrames(
        expected,
        handle.epoch,
        batch.map(({ item }) => item),
      )
      const frames = batch.flatMap(({ item }, place) => newFrame(item, verdicts[place]))
      const answer = await write({ handle, namespaces, expected, head, frames })
      switch (answer.outcome) {
        case 'written':
          heads.keep(key, { ...head, writtenAtMs: answer.writtenAtMs })
          return verdicts.map((verdict) => toOutcome(handle, verdict))
        case 'moved':
          heads.keep(key, answer.head)
          break
        default:
          heads.forget(key)
          return batch.map(() => answer)
      }
    }
    throw engineError('contention', 'Others append to the same attempt all the time')
  }

  return async (params: AppendFrames): Promise<{ readonly items: readonly AppendFrameOutcome[] }> => {
    const handles = checkAppendFrames(params)
    const { namespaces } = params
    const settled = await Promise.allSettled(
      params.items.map((item, index): Promise<AppendFrameOutcome> => {
        const handle = handles[index]
        if (handle === undefined || isEngineError(handle)) return Promise.reject(handle)
        return new Promise((resolve, reject) => append({ handle, namespaces, item, resolve, reject }))
      }),
    )
    return {
      items: settled.map((each) => (each.status === 'fulfilled' ? each.value : toItemError(each.reason))),
    }
  }
}

function keyOf({ executionId, attemptIndex }: LeaseHandle): string {
  return `${executionId}/${attemptIndex}`
}

/** How many of the first go in one write: those of one lease, up to the bounds. */
function countTogether(queue: readonly Waiting[]): number {
  const [first] = queue
  let bytes = 0
  const end = queue.findIndex((each, place) => {
    bytes += each.item.frame.byteLength
    return place === limits.frameBatchMax || (place > 0 && bytes > WRITE_BYTES_MAX) || !isSame(first, each)
  })
  return end === -1 ? queue.length : end
}

function isSame(one: Waiting | undefined, other: Waiting): boolean {
  return (
    one?.handle.leaseId === other.handle.leaseId &&
    one.handle.epoch === other.handle.epoch &&
    one.namespaces.join() === other.namespaces.join()
  )
}

function newFrame({ mode, type, frame }: FrameToAppend, verdict: FrameVerdict | undefined): NewFrame[] {
  if (verdict?.outcome !== 'appended') return []
  return [{ frameNumber: verdict.number, mode, type: type ?? null, frame }]
}

function toOutcome(
  { executionId, attemptIndex }: LeaseHandle,
  verdict: FrameVerdict,
): Exclude<AppendFrameOutcome, { readonly outcome: 'error' }> {
  if (!('number' in verdict)) return verdict
  const { outcome, number } = verdict
  return { outcome, cursor: encodeFrameCursor(executionId, { attemptIndex, number: number + 1 }) }
}

/** What is wrong with one item, or with what is stored of its execution, is its answer; all else is the call's failure. */
function toItemError(error: unknown): ItemError {
  if (isEngineError(error) && (error.kind === 'validation' || error.kind === 'corruption')) {
    return { outcome: 'error', error }
  }
  throw error
}
