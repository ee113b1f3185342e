import { type DispatchItem, type ExecutionId, makeEntryId } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { cancelHolder } from './due.js'
import { type GivenBack, giveBack, type HeldLeases } from './give-back.js'
import { nameOfBudget, nameOfQuota, originOf, tagOfResource, waiterOf } from './resource-names.js'

/** Messages that admission leaves in the outbox. Carrying one twice does no harm. */

/** As `shared/demands.lua` leaves it. */
type GiveBackMessage = readonly [
  namespace: string,
  quotas: readonly (readonly [id: string, key: string])[],
  budgets: readonly string[],
  leases: readonly (readonly [base: string, back: number, leases: readonly (string | number)[]])[],
  line: string,
  waiter: string,
  /** One of those that it speaks for. */
  execution: ExecutionId,
]

/** What leases held, and places of heads that wait no more: one call for each partition that counts any of it. */
export async function carryGiveBacks(
  ctx: ValkeyContext,
  partition: number,
  entries: readonly { readonly id: string; readonly what: readonly unknown[] }[],
): Promise<readonly DispatchItem[]> {
  if (entries.length === 0) return []
  await giveBack(
    ctx,
    entries.flatMap(({ what }) => readGiveBack(partition, what)),
  )
  const tag = `fp:${partition}`
  await ctx.invoke({ name: 'admission_given_back', tag, args: [entries.map(({ id }) => id)] })
  return entries.map(({ id, what }) => ({
    outcome: 'advanced',
    entryId: makeEntryId(partition, id),
    flowId: null,
    executionId: (what as GiveBackMessage)[6],
    edges: 0,
    satisfied: 0,
    impossible: 0,
    skipped: 0,
    corrupt: [],
  }))
}

export function readGiveBack(partition: number, what: readonly unknown[]): readonly GivenBack[] {
  const [, quotas, budgets, leases, line, token] = what as GiveBackMessage
  const names = [
    ...asList(quotas).map(([id, key]) => nameOfQuota(id, key)),
    ...asList(budgets).map((id) => nameOfBudget(id)),
  ]
  const tag = `fp:${partition}`
  const held = asList(leases).map(([base, back, of]): HeldLeases => [originOf(tag, base), back === 1, of])
  const waits = token === '' ? undefined : { waiter: waiterOf(tag, line), token }
  return names.map((name) => ({ name, held, waits }))
}

/** A holder that is to make room for another's head. */
export async function carryCancel(
  ctx: ValkeyContext,
  partition: number,
  entry: string,
): Promise<DispatchItem> {
  const entryId = makeEntryId(partition, entry)
  const tag = `fp:${partition}`
  const { reply } = await ctx.invoke({ name: 'suspensions_message', tag, args: [entry, 1] })
  const [kind, message] = reply
  if (kind !== 'k') return { outcome: 'noop', entryId }
  const [namespace, , , name, holder] = message as readonly string[] as readonly [
    string,
    string,
    string,
    string,
    string,
  ]
  await cancelHolder(ctx, namespace, holder)
  const tagOfName = await tagOfResource(ctx, name)
  await ctx.invoke({ name: 'admission_done', tag: tagOfName, args: ['to_cancel', [`${name}\0${holder}`]] })
  await ctx.invoke({ name: 'suspensions_delivered', tag, args: [entry, []] })
  return { outcome: 'delivered', entryId, message: 'holder_cancelled', more: false }
}
