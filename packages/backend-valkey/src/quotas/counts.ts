import type { QuotaId, QuotaSettings, QuotaStrategy } from '@flowfabric/core'
import { byTag, nameOfQuota, tagOfResource } from '../admission/resource-names.js'
import type { ValkeyContext } from '../context.js'
import { quotaFields as Q } from '../generated/layouts.js'
import type { ItemArg } from '../library/invoke.js'
import type { QuotaRow } from './copies.js'

/** A key of a quota, with what is asked of it. */
export interface CountedKey {
  readonly id: QuotaId
  readonly key: string
  readonly cost: number
  readonly row: QuotaRow
}

export interface KeyCounts {
  readonly held: number
  readonly unitsInWindow: number
  readonly waiting: number
  readonly retryAtMs: number | null
}

export function settingsOf(row: QuotaRow): QuotaSettings {
  const units = row[Q.units]
  return {
    label: row[Q.label],
    rate: units === 0 ? null : { units, windowMs: row[Q.window] },
    concurrency: row[Q.concurrency] === 0 ? null : row[Q.concurrency],
    strategy: row[Q.strategy] as QuotaStrategy,
  }
}

/** One call for each partition, sent together. */
export async function countKeys(
  ctx: Pick<ValkeyContext, 'invoke' | 'partitions'>,
  keys: readonly CountedKey[],
): Promise<readonly KeyCounts[]> {
  const counts: KeyCounts[] = []
  const placed = keys.map((of, place) => ({ of, place }))
  const groups = await byTag(placed, ({ of }) => tagOfResource(ctx, nameOfQuota(of.id, of.key)))
  await Promise.all(
    [...groups].map(async ([tag, group]) => {
      const { reply } = await ctx.invoke({
        name: 'quotas_count',
        tag,
        args: [
          group.map(
            ({ of: { id, key, cost, row } }): ItemArg<'quotas_count', 0> => [
              id,
              key,
              row[Q.units],
              row[Q.window],
              cost,
              row[Q.version],
              row[Q.past],
            ],
          ),
        ],
      })
      group.forEach(({ place }, nth) => {
        const [held = 0, unitsInWindow = 0, waiting = 0, retryMs = 0] = reply[nth] ?? []
        counts[place] = { held, unitsInWindow, waiting, retryAtMs: retryMs === 0 ? null : retryMs }
      })
    }),
  )
  return counts
}
