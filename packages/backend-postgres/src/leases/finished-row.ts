import { must } from '@flowfabric/core'
import type { EndFacts } from './after-end.js'
import { type RefusalRow, toRefusal } from './refusal.js'

/** A row of the SQL type `finished`. */
export interface FinishedRow extends RefusalRow, EndFacts {
  /** Place of the item in the call, from 1. */
  readonly ord: number
  readonly outcome: string | null
  readonly late: boolean | null
  readonly retry_at: number | null
}

/** In the order of the type. */
export const finishedColumnNames = [
  'ord',
  'outcome',
  'late',
  'retry_at',
  'partition_key',
  'id',
  'lane_id',
  'flow_id',
  'is_terminal',
  'is_eligible',
  'due_at',
  'refusal',
  'ended_by',
  'terminal_outcome',
  'answer',
] as const

/** What the item is answered: complete, fail, delay and yield alike. */
export function toOutcome(row: FinishedRow): { readonly outcome: string } {
  const refusal = toRefusal(row)
  if (refusal !== undefined) return refusal
  const outcome = must(row.outcome, 'an outcome')
  switch (outcome) {
    case 'retrying':
      return { outcome, retryAtMs: row.retry_at, late: row.late === true } as { outcome: string }
    case 'delayed':
      return { outcome, untilMs: row.retry_at } as { outcome: string }
    case 'yielded':
    case 'attempt_has_effects':
      return { outcome }
    default:
      return { outcome, late: row.late === true } as { outcome: string }
  }
}
