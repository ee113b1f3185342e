import type {
  ResumeCondition,
  SuspensionReason,
  SuspensionTimeoutBehaviour,
  SuspensionView,
} from '@flowfabric/core'
import type { Executor } from '../db/database.js'
import { toSuspensionId } from './ids.js'

interface SuspensionRow {
  readonly id: string
  readonly reason: SuspensionReason
  readonly condition: string
  readonly since: number
  readonly times_out_at: number | null
  readonly behaviour: SuspensionTimeoutBehaviour | null
  readonly escalated: boolean
}

/** The suspension that stands, for people; `null` where none does. */
export async function readSuspension(
  executor: Executor,
  [partition, id]: readonly [partition: number, id: string],
): Promise<SuspensionView | null> {
  const [row] = await executor.query<SuspensionRow>(
    `select id, reason, condition, since, times_out_at, behaviour, escalated from ff.suspension
     where partition_key = $1 and execution_id = $2`,
    [partition, id],
  )
  if (row === undefined) return null
  return {
    id: toSuspensionId(partition, row.id),
    reason: row.reason,
    condition: JSON.parse(row.condition) as ResumeCondition,
    sinceMs: row.since,
    timesOutAtMs: row.times_out_at,
    timeoutBehaviour: row.behaviour,
    escalated: row.escalated,
  }
}
