import {
  type EngineError,
  type ErrorCode,
  type ErrorDetails,
  engineError,
  isEngineError,
  isErrorCode,
} from '@flowfabric/core'

/** Codes whose details are typed need their own words; a fault of the store has none of them. */
type FaultCode = Exclude<ErrorCode, keyof ErrorDetails>

/** SQLSTATEs that mean: others were in the way, nothing was done, try again. */
export const contentionStates: ReadonlySet<string> = new Set(['40001', '40P01', '55P03'])

/** SQLSTATE, or its class of two characters, to the code of the one error table. */
const codeBySqlState: Readonly<Record<string, FaultCode>> = {
  '40001': 'contention',
  '40P01': 'contention',
  '55P03': 'contention',
  '57014': 'timed_out',
  '57P01': 'connection_lost',
  '57P02': 'connection_lost',
  '57P03': 'store_unreachable',
  '08': 'connection_lost',
  '28': 'store_unreachable',
  '3D': 'store_unreachable',
  '53100': 'store_full',
  '53': 'store_unreachable',
  '25006': 'store_unreachable',
  '3F000': 'migrations_pending',
  '42P01': 'migrations_pending',
  '42883': 'migrations_pending',
  '42703': 'migrations_pending',
}

/** Codes by which node reports a connection that could not be made, so that nothing was sent. */
const unreachable: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'EAI_AGAIN',
  'ENETUNREACH',
])
const lost: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ECONNABORTED'])

interface StoreFault {
  readonly code?: unknown
  readonly message?: unknown
}

/** What a statement's failure means to a caller. `mayHaveCommitted`: whether the statement could commit by itself. */
export function toEngineError(fault: unknown, mayHaveCommitted: boolean): EngineError {
  if (isEngineError(fault)) return fault
  const { code, message } = readFault(fault)
  const ownCode = sqlRaisedCode(code, message)
  if (ownCode !== undefined) return engineError(ownCode, message, {}, { cause: fault })
  if (code === '22021' || code === '22P05') {
    return engineError(
      'nul_in_text',
      'A text holds a character that PostgreSQL cannot keep',
      { field: '' },
      { cause: fault },
    )
  }
  if (code.startsWith('XX')) return engineError('corruption', message, { subject: 'store' }, { cause: fault })
  const known = codeBySqlState[code] ?? codeBySqlState[code.slice(0, 2)]
  if (known !== undefined) {
    const isOpen = known === 'connection_lost' || known === 'timed_out'
    return engineError(
      known,
      `The store answered ${code}: ${message}`,
      {},
      { cause: fault, ...(isOpen ? { mayHaveCommitted } : {}) },
    )
  }
  if (
    unreachable.has(code) ||
    /timeout exceeded when trying to connect|due to connection timeout/.test(message)
  ) {
    return engineError('store_unreachable', `The store cannot be reached: ${message}`, {}, { cause: fault })
  }
  if (lost.has(code) || /Connection terminated|connection .*(lost|closed)|not queryable/i.test(message)) {
    return engineError(
      'connection_lost',
      `The connection to the store was lost: ${message}`,
      {},
      { cause: fault, mayHaveCommitted },
    )
  }
  return engineError(
    'internal_error',
    `A statement failed${code === '' ? '' : ` (${code})`}: ${message}`,
    {},
    { cause: fault },
  )
}

/** The SQLSTATE of a failure, or the empty text. */
export function sqlStateOf(fault: unknown): string {
  const cause = isEngineError(fault) ? fault.cause : fault
  return readFault(cause).code
}

function readFault(fault: unknown): { readonly code: string; readonly message: string } {
  const { code, message } = (typeof fault === 'object' && fault !== null ? fault : {}) as StoreFault
  return {
    code: typeof code === 'string' ? code : '',
    message: typeof message === 'string' ? message : String(fault),
  }
}

/** Our SQL raises `FF001` with a message that begins with a code of the table. */
function sqlRaisedCode(code: string, message: string): FaultCode | undefined {
  if (code !== 'FF001') return undefined
  const word = /^[a-z_]+/.exec(message)?.[0] ?? ''
  return isErrorCode(word) ? (word as FaultCode) : undefined
}
