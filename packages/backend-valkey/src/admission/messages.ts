import { type DispatchItem, type ExecutionId, makeEntryId } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { cancelHolder } from './due.js'
import { type GivenBack, giveBack } from './give-back.js'
import { holderOf, nameOfBudget, nameOfQuota, tagOfResource, waiterOf } from './resource-names.js'

/** Messages that admission leaves in the outbox. Carrying one twice does no harm. */

/** As `shared/demands.lua` leaves it. */
type GiveBackMessage = readonly [
  namespace: string,
  execution: ExecutionId,
  lease: string,
  back: number,
  quotas: readonly (readonly [id: string, key: string])[],
  budgets: readonly string[],
  line: string,
  waiter: string,
]

/** What a lease held, or the place of a head that waits no more. */
export async function carryGiveBack(
  ctx: ValkeyContext,
  partition: number,
  entry: string,
): Promise<DispatchItem> {
  const entryId = makeEntryId(partition, entry)
  const message = await read(ctx, partition, entry, 'g')
  if (message === undefined) return { outcome: 'noop', entryId }
  const [, execution, lease, back, quotas, budgets, line, token] = message as GiveBackMessage
  const names = [
    ...asList(quotas).map(([id, key]) => nameOfQuota(id, key)),
    ...asList(budgets).map((id) => nameOfBudget(id)),
  ]
  await giveBack(
    ctx,
    names.map(
      (name): GivenBack => ({
        name,
        holder: lease === '' ? '' : holderOf(execution, lease),
        withUnits: back === 1,
        waiter: waiterOf(`fp:${partition}`, line),
        token,
      }),
    ),
  )
  await remove(ctx, partition, entry)
  return {
    outcome: 'advanced',
    entryId,
    flowId: null,
    executionId: execution,
    edges: 0,
    satisfied: 0,
    impossible: 0,
    skipped: 0,
    corrupt: [],
  }
}

/** A holder that is to make room for another's head. */
export async function carryCancel(
  ctx: ValkeyContext,
  partition: number,
  entry: string,
): Promise<DispatchItem> {
  const entryId = makeEntryId(partition, entry)
  const message = await read(ctx, partition, entry, 'k')
  if (message === undefined) return { outcome: 'noop', entryId }
  const [namespace, , , name, holder] = message as readonly string[] as readonly [
    string,
    string,
    string,
    string,
    string,
  ]
  await cancelHolder(ctx, namespace, holder)
  const tag = await tagOfResource(ctx, name)
  await ctx.invoke({ name: 'admission_done', tag, args: ['to_cancel', [`${name}\0${holder}`]] })
  await remove(ctx, partition, entry)
  return { outcome: 'delivered', entryId, message: 'holder_cancelled', more: false }
}

async function read(
  ctx: ValkeyContext,
  partition: number,
  entry: string,
  kind: string,
): Promise<readonly unknown[] | undefined> {
  const tag = `fp:${partition}`
  const { reply } = await ctx.invoke({ name: 'suspensions_message', tag, args: [entry, 1] })
  return reply[0] === kind ? reply[1] : undefined
}

async function remove(ctx: ValkeyContext, partition: number, entry: string): Promise<void> {
  await ctx.invoke({ name: 'suspensions_delivered', tag: `fp:${partition}`, args: [entry, []] })
}
