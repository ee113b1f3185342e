import type { ClaimRequest } from '@flowfabric/core'
import { type HandedOut, readHanded } from '../channel/handed-out.js'
import type { Offer, OfferedItem } from '../channel/work-items.js'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import type { ItemArg } from '../library/invoke.js'
import { type GivenBack, giveBack } from './give-back.js'
import { type Reserved, reserve } from './reserve.js'
import { originOf, readHolder, readResourceName, waiterOf } from './resource-names.js'

/** What a claim got of the lines that it was offered. */
export interface Admitted {
  readonly handed: readonly HandedOut[]
  /** Whether a line is out of the way of others: it is parked, or its head is gone. */
  readonly isMoved: boolean
  /** How many ended, since a quota that drops what is new had no room for them. */
  readonly drops: number
}

/**
 * Admission of what names quotas or budgets. The partition has offered heads of a line; what they ask is taken where it is
 * counted; then the partition leases those for which all was taken, and parks the line of the first that was refused. Whoever dies
 * on the way leaves an offer and tentative holders, which both lapse after ten seconds: `wakeParked` looks at the executions.
 */
export async function admitOffer(
  ctx: ValkeyContext,
  tag: string,
  offer: Offer,
  request: ClaimRequest,
): Promise<Admitted> {
  const progress: { name: string; item: OfferedItem | undefined }[] = []
  const undo = (list: typeof progress) => giveBack(ctx, toGivenBack(tag, offer, list))
  let reserved: Reserved
  try {
    reserved = await reserve(ctx, tag, offer, progress)
  } catch (fault) {
    await Promise.allSettled([undo(progress), close(ctx, tag, offer, request, nothing)])
    throw fault
  }
  const { admitted, dropped, refused, leftOver } = reserved
  const [answer] = await Promise.all([close(ctx, tag, offer, request, reserved), undo([...leftOver])])
  const [leased, handed, isParked] = answer.reply
  const late = admitted.filter((_, place) => leased[place] !== true)
  await undo([
    ...progress.filter(({ item }) => item !== undefined && late.includes(item)),
    ...(refused === undefined || isParked ? [] : [{ name: refused.name, item: undefined }]),
  ])
  return {
    handed: asList(handed).map((each) => readHanded(each, answer.bytes)),
    isMoved: isParked || dropped.length > 0,
    drops: dropped.length,
  }
}

const nothing: Reserved = { admitted: [], dropped: [], refused: undefined, leftOver: [], asked: undefined }

async function close(
  ctx: ValkeyContext,
  tag: string,
  { line, namespace, token }: Offer,
  { instanceId, workerId, claimId, leaseTtlMs }: ClaimRequest,
  { admitted, dropped, refused, asked }: Reserved,
) {
  const by = refused === undefined ? undefined : readResourceName(refused.name)
  return ctx.invoke({
    name: 'leases_admit',
    tag,
    args: [
      line,
      token,
      [instanceId, workerId, claimId, leaseTtlMs],
      admitted.map(({ id, lease }): ItemArg<'leases_admit', 3> => [id, lease]),
      dropped.map(({ id }) => id),
      by === undefined || refused === undefined
        ? []
        : [
            by.kind === 'quota'
              ? [refused.item.id, 'q', by.quotaId, by.key, token]
              : [refused.item.id, 'b', by.budgetId, '', token],
          ],
      asked === undefined ? [] : [askedArg(namespace, asked)],
    ],
  })
}

function askedArg(
  namespace: string,
  { name, holder }: NonNullable<Reserved['asked']>,
): ItemArg<'leases_admit', 6> {
  const { executionId, lease } = readHolder(holder)
  return [namespace, executionId, lease, name, holder]
}

function toGivenBack(
  tag: string,
  { line, token }: Offer,
  progress: readonly { readonly name: string; readonly item: OfferedItem | undefined }[],
): readonly GivenBack[] {
  const leases = new Map<string, (string | number)[]>()
  const items: GivenBack[] = []
  for (const { name, item } of progress) {
    if (item === undefined) items.push({ name, held: [], waits: { waiter: waiterOf(tag, line), token } })
    else {
      const known = leases.get(name)
      if (known === undefined) leases.set(name, [item.id, item.number])
      else known.push(item.id, item.number)
    }
  }
  for (const [name, list] of leases) items.push({ name, held: [[originOf(tag, token), true, list]] })
  return items
}
