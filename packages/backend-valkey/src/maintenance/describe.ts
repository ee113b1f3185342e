import { limits, type StoreDescription } from '@flowfabric/core'
import type { Connection } from '../connection/open.js'
import type { ValkeyContext } from '../context.js'
import { library } from '../generated/library.js'
import { hasStoppedClock, tagsOf } from './prepare.js'

export async function describeStore(ctx: ValkeyContext): Promise<StoreDescription> {
  const [connection, partitions, virtualTime] = await Promise.all([
    ctx.connection(),
    ctx.partitions(),
    hasStoppedClock(ctx),
  ])
  const [counts, durability] = await Promise.all([
    countAll(ctx, partitions.flow),
    describeDurability(connection),
  ])
  return {
    kind: 'valkey',
    store: nameServers(connection),
    layoutVersion: library.layout,
    partitions,
    virtualTime,
    durability,
    limits: { ...limits, hopMaxEdges: ctx.settings.hopMaxEdges, callMaxEdges: ctx.settings.callMaxEdges },
    counts,
  }
}

async function countAll(ctx: ValkeyContext, partitions: number): Promise<StoreDescription['counts']> {
  const counts = { executions: 0, flows: 0, outbox: 0, events: 0 }
  await Promise.all(
    tagsOf('flow', partitions).map(async (tag) => {
      const { reply } = await ctx.invoke({ name: 'maintenance_describe', tag, args: [] })
      const [executions, flows, outbox, events] = reply
      counts.executions += executions
      counts.flows += flows
      counts.outbox += outbox
      counts.events += events
    }),
  )
  return counts
}

/** Such as `Valkey 8.1.1` or `Valkey 8.1.1 Cluster of 3`. */
function nameServers(connection: Connection): string {
  const primaries = connection.primaries()
  const names = new Set(
    primaries.flatMap(({ facts }) =>
      facts === undefined ? [] : [`${facts.product === 'valkey' ? 'Valkey' : 'Redis'} ${facts.version}`],
    ),
  )
  const isCluster = primaries.some(({ facts }) => facts?.isCluster === true)
  return `${[...names].sort().join(', ')}${isCluster ? ` Cluster of ${primaries.length}` : ''}`
}

async function describeDurability(connection: Connection): Promise<string> {
  const [primary] = connection.primaries()
  const fsync = primary === undefined ? undefined : await readFsync(connection, primary.name)
  const { durable } = connection
  const waits =
    durable.size === 0 ? '' : `; answers of ${[...durable].join(' and ')} calls wait for what is configured`
  const failOver = 'what a fail-over finds missing on the replica is lost'
  if (primary?.facts?.hasAof === false) {
    return `what was acknowledged since the last snapshot may be lost with the server (no append-only file); ${failOver}${waits}`
  }
  switch (fsync) {
    case 'always':
      return `what was acknowledged survives a crash of the server and a power failure (appendfsync always); ${failOver}${waits}`
    case 'everysec':
      return `what was acknowledged in the last two seconds may be lost with the machine (appendfsync everysec); ${failOver}${waits}`
    default:
      return `what was acknowledged survives the end of the process, and a power failure as far as the system had written it (appendfsync ${fsync ?? 'unknown'}); ${failOver}${waits}`
  }
}

/** Not every user may ask; then it stays unknown. */
async function readFsync(connection: Connection, node: string): Promise<string | undefined> {
  try {
    const reply = await connection.callOn(node, ['CONFIG', 'GET', 'appendfsync'], { idempotent: true })
    const value: unknown = Array.isArray(reply) ? reply[1] : undefined
    return value === undefined ? undefined : String(value)
  } catch {
    return undefined
  }
}

/** Asks every primary. Throws `store_unreachable`. */
export async function pingStore(
  ctx: ValkeyContext,
): Promise<{ readonly outcome: 'pong'; readonly roundTripMs: number }> {
  const connection = await ctx.connection()
  const begunAt = performance.now()
  await connection.callAll(['PING'], { idempotent: true })
  return { outcome: 'pong', roundTripMs: performance.now() - begunAt }
}
