import {
  defaultNamespace,
  type FoundationBackend,
  type Hint,
  makePartitionTag,
  type PartitionScanner,
  type ScanContext,
  type ScannerFilter,
  type ScanReport,
} from '@flowfabric/core'
import { createModel, type ModelBackend, type ModelOptions } from '../model/index.js'
import type { FlowStage } from '../support/flow-driver.js'

export const namespace = defaultNamespace
/** All that a test of a scanner needs: one partition. */
export const partition = makePartitionTag('flow', 0)
const startMs = 1_800_000_000_000

/** What passes counted, observed, announced and logged. */
export interface Seen {
  /** `<metric>{<value>}` → sum. */
  readonly counts: Record<string, number>
  readonly observed: Record<string, number[]>
  readonly hints: Hint[]
  readonly lines: { readonly level: string; readonly message: string }[]
}

export function openModel(options: ModelOptions = {}): ModelBackend {
  return createModel({ partitions: { flow: 1, budget: 1, quota: 1 }, startMs, ...options })
}

export function stageOf(backend: FoundationBackend): FlowStage {
  return { backend, namespace, partitions: [partition] }
}

/** A context that notes what the supervisor would measure; a metric that the scanner didn't list is a failure. */
export function contextOf(
  backend: ModelBackend,
  filter: ScannerFilter = {},
): { readonly context: ScanContext; readonly seen: Seen } {
  const seen: Seen = { counts: {}, observed: {}, hints: [], lines: [] }
  const context: ScanContext = {
    backend,
    filter,
    signal: new AbortController().signal,
    storeNowMs: () => backend.store.clock.nowMs(),
    batch: (max) => max,
    count(metric, value, by = 1) {
      if (!metric.values.includes(value)) throw new Error(`${metric.name} has no value ${value}`)
      if (by === 0) return
      const key = `${metric.name}{${value}}`
      seen.counts[key] = (seen.counts[key] ?? 0) + by
    },
    observe(metric, value, amount) {
      if (!metric.values.includes(value)) throw new Error(`${metric.name} has no value ${value}`)
      const key = `${metric.name}{${value}}`
      seen.observed[key] = [...(seen.observed[key] ?? []), amount]
    },
    announce: (hint) => seen.hints.push(hint),
    wake: () => true,
    sendWebhook: async () => ({ outcome: 'delivered', httpStatus: 200 }),
    log: (level, message) => seen.lines.push({ level, message }),
  }
  return { context, seen }
}

/** One pass. */
export async function pass(
  scanner: PartitionScanner,
  backend: ModelBackend,
): Promise<{ readonly report: ScanReport; readonly seen: Seen }> {
  const { context, seen } = contextOf(backend)
  const first = makePartitionTag(scanner.family, 0)
  return { report: await scanner.scanPartition(context, first), seen }
}
