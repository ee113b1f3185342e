import type { CancelFlowOutcome, GetFlow } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { flowFields as F } from '../generated/layouts.js'
import { numberAt } from '../records/stored-execution.js'
import { readFlow } from './read-flow.js'

/** Between two looks, should the hints of the ends be lost. */
const LOOK_MS_MAX = 1_000

/** Waits until no member of the flow is open, or the time is over; then says how many remain. */
export async function awaitMembers(
  ctx: ValkeyContext,
  { namespace, flowId }: GetFlow,
  waitMs: number,
): Promise<CancelFlowOutcome> {
  const deadline = performance.now() + waitMs
  let wake: () => void = () => {}
  const end = ctx.hints.listen((hint) => {
    if (hint.type === 'ended') wake()
  })
  try {
    for (;;) {
      const ended = new Promise<void>((resolve) => {
        wake = resolve
      })
      const { flow } = await readFlow(ctx, namespace, flowId)
      const remaining = numberAt(flow.fields, F.open)
      if (remaining === 0) return { outcome: 'cancelled' }
      const leftMs = deadline - performance.now()
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
