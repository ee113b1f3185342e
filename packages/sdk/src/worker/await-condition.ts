import {
  deriveUuid,
  hashInput,
  makeSuspensionId,
  partitionIndexOf,
  type Resumption,
  type SuspendItem,
} from '@flowfabric/core'
import { isFencingRefusal, refusalError } from '../calls/refusals.js'
import { AttemptLostError } from '../errors.js'
import { AbortReason } from './abort-reason.js'
import type { HeldLease } from './held-lease.js'
import { ParkedSignal } from './park.js'
import type { WorkerCore } from './worker-core.js'

export type Awaited = Omit<SuspendItem, 'handle' | 'suspensionId'>

/**
 * Answers how the run's suspension of that name was resumed. One that was not yet ends this run: the lease goes back, and
 * the handler runs again from its top once the condition holds. Its id follows from the execution, its input and the name,
 * so that a run which a crash has kept from recording the answer is given it again.
 */
export async function awaitCondition(
  core: WorkerCore,
  held: HeldLease,
  name: string,
  awaited: Awaited,
): Promise<Resumption> {
  const { executionId, input, resumption } = held.claimed
  const uuid = deriveUuid('suspension', executionId, hashInput(input), name)
  const suspensionId = makeSuspensionId(partitionIndexOf(executionId), uuid)
  if (resumption?.suspensionId === suspensionId) return resumption
  // Suspensions of one run that are asked for side by side take turns: one stands at most.
  const before = held.suspending ?? Promise.resolve()
  const turn = before.then(() => suspend(core, held, { ...awaited, suspensionId }))
  held.suspending = turn.then(
    () => undefined,
    () => undefined,
  )
  return turn
}

async function suspend(
  core: WorkerCore,
  held: HeldLease,
  item: Omit<SuspendItem, 'handle'>,
): Promise<Resumption> {
  await held.frames?.whenIdle()
  await held.writing
  if (held.state === 'gone') throw new AttemptLostError(held.reason?.kind ?? 'gone')
  const outcome = await core.suspends.add({ ...item, handle: held.claimed.handle })
  switch (outcome.outcome) {
    case 'already_satisfied':
      return outcome.resumption
    case 'suspended':
      core.drop(
        held,
        new AbortReason('lease_lost', 'The lease was given back until what it waits for has come'),
      )
      core.observer.recorded?.(held.claimed, outcome)
      throw new ParkedSignal()
    case 'cancelled': {
      const reason = new AbortReason('cancelled', 'The execution was cancelled')
      core.lose(held, reason)
      throw reason
    }
    default:
      if (!isFencingRefusal(outcome)) throw refusalError(outcome, held.claimed.executionId)
      core.refuse(held, outcome)
      throw new AttemptLostError(outcome.outcome)
  }
}
