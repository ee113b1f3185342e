import {
  type EngineError,
  hashInput,
  isEngineError,
  limits,
  makeExecutionId,
  must,
  partitionIndexOf,
  type SubmitExecutionOutcome,
  type SubmitExecutions,
  uuidOf,
} from '@flowfabric/core'
import { namesDemands } from '../admission/demands.js'
import type { RouteEntry } from '../db/catalog.js'
import type { PostgresContext } from '../db/context.js'
import type { SqlValue } from '../db/database.js'
import { optionsOf, type Routed, type SubmittedRow } from './submission-row.js'

/** The route of each item, `null` where its lane has no room for another; a bad item's is rejected. */
export function routeItems(
  { catalog, demands }: Pick<PostgresContext, 'catalog' | 'demands'>,
  { namespace, items }: SubmitExecutions,
  errors: readonly (EngineError | undefined)[],
): Promise<readonly PromiseSettledResult<RouteEntry | null>[]> {
  return Promise.allSettled(
    items.map(async (item, index) => {
      if (errors[index] !== undefined) throw errors[index]
      const { lane, kind, capabilities = [] } = item
      const keyed = namesDemands(item)
      if (keyed) await demands.require(namespace, [item])
      return catalog.ensureRoute({ namespace, lane, kind, capabilities, keyed })
    }),
  )
}

/** The arrays that `submit_executions` takes. */
export function columnsOf(items: readonly Routed[]): SqlValue[] {
  return [
    items.map(({ item }) => partitionIndexOf(item.id)),
    items.map(({ item }) => uuidOf(item.id)),
    items.map(({ route }) => route.id),
    items.map(({ item }) => item.inputHash ?? hashInput(item.input)),
    items.map(({ item }) => item.input),
    items.map(({ item, keyed }) => optionsOf(item, keyed)),
  ]
}

/** Those that `submit_keyed` takes besides. */
export function keyColumnsOf(items: readonly Routed[]): SqlValue[] {
  return [
    items.map(({ item }) => item.idempotencyKey ?? null),
    items.map(({ item }) => item.idempotencyTtlMs ?? limits.idempotencyTtlMs),
  ]
}

export function toOutcome(
  row: Pick<SubmittedRow, 'outcome' | 'partition_key' | 'id' | 'lane_state'>,
  { lane }: RouteEntry,
): SubmitExecutionOutcome {
  switch (row.outcome) {
    case 'accepted':
    case 'duplicate':
      return { outcome: row.outcome, id: makeExecutionId(row.partition_key, row.id) }
    case 'lane_not_accepting':
      return {
        outcome: row.outcome,
        lane: lane.name,
        laneState: must(row.lane_state, 'the state of a closed lane'),
      }
    default:
      return { outcome: row.outcome }
  }
}

/** What concerns one item is its outcome; what concerns all is thrown. */
export function readSettled(each: PromiseSettledResult<SubmitExecutionOutcome>): SubmitExecutionOutcome {
  if (each.status === 'fulfilled') return each.value
  if (isEngineError(each.reason) && ['validation', 'not_found'].includes(each.reason.kind)) {
    return { outcome: 'error', error: each.reason }
  }
  throw each.reason
}
