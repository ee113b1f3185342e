import {
  type EngineEvent,
  type ExecutionEvent,
  engineError,
  type FlowEvent,
  type FlowId,
  type Kind,
  type LaneId,
  makeExecutionId,
  makePartitionTag,
  type Namespace,
} from '@flowfabric/core'
import { causeLetters, flowStateLetters, publicStateLetters } from '../records/letters.js'
import { unpack } from '../records/packing.js'

/** Events that were written together, as `shared/events.lua` stores them. */
export interface StoredEntry {
  readonly partition: number
  /** Number of the first. */
  readonly first: number
  readonly atMs: number
  readonly packed: Uint8Array
}

/** The events of an entry from a number on, in their order. Throws `corruption`. */
export function readEntry({ partition, first, atMs, packed }: StoredEntry, from: number): EngineEvent[] {
  const tag = makePartitionTag('flow', partition)
  const where = `event ${first} of ${tag}`
  const entry = unpack(packed, where)
  const [routes, events] = Array.isArray(entry) ? (entry as [unknown, unknown]) : []
  if (!Array.isArray(events)) throw engineError('corruption', `${where} does not decode`, { subject: where })
  return events.slice(Math.max(0, from - first)).map((event: readonly unknown[], index) => {
    const base = { partition: tag, number: Math.max(from, first) + index, atMs }
    return event[0] === 'f' ? readFlowEvent(base, event) : readExecutionEvent(base, partition, routes, event)
  })
}

type Base = Pick<EngineEvent, 'partition' | 'number' | 'atMs'>

function readFlowEvent(base: Base, event: readonly unknown[]): FlowEvent {
  const [, flowId, namespace, state, before, graphRevision, generation] = event
  return {
    ...base,
    type: 'flow',
    namespace: namespace as Namespace,
    flowId: flowId as FlowId,
    state: flowStateLetters.read(state),
    previousState: before === '' ? null : flowStateLetters.read(before),
    graphRevision: Number(graphRevision),
    generation: Number(generation),
  }
}

function readExecutionEvent(
  base: Base,
  partition: number,
  routes: unknown,
  event: readonly unknown[],
): ExecutionEvent {
  const [, id, route, flow, name, publicState, before, attempt, generation, cause] = event
  const found: unknown = Array.isArray(routes) ? routes[Number(route) - 1] : undefined
  if (!Array.isArray(found)) {
    throw engineError('corruption', `event ${base.number} of ${base.partition} has no route`, {
      subject: String(id),
    })
  }
  const [namespace, lane, kind] = found as [Namespace, LaneId, Kind]
  return {
    ...base,
    type: 'execution',
    namespace,
    executionId: makeExecutionId(partition, String(id)),
    flowId: flow === '' ? null : (flow as FlowId),
    name: name === '' ? null : String(name),
    kind,
    lane,
    publicState: publicStateLetters.read(publicState),
    previousState: before === '' ? null : publicStateLetters.read(before),
    attemptIndex: attempt === 0 ? null : Number(attempt) - 1,
    generation: Number(generation),
    cancelCause: cause === '' ? null : causeLetters.read(cause),
  }
}
