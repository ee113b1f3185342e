import { type FlowId, limits } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { placeOf } from './flow-place.js'

/** What goes on in several steps, that any process may take: whoever else does the same meanwhile only helps. */

/** Members that one step changes. */
export const MEMBERS_PER_STEP = 100

export interface EndedMembers {
  readonly ended: number
  /** Members that have not ended. */
  readonly open: number
  /** All members that are to be ended were looked at. */
  readonly isDone: boolean
}

/** Ends the next members of a flow that is being ended: those of one pass, in short steps. */
export async function endNextMembers(
  ctx: ValkeyContext,
  flowId: FlowId,
  max: number = limits.scannerBatchMax,
): Promise<EndedMembers> {
  const { tag } = await placeOf(ctx, flowId)
  let ended = 0
  for (;;) {
    const step = Math.min(MEMBERS_PER_STEP, max - ended)
    const { reply } = await ctx.invoke({ name: 'flows_cancel_next', tag, args: [flowId, step] })
    const [count, open, isDone] = reply
    ended += count
    if (isDone || ended >= max) return { ended, open, isDone }
  }
}

/** Until all members that are to be ended have been. */
export async function finishEnding(ctx: ValkeyContext, flowId: FlowId): Promise<void> {
  for (let isDone = false; !isDone; ) isDone = (await endNextMembers(ctx, flowId)).isDone
}

/** Until the flow is open again, or the replay was taken back: only the generation tells which. */
export async function finishReplay(
  ctx: ValkeyContext,
  flowId: FlowId,
): Promise<{ readonly generation: number }> {
  const { tag } = await placeOf(ctx, flowId)
  for (;;) {
    const { reply } = await ctx.invoke({
      name: 'flows_replay_next',
      tag,
      args: [flowId, MEMBERS_PER_STEP, ''],
    })
    const [outcome, , generation] = reply
    if (outcome !== 'going') return { generation }
  }
}
