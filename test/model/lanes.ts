import {
  checkConfigureLane,
  checkListLanes,
  checkScanRequest,
  checkSetLaneState,
  completeCounts,
  type LaneOperations,
  type LaneView,
  type PublicState,
} from '@flowfabric/core'
import { publicStateOfRecord } from './facts.js'
import { hint } from './feed.js'
import { useLane } from './lane-records.js'
import { parkedHeadOf } from './parking.js'
import type { LaneRecord } from './records.js'
import { statedOf } from './settings.js'
import { type Model, operate } from './store.js'

export function createLanes(model: Model): LaneOperations {
  return {
    configure: (params) =>
      operate(model, () => {
        checkConfigureLane(params)
        const lane = useLane(model, params.namespace, params.lane)
        Object.assign(lane, statedOf(params.settings))
        changed(model, lane)
        return { outcome: 'configured' as const, lane: { ...lane } }
      }),

    list: (params) =>
      operate(model, () => {
        checkListLanes(params)
        const lanes = [...model.lanes.values()].filter((lane) => lane.namespace === params.namespace)
        lanes.sort((a, b) => (a.lane < b.lane ? -1 : 1))
        return { outcome: 'listed' as const, lanes: lanes.map((lane) => viewLane(model, lane)) }
      }),

    setState: (params) =>
      operate(model, () => {
        checkSetLaneState(params)
        const lane = useLane(model, params.namespace, params.lane)
        const previous = lane.state
        lane.state = params.state
        if (previous !== params.state) changed(model, lane)
        return { outcome: 'set' as const, previous }
      }),

    // There is one copy only, so that none can lag behind.
    syncCopies: (params) =>
      operate(model, () => {
        checkScanRequest(params, model.partitions)
        return { items: [], more: false }
      }),
  }
}

/** Work of the lane may be claimable now that was not before. */
function changed(model: Model, lane: LaneRecord): void {
  lane.version += 1
  hint(model, { type: 'ready', namespace: lane.namespace, lane: lane.lane, count: 1 })
}

function viewLane(model: Model, lane: LaneRecord): LaneView {
  const own = [...model.executions.values()].filter(
    (x) => x.namespace === lane.namespace && x.lane === lane.lane,
  )
  const tally: Partial<Record<PublicState, number>> = {}
  for (const x of own) tally[publicStateOfRecord(x)] = (tally[publicStateOfRecord(x)] ?? 0) + 1
  const ready = own
    .filter((x) => x.state.eligibilityState === 'eligible_now' && parkedHeadOf(model, x) === undefined)
    .flatMap(({ readyAtMs }) => readyAtMs ?? [])
  return {
    ...lane,
    depth: completeCounts(tally),
    oldestReadyAtMs: ready.length === 0 ? null : Math.min(...ready),
  }
}
