import type { LeftMessage } from '../channel/work-items.js'
import type { ValkeyContext } from '../context.js'
import { giveBack } from './give-back.js'
import { readGiveBack } from './messages.js'

/** Carries the messages that this process's own calls leave. */
export interface GiveBackQueue {
  take(partition: number, messages: readonly LeftMessage[]): void
}

/**
 * One round of calls at a time: what comes meanwhile, of all partitions, goes together in the next. What fails, or is left when the
 * process ends, stays in the outbox, where others take it after a second.
 */
export function createGiveBackQueue(ctx: ValkeyContext): GiveBackQueue {
  let waiting: { readonly partition: number; readonly message: LeftMessage }[] = []
  let isRunning = false

  const run = async (): Promise<void> => {
    isRunning = true
    // Not in the tick of the call that left it: others are likely to be answered in the same.
    await new Promise((resolve) => setImmediate(resolve))
    while (waiting.length > 0 && !ctx.closing.aborted) {
      const taken = waiting
      waiting = []
      try {
        await giveBack(
          ctx,
          taken.flatMap(({ partition, message }) => readGiveBack(partition, message.what)),
        )
        for (const { partition, message } of taken) ctx.channel(partition).forget(message.entry)
      } catch {}
    }
    isRunning = false
  }

  return {
    take(partition, messages) {
      if (messages.length === 0 || ctx.closing.aborted) return
      for (const message of messages) waiting.push({ partition, message })
      if (!isRunning) void run()
    },
  }
}
