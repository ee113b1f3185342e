import {
  type CheckedHandle,
  type ItemError,
  isEngineError,
  type LeaseHandle,
  partitionIndexOf,
  uuidOf,
} from '@flowfabric/core'
import type { SqlValue } from '../db/database.js'

/** The five columns that name leases, in the order in which the functions take them. */
export function handleColumns(handles: readonly LeaseHandle[]): SqlValue[] {
  return [
    handles.map(({ executionId }) => partitionIndexOf(executionId)),
    handles.map(({ executionId }) => uuidOf(executionId)),
    handles.map(({ attemptIndex }) => attemptIndex),
    handles.map(({ leaseId }) => leaseId),
    handles.map(({ epoch }) => epoch),
  ]
}

/** Carries out the good items, and answers each item in its place. */
export async function answerEach<Outcome>(
  handles: readonly CheckedHandle[],
  carryOut: (handle: LeaseHandle, index: number) => Promise<Outcome>,
): Promise<(Outcome | ItemError)[]> {
  const outcomes = await Promise.allSettled(
    handles.map(async (handle, index): Promise<Outcome | ItemError> => {
      return isEngineError(handle) ? { outcome: 'error', error: handle } : carryOut(handle, index)
    }),
  )
  return outcomes.map((settled) => {
    if (settled.status === 'fulfilled') return settled.value
    return toItemError(settled.reason)
  })
}

/** What the store found wrong with one item is that item's answer; anything else is the call's failure. */
export function toItemError(error: unknown): ItemError {
  if (isEngineError(error) && error.kind === 'validation') return { outcome: 'error', error }
  throw error
}
