import { unpack } from '../records/packing.js'
import { asList } from './as-list.js'

/** What a call tells its caller beside its answer, and, in the same form, other processes by a message. */
export interface News {
  /** Store time of the call; 0 in a message. */
  readonly nowMs: number
  /** How often a ready set of the partition went from empty to not empty, as of this call. */
  readonly edges: number
  /** Route and how many of it are ready, of the ready sets that the call changed. */
  readonly ready: ReadonlyMap<string, number>
  /** A timer that the call set before all others of the partition. */
  readonly dueAtMs: number | null
  /** The call left entries of the outbox, or tuples. */
  readonly outbox: boolean
  /** UUIDs of executions, and ids of flows behind an `f`, that came to their end. */
  readonly ended: readonly string[]
  /** UUIDs of leased executions that their holders should look at. */
  readonly attention: readonly string[]
  /** Number of the partition's last event, where the call brought some. */
  readonly lastEvent: number | null
  /** `<namespace>/<lane>` of lanes in which the call left room to start what waits: a free slot, or other settings. */
  readonly freed: readonly string[]
  /** How many heard what the call published; `null`: it published nothing. */
  readonly heard: number | null
  /** Worker instance that the other process serves from now on. */
  readonly serves: string | null
  /** UUIDs of executions whose streams grew. */
  readonly frames: readonly string[]
}

export const noNews: News = {
  nowMs: 0,
  edges: 0,
  ready: new Map(),
  dueAtMs: null,
  outbox: false,
  ended: [],
  attention: [],
  lastEvent: null,
  freed: [],
  heard: null,
  serves: null,
  frames: [],
}

export function readNews(packed: readonly unknown[]): News {
  const [
    nowMs,
    edges,
    ready,
    due,
    outbox,
    ended,
    attention,
    lastEvent,
    freed,
    heard = -1,
    serves = '',
    frames = [],
  ] = packed as [
    number,
    number,
    readonly (string | number)[],
    number,
    boolean,
    readonly string[],
    readonly string[],
    number,
    readonly string[],
    number?,
    string?,
    (readonly string[])?,
  ]
  return {
    nowMs,
    edges,
    ready: readPairs(ready),
    dueAtMs: due === 0 ? null : due,
    outbox,
    ended: asList(ended),
    attention: asList(attention),
    lastEvent: lastEvent === 0 ? null : lastEvent,
    freed: asList(freed),
    heard: heard < 0 ? null : heard,
    serves: serves === '' ? null : serves,
    frames: asList(frames),
  }
}

/** A message of another process, as `hints.lua` publishes it. */
export function readMessage(message: Uint8Array): News {
  return readNews([0, ...(unpack(message, 'a message') as readonly unknown[])])
}

function readPairs(pairs: readonly (string | number)[]): ReadonlyMap<string, number> {
  const map = new Map<string, number>()
  const list = asList(pairs)
  for (let place = 1; place < list.length; place += 2) map.set(String(list[place - 1]), Number(list[place]))
  return map
}
