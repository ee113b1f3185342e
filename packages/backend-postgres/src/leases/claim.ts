import {
  type ClaimedExecution,
  type ClaimOutcome,
  type ClaimRequest,
  checkClaim,
  makePartitionTag,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { SqlValue } from '../db/database.js'
import { type ClaimedRow, claimedColumnNames, toClaimed } from './claimed-row.js'
import { createLaneShares, type LaneShares } from './lane-shares.js'
import { createReadyWaiters, type ReadyWaiters } from './ready-waiters.js'
import { createRouteSelector, type RouteSelector, type ServedRoutes } from './served-routes.js'

/** What the claims of one process share. */
export interface Claimer {
  claim(params: ClaimRequest): Promise<ClaimOutcome>
  /** The arguments of `claim_work`, and what is needed to read its answer; also for a claim within another statement. */
  begin(request: ClaimRequest): BegunClaim
  /** Reads the answer. `undefined`: the catalogue was old and is loaded again; nothing was claimed. */
  finish(begun: BegunClaim, rows: readonly ClaimedRow[]): Promise<readonly ClaimedExecution[] | undefined>
  /** One look, in a statement of its own. */
  look(request: ClaimRequest): Promise<readonly ClaimedExecution[]>
}

export interface BegunClaim {
  readonly served: ServedRoutes
  readonly max: number
  readonly values: readonly SqlValue[]
}

/** A lost hint delays a waiting claim by so much, longer the longer nothing came. */
const recheckMsMin = 1_000
const recheckMsMax = 10_000

/** How many parameters `claim_work` takes. */
export const claimParameters = 10

export function claimCall(firstParameter: number): string {
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
  return `ff.claim_work(${types.map((type, index) => `$${firstParameter + index}::${type}`).join(', ')})`
}

const statement = `select ${claimedColumnNames.join(', ')} from ${claimCall(1)}`

export function createClaimer(ctx: PostgresContext): Claimer {
  const routes = createRouteSelector(ctx.catalog)
  const shares = createLaneShares()
  const waiters = createReadyWaiters()
  ctx.hints.listen(waiters.onHint)

  const begin = (request: ClaimRequest) => beginClaim(ctx, routes, shares, request)
  const finish = (begun: BegunClaim, rows: readonly ClaimedRow[]) => finishClaim(ctx, shares, begun, rows)
  const look = async (request: ClaimRequest): Promise<readonly ClaimedExecution[]> => {
    // A new route may come between each load and the claim; a third time in a row it is left to the next claim.
    for (let tries = 0; tries < 3; tries += 1) {
      const begun = begin(request)
      const claimed = await finish(begun, await ctx.db.call<ClaimedRow>(statement, begun.values))
      if (claimed !== undefined) return claimed
    }
    return []
  }
  return {
    begin,
    finish,
    look,
    async claim(params) {
      checkClaim(params)
      const waitMs = params.waitMs ?? 0
      const leases = waitMs > 0 ? await waitForWork(ctx, waiters, params, waitMs, look) : await look(params)
      return leases.length === 0 ? { outcome: 'empty' } : { outcome: 'claimed', leases }
    },
  }
}

function beginClaim(
  ctx: PostgresContext,
  routes: RouteSelector,
  shares: LaneShares,
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
  shares: LaneShares,
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
  return Promise.all(rows.map((row) => toClaimed(row, ctx.catalog)))
}

async function waitForWork(
  ctx: PostgresContext,
  waiters: ReadyWaiters,
  params: ClaimRequest,
  waitMs: number,
  look: (request: ClaimRequest) => Promise<readonly ClaimedExecution[]>,
): Promise<readonly ClaimedExecution[]> {
  const lanes = new Set(
    params.namespaces.flatMap((namespace) => params.lanes.map((lane) => `${namespace}/${lane}`)),
  )
  const signals = params.signal === undefined ? [ctx.closing] : [ctx.closing, params.signal]
  // The process's own clock: it measures how long the caller waits, never what is due.
  const endsAt = performance.now() + waitMs
  let recheckMs = recheckMsMin
  let ticket = waiters.enter(params, lanes)
  try {
    let claimed = await look(params)
    while (claimed.length === 0) {
      const leftMs = endsAt - performance.now()
      if (leftMs <= 0 || signals.some((signal) => signal.aborted)) return claimed
      const baton = await ticket.wait(Math.min(leftMs, recheckMs), signals)
      recheckMs = baton === undefined ? Math.min(recheckMs * 2, recheckMsMax) : recheckMsMin
      if (signals.some((signal) => signal.aborted)) {
        if (baton !== undefined) waiters.pass(baton, 0)
        return claimed
      }
      ticket = waiters.enter(params, lanes)
      claimed = await look(params)
      if (baton !== undefined) waiters.pass(baton, claimed.length)
    }
    return claimed
  } finally {
    ticket.leave()
  }
}
