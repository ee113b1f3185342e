import { pause } from '../calls/pause.js'
import { isFencingRefusal, refusalError } from '../calls/refusals.js'
import { AttemptLostError } from '../errors.js'
import { AbortReason } from './abort-reason.js'
import type { HeldLease } from './held-lease.js'
import type { Journal } from './journal.js'
import type { WorkerCore } from './worker-core.js'

/** Ends a run whose lease was given back until a time, or until a condition holds. Nobody should catch it; if somebody does, the run still counts for nothing. */
export class ParkedSignal extends Error {
  override readonly name = 'ParkedSignal'

  constructor() {
    super('This run ends here; the handler runs again from its top when what it waits for has come')
  }
}

/**
 * Waits until a store time. The time is journalled, so that every run waits for the same moment. A short rest is waited
 * for in place; else the lease goes back, and the attempt goes on in any worker.
 */
export async function parkUntil(
  core: WorkerCore,
  held: HeldLease,
  journal: Journal,
  atMs: number,
): Promise<void> {
  const name = journal.nameNext('sleep')
  const known = journal.take(name, 'sleep')
  const untilMs =
    known === undefined ? Math.ceil(atMs) : Number(known.result && Buffer.from(known.result).toString())
  if (known === undefined) await journal.record(name, 'sleep', Buffer.from(String(untilMs)))
  const restMs = untilMs - held.storeTime()
  if (restMs <= core.sleepInPlaceMsMax) {
    await pause(restMs, held.signal)
    held.signal.throwIfAborted()
    return
  }
  await held.frames?.whenIdle()
  await held.writing
  const outcome = await core.delays.add({ handle: held.claimed.handle, untilMs })
  if (outcome.outcome === 'delayed') {
    core.drop(held, new AbortReason('lease_lost', 'The lease was given back until later'))
    core.observer.recorded?.(held.claimed, outcome)
    throw new ParkedSignal()
  }
  if (outcome.outcome === 'cancelled') {
    const reason = new AbortReason('cancelled', 'The execution was cancelled')
    core.lose(held, reason)
    throw reason
  }
  if (!isFencingRefusal(outcome)) throw refusalError(outcome, held.claimed.executionId)
  core.refuse(held, outcome)
  throw new AttemptLostError(outcome.outcome)
}
