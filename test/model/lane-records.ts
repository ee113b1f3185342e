import { type LaneId, type LaneState, limits, type Namespace } from '@flowfabric/core'
import type { LaneRecord } from './records.js'
import type { Model } from './store.js'

const laneKey = (namespace: Namespace, lane: LaneId) => `${namespace}/${lane}`

/** The lane's settings; the default ones for a lane that nobody used yet. */
export function laneOf(model: Model, namespace: Namespace, lane: LaneId): LaneRecord {
  return (
    model.lanes.get(laneKey(namespace, lane)) ?? {
      namespace,
      lane,
      state: 'active',
      shards: 1,
      concurrency: null,
      ageingMs: null,
      weight: 1,
      retentionMs: limits.retentionMsDefault,
      eventLevel: 'terminal',
      version: 1,
    }
  )
}

/** A lane exists from its first use. */
export function useLane(model: Model, namespace: Namespace, lane: LaneId): LaneRecord {
  const record = laneOf(model, namespace, lane)
  model.lanes.set(laneKey(namespace, lane), record)
  return record
}

/** The first of the lanes that takes no new work, if any. */
export function findClosedLane(
  model: Model,
  namespace: Namespace,
  lanes: readonly LaneId[],
): { readonly lane: LaneId; readonly laneState: LaneState } | undefined {
  for (const lane of lanes) {
    const { state } = laneOf(model, namespace, lane)
    if (state === 'draining' || state === 'disabled') return { lane, laneState: state }
  }
  return undefined
}

/** The first of the lanes that would have more live routes than the limit, if any. */
export function findCrowdedLane(
  model: Model,
  namespace: Namespace,
  specs: readonly {
    readonly lane: LaneId
    readonly kind: string
    readonly capabilities?: readonly string[] | undefined
  }[],
): LaneId | undefined {
  const routeOf = (kind: string, capabilities: readonly string[] = []) =>
    JSON.stringify([kind, ...new Set(capabilities)].sort())
  if (model.executions.size + specs.length <= limits.routesPerLaneMax) return undefined
  for (const lane of new Set(specs.map((spec) => spec.lane))) {
    const live = [...model.executions.values()].filter(
      (x) => x.namespace === namespace && x.lane === lane && x.state.lifecyclePhase !== 'terminal',
    )
    const asked = specs.filter((spec) => spec.lane === lane)
    const routes = new Set([
      ...live.map((x) => routeOf(x.kind, x.capabilities)),
      ...asked.map((spec) => routeOf(spec.kind, spec.capabilities)),
    ])
    if (routes.size > limits.routesPerLaneMax) return lane
  }
  return undefined
}
