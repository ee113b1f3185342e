import { type ConditionState, engineError, type ResumeCondition, type SuspensionView } from '@flowfabric/core'
import { waitsFields as V } from '../generated/layouts.js'
import { suspensionReasonLetters, timeoutBehaviourLetters } from '../records/letters.js'
import { numberAt, timeAt, waitsOf } from '../records/stored-execution.js'
import { wholeId } from './ids.js'

/** A condition and its state as texts of JSON, which the library keeps and never looks into. */

export function packJson(value: ResumeCondition | ConditionState): string {
  return JSON.stringify(value)
}

/** Throws `corruption`. */
export function readCondition(text: Uint8Array): ResumeCondition {
  return readJson(text) as ResumeCondition
}

/** Throws `corruption`. */
export function readState(text: Uint8Array): ConditionState {
  return readJson(text) as ConditionState
}

function readJson(text: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(text).toString())
  } catch (cause) {
    throw engineError('corruption', 'a condition does not decode', { subject: 'condition' }, { cause })
  }
}

/** The suspension of a record, whose condition came along; `null` where none stands. */
export function readSuspension(
  partition: number,
  fields: readonly unknown[],
  condition: Uint8Array | undefined,
): SuspensionView | null {
  const waits = waitsOf(fields)
  if (waits === null || condition === undefined) return null
  const behaviour = waits[V.behaviour]
  return {
    id: wholeId(partition, waits[V.id]),
    reason: suspensionReasonLetters.read(waits[V.reason]),
    condition: readCondition(condition),
    sinceMs: numberAt(waits, V.since),
    timesOutAtMs: timeAt(waits, V.times_out),
    timeoutBehaviour: behaviour === '' ? null : timeoutBehaviourLetters.read(behaviour),
    escalated: waits[V.escalated] === 1,
  }
}
