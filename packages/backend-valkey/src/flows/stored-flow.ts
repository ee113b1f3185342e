import {
  completeCounts,
  engineError,
  type Flow,
  type FlowId,
  type FlowState,
  type FlowSummary,
  type Namespace,
  type PublicState,
  type Tags,
} from '@flowfabric/core'
import { flowFields as F } from '../generated/layouts.js'
import { publicStateLetters } from '../records/letters.js'
import { unpack } from '../records/packing.js'
import { numberAt, textAt, timeAt } from '../records/stored-execution.js'
import { readCancelPolicy, readFlowState } from './flow-letters.js'

/** A flow's record as it is stored, and its newest summary, if it was ever projected. */
export interface StoredFlow {
  readonly fields: readonly unknown[]
  readonly state: FlowState
  readonly summary: FlowSummary | null
}

/** `null` for a summary that is not there. Throws `corruption`. */
export function readStoredFlow(core: Uint8Array, summary: Uint8Array | null, id: FlowId): StoredFlow {
  const fields = unpack(core, `flow ${id}`)
  if (!Array.isArray(fields) || fields.length <= F.stage_expires) throw brokenFlow(id, 'record')
  return {
    fields,
    state: readFlowState(fields[F.state]),
    summary: summary === null ? null : readSummary(summary, id),
  }
}

function readSummary(text: Uint8Array, id: FlowId): FlowSummary {
  try {
    return JSON.parse(Buffer.from(text).toString()) as FlowSummary
  } catch (cause) {
    throw brokenFlow(id, 'summary', cause)
  }
}

function brokenFlow(id: FlowId, what: string, cause?: unknown) {
  return engineError('corruption', `The ${what} of flow ${id} does not decode`, { subject: id }, { cause })
}

export function toFlow(id: FlowId, { fields, state }: StoredFlow, summary: FlowSummary): Flow {
  const name = textAt(fields, F.name)
  const policy = readCancelPolicy(fields[F.policy])
  return {
    id,
    namespace: textAt(fields, F.ns) as Namespace,
    name: name === '' ? null : name,
    state,
    graphRevision: numberAt(fields, F.revision),
    generation: numberAt(fields, F.generation),
    tags: tagsOf(fields),
    createdAtMs: numberAt(fields, F.created),
    deadlineAtMs: timeAt(fields, F.deadline_at),
    terminalAtMs: timeAt(fields, F.ended),
    cancel:
      policy === null
        ? null
        : { policy, finalisers: fields[F.finalisers] === 1, requestedAtMs: numberAt(fields, F.requested) },
    summary,
  }
}

function tagsOf(fields: readonly unknown[]): Tags {
  const text = textAt(fields, F.tags)
  return text === '' ? {} : (JSON.parse(text) as Tags)
}

/** Members by public state, zeros too: exact. */
export function countsOf({ fields }: StoredFlow): Readonly<Record<PublicState, number>> {
  const stored = Object.entries((fields[F.counts] ?? {}) as Readonly<Record<string, number>>)
  return completeCounts(
    Object.fromEntries(stored.map(([letter, count]) => [publicStateLetters.read(letter), count])),
  )
}
