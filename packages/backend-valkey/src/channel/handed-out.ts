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

/** As `shared/handed.lua` tells it. */
export function readHanded(told: readonly unknown[], bytes: readonly Uint8Array[]): HandedOut {
  const [id, record, input, upstream, upstreamTruncated, steps, stepsTruncated] = told as [
    string,
    number,
    number,
    (readonly unknown[][])?,
    boolean?,
    (readonly number[])?,
    boolean?,
  ]
  const stored = bytesAt(bytes, record)
  if (stored === null)
    throw engineError('corruption', `${id} was handed out without its record`, { subject: id })
  return {
    id,
    record: stored,
    input: payloadAt(bytes, input),
    upstream: asList(upstream ?? []).map((row) => readUpstream(row, bytes)),
    upstreamTruncated: upstreamTruncated ?? false,
    steps: asList(steps ?? []).flatMap((place) => bytesAt(bytes, place) ?? []),
    stepsTruncated: stepsTruncated ?? false,
  }
}

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
