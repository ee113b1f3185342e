import { type ClaimRequest, type LaneShares, limits, type SharingLane } from '@flowfabric/core'
import { admitOffer } from '../admission/admit-offers.js'
import type { ClaimedPart, Credit, LaneNote } from '../channel/work-items.js'
import type { ValkeyContext } from '../context.js'
import type { ReadyMap, ReadyPartition } from '../hints/ready-map.js'
import type { Credits, CreditWant } from '../lanes/credits.js'
import { learnRoutes } from '../routes/route-of.js'
import { allot, type LaneShare } from './allotment.js'
import { type RankedExecution, toRankedEach } from './claimed.js'
import type { Served } from './served-routes.js'

/** What one look of a claim got so far, in one round of calls after the other. */
export interface ClaimLook {
  readonly claimed: readonly RankedExecution[]
  readonly isFull: boolean
  /** How often lines were put out of the way of others, since there is no room for their heads. */
  readonly moves: number
  /** It ended as many as one claim may, since quotas that drop what is new had no room for them. */
  readonly hasDroppedEnough: boolean
  /** Another process serves the instance by now: what it claims has to be asked for anew. */
  readonly isElsewhere: boolean
  /** One call to each of these partitions, sent together. Lanes that are capped may take a second one. */
  ask(found: readonly ReadyPartition[]): Promise<void>
  /** Charges the lanes for what was handed out. */
  end(): readonly RankedExecution[]
}

export interface LookParts {
  readonly ctx: ValkeyContext
  readonly map: ReadyMap
  readonly shares: LaneShares<string>
  readonly credits: Credits
}

/** How often a look learns new routes before it does without. */
const LESSONS_MAX = 4
/** Partitions that one round asks. */
const PARTITIONS_MAX = 8

/** Work of a partition that a claim asks for: route ids by lane. */
interface Ask {
  readonly index: number
  readonly tag: string
  readonly lanes: ReadonlyMap<string, readonly string[]>
  readonly max: number
  readonly credits?: ReadonlyMap<string, Credit> | undefined
}

export function createLook(
  { ctx, map, shares, credits }: LookParts,
  request: ClaimRequest,
  served: Served,
): ClaimLook {
  const claimed: RankedExecution[] = []
  const handles = new Set<string>()
  const byLane = new Map<string, number>()
  const places = new Set<string>()
  let isElsewhere = false
  let lessons = 0
  let moves = 0
  let drops = 0
  const sharing = (): readonly SharingLane<string>[] =>
    served.lanes.map((id) => ({ id, weight: ctx.lanes.weightOf(id) }))
  const lanes = sharing()
  const starts = new Map(shares.virtualTimes(lanes).map((time, index) => [lanes[index]?.id ?? '', time]))
  const shareOf = (lane: string): LaneShare => {
    const weight = ctx.lanes.weightOf(lane)
    return { weight, virtualTime: (starts.get(lane) ?? 0) + (byLane.get(lane) ?? 0) / weight }
  }

  const askOne = async ({ index, tag, lanes: asked, max, credits: lent }: Ask): Promise<ClaimedPart> => {
    map.touch(tag)
    ctx.claims.note(request, tag)
    const call = ctx.channel(index).claim({
      instanceId: request.instanceId,
      workerId: request.workerId,
      claimId: request.claimId,
      leaseTtlMs: request.leaseTtlMs,
      max,
      routesVersion: lessons < LESSONS_MAX ? ctx.catalogue.versionIn(tag) : Number.MAX_SAFE_INTEGER,
      lanes: [...asked].map(([lane, rids]) => ({
        lane,
        virtualTime: shareOf(lane).virtualTime,
        credit: lent?.get(lane) ?? credits.takeFetched(index, lane),
        rids,
      })),
    })
    // Noted again, since the instance may have been lost and adopted anew meanwhile.
    const part = await call.finally(() => ctx.claims.note(request, tag))
    if (part.isElsewhere) {
      isElsewhere = true
      ctx.claims.lose(request.instanceId)
      return part
    }
    if (part.hasNewRoutes) {
      lessons += 1
      if (!places.has(tag)) ctx.claims.clear(request, tag)
      await learnRoutes(ctx, index)
      return part
    }
    for (const lane of asked.keys()) {
      ctx.lanes.learnWeight(lane, part.notes.find((note) => note.lane === lane)?.weight ?? 1)
    }
    const admitted = await settleAll(
      part.offers.map((offer) => admitOffer(ctx, tag, offer, request)),
      [...claimed, ...part.handed],
    )
    const handed = [...part.handed, ...admitted.flatMap((each) => each?.handed ?? [])]
    if (admitted.some((each) => each?.isMoved)) moves += 1
    drops += admitted.reduce((sum, each) => sum + (each?.drops ?? 0), 0)
    if (handed.length > 0) places.add(tag)
    else {
      // It may have got something there in an earlier round.
      if (!places.has(tag)) ctx.claims.clear(request, tag)
      if (part.offers.length === 0) stall(map, tag, asked, part)
    }
    for (const ranked of await toRankedEach(ctx, index, handed)) {
      const { handle, namespace, lane: name } = ranked.claimed
      // A call that was sent again since its answer was lost tells also what earlier rounds got there.
      if (handles.has(handle)) continue
      handles.add(handle)
      claimed.push(ranked)
      const lane = `${namespace}/${name}`
      byLane.set(lane, (byLane.get(lane) ?? 0) + 1)
    }
    return part
  }

  /** Lends what the homes have left to those that had work and no slot, and asks them again. */
  const askFull = async (
    asks: readonly Ask[],
    parts: readonly (ClaimedPart | undefined)[],
    changes: ReadonlyMap<string, number>,
  ): Promise<void> => {
    const wants = new Map<string, CreditWant[]>()
    asks.forEach(({ index, max }, place) => {
      const want = max - (parts[place]?.handed.length ?? 0)
      for (const { lane, state, active } of parts[place]?.notes ?? []) {
        if (state !== 'full' || want <= 0) continue
        wants.set(lane, [...(wants.get(lane) ?? []), { partition: index, want, active }])
      }
    })
    const granted = new Map<number, Map<string, Credit>>()
    const obtaining = [...wants].map(async ([lane, of]) => {
      const grants = await credits.obtain(lane, of, changes.get(lane) ?? 0)
      for (const [index, credit] of grants) {
        granted.set(index, (granted.get(index) ?? new Map()).set(lane, credit))
      }
    })
    await settleAll(obtaining, claimed)
    const again = asks.flatMap((ask, place): Ask[] => {
      const lent = granted.get(ask.index)
      const max = ask.max - (parts[place]?.handed.length ?? 0)
      return lent === undefined ? [] : [{ ...ask, lanes: only(ask.lanes, lent), max, credits: lent }]
    })
    await settleAll(again.map(askOne), claimed)
  }

  /** This claim has enough of other lanes; those that are full get their turn with the next. */
  const fetchForFull = (
    asks: readonly Ask[],
    parts: readonly (ClaimedPart | undefined)[],
    changes: ReadonlyMap<string, number>,
  ): void => {
    asks.forEach(({ index, max }, place) => {
      for (const { lane, state, active } of parts[place]?.notes ?? []) {
        if (state !== 'full') continue
        credits.prefetch(lane, { partition: index, want: max, active }, changes.get(lane) ?? 0)
      }
    })
  }

  return {
    claimed,
    get isFull() {
      return claimed.length >= request.max
    },
    get moves() {
      return moves
    },
    get hasDroppedEnough() {
      return drops >= limits.claimDropsMax
    },
    get isElsewhere() {
      return isElsewhere
    },
    async ask(found) {
      const offers = found
        .slice(0, PARTITIONS_MAX)
        .map(({ tag, ready }) => offerOf(ctx, served, tag, ready))
        .filter(({ lanes: known }) => known.size > 0)
      const shareOut = allot(request.max - claimed.length, offers, shareOf)
      const asks = offers
        .map((offer, place): Ask => ({ ...offer, lanes: offer.rids, max: shareOut[place] ?? 0 }))
        .filter(({ max }) => max > 0)
      const changes = new Map(lanes.map(({ id }) => [id, ctx.lanes.changesOf(id)]))
      const parts = await settleAll(asks.map(askOne), claimed)
      for (const { lane, state } of parts.flatMap((part): readonly LaneNote[] => part?.notes ?? [])) {
        if (state === 'closed') ctx.lanes.rest(lane, changes.get(lane) ?? 0)
      }
      if (claimed.length < request.max) await askFull(asks, parts, changes)
      else fetchForFull(asks, parts, changes)
    },
    end() {
      shares.charge(sharing(), byLane, claimed.length >= request.max)
      return claimed
    },
  }
}

/** By lane, at most as many routes as one claim may ask; more of them than that take turns. */
function offerOf(ctx: ValkeyContext, served: Served, tag: string, ready: ReadonlyMap<string, number>) {
  const rids = new Map<string, string[]>()
  const lanes = new Map<string, number>()
  for (const [rid, count] of someOf(served, ready)) {
    const lane = ctx.catalogue.get(rid)?.laneKey
    if (lane === undefined) continue
    rids.set(lane, [...(rids.get(lane) ?? []), rid])
    lanes.set(lane, (lanes.get(lane) ?? 0) + count)
  }
  return { tag, index: Number(tag.slice('fp:'.length)), rids, lanes }
}

function someOf(served: Served, ready: ReadonlyMap<string, number>): Iterable<readonly [string, number]> {
  if (ready.size <= limits.routesPerClaimMax) return ready
  const all = [...ready]
  const start = served.takeTurn() % all.length
  return [...all.slice(start), ...all.slice(0, start)].slice(0, limits.routesPerClaimMax)
}

/** What is there is not to be had, for no reason that its lane would tell: it ends or begins elsewhere, or is gone. */
function stall(
  map: ReadyMap,
  tag: string,
  asked: ReadonlyMap<string, readonly string[]>,
  { notes, edges }: ClaimedPart,
): void {
  const resting = new Set(notes.filter(({ state }) => state !== 'open').map(({ lane }) => lane))
  const rids = [...asked].flatMap(([lane, of]) => (resting.has(lane) ? [] : of))
  map.stall(tag, rids, edges)
}

function only<Value>(
  map: ReadonlyMap<string, Value>,
  keys: { has(key: string): boolean },
): ReadonlyMap<string, Value> {
  return new Map([...map].filter(([key]) => keys.has(key)))
}

/**
 * A partition that cannot be asked keeps nothing back of what others handed out: its failure is told only when there is
 * nothing else to answer.
 */
async function settleAll<Answer>(
  calls: readonly Promise<Answer>[],
  claimed: readonly unknown[],
): Promise<readonly (Answer | undefined)[]> {
  const settled = await Promise.allSettled(calls)
  const failed = settled.find((each) => each.status === 'rejected')
  if (failed !== undefined && claimed.length === 0) throw failed.reason
  return settled.map((each) => (each.status === 'fulfilled' ? each.value : undefined))
}
