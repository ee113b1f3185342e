import type { CancelFlowOutcome, FlowId } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { countOpen } from './cancel.js'

/** Between two looks, should the hints of the ends be lost. */
const LOOK_MS_MAX = 1_000

/** Waits until no member of the flow is open, or the time is over; then says how many remain. */
export async function awaitMembers(
  ctx: PostgresContext,
  flowId: FlowId,
  waitMs: number,
): Promise<CancelFlowOutcome> {
  const deadline = Date.now() + waitMs
  let wake: () => void = () => {}
  const end = ctx.hints.listen((hint) => {
    if (hint.type === 'ended') wake()
  })
  try {
    for (;;) {
      const ended = new Promise<void>((resolve) => {
        wake = resolve
      })
      const remaining = await countOpen(ctx.db, flowId)
      if (remaining === 0) return { outcome: 'cancelled' }
      const leftMs = deadline - Date.now()
      if (leftMs <= 0 || ctx.closing.aborted) return { outcome: 'cancelling', remaining, failures: [] }
      let timer: NodeJS.Timeout | undefined
      const pause = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, Math.min(leftMs, LOOK_MS_MAX))
      })
      await Promise.race([ended, pause])
      clearTimeout(timer)
    }
  } finally {
    end()
  }
}
