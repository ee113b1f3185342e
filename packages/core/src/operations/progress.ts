import { limits } from '../limits.js'
import type { ItemOutcome } from './operation-store.js'
import type { OperationBatch, OperationItem, OperationProgress, StoredOperation } from './record.js'

export const firstProgress: OperationProgress = {
  state: 'running',
  endedAtMs: null,
  total: null,
  isCounted: false,
  done: 0,
  unchanged: 0,
  failed: 0,
  failures: [],
  place: null,
  isWalked: false,
  batch: null,
  batches: 0,
}

/** When a runner has to look at the job next. */
export function dueAtOf({ state, batch, endedAtMs }: OperationProgress, nowMs: number): number | null {
  // Whoever decided on the batch carries it out; others do it where he is gone.
  if (batch !== null) return nowMs + limits.operationBatchRepeatMs
  if (state === 'running') return nowMs
  return endedAtMs === null ? null : endedAtMs + limits.operationRetentionMs
}

/** Whether it may be removed. */
export function isPastRetention({ progress }: StoredOperation, nowMs: number): boolean {
  const { batch, endedAtMs } = progress
  return batch === null && endedAtMs !== null && endedAtMs + limits.operationRetentionMs <= nowMs
}

export interface Tally {
  readonly done: number
  readonly unchanged: number
  readonly failed: number
}

export const noTally: Tally = { done: 0, unchanged: 0, failed: 0 }

export function tallyOf(outcomes: readonly ItemOutcome[]): Tally {
  const tally = { ...noTally }
  for (const { outcome } of outcomes) tally[outcome] += 1
  return tally
}

export function sumOf(one: Tally, other: Tally): Tally {
  return {
    done: one.done + other.done,
    unchanged: one.unchanged + other.unchanged,
    failed: one.failed + other.failed,
  }
}

/** The record without its batch, which was carried out. */
export function settle(progress: OperationProgress, outcomes: readonly ItemOutcome[]): OperationProgress {
  if (progress.batch === null) return progress
  const { items } = progress.batch
  const failures = outcomes.flatMap((each, place) => {
    const item = items[place]
    return each.outcome === 'failed' && item !== undefined ? [{ executionId: item.id, code: each.code }] : []
  })
  return {
    ...progress,
    ...sumOf(progress, tallyOf(outcomes)),
    failures: [...progress.failures, ...failures].slice(0, limits.operationFailuresKept),
    batch: null,
  }
}

/** The record with what a look has found, which is to be carried out next; ended where nothing is left. */
export function takeBatch(
  progress: OperationProgress,
  found: {
    readonly items: readonly OperationItem[]
    readonly place: string | null
    readonly isWalked: boolean
  },
  nowMs: number,
): OperationProgress {
  const { items, place, isWalked } = found
  const isOver = isWalked && items.length === 0
  const batch: OperationBatch | null = items.length === 0 ? null : { number: progress.batches + 1, items }
  return {
    ...progress,
    place,
    isWalked,
    batch,
    batches: progress.batches + (batch === null ? 0 : 1),
    state: isOver ? 'completed' : progress.state,
    endedAtMs: isOver ? nowMs : progress.endedAtMs,
  }
}
