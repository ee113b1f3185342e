import {
  checkPulse,
  limits,
  makePartitionTag,
  type PartitionTag,
  type PendingWork,
  type PulseResult,
  recordsPulse,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import type { Route } from '../routes/catalogue.js'
import { learnRoutes } from '../routes/route-of.js'
import { readServerTimeMs } from './clock.js'
import { homeTag } from './prepare.js'

/** Lanes whose best claimable execution has waited longer than this are announced. */
const WAITING_MS = 250

/** The cheap look: one call for each partition asked for, sent together. */
export async function pulse(
  ctx: ValkeyContext,
  params: { readonly partitions: readonly PartitionTag[] },
): Promise<PulseResult> {
  const asked = checkPulse(params, await ctx.partitions())
  const [pulses, ofHome] = await Promise.all([
    Promise.all(asked.map(({ family, index }) => pulseOfFamily[family](ctx, index))),
    // What belongs to no partition is the first one's.
    asked.some(({ family, index }) => family === 'flow' && index === 0) ? pulseOfHome(ctx) : [],
  ])
  return {
    nowMs: pulses[0]?.nowMs ?? (await readServerTimeMs(ctx)),
    partitions: pulses.map(({ partition, pending, nextDueAtMs }) => ({
      partition,
      pending: partition === makePartitionTag('flow', 0) ? [...new Set([...pending, ...ofHome])] : pending,
      nextDueAtMs,
    })),
    waitingLanes: oldestByLane(pulses.flatMap(({ waiting }) => waiting)),
  }
}

interface WaitingRoute {
  readonly route: Route
  readonly readyAtMs: number
}

interface PartitionPulse {
  readonly partition: PartitionTag
  readonly nowMs: number
  readonly pending: readonly PendingWork[]
  readonly nextDueAtMs: number | null
  readonly waiting: readonly WaitingRoute[]
}

async function pulseOf(ctx: ValkeyContext, index: number): Promise<PartitionPulse> {
  const { reply, news } = await ctx.invoke({
    name: 'maintenance_pulse',
    tag: `fp:${index}`,
    args: [WAITING_MS, limits.feedAgeMsMax],
  })
  const [pending, nextDueMs, waiting] = reply
  const routes = asList(waiting)
  if (routes.some(([rid]) => ctx.catalogue.get(rid) === undefined)) await learnRoutes(ctx, index)
  return {
    partition: makePartitionTag('flow', index),
    nowMs: news.nowMs,
    pending: asList(pending) as readonly PendingWork[],
    nextDueAtMs: nextDueMs === 0 ? null : nextDueMs,
    waiting: routes.flatMap(([rid, readyAtMs]) => {
      const route = ctx.catalogue.get(rid)
      return route === undefined ? [] : [{ route, readyAtMs }]
    }),
  }
}

/** Of partitions in which no executions live. */
async function pulseOfQuotas(ctx: ValkeyContext, index: number): Promise<PartitionPulse> {
  const { reply, news } = await ctx.invoke({ name: 'maintenance_pulse_quotas', tag: `q:${index}`, args: [] })
  const [schedules, operations, webhooks, retryAt, isParked] = reply
  const due = {
    schedules: orNever(schedules),
    operations: orNever(operations),
    webhooks: orNever(webhooks),
  }
  const parked = { isParked, retryAtMs: orNever(retryAt) }
  return { ...recordsPulse('quota', index, news.nowMs, due, parked), nowMs: news.nowMs, waiting: [] }
}

async function pulseOfBudgets(ctx: ValkeyContext, index: number): Promise<PartitionPulse> {
  const { reply, news } = await ctx.invoke({ name: 'maintenance_pulse_budgets', tag: `b:${index}`, args: [] })
  const [resets, isParked] = reply
  const parked = { isParked, retryAtMs: null }
  const due = { budget_resets: orNever(resets) }
  return { ...recordsPulse('budget', index, news.nowMs, due, parked), nowMs: news.nowMs, waiting: [] }
}

const pulseOfFamily = { flow: pulseOf, quota: pulseOfQuotas, budget: pulseOfBudgets }

const orNever = (dueMs: number) => (dueMs === 0 ? null : dueMs)

async function pulseOfHome(ctx: ValkeyContext): Promise<readonly PendingWork[]> {
  const { reply } = await ctx.invoke({
    name: 'maintenance_pulse_home',
    tag: homeTag,
    args: [limits.tokenKeptMs, limits.auditAgeMsMax],
  })
  const [laneCopies, retention] = reply
  return [...(laneCopies ? (['lane_copies'] as const) : []), ...(retention ? (['retention'] as const) : [])]
}

function oldestByLane(waiting: readonly WaitingRoute[]): PulseResult['waitingLanes'] {
  const oldest = new Map<string, PulseResult['waitingLanes'][number]>()
  for (const { route, readyAtMs } of waiting) {
    const known = oldest.get(route.laneKey)
    if (known !== undefined && known.readyAtMs <= readyAtMs) continue
    oldest.set(route.laneKey, { namespace: route.namespace, lane: route.lane, readyAtMs })
  }
  return [...oldest.values()]
}
