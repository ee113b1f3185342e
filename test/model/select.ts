import type { ExecutionFilter, Namespace } from '@flowfabric/core'
import { publicStateOfRecord } from './facts.js'
import type { ExecutionRecord } from './records.js'
import type { Model } from './store.js'

/** A namespace's executions that match, in no order. */
export function selectExecutions(
  model: Model,
  namespace: Namespace,
  filter: ExecutionFilter = {},
): ExecutionRecord[] {
  const { lane, kind, states, flowId, tags = {} } = filter
  return [...model.executions.values()].filter(
    (x) =>
      x.namespace === namespace &&
      (lane === undefined || x.lane === lane) &&
      (kind === undefined || x.kind === kind) &&
      (states === undefined || states.includes(publicStateOfRecord(x))) &&
      (flowId === undefined || x.flowId === flowId) &&
      Object.entries(tags).every(([key, value]) => x.tags[key] === value) &&
      isWithin(x, filter),
  )
}

type Times = Pick<ExecutionFilter, 'createdFromMs' | 'createdBeforeMs' | 'endedFromMs' | 'endedBeforeMs'>

/** Whether an execution or a flow is of these times. */
export function isWithin(
  { createdAtMs, terminalAtMs }: { readonly createdAtMs: number; readonly terminalAtMs: number | null },
  { createdFromMs, createdBeforeMs, endedFromMs, endedBeforeMs }: Times,
): boolean {
  return (
    (createdFromMs === undefined || createdAtMs >= createdFromMs) &&
    (createdBeforeMs === undefined || createdAtMs < createdBeforeMs) &&
    (endedFromMs === undefined || (terminalAtMs !== null && terminalAtMs >= endedFromMs)) &&
    (endedBeforeMs === undefined || (terminalAtMs !== null && terminalAtMs < endedBeforeMs))
  )
}
