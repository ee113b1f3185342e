import {
  type BudgetEvent,
  type BudgetId,
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
  type SignalEvent,
  type SignalId,
  type WaitpointId,
} from '@flowfabric/core'
import {
  causeLetters,
  flowStateLetters,
  publicStateLetters,
  signalOutcomeLetters,
} from '../records/letters.js'
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
    switch (event[0]) {
      case 'f':
        return readFlowEvent(base, event)
      case 'b':
        return readBudgetEvent(base, event)
      case 's':
        return readSignalEvent(base, partition, routes, event)
      default:
        return readExecutionEvent(base, partition, routes, event)
    }
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

function readBudgetEvent(base: Base, event: readonly unknown[]): BudgetEvent {
  const [, budgetId, namespace, change, period] = event
  return {
    ...base,
    type: 'budget',
    namespace: namespace as Namespace,
    budgetId: budgetId as BudgetId,
    change: change as BudgetEvent['change'],
    period: Number(period),
  }
}

function readExecutionEvent(
  base: Base,
  partition: number,
  routes: unknown,
  event: readonly unknown[],
): ExecutionEvent {
  const [, id, route, flow, name, publicState, before, attempt, generation, cause] = event
  const { namespace, lane, kind } = routeAt(base, routes, route)
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

function readSignalEvent(
  base: Base,
  partition: number,
  routes: unknown,
  event: readonly unknown[],
): SignalEvent {
  const [, id, route, flow, signal, waitpoint, name, outcome] = event
  const { namespace, lane } = routeAt(base, routes, route)
  const tag = base.partition
  return {
    ...base,
    type: 'signal',
    namespace,
    executionId: makeExecutionId(partition, String(id)),
    flowId: flow === '' ? null : (flow as FlowId),
    lane,
    signalId: `${tag}:${String(signal)}` as SignalId,
    waitpointId: waitpoint === '' ? null : (`${tag}:${String(waitpoint)}` as WaitpointId),
    name: String(name),
    outcome: signalOutcomeLetters.read(outcome),
  }
}

/** What the entry says of the route of one of its events. */
function routeAt(base: Base, routes: unknown, place: unknown) {
  const found: unknown = Array.isArray(routes) ? routes[Number(place) - 1] : undefined
  if (!Array.isArray(found)) {
    const where = `event ${base.number} of ${base.partition}`
    throw engineError('corruption', `${where} has no route`, { subject: where })
  }
  const [namespace, lane, kind] = found as [Namespace, LaneId, Kind]
  return { namespace, lane, kind }
}
