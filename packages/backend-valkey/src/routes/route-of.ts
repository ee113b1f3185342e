import { engineError } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { executionFields as X } from '../generated/layouts.js'
import { asList } from '../library/as-list.js'
import { type StoredExecution, textAt } from '../records/stored-execution.js'
import type { Route } from './catalogue.js'

/** The route of a stored execution. One that this process never met is read from the partition, with all others there. */
export async function routeOf(
  ctx: Pick<ValkeyContext, 'catalogue' | 'invoke'>,
  partition: number,
  stored: StoredExecution,
): Promise<Route> {
  return knownRouteOf(ctx, stored) ?? (await learnRoute(ctx, partition, ridOf(stored)))
}

/** The route of a stored execution, where this process has met it. */
export function knownRouteOf(
  { catalogue }: Pick<ValkeyContext, 'catalogue'>,
  stored: StoredExecution,
): Route | undefined {
  return catalogue.get(ridOf(stored))
}

function ridOf({ fields }: StoredExecution): string {
  return textAt(fields, X.rid)
}

async function learnRoute(
  ctx: Pick<ValkeyContext, 'catalogue' | 'invoke'>,
  partition: number,
  rid: string,
): Promise<Route> {
  await learnRoutes(ctx, partition)
  const route = ctx.catalogue.get(rid)
  if (route === undefined)
    throw engineError('corruption', `no route ${rid} in partition ${partition}`, { subject: rid })
  return route
}

/** All routes that the partition has. */
export async function learnRoutes(
  ctx: Pick<ValkeyContext, 'catalogue' | 'invoke'>,
  partition: number,
): Promise<void> {
  const tag = `fp:${partition}`
  const { reply } = await ctx.invoke({ name: 'maintenance_ready', tag, args: [true] })
  const [, routes, version] = reply
  ctx.catalogue.learn(tag, asList(routes), version)
}
