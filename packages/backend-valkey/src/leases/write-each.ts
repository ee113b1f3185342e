import {
  type CheckedHandle,
  type FencingRefusal,
  type ItemError,
  isEngineError,
  must,
  partitionIndexOf,
  uuidOf,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { isOfItem, toItemError } from './item-error.js'

/** A handle as the library takes it, and the place of its item. */
export interface Placed {
  readonly handle: readonly [execution: string, attempt: number, lease: string, epoch: number]
  readonly index: number
}

/** One call for items of one partition; answers in their order. */
export type SendItems<Outcome> = (tag: string, items: readonly Placed[]) => Promise<readonly Outcome[]>

/** Items of one call, and the bytes that go along: more would keep others waiting. */
const ITEMS_MAX = 128
const BYTES_MAX = 1_048_576

/**
 * Writes of holders: calls for the items of each partition, those of different partitions sent together, those of one in
 * the order of the items. Answers each item in its place; what its handle already says is answered without a call.
 */
export async function writeEach<Outcome>(
  ctx: ValkeyContext,
  checked: readonly CheckedHandle[],
  send: SendItems<Outcome>,
  bytesOf: (index: number) => number = () => 0,
): Promise<readonly (Outcome | FencingRefusal | ItemError)[]> {
  const { flow } = await ctx.partitions()
  const answers: (Outcome | FencingRefusal | ItemError)[] = []
  const byPartition = new Map<number, Placed[]>()
  checked.forEach((handle, index) => {
    if (isEngineError(handle)) {
      answers[index] = { outcome: 'error', error: handle }
      return
    }
    const { executionId, attemptIndex, leaseId, epoch } = handle
    const partition = partitionIndexOf(executionId)
    // No partition, and so no execution.
    if (partition >= flow) {
      answers[index] = { outcome: 'stale_lease' }
      return
    }
    const placed: Placed = { handle: [uuidOf(executionId), attemptIndex, leaseId, epoch], index }
    const group = byPartition.get(partition)
    if (group === undefined) byPartition.set(partition, [placed])
    else group.push(placed)
  })
  const sendAll = [...byPartition].map(async ([partition, items]) => {
    for (const batch of split(items, bytesOf)) {
      const outcomes = await sendInHalves(send, `fp:${partition}`, batch)
      batch.forEach(({ index }, place) => {
        answers[index] = must(outcomes[place], 'the answer of an item')
      })
    }
  })
  const settled = await Promise.allSettled(sendAll)
  for (const each of settled) if (each.status === 'rejected') throw each.reason
  return answers
}

/** What one item brings to its fall is its own answer: the others are sent without it. */
async function sendInHalves<Outcome>(
  send: SendItems<Outcome>,
  tag: string,
  items: readonly Placed[],
): Promise<readonly (Outcome | ItemError)[]> {
  try {
    return await send(tag, items)
  } catch (fault) {
    if (!isEngineError(fault) || !isOfItem(fault)) throw fault
    if (items.length === 1) return [toItemError(fault)]
    const middle = Math.ceil(items.length / 2)
    const first = await sendInHalves(send, tag, items.slice(0, middle))
    return [...first, ...(await sendInHalves(send, tag, items.slice(middle)))]
  }
}

function split(items: readonly Placed[], bytesOf: (index: number) => number): readonly (readonly Placed[])[] {
  const batches: Placed[][] = []
  let batch: Placed[] = []
  let bytes = 0
  for (const placed of items) {
    const size = bytesOf(placed.index)
    if (batch.length === ITEMS_MAX || (batch.length > 0 && bytes + size > BYTES_MAX)) {
      batches.push(batch)
      batch = []
      bytes = 0
    }
    batch.push(placed)
    bytes += size
  }
  return [...batches, batch]
}
