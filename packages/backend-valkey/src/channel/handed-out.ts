import { engineError } from '@flowfabric/core'
import { asList } from '../library/as-list.js'
import { copyOf } from '../records/stored-step.js'

/** An execution that a claim handed out. */
export interface HandedOut {
  readonly id: string
  readonly record: Uint8Array
  /** Where it isn't in the record. */
  readonly input: Uint8Array | null
  /** By the names of their edges. */
  readonly upstream: readonly HandedUpstream[]
  readonly upstreamTruncated: boolean
  /** Entries of its journal as they are stored. */
  readonly steps: readonly Uint8Array[]
  readonly stepsTruncated: boolean
  /** How its suspension was resumed. */
  readonly resumption: ToldResumption | null
}

/** As `shared/resumptions.lua` tells it, with the bytes that it points to. */
export interface ToldResumption {
  readonly told: readonly unknown[]
  readonly bytes: readonly Uint8Array[]
}

/** What an upstream handed down. */
export interface HandedUpstream {
  readonly name: string
  /** UUID of the upstream. */
  readonly id: string
  /** Letter of the public state in which its downstream saw it. */
  readonly state: string
  readonly satisfied: boolean
  readonly result: Uint8Array | null
}

/** What `shared/handed.lua` tells. Read by place: every execution that is handed out comes by here. */
type Told = readonly [
  id: string,
  record: number,
  input: number,
  upstream?: readonly unknown[][],
  upstreamTruncated?: boolean,
  steps?: readonly number[],
  stepsTruncated?: boolean,
  resumption?: readonly unknown[],
]

export function readHanded(list: readonly unknown[], bytes: readonly Uint8Array[]): HandedOut {
  const told = list as Told
  const id = told[0]
  const record = bytesAt(bytes, told[1])
  if (record === null)
    throw engineError('corruption', `${id} was handed out without its record`, { subject: id })
  return {
    id,
    record,
    input: payloadAt(bytes, told[2]),
    upstream: asList(told[3] ?? none).map((row) => readUpstream(row, bytes)),
    upstreamTruncated: told[4] ?? false,
    steps: asList(told[5] ?? none).flatMap((place) => bytesAt(bytes, place) ?? []),
    stepsTruncated: told[6] ?? false,
    resumption: told[7] === undefined ? null : { told: told[7], bytes },
  }
}

const none: readonly never[] = []

/** `[name, uuid, letter, satisfied, place of the result or 0]`. */
export function readUpstream(row: readonly unknown[], bytes: readonly Uint8Array[]): HandedUpstream {
  const [name, id, state, satisfied, result] = row
  return {
    name: String(name),
    id: String(id),
    state: String(state),
    satisfied: satisfied === true,
    result: payloadAt(bytes, result),
  }
}

function payloadAt(bytes: readonly Uint8Array[], place: unknown): Uint8Array | null {
  const payload = bytesAt(bytes, place)
  return payload && copyOf(payload)
}

/** Places count from 1; 0 is none. */
export function bytesAt(bytes: readonly Uint8Array[], place: unknown): Uint8Array | null {
  return bytes[Number(place) - 1] ?? null
}
