import type { PendingWork, PulseResult } from './contract/maintenance.js'
import { makePartitionTag } from './partitions/index.js'

/** Of those who wait at the limits of a partition. */
export interface ParkedPulse {
  /** There is room for one of them. */
  readonly isParked: boolean
  /** When there may be room by time alone; `null` is never. */
  readonly retryAtMs: number | null
}

/** The pulse of a partition in which no executions live: what is due when, by the kind of work (`null` is never). */
export function recordsPulse(
  family: 'quota' | 'budget',
  index: number,
  nowMs: number,
  dueAtMs: Readonly<Partial<Record<PendingWork, number | null | undefined>>>,
  { isParked, retryAtMs }: ParkedPulse,
): PulseResult['partitions'][number] {
  const due = Object.entries(dueAtMs).flatMap(([work, atMs]) =>
    typeof atMs !== 'number' ? [] : [{ work: work as PendingWork, atMs }],
  )
  const times = [...due.map(({ atMs }) => atMs), ...(retryAtMs === null ? [] : [retryAtMs])]
  return {
    partition: makePartitionTag(family, index),
    pending: [
      ...due.filter(({ atMs }) => atMs <= nowMs).map(({ work }) => work),
      ...(isParked ? (['parked'] as const) : []),
    ],
    nextDueAtMs: times.length === 0 ? null : Math.min(...times),
  }
}
