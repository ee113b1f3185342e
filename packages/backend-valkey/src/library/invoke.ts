import { randomUUID } from 'node:crypto'
import { type EngineError, engineError } from '@flowfabric/core'
import type { Command, Reply } from '../connection/command.js'
import { FUNCTION_NOT_FOUND } from '../connection/fault.js'
import { FunctionFault } from '../connection/function-fault.js'
import type { Connection } from '../connection/open.js'
import { slotOf } from '../connection/slots.js'
import { broughtBy, type LibraryFunctions, requestFunctions } from '../generated/functions.js'
import { library } from '../generated/library.js'
import { pack, unpack } from '../records/packing.js'
import { loadLibrary } from './load.js'
import type { Marks } from './mark.js'
import { type News, readNews } from './news.js'

export type FunctionName = keyof LibraryFunctions

export interface Answer<Name extends FunctionName> {
  readonly reply: LibraryFunctions[Name]['reply']
  readonly news: News
  /** Bytes that came along, to which the reply points by place from 1; place 0 is none. */
  readonly bytes: readonly Uint8Array[]
}

/** A call of one function on one partition. */
export interface Invocation<Name extends FunctionName> {
  readonly name: Name
  /** A partition's tag without braces, such as `fp:7`. */
  readonly tag: string
  readonly args: LibraryFunctions[Name]['args']
  /** Bytes that go along, to which the arguments point by place from 1. */
  readonly bytes?: readonly Uint8Array[] | undefined
  /**
   * What it may bring about, where its header leaves that to the caller, or where nobody would miss it: where `durability` asks
   * for it, the answer waits until it is durable.
   */
  readonly brings?: readonly Durable[] | undefined
  /**
   * Whether carrying it out twice does what once does (default: it does). Otherwise the call ends with `connection_lost` where
   * its answer was lost, instead of being sent again.
   */
  readonly repeatable?: boolean | undefined
}

/** An item of a list among a function's arguments, by the list's place. */
export type ItemArg<
  Name extends FunctionName,
  Place extends number,
> = LibraryFunctions[Name]['args'][Place] extends readonly (infer Item)[] ? Item : never

export type Durable = 'submit' | 'terminal' | 'record'

export type Invoke = <Name extends FunctionName>(invocation: Invocation<Name>) => Promise<Answer<Name>>

/** What every call carries. */
export interface InvokeSettings {
  /** What all keys begin with. */
  readonly keyPrefix: string
  /** Number of the database, which channels are named after: databases share them. */
  readonly db: number
  readonly isCluster: boolean
  /** Names this process in its messages, so that it knows them again: `originLength` characters. */
  readonly origin: string
  readonly inlineResolveEdges: number
  readonly hopMaxEdges: number
  readonly callMaxEdges: number
  /** Bits of what others listen for: 1 ends, 2 the feed, 4 frames. */
  readonly tells: () => number
  readonly marks: Marks
}

export const originLength = 8

/**
 * A key that never is there. While a slot moves, some of its keys are on the one node and some on the other, and each runs a
 * function as if those that it has were all; but a call of which one key is there and another is not it refuses (`TRYAGAIN`).
 */
const ABSENT = 'absent'

/** Calls functions of the library over a connection: again after a lost answer, unless the call says otherwise. */
export function createInvoke(connect: () => Promise<Connection>, settings: InvokeSettings): Invoke {
  return async ({ name, tag, args, bytes = [], brings, repeatable = true }) => {
    const connection = await connect()
    const key = `${settings.keyPrefix}:idx:{${tag}}:meta`
    const header = [
      settings.inlineResolveEdges,
      settings.hopMaxEdges,
      settings.callMaxEdges,
      nextSeed(),
      settings.tells(),
      String(settings.db),
      settings.origin,
      // The connection repeats the call as it is, and so under the same id.
      ...(requestFunctions.has(name) ? [randomUUID()] : []),
    ]
    const keys = settings.isCluster ? [key, `${settings.keyPrefix}:idx:{${tag}}:${ABSENT}`] : [key]
    const packed = pack([header, args])
    const command: Command = ['FCALL', `${library.prefix}${name}`, keys.length, ...keys, packed, ...bytes]
    const slot = slotOf(key)
    settings.marks.note(slot, key)
    const isDurable = (brings ?? [broughtBy[name]]).some(
      (each) => each !== undefined && connection.durable.has(each),
    )
    const reply = await callLoaded(connection, slot, command, { isDurable, idempotent: repeatable })
    return readAnswer(name, reply)
  }
}

/** How often a call has the library loaded before it gives up: others may flush it, or the slot may go on to the next node. */
const LOADS_MAX = 10

/** A node that doesn't know the library was restarted empty, flushed, or is new: it is loaded there. */
async function callLoaded(
  connection: Connection,
  slot: number,
  command: Command,
  { isDurable, idempotent }: { readonly isDurable: boolean; readonly idempotent: boolean },
): Promise<Reply> {
  for (let loads = 0; ; loads += 1) {
    try {
      if (!isDurable) return await connection.call(slot, command, { idempotent })
      const { reply, settle } = await connection.callDurably(slot, command, { idempotent })
      await settle()
      return reply
    } catch (fault) {
      if (!(fault instanceof FunctionFault)) throw fault
      if (fault.code !== FUNCTION_NOT_FOUND || loads === LOADS_MAX) throw toEngineError(fault)
      await loadLibrary(connection, fault.node)
    }
  }
}

function readAnswer<Name extends FunctionName>(name: Name, answer: Reply): Answer<Name> {
  const [packed, ...bytes] = Array.isArray(answer) ? answer : []
  if (!Buffer.isBuffer(packed)) {
    throw engineError('corruption', `${name} answered nothing that decodes`, { subject: name })
  }
  const [reply, news] = unpack(packed, `the answer of ${name}`) as [
    LibraryFunctions[Name]['reply'],
    readonly unknown[],
  ]
  return { reply, news: readNews(news), bytes: bytes as Buffer[] }
}

const SEED_MAX = 2_147_483_646

function nextSeed(): number {
  return 1 + Math.floor(Math.random() * SEED_MAX)
}

/** The typed error of what a function refused. */
function toEngineError({ code, detail, mayHaveCommitted }: FunctionFault): EngineError {
  switch (code) {
    case 'corruption':
      return engineError('corruption', `The stored data does not decode: ${detail}`, { subject: detail })
    case 'schema_mismatch':
      return detail === 'none'
        ? engineError('migrations_pending', 'The store was never prepared')
        : engineError('schema_mismatch', `The store holds layout ${detail}, not ${library.layout}`, {
            stored: detail,
            supported: library.layout,
          })
    case 'contention':
      return engineError('contention', detail)
    default:
      return engineError('internal_error', `${code}: ${detail}`, {}, { mayHaveCommitted })
  }
}
