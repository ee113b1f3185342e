import {
  type DeliverSignal,
  type DeliverSignalOutcome,
  engineError,
  judgeSignal,
  limits,
  type SignalVerdict,
} from '@flowfabric/core'
import { announceSignal } from './feed.js'
import type { ExecutionRecord, SignalRecord } from './records.js'
import type { Model } from './store.js'
import { holds, resume } from './suspending.js'
import { findWaitpoint, stateOfWaitpoint } from './waitpoints.js'

/** Counts a signal for the suspension that stands, keeps it for one to come, or turns it away. */
export function deliverSignal(model: Model, params: DeliverSignal): DeliverSignalOutcome {
  const { x, waitpoint } = findWaitpoint(model, params.namespace, params.waitpointId)
  const known = x.signals.find((signal) => isSame(model, signal, params))
  if (known !== undefined) return { outcome: 'duplicate', signalId: known.id }
  if (stateOfWaitpoint(model, x, waitpoint) !== 'open') return { outcome: 'waitpoint_closed' }

  const signal = signalOf(model, x, params)
  const verdict = count(x, signal)
  const { id: signalId } = signal
  switch (verdict) {
    case 'opaque':
      throw engineError('payload_opaque', `the condition of ${x.id} looks into a payload that is no JSON`)
    case 'not_matched':
      return { outcome: 'not_matched' }
    case 'counted': {
      keep(x, signal)
      const outcome = holds(x) ? 'satisfied' : 'accepted'
      announceSignal(model, x, signal, outcome)
      if (outcome === 'satisfied') resume(model, x, 'condition')
      return { outcome, signalId }
    }
    case 'not_needed':
    case 'elsewhere':
      if (keptBy(x, params) >= limits.earlySignalsMax) return { outcome: 'too_many_signals' }
      keep(x, signal)
      announceSignal(model, x, signal, 'buffered')
      return { outcome: 'buffered', signalId }
  }
}

function isSame(model: Model, signal: SignalRecord, params: DeliverSignal): boolean {
  return (
    signal.waitpointId === params.waitpointId &&
    signal.idempotencyKey === params.idempotencyKey &&
    signal.receivedAtMs + limits.idempotencyTtlMs > model.clock.nowMs()
  )
}

function signalOf(model: Model, x: ExecutionRecord, params: DeliverSignal) {
  return {
    sequence: x.signalSequence + 1,
    id: params.signalId,
    waitpointId: params.waitpointId,
    name: params.name,
    payload: params.payload,
    source: params.source,
    receivedAtMs: model.clock.nowMs(),
    idempotencyKey: params.idempotencyKey,
    suspensionId: null,
  }
}

function count(x: ExecutionRecord, signal: ReturnType<typeof signalOf>): SignalVerdict {
  if (x.suspension === null) return 'elsewhere'
  const { state, verdict } = judgeSignal(x.suspension.condition, x.suspension.state, signal)
  x.suspension.state = state
  return verdict
}

function keep(x: ExecutionRecord, signal: SignalRecord): void {
  x.signals.push(signal)
  x.signalSequence = signal.sequence
}

function keptBy(x: ExecutionRecord, { waitpointId }: DeliverSignal): number {
  return x.signals.filter((signal) => signal.waitpointId === waitpointId).length
}
