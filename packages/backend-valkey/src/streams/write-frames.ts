import {
  engineError,
  type FencingRefusal,
  type FrameWrite,
  type FrameWriteOutcome,
  type ItemError,
  limits,
  must,
  partitionIndexOf,
  type StreamHead,
  type WriteFrames,
} from '@flowfabric/core'
import { bytesAt } from '../channel/handed-out.js'
import type { ValkeyContext } from '../context.js'
import type { LibraryFunctions } from '../generated/functions.js'
import { streamFields } from '../generated/layouts.js'
import { readRefusal } from '../leases/refusal.js'
import { type Placed, writeEach } from '../leases/write-each.js'
import { asList } from '../library/as-list.js'
import { createTickBatch } from '../library/tick-batch.js'
import { streamModeLetters } from '../records/letters.js'
import { copyOf } from '../records/stored-step.js'

type Item = LibraryFunctions['streams_append']['args'][1][number]
type Batch = (write: FrameWrite) => Promise<FrameWriteOutcome | FencingRefusal | ItemError>

/** Writes that one call carries at most are cut by their bytes; so many only bound the answer. */
const BATCH_MAX = 1_000
/** A batch that nobody is waiting in is worth nothing. */
const BATCHES_MAX = 1_024

/** Writes what was judged. What one tick brings for a partition goes as one call. */
export function createFrameWriter(ctx: ValkeyContext): WriteFrames {
  const batches = new Map<string, Batch>()
  const batchOf = ({ namespaces, handle }: FrameWrite): Batch => {
    const key = `${partitionIndexOf(handle.executionId)} ${namespaces.join()}`
    let batch = batches.get(key)
    if (batch === undefined) {
      batch = createTickBatch(
        (writes: readonly FrameWrite[]) => sendWrites(ctx, namespaces, writes),
        BATCH_MAX,
      )
      if (batches.size >= BATCHES_MAX) batches.clear()
      batches.set(key, batch)
    }
    return batch
  }
  return async (write) => {
    const outcome = await batchOf(write)(write)
    if (outcome.outcome === 'error') throw outcome.error
    return outcome
  }
}

function sendWrites(
  ctx: ValkeyContext,
  namespaces: readonly string[],
  writes: readonly FrameWrite[],
): Promise<readonly (FrameWriteOutcome | FencingRefusal | ItemError)[]> {
  const writeOf = (index: number) => must(writes[index], 'a write')
  const send = async (tag: string, placed: readonly Placed[]): Promise<readonly FrameWriteOutcome[]> => {
    const payloads: Uint8Array[] = []
    const { reply, bytes } = await ctx.invoke({
      name: 'streams_append',
      tag,
      args: [
        [...namespaces],
        placed.map(({ handle, index }) => toItem(handle, writeOf(index), payloads)),
        [limits.cappedFramesMax, limits.cappedBytesMax, limits.cappedAgeMsMax],
      ],
      bytes: payloads,
    })
    return asList(reply).map((answer) => toOutcome(answer, bytes))
  }
  return writeEach(
    ctx,
    writes.map(({ handle }) => handle),
    send,
    (index) => sizeOf(writeOf(index)),
  )
}

function toItem(handle: Placed['handle'], write: FrameWrite, payloads: Uint8Array[]): Item {
  const { expected, head, frames } = write
  const isPatched = head.document !== null && head.document !== expected.document
  return [
    ...handle,
    [expected.nextNumber, expected.writtenAtMs],
    [head.nextNumber, head.leaseBase, head.durableFrames, head.durableBytes, head.patchCount],
    isPatched ? payloads.push(head.document) : 0,
    frames.map(({ frameNumber, mode, type, frame }): Item[7][number] => [
      frameNumber,
      streamModeLetters.write(mode),
      type ?? false,
      payloads.push(frame),
    ]),
  ]
}

function sizeOf({ head, frames }: FrameWrite): number {
  return frames.reduce((sum, { frame }) => sum + frame.byteLength, head.document?.byteLength ?? 0)
}

function toOutcome(answer: readonly unknown[], bytes: readonly Uint8Array[]): FrameWriteOutcome {
  const [outcome, detail, place] = answer
  switch (outcome) {
    case 'written':
      return { outcome, writtenAtMs: Number(detail) }
    case 'moved':
      return { outcome, head: readHead(detail, bytesAt(bytes, place)) }
    default:
      return readRefusal(answer)
  }
}

function readHead(fields: unknown, document: Uint8Array | null): StreamHead {
  if (!Array.isArray(fields) || !fields.every((field) => typeof field === 'number')) {
    throw engineError('corruption', 'the head of a stream does not decode', { subject: 'streams_append' })
  }
  const field = (name: keyof typeof streamFields) => Number(fields[streamFields[name]])
  return {
    nextNumber: field('next'),
    epoch: field('epoch'),
    leaseBase: field('base'),
    durableFrames: field('durable'),
    durableBytes: field('durable_bytes'),
    patchCount: field('patches'),
    document: document && copyOf(document),
    writtenAtMs: field('written'),
  }
}
