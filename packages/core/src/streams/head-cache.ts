import type { StreamHead } from './judge-frames.js'

/** What this process last knew of the heads of streams that it appends to. One that is forgotten is asked for again. */
export interface HeadCache {
  get(key: string): StreamHead | undefined
  keep(key: string, head: StreamHead): void
  forget(key: string): void
}

/** About what a head takes beside its document. */
const HEAD_BYTES = 256

/** Keeps the heads that were used last. */
export function createHeadCache(bytesMax = 16_777_216): HeadCache {
  // In the order of their last use.
  const heads = new Map<string, StreamHead>()
  let bytes = 0

  const forget = (key: string): void => {
    const head = heads.get(key)
    if (head === undefined) return
    heads.delete(key)
    bytes -= sizeOf(head)
  }

  return {
    get: (key) => heads.get(key),
    keep(key, head) {
      forget(key)
      heads.set(key, head)
      bytes += sizeOf(head)
      for (const oldest of heads.keys()) {
        if (bytes <= bytesMax) break
        forget(oldest)
      }
    },
    forget,
  }
}

function sizeOf({ document }: StreamHead): number {
  return HEAD_BYTES + (document?.byteLength ?? 0)
}
