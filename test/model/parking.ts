import {
  type DemandRefusal,
  makePartitionTag,
  type ParkedBy,
  type PartitionTag,
  parkedBy,
  partitionOfBudget,
  partitionTagOf,
  quotaKeyPartition,
  throttledVector,
  type WokenKeys,
  wakeableOfBudget,
  wakeableOfQuota,
} from '@flowfabric/core'
import { leaveMessage } from './family.js'
import { beginsAttempt, budgetFacts, findBudget, findQuota, keyOf, quotaFacts } from './holdings.js'
import type { ExecutionRecord, QuotaHolder } from './records.js'
import type { Model } from './store.js'
import { rejudgeBlocks, transition } from './transition.js'

/** Admission keys that wait: while the head of one is refused, nothing of it in its partition is looked at. */

/** The refused head of the execution's admission key, which may be itself. */
export function parkedHeadOf(model: Model, x: ExecutionRecord): ExecutionRecord | undefined {
  if (x.admissionKey === '') return undefined
  return [...model.executions.values()].find(
    (other) =>
      other.refused !== null &&
      other.admissionKey === x.admissionKey &&
      partitionTagOf(other.id) === partitionTagOf(x.id),
  )
}

/** Parks the key of a refused head until room is made for it. */
export function park(model: Model, x: ExecutionRecord, refusal: DemandRefusal): void {
  transition(model, x, throttledVector(x.state, refusal.by))
  model.sequence += 1
  x.refused = {
    by: parkedBy(refusal),
    sinceMs: model.clock.nowMs(),
    retryAtMs: refusal.retryAtMs,
    sequence: model.sequence,
  }
  if (refusal.by === 'quota' && refusal.strategy === 'cancel_oldest' && refusal.shortage === 'concurrency')
    askOldestToGo(model, x, refusal.quota)
}

/** One holder for each refusal, and none twice. */
function askOldestToGo(
  model: Model,
  x: ExecutionRecord,
  { quotaId, key }: { readonly quotaId: Parameters<typeof findQuota>[2]; readonly key: string },
): void {
  const { holders } = keyOf(findQuota(model, x.namespace, quotaId), key)
  const oldest = [...holders.values()]
    .filter(({ isCancelled }) => !isCancelled)
    .sort((a: QuotaHolder, b: QuotaHolder) => a.sequence - b.sequence)[0]
  if (oldest === undefined) return
  oldest.isCancelled = true
  leaveMessage(model, partitionTagOf(x.id), {
    kind: 'holder_cancelled',
    namespace: x.namespace,
    executionId: oldest.executionId,
    epoch: oldest.epoch,
  })
}

/** Those that wait for something of this partition, longest first. */
function waitersIn(model: Model, partition: PartitionTag): ExecutionRecord[] {
  return [...model.executions.values()]
    .filter((x) => x.refused !== null && homeOf(model, x.refused.by) === partition)
    .sort((a, b) => (a.refused?.sequence ?? 0) - (b.refused?.sequence ?? 0))
}

/** Where what has no room is counted. */
function homeOf({ partitions }: Model, by: ParkedBy): PartitionTag {
  return by.kind === 'quota'
    ? makePartitionTag('quota', quotaKeyPartition(by.quotaId, by.key, partitions.quota))
    : makePartitionTag('budget', partitionOfBudget(by.budgetId, partitions.budget))
}

export function countWaiters(model: Model, by: ParkedBy): number {
  return waitersFor([...model.executions.values()], by).length
}

function waitersFor(among: readonly ExecutionRecord[], by: ParkedBy): ExecutionRecord[] {
  return among.filter((x) => x.refused !== null && isSame(x.refused.by, by))
}

function isSame(a: ParkedBy, b: ParkedBy): boolean {
  if (a.kind === 'quota') return b.kind === 'quota' && a.quotaId === b.quotaId && a.key === b.key
  return b.kind === 'budget' && a.budgetId === b.budgetId
}

interface Wakeable {
  readonly by: ParkedBy
  readonly heads: readonly ExecutionRecord[]
}

/** What could be woken now, by what it waits for. */
export function wakeableIn(model: Model, partition: PartitionTag): Wakeable[] {
  const found: Wakeable[] = []
  let left: readonly ExecutionRecord[] = waitersIn(model, partition)
  for (let [first] = left; first?.refused; [first] = left) {
    const { by } = first.refused
    const waiters = waitersFor(left, by)
    left = left.filter((x) => !waiters.includes(x))
    const heads = placesToWake(model, by, waiters).flatMap((place) => waiters[place] ?? [])
    if (heads.length > 0) found.push({ by, heads })
  }
  return found
}

function placesToWake(model: Model, by: ParkedBy, waiters: readonly ExecutionRecord[]): readonly number[] {
  const namespace = waiters[0]?.namespace
  if (namespace === undefined) return []
  if (by.kind === 'budget') {
    const estimates = waiters.map(
      ({ demands }) => demands.budgets.find(({ budgetId }) => budgetId === by.budgetId)?.estimate ?? {},
    )
    return wakeableOfBudget(budgetFacts(findBudget(model, namespace, by.budgetId), {}), estimates)
  }
  const asked = waiters.map((x) => ({
    cost: x.demands.quotas.find(({ quotaId, key }) => quotaId === by.quotaId && key === by.key)?.cost ?? 0,
    beginsAttempt: beginsAttempt(x),
  }))
  return wakeableOfQuota(quotaFacts(model, findQuota(model, namespace, by.quotaId), by.key, 0), asked)
}

/** Wakes at most so many; those of one quota or budget that fit together. */
export function wake(
  model: Model,
  partition: PartitionTag,
  max: number,
): { items: WokenKeys[]; more: boolean } {
  const items: WokenKeys[] = []
  let room = max
  for (const { by, heads } of wakeableIn(model, partition)) {
    const woken = heads.slice(0, room)
    for (const x of woken) rejudgeBlocks(model, x)
    room -= woken.length
    if (woken.length > 0) items.push({ outcome: 'woken', by, count: woken.length })
    if (woken.length < heads.length) return { items, more: true }
  }
  return { items, more: false }
}

/** When something that waits for a window has room by itself. */
export function nextRetryIn(model: Model, partition: PartitionTag): number | null {
  const times = waitersIn(model, partition).flatMap(({ refused }) =>
    refused?.by.kind === 'quota' && refused.retryAtMs !== null ? [refused.retryAtMs] : [],
  )
  return times.length === 0 ? null : Math.min(...times)
}
