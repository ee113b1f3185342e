import { limits } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { carryOutEach, ENTRIES_PER_HOP } from './carry-out.js'
import { runHop } from './hop.js'
import { drainGroup, readPendingCancels } from './sibling-cancels.js'

/** Carries out, in the background of this process, what its calls leave to the outbox. */
export interface BackgroundDispatch {
  /** A call has left something in the partition. Kicks that come meanwhile join the next hop. */
  kick(partition: number): void
}

/**
 * Ends with `ctx.closing`. What fails here is left where it was: the sweeps take it again, and report what they meet. Only
 * where `dispatchInProcess` says so.
 */
export function createBackgroundDispatch(
  ctx: Pick<ValkeyContext, 'settings' | 'closing'>,
  dispatch: (partition: number) => Promise<boolean>,
): BackgroundDispatch {
  const pending = new Set<number>()
  const running = new Set<number>()

  const run = async (partition: number): Promise<void> => {
    running.add(partition)
    try {
      // Not in the tick of the call that left it: others of the same tick are likely to leave something too.
      await new Promise((resolve) => setImmediate(resolve))
      while (pending.delete(partition) && !ctx.closing.aborted) {
        if (await dispatch(partition)) pending.add(partition)
      }
    } catch {
      pending.delete(partition)
    } finally {
      running.delete(partition)
    }
  }

  return {
    kick(partition) {
      if (!ctx.settings.dispatchInProcess || ctx.closing.aborted) return
      pending.add(partition)
      if (!running.has(partition)) void run(partition)
    },
  }
}

/** Carries out what is due in a partition, in one hop and what it names. Answers whether there is more. */
export async function dispatchOnce(ctx: ValkeyContext, partition: number): Promise<boolean> {
  const edges = ctx.settings.callMaxEdges
  const hop = await runHop(ctx, { partition, entries: [], max: ENTRIES_PER_HOP, edges })
  await carryOutEach(ctx, partition, hop.named)
  if (hop.hasCancels) {
    const groups = await readPendingCancels(ctx, partition, limits.siblingCancelGroupsMax)
    for (const group of groups) await drainGroup(ctx, group, limits.siblingCancelMembersMax)
  }
  return hop.more
}
