import { type EngineError, engineError, isEngineError } from '@flowfabric/core'
import { type Address, parseAddress } from './address.js'

/** What the failure of one try means for the call. */
export type Verdict =
  /** The slot belongs to another node (`moved`), or this key is to be asked for there just now (`ask`). */
  | { readonly kind: 'moved' | 'ask'; readonly slot: number; readonly address: Address }
  /** Nothing was done, and it may go better in a moment. `isViewOld`: perhaps elsewhere, so look who serves what. */
  | { readonly kind: 'pause'; readonly text: string; readonly isViewOld: boolean }
  /** The command never left this process. */
  | { readonly kind: 'unsent'; readonly text: string }
  /** It was sent, and nobody knows what became of it. `isSlow`: the connection lives and is only behind. */
  | {
      readonly kind: 'unknown'
      readonly code: 'connection_lost' | 'timed_out'
      readonly text: string
      readonly isSlow: boolean
    }
  /** An answer of our own library, or that the node has none. */
  | {
      readonly kind: 'function'
      readonly code: string
      readonly detail: string
      readonly details: Readonly<Record<string, unknown>>
    }
  /** Trying again would change nothing. */
  | { readonly kind: 'refused'; readonly error: EngineError }

/** The code under which a `FunctionFault` says that the node does not have the library. */
export const FUNCTION_NOT_FOUND = 'function_not_found'

/** What a connection itself has to report of a command, as opposed to what the server answered. */
export class TransportFault extends Error {
  override readonly name = 'TransportFault'
  readonly fate: 'unsent' | 'connection_lost' | 'timed_out'
  readonly isSlow: boolean

  constructor(fate: 'unsent' | 'connection_lost' | 'timed_out', message: string, isSlow = false) {
    super(message)
    this.fate = fate
    this.isSlow = isSlow
  }
}

/** Judges whatever a try rejected with. */
export function judgeFault(fault: unknown): Verdict {
  if (isEngineError(fault)) return { kind: 'refused', error: fault }
  if (fault instanceof TransportFault) {
    const { fate, message, isSlow } = fault
    return fate === 'unsent'
      ? { kind: 'unsent', text: message }
      : { kind: 'unknown', code: fate, text: message, isSlow }
  }
  if (fault instanceof Error && fault.name === 'ReplyError') return judgeReplyError(fault.message, fault)
  const message = fault instanceof Error ? fault.message : String(fault)
  return refused('internal_error', `A command failed in this process: ${message}`, fault)
}

/** Judges the text of an error reply, as the server wrote it, without the leading minus. `cause`: what brought it. */
export function judgeReplyError(text: string, cause?: unknown): Verdict {
  const word = /^[A-Z]+/.exec(text)?.[0] ?? ''
  switch (word) {
    case 'FF':
      return readOwnError(text)
    case 'MOVED':
    case 'ASK':
      return readRedirection(word === 'MOVED' ? 'moved' : 'ask', text)
    case 'CLUSTERDOWN':
    case 'READONLY':
    case 'MASTERDOWN':
      return { kind: 'pause', text, isViewOld: true }
    case 'TRYAGAIN':
    case 'LOADING':
    case 'BUSY':
    case 'NOREPLICAS':
      return { kind: 'pause', text, isViewOld: false }
    case 'OOM':
      return refused('store_full', `The store has no memory left for new work: ${text}`, cause)
    case 'MISCONF':
      return refused('store_unreachable', `The store takes no writes: ${text}`, cause)
    case 'WRONGTYPE':
      return {
        kind: 'refused',
        error: engineError(
          'corruption',
          `A key holds another type than ours: ${text}`,
          { subject: 'key' },
          { cause },
        ),
      }
    case 'NOAUTH':
    case 'WRONGPASS':
    case 'NOPERM':
    case 'DENIED':
      return refused('invalid_configuration', `The store refuses these credentials: ${text}`, cause)
    case 'ERR':
      return judgeGeneralError(text, cause)
    default:
      return refused('internal_error', `The store answered: ${text}`, cause)
  }
}

/** `ERR` stands before most texts: what they say is only in their words. */
function judgeGeneralError(text: string, cause: unknown): Verdict {
  if (/^ERR Function not found/i.test(text)) {
    return { kind: 'function', code: FUNCTION_NOT_FOUND, detail: text, details: {} }
  }
  // Raised within a function, before its first write: the slot is moving away, or has no majority.
  if (/access a non local key in a cluster/i.test(text)) return { kind: 'pause', text, isViewOld: false }
  if (/the cluster is down|access a slot not served/i.test(text))
    return { kind: 'pause', text, isViewOld: true }
  if (/max number of clients/i.test(text)) return { kind: 'pause', text, isViewOld: false }
  if (
    /called without any password configured|no password is set|invalid DB index|DB index is out of range/i.test(
      text,
    )
  ) {
    return refused('invalid_configuration', `The store refuses the configuration: ${text}`, cause)
  }
  return refused('internal_error', `The store answered: ${text}`, cause)
}

/** `FF <code> <detail>`, where the detail may be an object as JSON. */
function readOwnError(text: string): Verdict {
  const [whole, code] = /^FF ([a-z][a-z0-9_]*) ?/.exec(text) ?? []
  if (whole === undefined || code === undefined)
    return refused('internal_error', `The library answered: ${text}`)
  // The server adds where it was raised to what was raised, as opposed to answered.
  const detail = text.slice(whole.length).replace(/ script: \S+, on @user_function:\d+\.$/, '')
  return { kind: 'function', code, detail, details: parseObject(detail) }
}

function parseObject(json: string): Readonly<Record<string, unknown>> {
  if (!json.startsWith('{')) return {}
  try {
    return JSON.parse(json) as Record<string, unknown>
  } catch {
    return {}
  }
}

/** `MOVED 3999 127.0.0.1:6381`. */
function readRedirection(kind: 'moved' | 'ask', text: string): Verdict {
  const [, slot, place = ''] = text.split(' ')
  const address = parseAddress(place)
  if (address === undefined || !/^\d+$/.test(slot ?? '')) {
    return refused('internal_error', `Not a redirection: ${text}`)
  }
  return { kind, slot: Number(slot), address }
}

function refused(
  code: 'store_full' | 'store_unreachable' | 'invalid_configuration' | 'internal_error',
  message: string,
  cause?: unknown,
): Verdict {
  return { kind: 'refused', error: engineError(code, message, {}, { cause }) }
}
