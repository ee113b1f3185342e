import type { Credit } from '../channel/work-items.js'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { homeTagOf } from './home.js'
import { splitLaneKey } from './lane-key.js'

/** Work of a capped lane that waits in a partition which has no slot left for it. */
export interface CreditWant {
  /** Index of a flow partition. */
  readonly partition: number
  readonly want: number
  /** How many run there already. */
  readonly active: number
}

/**
 * Slots of capped lanes. A lane's home lends them to the partitions, and never more than there are: so each partition can
 * start work by itself, without asking how many run elsewhere.
 */
export interface Credits {
  /**
   * Asks for slots: what is free, or else what other partitions have and don't use. Answers what each may use from now on;
   * nothing where the lane is full, which then rests, unless room was made in it since `changes` was read.
   */
  obtain(lane: string, wants: readonly CreditWant[], changes: number): Promise<ReadonlyMap<number, Credit>>
  /** The same without waiting for it: what is lent goes along with the next claim there. */
  prefetch(lane: string, want: CreditWant, changes: number): void
  /** What was fetched for that partition, once. */
  takeFetched(partition: number, lane: string): Credit | undefined
}

type CreditContext = Pick<ValkeyContext, 'invoke' | 'partitions' | 'lanes'>

export function createCredits(ctx: CreditContext): Credits {
  // Claims of one process that want the same ask one after the other: the first to find the lane full spares the rest.
  const asking = new Map<string, Promise<unknown>>()
  const none: ReadonlyMap<number, Credit> = new Map()

  const ask = async (lane: string, wants: readonly CreditWant[], changes: number) => {
    if (ctx.lanes.isResting(lane)) return none
    const grants = await exchange({ ctx, lane, tag: await homeTagOf(ctx, lane) }, wants)
    if (grants.size === 0) ctx.lanes.rest(lane, changes)
    return grants
  }
  const obtain: Credits['obtain'] = (lane, wants, changes) => {
    const before = asking.get(lane) ?? Promise.resolve()
    const mine = before.then(
      () => ask(lane, wants, changes),
      () => ask(lane, wants, changes),
    )
    asking.set(lane, mine)
    const forget = () => {
      if (asking.get(lane) === mine) asking.delete(lane)
    }
    mine.then(forget, forget)
    return mine
  }
  const fetched = new Map<string, Credit>()

  return {
    obtain,
    prefetch(lane, want, changes) {
      if (asking.has(lane) || ctx.lanes.isResting(lane)) return
      const keep = (grants: ReadonlyMap<number, Credit>) => {
        for (const [partition, credit] of grants) fetched.set(`${partition} ${lane}`, credit)
      }
      // The next claim that finds the lane full asks again.
      obtain(lane, [want], changes).then(keep, () => {})
    },
    takeFetched(partition, lane) {
      const key = `${partition} ${lane}`
      const credit = fetched.get(key)
      fetched.delete(key)
      return credit
    },
  }
}

async function exchange(home: Home, wants: readonly CreditWant[]): Promise<ReadonlyMap<number, Credit>> {
  const first = await take(home, [], wants, true)
  if (first.lowers.length === 0) return usable(first.grants, wants)
  const lowered = await Promise.all(first.lowers.map((each) => lower(home, first.epoch, each)))
  const counted = lowered.filter((each) => each !== undefined)
  return usable((await take(home, counted, wants, false)).grants, wants)
}

/** What lets a partition start more than runs there. */
function usable(
  grants: ReadonlyMap<number, Credit>,
  wants: readonly CreditWant[],
): ReadonlyMap<number, Credit> {
  const active = new Map(wants.map((each) => [each.partition, each.active]))
  return new Map([...grants].filter(([partition, { slots }]) => slots > (active.get(partition) ?? 0)))
}

interface Home {
  readonly ctx: CreditContext
  readonly lane: string
  readonly tag: string
}

type Lower = readonly [partition: number, seq: number]
type Lowered = [partition: number, seq: number, active: number]

async function take(
  { ctx, lane, tag }: Home,
  lowered: readonly Lowered[],
  wants: readonly CreditWant[],
  mayLower: boolean,
): Promise<{
  readonly epoch: number
  readonly grants: ReadonlyMap<number, Credit>
  readonly lowers: readonly Lower[]
}> {
  const { namespace, name } = splitLaneKey(lane)
  const { reply } = await ctx.invoke({
    name: 'lanes_take_credit',
    tag,
    args: [
      namespace,
      name,
      [...lowered],
      wants.map(({ partition, want }): [number, number] => [partition, want]),
      mayLower,
    ],
  })
  const [epoch, grants, lowers] = reply
  return {
    epoch,
    grants: new Map(asList(grants).map(([partition, slots, seq]) => [partition, { epoch, slots, seq }])),
    lowers: asList(lowers),
  }
}

/** What the partition goes on to use; nothing where it cannot say, so that the home reckons with what it knew. */
async function lower(
  { ctx, lane }: Home,
  epoch: number,
  [partition, seq]: Lower,
): Promise<Lowered | undefined> {
  const { namespace, name } = splitLaneKey(lane)
  try {
    const { reply } = await ctx.invoke({
      name: 'lanes_lower_credit',
      tag: `fp:${partition}`,
      args: [namespace, name, epoch, seq],
    })
    const [followed, active] = reply
    return followed > 0 ? [partition, followed, active] : undefined
  } catch {
    return undefined
  }
}
