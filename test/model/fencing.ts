import type { FencingRefusal, LeaseHandle, Namespace, RecordedEnd } from '@flowfabric/core'
import { isTerminal } from './facts.js'
import type { AttemptEntry, ExecutionRecord, PutDown } from './records.js'
import type { Model } from './store.js'

/** What a worker's write may do. */
export type Fence =
  /** The lease stands. */
  | { readonly pass: 'held'; readonly x: ExecutionRecord; readonly attempt: AttemptEntry }
  /** The lease was reaped, and nobody claimed since: `complete` and `fail` are still taken. */
  | { readonly pass: 'late'; readonly x: ExecutionRecord; readonly attempt: AttemptEntry }
  /** The same call was carried out before: this is what it answered. */
  | { readonly pass: 'repeat'; readonly answer: { readonly outcome: string } }
  | { readonly pass: 'refused'; readonly refusal: FencingRefusal }

export type FencedOperation =
  | PutDown
  | 'renew'
  | 'progress'
  | 'step'
  | 'append'
  | 'extend'
  | 'waitpoint'
  | 'acquire'

/** Judges a handle, in the documented order. Changes nothing. */
export function fence(
  model: Model,
  namespaces: readonly Namespace[],
  handle: LeaseHandle,
  operation: FencedOperation,
): Fence {
  const x = model.executions.get(handle.executionId)
  if (x === undefined || !namespaces.includes(x.namespace)) return refuse({ outcome: 'stale_lease' })
  if (operation === 'yield' && x.yielded !== null && isSameLease(x.yielded, handle)) {
    return { pass: 'repeat', answer: { outcome: 'yielded' } }
  }
  const attempt = x.attempts[handle.attemptIndex]
  if (attempt === undefined || !isSameLease(attempt, handle)) return refuse({ outcome: 'stale_lease' })
  const ended: FencingRefusal = { outcome: 'execution_not_active', recorded: recordedEndOf(x, attempt) }

  if (attempt.putDown !== null) {
    if (attempt.putDown.operation === operation) return { pass: 'repeat', answer: attempt.putDown.answer }
    return refuse(ended)
  }
  switch (attempt.endedBy) {
    case null:
      return { pass: 'held', x, attempt }
    case 'attempt_timeout':
      return refuse({ outcome: 'attempt_timed_out' })
    case 'suspension_timeout':
    case 'revocation':
      return refuse({ outcome: 'lease_revoked' })
    case 'holder':
    case 'deadline':
    case 'cancel':
    case 'skip':
      return refuse(ended)
    case 'lease_expiry':
      return judgeReaped(x, attempt, operation, ended)
  }
}

function judgeReaped(
  x: ExecutionRecord,
  attempt: AttemptEntry,
  operation: FencedOperation,
  ended: FencingRefusal,
): Fence {
  const isLast = attempt.index === x.attempts.length - 1
  if (isLast && x.state.ownershipState === 'lease_expired_reclaimable') {
    const isTaken = operation === 'complete' || operation === 'fail'
    return isTaken ? { pass: 'late', x, attempt } : refuse({ outcome: 'lease_expired' })
  }
  const endedOtherwise = isTerminal(x) || attempt.generation !== x.generation
  return refuse(isLast && endedOtherwise ? ended : { outcome: 'stale_lease' })
}

/** What is recorded about an attempt's end, and its execution's. */
export function recordedEndOf(x: ExecutionRecord, attempt: AttemptEntry | undefined): RecordedEnd {
  const putDown = attempt !== undefined && attempt.putDown !== null ? 'holder' : null
  return { endedBy: attempt?.endedBy ?? putDown, terminalOutcome: x.state.terminalOutcome }
}

function isSameLease(lease: Pick<LeaseHandle, 'leaseId' | 'epoch'>, handle: LeaseHandle): boolean {
  return lease.leaseId === handle.leaseId && lease.epoch === handle.epoch
}

function refuse(refusal: FencingRefusal): Fence {
  return { pass: 'refused', refusal }
}
