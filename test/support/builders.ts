import {
  type EngineError,
  type ErrorCode,
  type Execution,
  type ExecutionId,
  type ExecutionSubmission,
  isEngineError,
  type RetryPolicy,
} from '@flowfabric/core'
import type { TestStore } from './use-store.js'

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** A retry policy whose pauses are not drawn, so that a test can name them. */
export function steadyRetry(
  more: Partial<Omit<RetryPolicy, 'backoff'>> & { readonly initialMs?: number } = {},
) {
  const { initialMs = 1_000, ...rest } = more
  const backoff = { kind: 'exponential', initialMs, multiplier: 2, maxMs: 60_000, jitter: false } as const
  return { maxAttempts: 3, nonRetryable: [], ...rest, backoff }
}

/** Submits one solo execution; throws unless it is accepted. */
export async function submitOne(
  store: TestStore,
  more: Partial<ExecutionSubmission> = {},
): Promise<ExecutionId> {
  const solo = store.aSolo(more)
  const { items } = await store.backend.executions.submit({ namespace: store.namespace, items: [solo] })
  if (items[0]?.outcome !== 'accepted')
    throw items[0]?.outcome === 'error'
      ? items[0].error
      : new Error(`the execution was not accepted: ${items[0]?.outcome}`)
  return solo.id
}

export async function readOne(store: TestStore, id: ExecutionId): Promise<Execution> {
  return (await store.backend.executions.get({ namespace: store.namespace, id })).execution
}

/** The code that a call was refused with; throws when it was not. */
export async function codeOf(call: Promise<unknown>): Promise<ErrorCode> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (isEngineError(error)) return error.code
  throw new Error(`not refused with an EngineError: ${String(error)}`, { cause: error })
}

/** The code of an item's error; throws when the item was taken. */
export function itemCodeOf(
  item: { readonly outcome: string; readonly error?: EngineError } | undefined,
): ErrorCode {
  if (item?.outcome === 'error' && item.error !== undefined) return item.error.code
  throw new Error(`not an item error: ${item?.outcome}`)
}
