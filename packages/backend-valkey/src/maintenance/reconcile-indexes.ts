import {
  checkScanRequest,
  type FlowId,
  type IndexReconcileItem,
  makeExecutionId,
  type ScanRequest,
  type ScanResult,
  vectorViolations,
} from '@flowfabric/core'
import { wakeForgotten } from '../admission/wake-forgotten.js'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { readVector } from '../records/letters.js'

/** Where the next pass over a partition goes on. */
interface Place {
  readonly index: string
  readonly cursor: string
}

const positions = new WeakMap<ValkeyContext, Map<number, Place>>()
const START: Place = { index: '', cursor: '' }

/** Entries of one call. */
const ENTRIES_MAX = 100

/**
 * Walks the partition's indexes, and compares each entry with its record, and the record with all indexes that its state
 * demands. What differs is set right; what a transition should never have let through is only named.
 */
export async function reconcileIndexes(
  ctx: ValkeyContext,
  params: ScanRequest,
): Promise<ScanResult<IndexReconcileItem>> {
  const partition = checkScanRequest(params, await ctx.partitions())
  const known = positionsOf(ctx)
  const items: IndexReconcileItem[] = []
  let place = known.get(partition) ?? START
  for (let left = params.max; left > 0; ) {
    const { reply } = await ctx.invoke({
      name: 'maintenance_reconcile_indexes',
      tag: `fp:${partition}`,
      args: [place.index, place.cursor, Math.min(left, ENTRIES_MAX)],
    })
    const [findings, vectors, index, cursor, looked, parked] = reply
    for (const finding of asList(findings)) items.push(toItem(partition, finding))
    for (const vector of asList(vectors)) items.push(...judgeVector(partition, vector))
    await wakeForgotten(ctx, partition, asList(parked))
    place = { index, cursor }
    left -= Math.max(1, looked)
    if (index === '') break
  }
  known.set(partition, place)
  return { items, more: false }
}

function positionsOf(ctx: ValkeyContext): Map<number, Place> {
  let known = positions.get(ctx)
  if (known === undefined) {
    known = new Map()
    positions.set(ctx, known)
  }
  return known
}

function toItem(
  partition: number,
  [word, kind, id, finding]: readonly [word: string, kind: string, id: string, finding: string],
): IndexReconcileItem {
  return {
    outcome: word as 'repaired' | 'violation',
    id: kind === 'f' ? (id as FlowId) : makeExecutionId(partition, id),
    finding,
  }
}

function judgeVector(
  partition: number,
  [uuid, letters]: readonly [id: string, letters: string],
): readonly IndexReconcileItem[] {
  const id = makeExecutionId(partition, uuid)
  return vectorViolations(readVector(letters)).map((finding) => ({ outcome: 'violation', id, finding }))
}
