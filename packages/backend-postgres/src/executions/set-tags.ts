import { checkSetTags, engineError, limits, type SetTags, type Tags } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { lockExecution } from './locked.js'

/** Sets and removes tags in one step, in any state. */
export async function setTags(
  ctx: PostgresContext,
  params: SetTags,
): Promise<{ readonly outcome: 'changed'; readonly tags: Tags }> {
  checkSetTags(params, await ctx.partitions())
  const { set = {}, remove = [] } = params
  const tags = await ctx.db.transaction(async (tx) => {
    const { partition_key, id } = await lockExecution(tx, params)
    const [row] = await tx.query<{ tags: Tags }>(
      `update ff.execution_info set tags = (tags - $3::text[]) || $4::jsonb where partition_key = $1 and id = $2 returning tags`,
      [partition_key, id, remove, JSON.stringify(set)],
    )
    const changed = row?.tags ?? {}
    const actual = Object.keys(changed).length
    if (actual > limits.tagsMax) {
      throw engineError('too_many_tags', `${actual} tags, at most ${limits.tagsMax}`, {
        max: limits.tagsMax,
        actual,
      })
    }
    return changed
  })
  return { outcome: 'changed', tags }
}
