import { checkSetTags, engineError, limits, type SetTags, type Tags } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import type { Spec } from '../records/stored-execution.js'
import { addressOf, operate } from './operate.js'

/** So often somebody else may be faster. */
const TRIES_MAX = 20

/** Sets and removes tags in one step, in any state: worked out here from what is there, and written if that is still there. */
export async function setTags(
  ctx: ValkeyContext,
  params: SetTags,
): Promise<{ readonly outcome: 'changed'; readonly tags: Tags }> {
  checkSetTags(params, await ctx.partitions())
  const { uuid } = addressOf(params.id)
  let seen = ''
  let changed = ''
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const { reply } = await operate(ctx, params, {
      name: 'executions_set_tags',
      args: [params.namespace, uuid, seen, changed],
    })
    const [isDone, stored, spec] = reply
    if (isDone) return { outcome: 'changed', tags: JSON.parse(stored) as Tags }
    seen = stored
    changed = JSON.stringify(changeTags(readTags(stored, spec), params))
  }
  throw engineError('contention', `others changed the tags of ${params.id} at the same time`)
}

/** What was changed last, or else what was submitted. */
function readTags(stored: string, spec: string): Tags {
  if (stored !== '') return JSON.parse(stored) as Tags
  return spec === '' ? {} : ((JSON.parse(spec) as Spec).tags ?? {})
}

/** Throws `too_many_tags`, counting those that stay. */
function changeTags(tags: Tags, { set = {}, remove = [] }: SetTags): Tags {
  const kept = Object.entries(tags).filter(([key]) => !remove.includes(key))
  const changed = { ...Object.fromEntries(kept), ...set }
  const actual = Object.keys(changed).length
  if (actual <= limits.tagsMax) return changed
  throw engineError('too_many_tags', `${actual} tags, at most ${limits.tagsMax}`, {
    max: limits.tagsMax,
    actual,
  })
}
