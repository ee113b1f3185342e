import type { ExecutionSubmission, LaneState } from '@flowfabric/core'
import type { KeyedDemands } from '../admission/demands.js'
import type { RouteEntry } from '../db/catalog.js'

/** A submission whose route is known. */
export interface Routed {
  readonly item: ExecutionSubmission
  readonly route: RouteEntry
  readonly keyed: KeyedDemands | undefined
}

/** A row of the SQL type `submitted`. */
export interface SubmittedRow {
  readonly ord: number
  readonly outcome:
    | 'accepted'
    | 'duplicate'
    | 'execution_conflict'
    | 'idempotency_conflict'
    | 'lane_not_accepting'
  readonly partition_key: number
  readonly id: string
  readonly lane_id: number | null
  readonly lane_state: LaneState | null
  readonly eligible: boolean | null
  readonly due_at: number | null
}

/** What is seldom stated, as one JSON text; null for an item that states nothing of it. */
export function optionsOf(item: ExecutionSubmission, keyed: KeyedDemands | undefined): string | null {
  const { priority, tags, retry, timeouts, startAtMs, delayMs, retentionMs, maxReclaims, traceContext } = item
  const options = {
    ...timeouts,
    priority,
    tags,
    retry,
    startAtMs,
    delayMs,
    retentionMs,
    maxReclaims,
    traceContext,
    ...keyed,
  }
  for (const value of Object.values(options)) if (value !== undefined) return JSON.stringify(options)
  return null
}
