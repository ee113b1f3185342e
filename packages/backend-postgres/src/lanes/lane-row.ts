import type { EventLevel, Lane, LaneId, LaneState, Namespace } from '@flowfabric/core'

/** What `laneColumns` select. */
export interface LaneRow {
  readonly id: number
  readonly namespace: Namespace
  readonly name: LaneId
  readonly state: LaneState
  readonly shards: number
  readonly concurrency: number | null
  readonly ageing_ms: number | null
  readonly weight: number
  readonly retention_ms: number
  readonly event_level: EventLevel
  readonly version: number
}

/** Of `lane l`. */
export const laneColumns = `l.id, l.namespace, l.name, l.state, l.shards, l.concurrency, l.ageing_ms, l.weight, l.retention_ms,
  l.event_level, l.version`

export function toLane(row: LaneRow): Lane {
  return {
    namespace: row.namespace,
    lane: row.name,
    state: row.state,
    shards: row.shards,
    concurrency: row.concurrency,
    ageingMs: row.ageing_ms,
    weight: row.weight,
    retentionMs: row.retention_ms,
    eventLevel: row.event_level,
    version: row.version,
  }
}
