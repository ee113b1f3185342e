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
  const { lane, kind, states, flowId, tags = {}, createdFromMs, createdBeforeMs } = filter
  return [...model.executions.values()].filter(
    (x) =>
      x.namespace === namespace &&
      (lane === undefined || x.lane === lane) &&
      (kind === undefined || x.kind === kind) &&
      (states === undefined || states.includes(publicStateOfRecord(x))) &&
      (flowId === undefined || x.flowId === flowId) &&
      Object.entries(tags).every(([key, value]) => x.tags[key] === value) &&
      (createdFromMs === undefined || x.createdAtMs >= createdFromMs) &&
      (createdBeforeMs === undefined || x.createdAtMs < createdBeforeMs),
  )
}
