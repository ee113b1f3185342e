import {
  comparePartitionConfigs,
  engineError,
  type MaintenanceOperations,
  type PartitionConfig,
  type PrepareParams,
  readPartitionConfig,
} from '@flowfabric/core'
import pg from 'pg'
import type { PostgresContext } from '../db/context.js'
import type { Executor } from '../db/database.js'
import { layoutVersion, migrate } from '../migrations/migrate.js'

interface DeploymentRow {
  readonly flow_partitions: number
  readonly budget_partitions: number
  readonly quota_partitions: number
  readonly virtual_now_ms: number | null
}

/** Migrates, and fixes at the first boot what is fixed for the deployment. */
export async function prepare(
  ctx: PostgresContext,
  params: PrepareParams = {},
): ReturnType<MaintenanceOperations['prepare']> {
  await migrate(ctx.db)
  const asked = { ...ctx.settings.partitions, ...params.partitions }
  const row = await ctx.db.transaction(async (tx) => {
    await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [
      `flowfabric/prepare/${ctx.settings.schema}`,
    ])
    const first = readPartitionConfig(asked)
    await tx.query(
      `insert into ff.deployment (flow_partitions, budget_partitions, quota_partitions, layout_version)
       values ($1, $2, $3, $4) on conflict (singleton) do update set layout_version = excluded.layout_version`,
      [first.flow, first.budget, first.quota, layoutVersion],
    )
    if (ctx.settings.inlineResolveEdges !== undefined) {
      await tx.query('update ff.deployment set solo_entries = $1', [ctx.settings.inlineResolveEdges === 0])
    }
    const stored = await readDeployment(tx)
    comparePartitionConfigs(toConfig(stored), { ...toConfig(stored), ...withoutAbsent(asked) })
    if (params.virtualTime === undefined || stored.virtual_now_ms !== null) return stored
    await stopClock(ctx, tx, params.virtualTime.startMs)
    return readDeployment(tx)
  })
  await ctx.catalog.refresh()
  return { outcome: 'prepared', partitions: toConfig(row), virtualTime: row.virtual_now_ms !== null }
}

/** The deployment's counts. Throws `migrations_pending` on a store that was never prepared. */
export async function readPartitions(tx: Executor): Promise<PartitionConfig> {
  return toConfig(await readDeployment(tx))
}

async function readDeployment(tx: Executor): Promise<DeploymentRow> {
  const [row] = await tx.query<DeploymentRow>(
    'select flow_partitions, budget_partitions, quota_partitions, virtual_now_ms from ff.deployment',
  )
  if (row === undefined) throw engineError('migrations_pending', 'The store was never prepared')
  return row
}

/** From now on the clock is a stored number. Only on an empty store: recorded times must not lie in its future. */
async function stopClock(ctx: PostgresContext, tx: Executor, startMs: number): Promise<void> {
  const [held] = await tx.query<{ is_empty: boolean }>(
    `select not exists (select 1 from ff.execution) and not exists (select 1 from ff.flow)
      and not exists (select 1 from ff.event) and not exists (select 1 from ff.event_batch) as is_empty`,
  )
  if (held?.is_empty !== true) {
    throw engineError('virtual_time_refused', 'Virtual time is only for a store that holds nothing')
  }
  await tx.query('update ff.deployment set virtual_now_ms = $1', [startMs])
  const schema = pg.escapeIdentifier(ctx.settings.schema)
  await tx.script(
    `create or replace function ${schema}.now_ms() returns bigint language sql volatile parallel safe
      return (select virtual_now_ms from ${schema}.deployment)`,
  )
}

function toConfig(row: DeploymentRow): PartitionConfig {
  return { flow: row.flow_partitions, budget: row.budget_partitions, quota: row.quota_partitions }
}

function withoutAbsent(asked: Partial<PartitionConfig>): Partial<PartitionConfig> {
  return Object.fromEntries(Object.entries(asked).filter(([, count]) => count !== undefined))
}
