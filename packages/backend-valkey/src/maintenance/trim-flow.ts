import type { ValkeyContext } from '../context.js'

/**
 * Removes a flow that is past its retention, in short calls. False: it is kept, since a member's retention ends later, or
 * since it runs again. `atMs` is the time of its entry on the wheel.
 */
export async function trimFlow(ctx: ValkeyContext, tag: string, id: string, atMs: number): Promise<boolean> {
  const { keptMs, change } = await readKept(ctx, tag, id)
  for (;;) {
    const { reply } = await ctx.invoke({ name: 'flows_trim', tag, args: [id, atMs, keptMs, change] })
    if (reply !== 'more') return reply === 'gone'
  }
}

/** Until when its members are kept: a flow that was replayed knows only of those that have ended since. */
async function readKept(
  ctx: ValkeyContext,
  tag: string,
  id: string,
): Promise<{ readonly keptMs: number; readonly change: number }> {
  let keptMs = 0
  let seen = 0
  for (let from = 1; from > 0; ) {
    const { reply } = await ctx.invoke({ name: 'flows_kept', tag, args: [id, from] })
    const [kept, next, generation, change] = reply
    if (generation <= 1) return { keptMs: 0, change: 0 }
    keptMs = Math.max(keptMs, kept)
    seen = change
    from = next
  }
  return { keptMs, change: seen }
}
