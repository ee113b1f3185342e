import { makePartitionTag } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { type LostMember, tellEnded } from './hop.js'

interface GroupKey {
  readonly partition: number
  readonly flow: string
  readonly downstream: string
}

interface Sibling {
  readonly id: string
  readonly via: 'sibling'
  readonly disposition: 'not_found' | 'already_terminal' | 'spared'
}

export interface DrainedGroup {
  /** What each sibling was before anything changed. */
  readonly siblings: readonly Sibling[]
  readonly lost: readonly LostMember[]
  /** Tuple and flag are gone. */
  readonly drained: boolean
}

/**
 * One short step: the sibling cancel of one fired group. Answers nothing for a group of a flow that is being reset: its
 * cancels wait. Whoever calls it dispatches the ends.
 */
export async function drainGroup(
  ctx: PostgresContext,
  { partition, flow, downstream }: GroupKey,
  membersMax: number,
): Promise<DrainedGroup | undefined> {
  const [row] = await ctx.db.call<{ drain: DrainedGroup | null }>(
    'select ff.drain_sibling_cancel($1, $2, $3, $4) as drain',
    [partition, flow, downstream, membersMax],
  )
  const drain = row?.drain ?? undefined
  if (drain !== undefined && drain.lost.length > 0) {
    tellEnded(ctx, drain.lost)
    ctx.hints.emit({ type: 'events', partition: makePartitionTag('flow', partition) })
  }
  return drain
}
