import {
  type CheckedHandle,
  type FencingRefusal,
  type ItemError,
  isEngineError,
  must,
  type Namespace,
} from '@flowfabric/core'
import { fence } from './fencing.js'
import type { AttemptEntry, ExecutionRecord, PutDown } from './records.js'
import type { Model } from './store.js'

/** What a write that passed the fence works on. */
interface Held {
  readonly x: ExecutionRecord
  readonly attempt: AttemptEntry
  readonly late: boolean
}

/** One fenced write of a worker. What it ends is carried on by the step around it, with what the call's other items end. */
export function write<Answer extends { readonly outcome: string }>(
  model: Model,
  namespaces: readonly Namespace[],
  handle: CheckedHandle | undefined,
  operation: PutDown | 'renew' | 'progress' | 'step' | 'append' | 'waitpoint' | 'acquire',
  work: (held: Held) => Answer,
): Answer | FencingRefusal | ItemError {
  const checked = must(handle, 'the check of an item')
  if (isEngineError(checked)) return { outcome: 'error', error: checked }
  const fenced = fence(model, namespaces, checked, operation)
  if (fenced.pass === 'refused') return fenced.refusal
  // What is kept for a repeat is what the same operation answered.
  if (fenced.pass === 'repeat') return fenced.answer as Answer
  const { x, attempt } = fenced
  return work({ x, attempt, late: fenced.pass === 'late' })
}

/** A write that ends or puts aside the attempt, and answers the same when it is repeated. */
export function putDown<Answer extends { readonly outcome: string }>(
  model: Model,
  namespaces: readonly Namespace[],
  handle: CheckedHandle | undefined,
  operation: PutDown,
  work: (held: Held) => Answer,
): Answer | FencingRefusal | ItemError {
  return write(model, namespaces, handle, operation, (held) => {
    if (held.late) {
      held.attempt.late = true
      held.x.reclaimCount -= 1
    }
    const answer = work(held)
    held.attempt.putDown = { operation, answer }
    return answer
  })
}
