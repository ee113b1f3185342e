import {
  type Hint,
  makePartitionTag,
  type PartitionFamily,
  type PartitionTag,
  partitionOfTag,
  type ScanContext,
  type Scanner,
} from '@flowfabric/core'
import type { TestStore } from './use-store.js'

/** What passes brought about outside the store. */
export interface Brought {
  readonly announced: Hint[]
  readonly sent: unknown[]
}

const families: readonly PartitionFamily[] = ['flow', 'quota', 'budget']
/** More than any chain of scanners that wait for each other. */
const ROUNDS_MAX = 10

/**
 * What an engine with these scanners does until nothing is left to do: a pass where the pulse names its work, as the supervisor goes
 * by it, and one of each that runs by interval alone. Without hints: those may be lost.
 */
export async function runScanners(store: TestStore, scanners: readonly Scanner[]): Promise<Brought> {
  const brought: Brought = { announced: [], sent: [] }
  const context = createContext(store, await store.nowMs(), brought)
  const tags = families.flatMap((family) =>
    Array.from({ length: store.opened.partitionCounts[family] }, (_, index) =>
      makePartitionTag(family, index),
    ),
  )
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    let processed = 0
    const pulse = await store.backend.maintenance.pulse({ partitions: tags })
    const pending = new Map(pulse.partitions.map((each) => [each.partition, each.pending]))
    for (const scanner of scanners) {
      if (scanner.scope === 'pulse') {
        scanner.readPulse(context, pulse)
        continue
      }
      const isAsked = (tag: PartitionTag) => pending.get(tag)?.some((work) => scanner.wakesOn.includes(work))
      for (const tag of tags.filter((each) => partitionOfTag(each).family === scanner.family)) {
        if (!scanner.wakesOn.includes('always') && isAsked(tag) !== true) continue
        processed += (await scanner.scanPartition(context, tag)).processed
      }
    }
    if (processed === 0) break
  }
  for (const scanner of scanners) if (scanner.scope === 'partition') await scanner.drain?.(context)
  return brought
}

function createContext({ backend }: TestStore, nowMs: number, { announced, sent }: Brought): ScanContext {
  return {
    backend,
    filter: {},
    signal: new AbortController().signal,
    storeNowMs: () => nowMs,
    batch: (max) => max,
    count: () => {},
    observe: () => {},
    announce: (hint) => announced.push(hint),
    wake: () => true,
    sendWebhook: async (request) => {
      sent.push(request)
      return { outcome: 'delivered', httpStatus: 200 }
    },
    log: () => {},
  }
}
