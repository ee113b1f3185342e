import { checkSetLaneState, type LaneState, must, type SetLaneState } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'

/**
 * Writes the state, then waits out every claim that may not have seen it: after the answer nothing of a paused or
 * disabled lane is handed out.
 */
export async function setLaneState(
  ctx: PostgresContext,
  params: SetLaneState,
): Promise<{ readonly outcome: 'set'; readonly previous: LaneState }> {
  checkSetLaneState(params)
  const { namespace, lane, state } = params
  const previous = await ctx.db.transaction(async (tx) => {
    // A statement of its own: one that makes the lane would not see it.
    await tx.query('select ff.ensure_lane($1, $2)', [namespace, lane])
    const [row] = await tx.query<{ id: number; state: LaneState }>(
      'select l.id, l.state from ff.lane l where l.namespace = $1 and l.name = $2 for no key update',
      [namespace, lane],
    )
    const { id, state: before } = must(row, `lane ${namespace}/${lane}`)
    if (before !== state)
      await tx.query('update ff.lane set state = $2, version = version + 1 where id = $1', [id, state])
    return before
  })
  await ctx.db.call('select ff.quiesce()')
  await ctx.catalog.refresh()
  if (previous !== state) ctx.hints.emit({ type: 'ready', namespace, lane, count: 1 })
  return { outcome: 'set', previous }
}
