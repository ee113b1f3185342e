import {
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
} from '@flowfabric/core'

/** The transitions of one statement in one partition. */
export interface EventRow {
  readonly partition_key: number
  readonly first_number: number
  readonly count: number
  readonly at: number
  readonly body: readonly EventBody[]
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

/** The events of a row from a number on, in their order. */
export function toEvents(row: EventRow, from: number): EngineEvent[] {
  return row.body
    .map((body, index) => toEvent(row, body, row.first_number + index))
    .slice(Math.max(0, from - row.first_number))
}

function toEvent(row: EventRow, body: EventBody, number: number): EngineEvent {
  const base = { partition: makePartitionTag('flow', row.partition_key), number, atMs: row.at }
  if (body[0] === 'f') {
    const [, namespace, flowId, state, previousState, graphRevision, generation] = body
    return { ...base, type: 'flow', namespace, flowId, state, previousState, graphRevision, generation }
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
    executionId: makeExecutionId(row.partition_key, id),
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
