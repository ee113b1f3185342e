import type { ChildEnd, ResumedBy, Resumption } from '@flowfabric/core'
import { toSuspensionId } from './ids.js'
import { type StoredSignal, toSignal } from './stored-signal.js'

/** What `resumption_of` answers. */
export interface StoredResumption {
  readonly suspension: string
  readonly by: ResumedBy
  readonly atMs: number
  readonly children: readonly ChildEnd[]
  readonly signals: readonly StoredSignal[]
  readonly truncated: boolean
}

export function toResumption(partition: number, stored: StoredResumption): Resumption {
  return {
    suspensionId: toSuspensionId(partition, stored.suspension),
    by: stored.by,
    atMs: stored.atMs,
    signals: stored.signals.map((signal) => toSignal(partition, signal)),
    signalsTruncated: stored.truncated,
    children: stored.children,
  }
}
