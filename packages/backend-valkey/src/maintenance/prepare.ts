import {
  comparePartitionConfigs,
  engineError,
  type MaintenanceOperations,
  type PartitionConfig,
  type PartitionFamily,
  type PrepareParams,
  partitionTagPrefixes,
  readPartitionConfig,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { library } from '../generated/library.js'
import { loadEverywhere } from '../library/load.js'
import { removeUnused } from '../library/remove-unused.js'

/** Everything that is about the whole deployment lies in this partition, which every deployment has. */
export const homeTag = 'q:0'

/**
 * Loads the library, fixes at the first boot what is fixed for the deployment, makes every partition ready, and removes
 * versions of the library that nobody uses any more. Each step is harmless when repeated, so that callers at the same time
 * agree.
 */
export async function prepare(
  ctx: ValkeyContext,
  params: PrepareParams = {},
): ReturnType<MaintenanceOperations['prepare']> {
  await loadEverywhere(await ctx.connection())
  const asked = withoutAbsent({ ...ctx.settings.partitions, ...params.partitions })
  const first = readPartitionConfig(asked)
  const startMs = params.virtualTime?.startMs ?? 0
  await initPartition(ctx, homeTag, startMs)
  const { partitions, stoppedMs } = await initDeployment(ctx, first, startMs, false)
  comparePartitionConfigs(partitions, { ...partitions, ...asked })
  const tags = allTags(partitions)
  await Promise.all(tags.map((tag) => initPartition(ctx, tag, stoppedMs)))
  if (startMs > 0 && stoppedMs === 0) await stopClock(ctx, partitions, startMs)
  await removeUnused(ctx, homeTag)
  return { outcome: 'prepared', partitions, virtualTime: startMs > 0 || stoppedMs > 0 }
}

/** Tags of a family's partitions, as keys hold them. */
export function tagsOf(family: PartitionFamily, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${partitionTagPrefixes[family]}:${index}`)
}

/** Tags of all partitions. */
export function allTags(partitions: PartitionConfig): readonly string[] {
  return (['flow', 'quota', 'budget'] as const).flatMap((family) => tagsOf(family, partitions[family]))
}

interface Deployment {
  readonly partitions: PartitionConfig
  /** Where the clock of a store for tests stood still at first; 0: it runs. */
  readonly stoppedMs: number
}

/** The deployment's counts. Throws `migrations_pending` on a store that was never prepared. */
export async function readPartitions(ctx: Pick<ValkeyContext, 'invoke'>): Promise<PartitionConfig> {
  const { reply } = await ctx.invoke({ name: 'maintenance_deployment', tag: homeTag, args: [] })
  return toDeployment(reply).partitions
}

/** Whether the store was made for tests, with a clock that stands still. */
export async function hasStoppedClock(ctx: Pick<ValkeyContext, 'invoke'>): Promise<boolean> {
  const { reply } = await ctx.invoke({ name: 'maintenance_deployment', tag: homeTag, args: [] })
  return toDeployment(reply).stoppedMs > 0
}

async function initDeployment(
  ctx: ValkeyContext,
  { flow, budget, quota }: PartitionConfig,
  stoppedMs: number,
  isStopped: boolean,
): Promise<Deployment> {
  const { reply } = await ctx.invoke({
    name: 'maintenance_deployment_init',
    tag: homeTag,
    args: [flow, budget, quota, stoppedMs, isStopped],
  })
  return toDeployment(reply)
}

function toDeployment(reply: readonly string[]): Deployment {
  const [flow, budget, quota, stoppedMs] = reply
  return {
    partitions: { flow: Number(flow), budget: Number(budget), quota: Number(quota) },
    stoppedMs: Number(stoppedMs),
  }
}

async function initPartition(ctx: ValkeyContext, tag: string, startMs: number): Promise<void> {
  const { reply } = await ctx.invoke({
    name: 'maintenance_partition_init',
    tag,
    args: [library.layout, startMs],
  })
  if (reply !== 'other_layout') return
  throw engineError('schema_mismatch', `Partition ${tag} is not of layout ${library.layout}`, {
    stored: 'another',
    supported: library.layout,
  })
}

/** From now on the clock stands still. Only in an empty store: recorded times must not lie in its future. */
async function stopClock(ctx: ValkeyContext, partitions: PartitionConfig, startMs: number): Promise<void> {
  const freeze = async (timeMs: number): Promise<boolean> => {
    const answers = await Promise.all(
      allTags(partitions).map(async (tag) => {
        const { reply } = await ctx.invoke({ name: 'maintenance_freeze', tag, args: [timeMs] })
        return reply
      }),
    )
    return answers.every(Boolean)
  }
  if (!(await freeze(0)) || !(await freeze(startMs))) {
    throw engineError('virtual_time_refused', 'Virtual time is only for a store that holds nothing')
  }
  await initDeployment(ctx, partitions, startMs, true)
}

function withoutAbsent(asked: Partial<PartitionConfig>): Partial<PartitionConfig> {
  return Object.fromEntries(Object.entries(asked).filter(([, count]) => count !== undefined))
}
