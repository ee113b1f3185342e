import { type PartitionTag, partitionOfTag } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'

/** Which partitions' feeds have grown. Remembered from its beginning on, so that nothing falls between a look and a wait. */
export interface FeedNews {
  /** Resolves with the first growth, or after so long. */
  wait(ms: number): Promise<void>
  /** Takes what has grown since the last time. */
  take(): readonly number[]
  end(): void
}

export function listenForGrowth(
  ctx: Pick<ValkeyContext, 'hints' | 'closing'>,
  signal?: AbortSignal,
): FeedNews {
  const grown = new Set<number>()
  let wake: () => void = () => {}
  const stop = ctx.hints.listen((hint) => {
    if (hint.type !== 'events') return
    grown.add(partitionOfTag(hint.partition as PartitionTag).index)
    wake()
  })
  const signals = signal === undefined ? [ctx.closing] : [ctx.closing, signal]
  const onAbort = () => wake()
  for (const each of signals) each.addEventListener('abort', onAbort)
  return {
    async wait(ms) {
      if (grown.size > 0 || signals.some(({ aborted }) => aborted)) return
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      wake = () => {}
    },
    take() {
      const taken = [...grown]
      grown.clear()
      return taken
    },
    end() {
      stop()
      for (const each of signals) each.removeEventListener('abort', onAbort)
    },
  }
}
