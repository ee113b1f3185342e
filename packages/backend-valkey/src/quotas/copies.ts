import { type QuotaId, quotaKeyPartition } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import type { LibraryFunctions } from '../generated/functions.js'
import { quotaFields as Q } from '../generated/layouts.js'
import { asList } from '../library/as-list.js'
import { tagsOf } from '../maintenance/prepare.js'

/** A quota's settings as they are stored: at its home, and in each partition that counts keys of it. */
export type QuotaRow = LibraryFunctions['quotas_copy']['args'][1]

/** Where a quota has its home: where its empty key is counted. */
export async function homeOfQuota(ctx: Pick<ValkeyContext, 'partitions'>, id: string): Promise<string> {
  const { quota } = await ctx.partitions()
  return `q:${quotaKeyPartition(id as QuotaId, '', quota)}`
}

export async function readQuotaRow(
  ctx: Pick<ValkeyContext, 'partitions' | 'invoke'>,
  id: string,
): Promise<QuotaRow | undefined> {
  const { reply } = await ctx.invoke({ name: 'quotas_read', tag: await homeOfQuota(ctx, id), args: [id] })
  const row = asList(reply)
  return row.length === 0 ? undefined : (row as unknown as QuotaRow)
}

/** Brings the settings to the partition of a key that is used for the first time. Answers whether there is such a quota. */
export async function installQuota(ctx: ValkeyContext, id: string, key: string): Promise<boolean> {
  const row = await readQuotaRow(ctx, id)
  if (row === undefined) return false
  const { quota } = await ctx.partitions()
  const tag = `q:${quotaKeyPartition(id as QuotaId, key, quota)}`
  await ctx.invoke({ name: 'quotas_copy', tag, args: [id, row] })
  return true
}

/**
 * Brings changed settings to all partitions. If whoever does so dies on the way, the note at the quota's home stands, and
 * `wakeParked` begins anew.
 */
export async function syncQuota(ctx: ValkeyContext, id: string, row: QuotaRow): Promise<void> {
  const home = await homeOfQuota(ctx, id)
  const { quota } = await ctx.partitions()
  const others = tagsOf('quota', quota).filter((tag) => tag !== home)
  await Promise.all(others.map((tag) => ctx.invoke({ name: 'quotas_copy', tag, args: [id, row] })))
  await ctx.invoke({ name: 'quotas_synced', tag: home, args: [id, row[Q.version]] })
}
