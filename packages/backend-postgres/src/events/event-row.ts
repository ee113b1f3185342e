import {
  type BudgetEvent,
  type BudgetId,
  type CancelCause,
  type EngineEvent,
  type FlowId,
  type FlowState,
  type Kind,
  type LaneId,
  makeExecutionId,
  makePartitionTag,
  type Namespace,
  type PublicState,
  type SignalEvent,
} from '@flowfabric/core'
import { toSignalId, toWaitpointId } from '../suspensions/ids.js'

/** Events of one partition with consecutive numbers, each as its time and its body. */
export interface EventRow {
  readonly partition_key: number
  readonly first_number: number
  readonly body: readonly (readonly [atMs: number, body: EventBody])[]
}

type EventBody =
  | readonly [
      'x',
      namespace: Namespace,
      lane: LaneId,
      kind: Kind,
      id: string,
      flowId: FlowId | null,
      name: string | null,
      publicState: PublicState,
      previousState: PublicState | null,
      attemptIndex: number | null,
      generation: number,
      cancelCause: CancelCause | null,
    ]
  | readonly [
      'f',
      namespace: Namespace,
      id: FlowId,
      state: FlowState,
      previousState: FlowState | null,
      graphRevision: number,
      generation: number,
    ]
  | readonly ['b', namespace: Namespace, id: BudgetId, change: BudgetEvent['change'], period: number]
  | readonly [
      's',
      namespace: Namespace,
      lane: LaneId,
      executionId: string,
      flowId: FlowId | null,
      id: string,
      waitpointId: string | null,
      name: string,
      outcome: SignalEvent['outcome'],
    ]

/** The events of a row from a number on, in their order. */
export function toEvents({ partition_key, first_number, body }: EventRow, from: number): EngineEvent[] {
  return body
    .map(([atMs, each], index) => toEvent(partition_key, first_number + index, atMs, each))
    .slice(Math.max(0, from - first_number))
}

function toEvent(partition: number, number: number, atMs: number, body: EventBody): EngineEvent {
  const base = { partition: makePartitionTag('flow', partition), number, atMs }
  if (body[0] === 'f') {
    const [, namespace, flowId, state, previousState, graphRevision, generation] = body
    return { ...base, type: 'flow', namespace, flowId, state, previousState, graphRevision, generation }
  }
  if (body[0] === 'b') {
    const [, namespace, budgetId, change, period] = body
    return { ...base, type: 'budget', namespace, budgetId, change, period }
  }
  if (body[0] === 's') {
    const [, namespace, lane, executionId, flowId, id, waitpointId, name, outcome] = body
    return {
      ...base,
      type: 'signal',
      namespace,
      executionId: makeExecutionId(partition, executionId),
      flowId,
      lane,
      signalId: toSignalId(partition, id),
      waitpointId: waitpointId === null ? null : toWaitpointId(partition, waitpointId),
      name,
      outcome,
    }
  }
  const [
    ,
    namespace,
    lane,
    kind,
    id,
    flowId,
    name,
    publicState,
    previousState,
    attemptIndex,
    generation,
    cancelCause,
  ] = body
  return {
    ...base,
    type: 'execution',
    namespace,
    executionId: makeExecutionId(partition, id),
    flowId,
    name,
    kind,
    lane,
    publicState,
    previousState,
    attemptIndex,
    generation,
    cancelCause,
  }
}
