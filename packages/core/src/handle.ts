import type { Handle } from './contract/leases.js'
import { engineError } from './errors/engine-error.js'
import {
  type ExecutionId,
  isExecutionId,
  isLeaseId,
  type LeaseId,
  partitionIndexOf,
  uuidOf,
} from './ids/index.js'

/** What a handle carries: which attempt of which execution, under which lease. */
export interface LeaseHandle {
  readonly executionId: ExecutionId
  readonly attemptIndex: number
  readonly leaseId: LeaseId
  /** Raised by every claim of the execution. */
  readonly epoch: number
}

/**
 * The handle of a leased attempt: `h1.<partition>.<execution uuid>.<attempt>.<lease uuid>.<epoch>`.
 *
 * Opaque to its holder, who gets it with a claim and sends it with each write. It needs no secret: it grants nothing
 * that the credentials don't, and a lease id that is not the recorded one is stale. The first part is the version of
 * the format, so that a newer one can be told from a broken one.
 */
export function encodeHandle({ executionId, attemptIndex, leaseId, epoch }: LeaseHandle): Handle {
  return `${VERSION}.${partitionIndexOf(executionId)}.${uuidOf(executionId)}.${attemptIndex}.${leaseId}.${epoch}`
}

/** Takes a handle apart. Throws `invalid_handle`. */
export function decodeHandle(handle: Handle): LeaseHandle {
  if (typeof handle !== 'string') throw invalidHandle('not_a_text')
  const parts = handle.split('.', PARTS + 1)
  const [version, partition, uuid, attempt, lease, epoch] = parts
  if (version !== VERSION) throw invalidHandle('unknown_version')
  if (parts.length !== PARTS) throw invalidHandle('wrong_number_of_parts')
  const partitionIndex = readWhole(partition, PARTITION_INDEX_MAX)
  const attemptIndex = readWhole(attempt, ATTEMPT_INDEX_MAX)
  const epochNumber = readWhole(epoch, Number.MAX_SAFE_INTEGER)
  if (partitionIndex === undefined) throw invalidHandle('bad_partition')
  const executionId = `{fp:${partitionIndex}}:${uuid}`
  if (!isExecutionId(executionId)) throw invalidHandle('bad_execution')
  if (attemptIndex === undefined) throw invalidHandle('bad_attempt')
  if (!isLeaseId(lease)) throw invalidHandle('bad_lease')
  if (epochNumber === undefined) throw invalidHandle('bad_epoch')
  return {
    executionId,
    attemptIndex,
    leaseId: lease,
    epoch: epochNumber,
  }
}

const VERSION = 'h1'
const PARTS = 6
const PARTITION_INDEX_MAX = 65_535
const ATTEMPT_INDEX_MAX = 2_147_483_647
const DIGITS_MAX = 16
const ZERO = 0x30

/** Decimal digits without leading zeros. */
function readWhole(text: string | undefined, max: number): number | undefined {
  if (text === undefined || text === '' || text.length > DIGITS_MAX) return undefined
  const hasLeadingZero = text.length > 1 && text.charCodeAt(0) === ZERO
  if (hasLeadingZero) return undefined
  let value = 0
  for (let index = 0; index < text.length; index++) {
    const digit = text.charCodeAt(index) - ZERO
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
  }
  return value <= max ? value : undefined
}

function invalidHandle(fault: string) {
  return engineError('invalid_handle', `Not a lease handle (${fault.replaceAll('_', ' ')})`, { fault })
}
