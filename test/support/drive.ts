import type { FoundationBackend, PartitionConfig, PartitionTag, PendingWork } from '@flowfabric/core'
import { makePartitionTag } from '@flowfabric/core'

/** Which work is carried out before which, when several kinds are pending: what has ended is resolved before all else. */
const order = ['outbox', 'sibling_cancels', 'cancel_backlog', 'timers'] as const satisfies PendingWork[]
type Driven = (typeof order)[number]

/** Enough for any test's graph; more means that something pending never goes away. */
const turnsMax = 2_000

export function flowPartitions(count: number): PartitionTag[] {
  return Array.from({ length: count }, (_, index) => makePartitionTag('flow', index))
}

export interface DriveOptions {
  /** Items per call of a scanner operation. */
  readonly max?: number | undefined
  /** Kinds of work that are left alone, to look at the store in between. */
  readonly except?: readonly (Driven | 'projection')[] | undefined
}

/**
 * Does by hand what dispatchers and scanners do, over all partitions, until nothing is pending. It goes by `pulse` alone,
 * as the supervisor does: work that the pulse doesn't name stays undone, and the test that waits for it fails. Answers
 * whether anything was pending.
 */
export async function settle(
  backend: FoundationBackend,
  partitions: readonly PartitionTag[],
  { max = 500, except = [] }: DriveOptions = {},
): Promise<boolean> {
  let last = ''
  for (let turn = 0; turn < turnsMax; turn += 1) {
    const { partitions: pulses } = await backend.maintenance.pulse({ partitions })
    const work = order.find(
      (kind) => !except.includes(kind) && pulses.some(({ pending }) => pending.includes(kind)),
    )
    if (work === undefined && except.includes('projection')) return turn > 0
    if (work === undefined) {
      const unprojected = pulses.filter(isUnprojected).map(({ partition }) => partition)
      await projectAll(backend, unprojected)
      return turn > 0 || unprojected.length > 0
    }
    last = work
    for (const { partition, pending } of pulses) {
      if (pending.includes(work)) await carryOut(backend, work, { partition, max })
    }
  }
  throw new Error(`after ${turnsMax} turns there is still work pending: ${last}`)
}

const isUnprojected = ({ pending }: { readonly pending: readonly PendingWork[] }) =>
  pending.includes('projection')

/** Does by hand what resets budgets and wakes admission keys, until nothing is pending. Answers how many turns that took. */
export async function settleAdmission(
  backend: FoundationBackend,
  counts: PartitionConfig,
  { resets = true }: { readonly resets?: boolean | undefined } = {},
): Promise<number> {
  const { budgets, quotas } = backend
  const tags = (['budget', 'quota'] as const).flatMap((family) =>
    Array.from({ length: counts[family] }, (_, index) => makePartitionTag(family, index)),
  )
  for (let turn = 0; turn < turnsMax; turn += 1) {
    const { partitions } = await backend.maintenance.pulse({ partitions: tags })
    const due = partitions.filter(({ pending }) => resets && pending.includes('budget_resets'))
    for (const { partition } of due) await budgets.resetDue({ partition, max: 500 })
    const parked = partitions.filter(({ pending }) => pending.includes('parked'))
    for (const { partition } of parked) await quotas.wakeParked({ partition, max: 500 })
    if (due.length + parked.length === 0) return turn
  }
  throw new Error(`after ${turnsMax} turns there are still admission keys to wake`)
}

/** One call of that kind of work. */
export async function carryOut(
  { resolution, maintenance }: FoundationBackend,
  work: Driven,
  request: { readonly partition: PartitionTag; readonly max: number },
): Promise<void> {
  switch (work) {
    case 'outbox':
      await resolution.dispatchCompletions(request)
      return
    case 'sibling_cancels':
      await resolution.drainSiblingCancels(request)
      return
    case 'cancel_backlog':
      await resolution.drainCancelBacklog(request)
      return
    case 'timers':
      await maintenance.drainTimers(request)
  }
}

/** What the projector does on its sweep. */
export async function projectAll(
  backend: FoundationBackend,
  partitions: readonly PartitionTag[],
): Promise<void> {
  for (const partition of partitions) {
    let cursor: string | undefined
    do {
      const page = await backend.resolution.projectSummaries({ partition, max: 100, cursor })
      cursor = page.cursor ?? undefined
    } while (cursor !== undefined)
  }
}
