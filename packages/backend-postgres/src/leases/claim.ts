import {
  type ClaimedExecution,
  type ClaimOutcome,
  type ClaimRequest,
  checkClaim,
  createLaneShares,
  createReadyWaiters,
  type LaneShares,
  makeExecutionId,
  makePartitionTag,
  waitForWork,
} from '@flowfabric/core'
import type { LaneEntry } from '../db/catalog.js'
import type { PostgresContext } from '../db/context.js'
import type { SqlValue } from '../db/database.js'
import { type ClaimedRow, claimedColumnNames, toClaimed } from './claimed-row.js'
import { createInvitations, type Invited } from './invitations.js'
import { createRouteSelector, type RouteSelector, type ServedRoutes } from './served-routes.js'

/** What the claims of one process share. */
export interface Claimer {
  claim(params: ClaimRequest): Promise<ClaimOutcome>
  /** The arguments of `claim_work`, and what is needed to read its answer; also for a claim within another statement. */
  begin(request: ClaimRequest): BegunClaim
  /**
   * Reads the answer. `undefined`: nothing was claimed, and is to be asked for again; the catalogue was old and is loaded
   * again, or others had locked the keys and budgets of what is left.
   */
  finish(begun: BegunClaim, rows: readonly ClaimedRow[]): Promise<readonly ClaimedExecution[] | undefined>
  /** One look, in a statement of its own. */
  look(request: ClaimRequest): Promise<readonly ClaimedExecution[]>
  /**
   * For a statement that is about to make work of this lane: the claim that waits for such work in this process, to be
   * carried out in the same transaction. Takes a turn of the event loop. `undefined`: none waits.
   */
  invite(lane: LaneEntry): Promise<Invited | undefined>
}

export interface BegunClaim {
  readonly served: ServedRoutes
  readonly max: number
  readonly values: readonly SqlValue[]
}

/** How many parameters `claim_work` takes. */
export const claimParameters = 10

/** The function that carries out a claim: only one that may find lines has to look for them. */
export function claimCall(firstParameter: number, hasLines: boolean): string {
  const types = [
    'bigint',
    'text',
    'uuid',
    'uuid',
    'bigint',
    'integer',
    'integer[]',
    'double precision[]',
    'integer[]',
    'integer[]',
  ]
  return `ff.${hasLines ? 'claim_lines' : 'claim_work'}(${types.map((type, index) => `$${firstParameter + index}::${type}`).join(', ')})`
}

const statementOf = (hasLines: boolean) =>
  `select ${claimedColumnNames.join(', ')} from ${claimCall(1, hasLines)}`
const plainStatement = statementOf(false)
const linesStatement = statementOf(true)

export function createClaimer(ctx: PostgresContext): Claimer {
  const routes = createRouteSelector(ctx.catalog)
  const shares = createLaneShares<number>()
  const waiters = createReadyWaiters(startTimer)
  ctx.hints.listen(waiters.onHint)
  const invitations = createInvitations(ctx.hints)

  const begin = (request: ClaimRequest) => beginClaim(ctx, routes, shares, request)
  const finish = (begun: BegunClaim, rows: readonly ClaimedRow[]) => finishClaim(ctx, shares, begun, rows)
  const look = async (request: ClaimRequest): Promise<readonly ClaimedExecution[]> => {
    // A new route may come between each load and the claim, and so may others who lock what work asks for; a third time in
    // a row it is left to the next claim.
    for (let tries = 0; tries < 3; tries += 1) {
      const begun = begin(request)
      const claimedAlong = invitations.accept(request, begun.served)
      if (claimedAlong !== undefined) {
        const claimed = await claimedAlong
        if (claimed !== undefined) return claimed
        continue
      }
      const statement = begun.served.hasLines ? linesStatement : plainStatement
      const claimed = await finish(begun, await ctx.db.call<ClaimedRow>(statement, begun.values))
      if (claimed !== undefined) return claimed
    }
    return []
  }
  return {
    begin,
    finish,
    look,
    invite: invitations.send,
    async claim(params) {
      checkClaim(params)
      const waitMs = params.waitMs ?? 0
      const leases = waitMs > 0 ? await waitForWork(waiters, params, look, ctx.closing) : await look(params)
      return leases.length === 0 ? { outcome: 'empty' } : { outcome: 'claimed', leases }
    },
  }
}

function beginClaim(
  ctx: PostgresContext,
  routes: RouteSelector,
  shares: LaneShares<number>,
  request: ClaimRequest,
): BegunClaim {
  const served = routes.select(request)
  return {
    served,
    max: request.max,
    values: [
      ctx.catalog.version,
      request.workerId,
      request.instanceId,
      request.claimId,
      request.leaseTtlMs,
      request.max,
      served.lanes.map(({ id }) => id),
      shares.virtualTimes(served.lanes),
      served.routeIds,
      served.routeLaneIds,
    ],
  }
}

async function finishClaim(
  ctx: PostgresContext,
  shares: LaneShares<number>,
  { served, max }: BegunClaim,
  rows: readonly ClaimedRow[],
): Promise<readonly ClaimedExecution[] | undefined> {
  if (rows.length === 1 && rows[0]?.id === null) {
    await ctx.catalog.refresh()
    return undefined
  }
  const byLane = new Map<number, number>()
  const dueAt = new Map<number, number>()
  for (const { lane_id, partition_key, due_at } of rows) {
    byLane.set(lane_id, (byLane.get(lane_id) ?? 0) + 1)
    dueAt.set(partition_key, Math.min(dueAt.get(partition_key) ?? due_at, due_at))
  }
  shares.charge(served.lanes, byLane, rows.length >= max)
  if (ctx.hints.hasListeners) {
    for (const [partition, dueAtMs] of dueAt) {
      ctx.hints.emit({ type: 'due', partition: makePartitionTag('flow', partition), dueAtMs })
    }
  }
  for (const { id, partition_key, demands } of rows) {
    if (demands !== null && id !== null) ctx.waker.remember(makeExecutionId(partition_key, id), demands)
  }
  return Promise.all(rows.map((row) => toClaimed(row, ctx.catalog)))
}

function startTimer(onEnd: () => void, ms: number): () => void {
  const timer = setTimeout(onEnd, ms)
  return () => clearTimeout(timer)
}
