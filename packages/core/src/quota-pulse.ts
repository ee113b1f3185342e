import type { PendingWork, PulseResult } from './contract/maintenance.js'
import { makePartitionTag } from './partitions/index.js'

/** The pulse of a partition of the quota family: what is due when, by the kind of work; `null` is never. */
export function quotaPulse(
  index: number,
  nowMs: number,
  dueAtMs: Readonly<Partial<Record<PendingWork, number | null | undefined>>>,
): PulseResult['partitions'][number] {
  const due = Object.entries(dueAtMs).flatMap(([work, atMs]) =>
    typeof atMs !== 'number' ? [] : [{ work: work as PendingWork, atMs }],
  )
  return {
    partition: makePartitionTag('quota', index),
    pending: due.filter(({ atMs }) => atMs <= nowMs).map(({ work }) => work),
    nextDueAtMs: due.length === 0 ? null : Math.min(...due.map(({ atMs }) => atMs)),
  }
}
