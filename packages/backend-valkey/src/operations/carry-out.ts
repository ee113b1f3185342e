import {
  type ItemOutcome,
  limits,
  type Namespace,
  type OperationDeed,
  type OperationItem,
  partitionIndexOf,
  replayMembers,
  uuidOf,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { replayFlow } from '../flows/replay.js'
import { asList } from '../library/as-list.js'

interface CarryOut {
  readonly namespace: Namespace
  readonly deed: OperationDeed
  readonly items: readonly OperationItem[]
}

/** A batch in one call to each partition that it names; members of flows are replayed by their flows. */
export async function carryOut(ctx: ValkeyContext, params: CarryOut): Promise<readonly ItemOutcome[]> {
  const { namespace, deed, items } = params
  const outcomes = new Map<string, ItemOutcome>()
  const alone = deed === 'replay' ? items.filter(({ flowId }) => flowId === null) : items
  await Promise.all(
    [...byPartition(alone)].map(async ([partition, own]) => {
      for (let from = 0; from < own.length; from += CALL_MAX) {
        const part = own.slice(from, from + CALL_MAX)
        const words = await callPartition(ctx, partition, { namespace, deed, items: part })
        for (const [place, { id }] of part.entries()) outcomes.set(id, toOutcome(words[place]))
      }
    }),
  )
  const ofMembers = await replayMembers(deed === 'replay' ? items : [], (flowId, members) =>
    replayFlow(
      ctx,
      { namespace, flowId, from: members.map(({ id }) => id) },
      new Map(members.map(({ id, generation }) => [id, generation])),
    ),
  )
  return items.map(({ id }) => ofMembers.get(id) ?? outcomes.get(id) ?? { outcome: 'unchanged' })
}

async function callPartition(
  ctx: ValkeyContext,
  partition: number,
  { namespace, deed, items }: CarryOut,
): Promise<readonly string[]> {
  const rows = items.map(({ id, generation }): [string, number] => [uuidOf(id), generation])
  const { reply } = await ctx.invoke({
    name: 'operations_carry_out',
    tag: `fp:${partition}`,
    args: [namespace, deed, rows, limits.replaysMax],
  })
  return asList(reply)
}

function byPartition(items: readonly OperationItem[]): ReadonlyMap<number, readonly OperationItem[]> {
  const partitions = new Map<number, OperationItem[]>()
  for (const item of items) {
    const partition = partitionIndexOf(item.id)
    const own = partitions.get(partition)
    if (own === undefined) partitions.set(partition, [item])
    else own.push(item)
  }
  return partitions
}

function toOutcome(word: string | undefined): ItemOutcome {
  if (word === 'done' || word === 'unchanged') return { outcome: word }
  return { outcome: 'failed', code: word ?? 'unexpected_answer' }
}

/** So many are ended in about a millisecond. */
const CALL_MAX = 50
