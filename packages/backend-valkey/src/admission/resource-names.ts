import {
  type BudgetId,
  type ParkedBy,
  partitionOfBudget,
  type QuotaId,
  quotaKeyPartition,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'

/** What a claim may find short, as `shared/resources.lua` names it: a key of a quota, or a budget. */
export type ResourceName = `q/${string}/${string}` | `b/${string}`

export const nameOfQuota = (id: string, key: string): ResourceName => `q/${id}/${key}`
export const nameOfBudget = (id: string): ResourceName => `b/${id}`

const UUID_LENGTH = 36

export function readResourceName(name: string): ParkedBy {
  const id = name.slice(2, 2 + UUID_LENGTH)
  if (name.startsWith('b/')) return { kind: 'budget', budgetId: id as BudgetId }
  return { kind: 'quota', quotaId: id as QuotaId, key: name.slice(2 + UUID_LENGTH + 1) }
}

/** Where it is counted. */
export async function tagOfResource(ctx: Pick<ValkeyContext, 'partitions'>, name: string): Promise<string> {
  const { quota, budget } = await ctx.partitions()
  const by = readResourceName(name)
  return by.kind === 'quota'
    ? `q:${quotaKeyPartition(by.quotaId, by.key, quota)}`
    : `b:${partitionOfBudget(by.budgetId, budget)}`
}

/** An execution under one lease. */
export const holderOf = (executionId: string, lease: string) => `${executionId}|${lease}`

/** The id of a lease from its beginning and the number that it ends in, as `shared/bundles.lua` takes it apart. */
export const leaseOf = (base: string, number: number) =>
  `${base}${number.toString(16).padStart(LEASE_LENGTH - base.length, '0')}`

/** What leases of one claim in a flow partition have in common. */
export const originOf = (tag: string, base: string) => `{${tag}}:|${base}`

const LEASE_LENGTH = 36

export function readHolder(holder: string): {
  readonly executionId: string
  readonly tag: string
  readonly uuid: string
  readonly lease: string
} {
  const at = holder.indexOf('|')
  const executionId = holder.slice(0, at)
  const end = executionId.indexOf('}:')
  return {
    executionId,
    tag: executionId.slice(1, end),
    uuid: executionId.slice(end + 2),
    lease: holder.slice(at + 1),
  }
}

/** The line of an admission key in a flow partition, as a waiter. */
export const waiterOf = (tag: string, line: string) => `${tag}|${line}`

export function readWaiter(waiter: string): { readonly tag: string; readonly line: string } {
  const at = waiter.indexOf('|')
  return { tag: waiter.slice(0, at), line: waiter.slice(at + 1) }
}

/** Items by the partition that they are for. */
export async function byTag<Item>(
  items: readonly Item[],
  tagOf: (item: Item) => Promise<string> | string,
): Promise<ReadonlyMap<string, readonly Item[]>> {
  const groups = new Map<string, Item[]>()
  for (const item of items) {
    const tag = await tagOf(item)
    const group = groups.get(tag)
    if (group === undefined) groups.set(tag, [item])
    else group.push(item)
  }
  return groups
}
