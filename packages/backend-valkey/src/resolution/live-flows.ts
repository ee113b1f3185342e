import type { FlowId } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'

/** The id of a flow after which the next page begins; '' at the beginning. */
export type LivePosition = string

/** A flow that is not over in all its parts, as it is stored. */
export interface LiveFlow {
  readonly id: FlowId
  /** Absent for one whose record is gone. */
  readonly core: Uint8Array | undefined
  /** Absent for one that was never projected. */
  readonly summary: Uint8Array | undefined
}

/** The next flows of the partition that are not over, in the order of their ids. */
export async function readLiveFlows(
  ctx: ValkeyContext,
  partition: number,
  after: LivePosition,
  max: number,
): Promise<readonly LiveFlow[]> {
  const { reply, bytes } = await ctx.invoke({
    name: 'resolution_live',
    tag: `fp:${partition}`,
    args: [after, max],
  })
  return asList(reply).map(([id, core, summary]) => ({
    id: id as FlowId,
    core: bytes[core - 1],
    summary: bytes[summary - 1],
  }))
}
