import {
  type BudgetEvent,
  type EngineEvent,
  type FlowState,
  type Hint,
  makePartitionTag,
  type PartitionTag,
  parseFlowId,
  partitionOfFlow,
  partitionTagOf,
  type SignalEvent,
  terminalPublicStates,
} from '@flowfabric/core'
import { publicStateOfRecord } from './facts.js'
import { laneOf } from './lane-records.js'
import type { BudgetRecord, ExecutionRecord, FlowRecord, SignalRecord } from './records.js'
import type { Model } from './store.js'

/** Says that the execution is in another state or generation, unless the last event said so already. */
export function announceExecution(model: Model, x: ExecutionRecord): void {
  const publicState = publicStateOfRecord(x)
  const previous = x.announced
  if (previous?.publicState === publicState && previous.generation === x.generation) return
  x.announced = { publicState, generation: x.generation }
  if (!isShown(model, x)) return
  append(model, partitionTagOf(x.id), {
    type: 'execution',
    namespace: x.namespace,
    executionId: x.id,
    flowId: x.flowId,
    name: x.name,
    kind: x.kind,
    lane: x.lane,
    publicState,
    previousState: previous?.publicState ?? null,
    attemptIndex: x.attempts.at(-1)?.index ?? null,
    generation: x.generation,
    cancelCause: x.cancelCause,
  })
}

/** Members are always shown, solo executions as their lane says. */
function isShown(model: Model, x: ExecutionRecord): boolean {
  if (x.flowId !== null) return true
  const { eventLevel } = laneOf(model, x.namespace, x.lane)
  if (eventLevel !== 'terminal') return eventLevel === 'all'
  return (terminalPublicStates as readonly string[]).includes(publicStateOfRecord(x))
}

/** Says that a signal was kept. */
export function announceSignal(
  model: Model,
  x: ExecutionRecord,
  { id, waitpointId, name }: Pick<SignalRecord, 'id' | 'waitpointId' | 'name'>,
  outcome: SignalEvent['outcome'],
): void {
  if (x.flowId === null && laneOf(model, x.namespace, x.lane).eventLevel !== 'all') return
  append(model, partitionTagOf(x.id), {
    type: 'signal',
    namespace: x.namespace,
    executionId: x.id,
    flowId: x.flowId,
    lane: x.lane,
    signalId: id,
    waitpointId,
    name,
    outcome,
  })
}

/** Says that the flow entered its state, or that its graph grew. */
export function announceFlow(model: Model, flow: FlowRecord, previousState: FlowState | null): void {
  append(model, flowTagOf(model, flow), {
    type: 'flow',
    namespace: flow.namespace,
    flowId: flow.id,
    state: flow.state,
    previousState,
    graphRevision: flow.graphRevision,
    generation: flow.generation,
  })
}

/** Says what became of a budget, where a flow of its id would say so. */
export function announceBudget(
  model: Model,
  { id, namespace, period }: BudgetRecord,
  change: BudgetEvent['change'],
): void {
  append(model, flowTagOf(model, { id: parseFlowId(id) }), {
    type: 'budget',
    namespace,
    budgetId: id,
    change,
    period,
  })
}

export function hint(model: Model, hint: Hint): void {
  model.pendingHints.push(hint)
}

export function flowTagOf(model: Model, flow: Pick<FlowRecord, 'id'>): PartitionTag {
  return makePartitionTag('flow', partitionOfFlow(flow.id, model.partitions.flow))
}

type Unplaced<Event> = Event extends EngineEvent ? Omit<Event, 'partition' | 'number' | 'atMs'> : never

function append(model: Model, partition: PartitionTag, event: Unplaced<EngineEvent>): void {
  const number = (model.eventNumbers.get(partition) ?? 0) + 1
  model.eventNumbers.set(partition, number)
  model.feed.push({ ...event, partition, number, atMs: model.clock.nowMs() })
  hint(model, { type: 'events', partition })
}
