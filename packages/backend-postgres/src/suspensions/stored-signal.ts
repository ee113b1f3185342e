import { type JudgedSignal, must, type Signal } from '@flowfabric/core'
import { toSignalId, toSuspensionId, toWaitpointId } from './ids.js'

/** What `signal_entry` answers of a signal. */
export interface StoredSignal {
  readonly sequence: number
  readonly id: string
  readonly waitpoint: string | null
  readonly name: string
  /** Base64. */
  readonly payload: string | null
  readonly source: string | null
  readonly receivedAtMs: number
  readonly suspension: string | null
}

export function toSignal(partition: number, stored: StoredSignal): Signal {
  return {
    id: toSignalId(partition, stored.id),
    waitpointId: stored.waitpoint === null ? null : toWaitpointId(partition, stored.waitpoint),
    name: stored.name,
    payload: toBytes(stored.payload),
    source: stored.source,
    receivedAtMs: stored.receivedAtMs,
    suspensionId: stored.suspension === null ? null : toSuspensionId(partition, stored.suspension),
  }
}

export function toJudged(partition: number, stored: StoredSignal): JudgedSignal {
  return {
    sequence: stored.sequence,
    waitpointId: toWaitpointId(partition, must(stored.waitpoint, 'the waitpoint of a signal')),
    name: stored.name,
    source: stored.source,
    payload: toBytes(stored.payload),
  }
}

function toBytes(base64: string | null): Uint8Array | null {
  return base64 === null ? null : Uint8Array.from(Buffer.from(base64, 'base64'))
}
