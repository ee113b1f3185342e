import { hostname } from 'node:os'
import {
  limits,
  mintInstanceId,
  parseCapabilities,
  parseLaneId,
  parseNamespace,
  parseWorkerId,
  type WorkerBackend,
} from '@flowfabric/core'
import { CallBatcher } from '../calls/call-batcher.js'
import { callSafely } from '../calls/call-safely.js'
import type { Connection } from '../connection/connection.js'
import { jsonCodec } from '../payload/codec.js'
import { type AbortReason, readRefusal } from './abort-reason.js'
import { type HeldLease, LeaseTable } from './held-lease.js'
import { silentLogger } from './logger.js'
import { ProgressReporter } from './progress-reporter.js'
import type { WorkerCore } from './worker-core.js'
import type { WorkerOptions } from './worker-options.js'

const CONCURRENCY_DEFAULT = 16
const SLEEP_IN_PLACE_MS_DEFAULT = 10_000
/** What a handler has written is sent until it is recorded, or until the worker is stopped. */
const PATIENCE = { tries: Number.POSITIVE_INFINITY, initialMs: 50, maxMs: 2_000 }

export interface WorkerCoreEvents {
  readonly stopped: AbortSignal
  readonly onLost: (held: HeldLease) => void
}

/** Reads a worker's options and makes what its parts share. */
export function createWorkerCore(
  options: WorkerOptions,
  { backend, namespace, links }: Connection<WorkerBackend>,
  { stopped, onLost }: WorkerCoreEvents,
): WorkerCore {
  const logger = options.logger ?? silentLogger
  const namespaces = options.namespaces?.map(parseNamespace) ?? [namespace]
  const leases = new LeaseTable()
  const drop = (held: HeldLease, reason: AbortReason) => {
    leases.remove(held)
    held.state = 'gone'
    held.abort(reason)
  }
  const lose = (held: HeldLease, reason: AbortReason) => {
    drop(held, reason)
    onLost(held)
    options.observer?.lost?.(held.claimed, reason)
    logger.log('warn', 'an attempt is lost', {
      executionId: held.claimed.executionId,
      reason: reason.message,
    })
  }
  return {
    backend,
    namespaces,
    lanes: [...new Set(options.lanes?.map(parseLaneId) ?? options.tasks.map(({ spec }) => spec.lane))],
    kinds: [...new Set(options.tasks.map(({ kind }) => kind))],
    capabilities: parseCapabilities(options.capabilities ?? []),
    concurrency: options.concurrency ?? CONCURRENCY_DEFAULT,
    workerId: parseWorkerId(options.workerId ?? nameHost()),
    leaseTtlMs: options.leaseTtlMs ?? limits.leaseTtlMsDefault,
    sleepInPlaceMsMax: options.sleepInPlaceMsMax ?? SLEEP_IN_PLACE_MS_DEFAULT,
    codec: options.codec ?? jsonCodec,
    logger,
    observer: options.observer ?? {},
    leases,
    steps: new CallBatcher({
      send: async (items) => (await backend.attempts.recordStep({ namespaces, items })).items,
      itemsMax: limits.stepBatchMax,
      bytesMax: limits.bodyBytesMax / 4,
      sizeOf: ({ result }) => result?.byteLength ?? 0,
      bounds: PATIENCE,
      signal: stopped,
    }),
    frames: new CallBatcher({
      send: async (items) => (await backend.streams.append({ namespaces, items })).items,
      itemsMax: limits.frameBatchMax,
      bytesMax: limits.bodyBytesMax / 4,
      sizeOf: ({ frame }) => frame.byteLength,
      bounds: PATIENCE,
      signal: stopped,
    }),
    delays: new CallBatcher({
      send: async (items) => (await backend.leases.delay({ namespaces, items })).items,
      itemsMax: limits.delayBatchMax,
      bounds: PATIENCE,
      signal: stopped,
    }),
    suspends: new CallBatcher({
      send: async (items) => (await backend.suspensions.suspend({ namespaces, items })).items,
      itemsMax: limits.suspendBatchMax,
      bytesMax: limits.bodyBytesMax / 4,
      sizeOf: ({ condition }) => JSON.stringify(condition).length,
      bounds: PATIENCE,
      signal: stopped,
    }),
    links,
    progress: new ProgressReporter(backend.attempts, namespaces, (error) =>
      logger.log('debug', 'progress was not recorded', { error: String(error) }),
    ),
    partitionCount: rememberSuccess(
      async () => (await callSafely(() => backend.maintenance.describe())).partitions.flow,
    ),
    stopped,
    instanceId: mintInstanceId(),
    drop,
    lose,
    refuse: (held, refusal) => lose(held, readRefusal(refusal)),
  }
}

/** Calls once; again only after it has failed. */
function rememberSuccess<T>(call: () => Promise<T>): () => Promise<T> {
  let remembered: Promise<T> | undefined
  return () => {
    remembered ??= call().catch((error: unknown) => {
      remembered = undefined
      throw error
    })
    return remembered
  }
}

/** A host's name in the grammar of worker ids. */
function nameHost(): string {
  const name = hostname()
    .replaceAll(/[^A-Za-z0-9._:-]/g, '-')
    .slice(0, limits.nameCharsMax)
  return /^[A-Za-z0-9]/.test(name) ? name : 'worker'
}
