import type { Scoped } from '../contract/conventions.js'
import { type ConfigureLane, eventLevels, laneStates, type SetLaneState } from '../contract/lanes.js'
import { limits } from '../limits.js'
import { parseLaneId } from '../names.js'
import { requirePartitionCount } from '../partitions/index.js'
import { checkObject, checkOptionalInteger, checkOptionalWord, checkReason, checkWord } from './fields.js'
import { checkScoped } from './scope.js'

/** Throws `invalid_partition_count` for shards, else the codes of single fields. */
export function checkConfigureLane(params: ConfigureLane): void {
  checkScoped(params)
  parseLaneId(params.lane)
  checkObject(params.settings, 'settings')
  const { shards, concurrency, ageingMs, weight, retentionMs, eventLevel } = params.settings
  if (shards !== undefined) requirePartitionCount(shards, 'shards')
  if (concurrency !== null) checkOptionalInteger(concurrency, 'concurrency', 1, CONCURRENCY_MAX)
  if (ageingMs !== null) checkOptionalInteger(ageingMs, 'ageingMs', 1, AGEING_MS_MAX)
  checkOptionalInteger(weight, 'weight', 1, limits.laneWeightMax)
  checkOptionalInteger(retentionMs, 'retentionMs', 0, limits.durationMsMax)
  checkOptionalWord(eventLevel, 'eventLevel', eventLevels)
}

export function checkListLanes(params: Scoped): void {
  checkScoped(params)
}

export function checkSetLaneState(params: SetLaneState): void {
  checkScoped(params)
  parseLaneId(params.lane)
  checkWord(params.state, 'state', laneStates)
  checkReason(params.reason)
}

const CONCURRENCY_MAX = 1_000_000
/** The step of a score without ageing: a greater one would reorder nothing, and overflow the score. */
const AGEING_MS_MAX = 1_000_000_000_000
