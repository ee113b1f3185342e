import {
  type EventLevel,
  engineError,
  type Lane,
  type LaneId,
  type LaneState,
  limits,
  type Namespace,
} from '@flowfabric/core'
import { laneFields as L } from '../generated/layouts.js'
import { numberAt, textAt } from '../records/stored-execution.js'

/** A lane's home record: its fields by place. */
export type LaneRecord = readonly unknown[]

/** Throws `corruption`. */
export function requireLaneRecord(value: unknown, lane: string): LaneRecord {
  if (Array.isArray(value) && value.length > L.active) return value
  throw engineError('corruption', `The record of lane ${lane} does not decode`, { subject: lane })
}

export function toLane(namespace: Namespace, lane: LaneId, record: LaneRecord): Lane {
  return {
    namespace,
    lane,
    state: textAt(record, L.state) as LaneState,
    shards: numberAt(record, L.shards),
    concurrency: numberAt(record, L.concurrency) || null,
    ageingMs: numberAt(record, L.ageing) || null,
    weight: numberAt(record, L.weight),
    retentionMs: numberAt(record, L.retention),
    eventLevel: textAt(record, L.events) as EventLevel,
    version: numberAt(record, L.version),
  }
}

/** A lane that nobody configured. */
export function defaultLane(namespace: Namespace, lane: LaneId): Lane {
  return {
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
}
