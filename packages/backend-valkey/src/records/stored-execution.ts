import {
  type Bytes,
  defaultRetryPolicy,
  type Execution,
  type ExecutionId,
  engineError,
  type Failure,
  type FlowId,
  type InstanceId,
  type LeaseId,
  type ParentLink,
  publicStateOf,
  type RetryPolicy,
  type Tags,
  type Timeouts,
  type WorkerId,
} from '@flowfabric/core'
import { demandsOf } from '../admission/packed-demands.js'
import {
  attemptFields as A,
  policyFields as P,
  waitsFields as V,
  executionFields as X,
} from '../generated/layouts.js'
import type { Route } from '../routes/catalogue.js'
import {
  attemptStateLetters,
  causeLetters,
  delayLetters,
  eligibilityLetters,
  outcomeLetters,
  ownershipLetters,
  phaseLetters,
  reasonLetters,
} from './letters.js'
import { unpack } from './packing.js'

/** A record as it is stored: its fields by place, and what lies behind them. */
export interface StoredExecution {
  readonly fields: readonly unknown[]
  /** Where it is in the record; `outside` when it has a key of its own. */
  readonly result: Bytes | null | 'outside'
  readonly input: Bytes | null | 'outside'
}

/** What of a submission only people and workers read. */
export interface Spec {
  readonly tags?: Tags
  readonly retry?: RetryPolicy
  readonly trace?: string
}

const OUTSIDE = 2

/** Throws `corruption`. */
export function readStored(record: Uint8Array, id: string): StoredExecution {
  const view = Buffer.from(record.buffer, record.byteOffset, record.byteLength)
  const head = view.length < 4 ? view.length : view.readUInt32BE(0)
  const fields = view.length < 4 + head ? undefined : unpack(view.subarray(4, 4 + head), `record ${id}`)
  if (!Array.isArray(fields) || fields.length <= X.capped) {
    throw engineError('corruption', `record ${id} does not decode`, { subject: id })
  }
  const resultEnd = 4 + head + numberAt(fields, X.result_len)
  const inputEnd = resultEnd + numberAt(fields, X.input_len)
  return {
    fields,
    result: payloadAt(fields[X.result], view, 4 + head, resultEnd),
    input: payloadAt(fields[X.input], view, resultEnd, inputEnd),
  }
}

function payloadAt(kind: unknown, view: Buffer, from: number, to: number): Bytes | null | 'outside' {
  if (kind === 0) return null
  if (kind === OUTSIDE) return 'outside'
  // A copy: the reply that it came in is much larger, and would be kept with it. No Buffer: payloads are plain bytes.
  return new Uint8Array(view.subarray(from, to))
}

export function numberAt(fields: readonly unknown[], place: number): number {
  const value = fields[place]
  if (typeof value === 'number') return value
  throw engineError('corruption', `field ${place} of a record is no number`, { subject: `field ${place}` })
}

export function textAt(fields: readonly unknown[], place: number): string {
  const value = fields[place]
  if (typeof value === 'string') return value
  throw engineError('corruption', `field ${place} of a record is no text`, { subject: `field ${place}` })
}

/** 0 stands for none. */
export function timeAt(fields: readonly unknown[], place: number): number | null {
  const value = numberAt(fields, place)
  return value === 0 ? null : value
}

export function listAt(fields: readonly unknown[], place: number): readonly unknown[] | null {
  const value = fields[place]
  return Array.isArray(value) ? value : null
}

export function specOf({ fields }: StoredExecution): Spec {
  const text = textAt(fields, X.spec)
  return text === '' ? {} : (JSON.parse(text) as Spec)
}

/** Tags may have been changed since the submission. */
export function tagsOf(stored: StoredExecution): Tags {
  const changed = textAt(stored.fields, X.tags)
  return changed === '' ? (statedIn(stored, 'tags') ?? {}) : (JSON.parse(changed) as Tags)
}

export function traceOf(stored: StoredExecution): string | null {
  return statedIn(stored, 'trace') ?? null
}

/**
 * Most state neither tags nor a trace, and what else they say is not parsed for that. Quotes within texts are escaped, so
 * what does not hold the field's name does not hold the field.
 */
function statedIn<Field extends keyof Spec>(stored: StoredExecution, field: Field): Spec[Field] | undefined {
  const isStated = textAt(stored.fields, X.spec).includes(`"${field}":`)
  return isStated ? specOf(stored)[field] : undefined
}

export function failureAt(fields: readonly unknown[], place: number): Failure | null {
  const packed = listAt(fields, place)
  if (packed === null) return null
  const [category, message, details] = packed
  return {
    category: String(category),
    message: String(message),
    ...(typeof details === 'string' && { details }),
  }
}

export function attemptOf({ fields }: StoredExecution): readonly unknown[] | null {
  return listAt(fields, X.attempt)
}

export function toExecution(id: ExecutionId, stored: StoredExecution, route: Route): Execution {
  const { fields } = stored
  const policy = listAt(fields, X.policy)
  const state = {
    lifecyclePhase: phaseLetters.read(fields[X.phase]),
    ownershipState: ownershipLetters.read(fields[X.own]),
    eligibilityState: eligibilityLetters.read(fields[X.elig]),
    blockingReason: reasonLetters.read(fields[X.why]),
    terminalOutcome: outcomeLetters.read(fields[X.out]),
    attemptState: attemptStateLetters.read(fields[X.att]),
  }
  const firstEligibleAtMs = timeAt(fields, X.first_at)
  const timeouts = toTimeouts(policy)
  const flow = textAt(fields, X.flow)
  const name = textAt(fields, X.name)
  const progress = listAt(fields, X.progress)
  const delay = textAt(fields, X.delay)
  const cause = textAt(fields, X.cause)
  const asked = textAt(fields, X.asked)
  return {
    id,
    namespace: route.namespace,
    flowId: flow === '' ? null : (flow as FlowId),
    parent: parentOf(fields),
    name: name === '' ? null : name,
    kind: route.kind,
    lane: route.lane,
    capabilities: route.capabilities,
    priority: numberAt(fields, X.priority),
    tags: tagsOf(stored),
    retry: specOf(stored).retry ?? defaultRetryPolicy,
    timeouts,
    ...demandsOf(fields),
    state,
    publicState: publicStateOf(state),
    generation: numberAt(fields, X.generation),
    epoch: numberAt(fields, X.epoch),
    attemptCount: numberAt(fields, X.attempts),
    retryCount: numberAt(fields, X.retries),
    reclaimCount: numberAt(fields, X.reclaims),
    replayCount: numberAt(fields, X.replays),
    held: fields[X.held] === 1,
    createdAtMs: numberAt(fields, X.created),
    firstEligibleAtMs,
    readyAtMs: timeAt(fields, X.ready_at),
    notBeforeMs: timeAt(fields, X.not_before),
    delayReason: delay === '' ? null : delayLetters.read(delay),
    deadlineAtMs:
      timeouts.deadlineMs === undefined || firstEligibleAtMs === null
        ? null
        : firstEligibleAtMs + timeouts.deadlineMs,
    lease: toLease(stored),
    cancelRequested:
      asked === '' ? null : { graceEndsAtMs: numberAt(fields, X.grace), cause: causeLetters.read(asked) },
    cancelCause: cause === '' ? null : causeLetters.read(cause),
    failure: failureAt(fields, X.failure),
    progress:
      progress === null
        ? null
        : { percent: Number(progress[0]), message: typeof progress[1] === 'string' ? progress[1] : null },
    terminalAtMs: timeAt(fields, X.ended),
  }
}

/** What an execution keeps that has to do with suspensions, parents or children; `null` for most. */
export function waitsOf(fields: readonly unknown[]): readonly unknown[] | null {
  return listAt(fields, X.waits)
}

function parentOf(fields: readonly unknown[]): ParentLink | null {
  const waits = waitsOf(fields)
  const parent = waits === null ? '' : textAt(waits, V.parent)
  return parent === '' ? null : { id: parent.slice(1) as ExecutionId, detached: parent.startsWith('d') }
}

/** The form in which submissions bring it: '' for none. */
export function packParent(parent: ParentLink | undefined): string {
  return parent === undefined ? '' : `${parent.detached ? 'd' : 'l'}${parent.id}`
}

function toTimeouts(policy: readonly unknown[] | null): Timeouts {
  if (policy === null) return {}
  const [deadlineMs, attemptTimeoutMs, queueTtlMs] = [P.deadline, P.attempt_timeout, P.queue_ttl].map(
    (place) => timeAt(policy, place),
  )
  return {
    ...(deadlineMs != null && { deadlineMs }),
    ...(attemptTimeoutMs != null && { attemptTimeoutMs }),
    ...(queueTtlMs != null && { queueTtlMs }),
  }
}

function toLease(stored: StoredExecution): Execution['lease'] {
  const attempt = attemptOf(stored)
  if (stored.fields[X.phase] !== 'a' || attempt === null) return null
  return {
    workerId: textAt(attempt, A.worker) as WorkerId,
    instanceId: textAt(attempt, A.instance) as InstanceId,
    attemptIndex: numberAt(attempt, A.index),
    startedAtMs: numberAt(attempt, A.leased),
    expiresAtMs: numberAt(attempt, A.expires),
    attemptDeadlineAtMs: timeAt(attempt, A.deadline),
  }
}

export type { LeaseId }
