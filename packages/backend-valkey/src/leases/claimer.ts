import {
  type ClaimedExecution,
  type ClaimOutcome,
  type ClaimRequest,
  checkClaim,
  createLaneShares,
  createReadyWaiters,
  waitForWork,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import type { ReadyMap } from '../hints/ready-map.js'
import { createCredits } from '../lanes/credits.js'
import { type ClaimLook, createLook } from './claim-look.js'
import { inOrder } from './claimed.js'
import { heldByClaim } from './repeats.js'
import { createServedRoutes } from './served-routes.js'

/** What the claims of one process share. */
export interface Claimer {
  claim(params: ClaimRequest): Promise<ClaimOutcome>
  /**
   * A claim that goes along with what is brought to these partitions; one of them is asked first. `brought`: once it is
   * over, the others have it too, and leases that the call ends are not held any more.
   */
  claimWith(
    request: ClaimRequest,
    partitions: readonly number[],
    brought: Promise<unknown>,
  ): Promise<readonly ClaimedExecution[]>
}

/**
 * How often a claim asks before it answers what it has. A round may come to nothing, where what waits is not to be had or
 * its route is new: those that brought something are counted apart, since work that comes meanwhile is the next claim's.
 */
const ROUNDS_MAX = 16
const FRUITFUL_ROUNDS_MAX = 3
/** Rounds that found lines without room. */
const MOVES_MAX = 200

export function createClaimer(ctx: ValkeyContext): Claimer {
  const waiters = createReadyWaiters(startTimer)
  ctx.hints.listen(waiters.onHint)
  const shares = createLaneShares<string>()
  const served = createServedRoutes(ctx.catalogue)
  const credits = createCredits(ctx)

  const begin = (request: ClaimRequest, map: ReadyMap) =>
    createLook({ ctx, map, shares, credits }, request, served.of(request))

  /** Asks where work is known to be, until it has enough or there is none. `begun`: what it asked already. */
  const goOn = async (
    request: ClaimRequest,
    map: ReadyMap,
    begun?: ClaimLook,
  ): Promise<readonly ClaimedExecution[]> => {
    const find = () => map.find(awake(ctx, served.of(request).rids))
    // Lanes and routes that are met meanwhile are the next look's.
    let current = begun
    let fruitful = begun?.claimed.length ? 1 : 0
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      if (current?.isElsewhere) {
        current.end()
        current = undefined
        const held = await heldByClaim(ctx, request)
        if (held.length > 0) return held
      }
      if (current?.isFull || current?.hasDroppedEnough || fruitful >= FRUITFUL_ROUNDS_MAX) break
      const found = find()
      if (found.length > 0) {
        current ??= begin(request, map)
        const { claimed, moves } = current
        const before = claimed.length
        await current.ask(found)
        if (current.claimed.length > before) fruitful += 1
        // What has no room was put out of the way of what is behind it, which is not looked at yet.
        else if (current.moves > moves && current.moves <= MOVES_MAX) round -= 1
        continue
      }
      // Where hints are heard, what they don't tell isn't there; a partition that nobody has looked at may have more.
      if (current?.claimed.length && map.unknown().length === 0) break
      // What was heard meanwhile may be work, or that another process served the instance.
      if ((await isAllKnown(ctx, map)) && find().length === 0) {
        current?.end()
        return heldByClaim(ctx, request)
      }
    }
    return inOrder(current?.end() ?? [])
  }

  const look = async (request: ClaimRequest): Promise<readonly ClaimedExecution[]> => {
    const again = await heldByClaim(ctx, request)
    return again.length > 0 ? again : goOn(request, await ctx.readyMap())
  }

  return {
    async claim(params) {
      checkClaim(params)
      const leases =
        (params.waitMs ?? 0) > 0 ? await waitForWork(waiters, params, look, ctx.closing) : await look(params)
      return leases.length === 0 ? { outcome: 'empty' } : { outcome: 'claimed', leases }
    },
    async claimWith(request, partitions, brought) {
      // A repeat is answered what it still holds, and not what comes to its end in the same call.
      if (ctx.claims.placesOf(request)?.length !== 0) await brought
      const again = await heldByClaim(ctx, request)
      if (again.length > 0) return again
      const map = await ctx.readyMap()
      const [first] = partitions
      const { rids } = served.of(request)
      if (first === undefined || rids.size === 0) return goOn(request, map)
      // What was just brought there may be what it waits for: its partition is asked in the same call, known or not.
      const own = begin(request, map)
      await own.ask([{ tag: `fp:${first}`, ready: new Map([...rids].map((rid) => [rid, request.max])) }])
      // Other partitions may be on other nodes, whose answers, with the news of what is ready there, come later than this.
      if (!own.isFull) await brought
      return goOn(request, map, own)
    },
  }
}

/** Whether what the map doesn't show isn't there. What is not known is looked up; then it may have to be looked at again. */
async function isAllKnown(ctx: ValkeyContext, map: ReadyMap): Promise<boolean> {
  const unknown = map.unknown()
  if (unknown.length === 0) {
    const isHeard = await ctx.barrier()
    if (!isHeard) {
      map.forgetAll()
      ctx.lanes.wakeAll()
    }
    return isHeard
  }
  await Promise.all(
    unknown.map(async (tag) => {
      const { reply, news } = await ctx.invoke({ name: 'maintenance_ready', tag, args: [true] })
      const [rids, routes, version] = reply
      ctx.catalogue.learn(tag, Array.isArray(routes) ? routes : [], version)
      map.learn(tag, news.edges, Array.isArray(rids) ? rids : [])
    }),
  )
  return false
}

/** Without the routes of lanes that hand out nothing for now. */
function awake({ lanes, catalogue }: ValkeyContext, rids: ReadonlySet<string>): ReadonlySet<string> {
  if (!lanes.hasResting) return rids
  return new Set([...rids].filter((rid) => !lanes.isResting(catalogue.get(rid)?.laneKey ?? '')))
}

function startTimer(onEnd: () => void, ms: number): () => void {
  const timer = setTimeout(onEnd, ms)
  return () => clearTimeout(timer)
}
