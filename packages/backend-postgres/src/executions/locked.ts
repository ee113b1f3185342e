import {
  type ExecutionId,
  type FlowId,
  type LifecyclePhase,
  type Namespace,
  partitionIndexOf,
  type TerminalOutcome,
  uuidOf,
} from '@flowfabric/core'
import type { Executor } from '../db/database.js'
import { executionNotFound } from './get.js'

/** What operators' operations look at before they change an execution. */
export interface LockedExecution {
  readonly partition_key: number
  readonly id: string
  readonly lane_id: number
  readonly flow_id: FlowId | null
  readonly lifecycle_phase: LifecyclePhase
  readonly terminal_outcome: TerminalOutcome
  readonly held: boolean
  readonly replay_count: number
  readonly grace_ends_at: number | null
}

/** Locks an execution for a change. Throws `execution_not_found`, also for another namespace's. */
export async function lockExecution(
  tx: Executor,
  { namespace, id }: { readonly namespace: Namespace; readonly id: ExecutionId },
): Promise<LockedExecution> {
  const [row] = await tx.query<LockedExecution>(
    `select e.partition_key, e.id, e.lane_id, e.flow_id, e.lifecycle_phase, e.terminal_outcome, e.held, e.replay_count, e.grace_ends_at
     from ff.execution e join ff.lane l on l.id = e.lane_id and l.namespace = $3
     where e.partition_key = $1 and e.id = $2 for update of e`,
    [partitionIndexOf(id), uuidOf(id), namespace],
  )
  if (row === undefined) throw executionNotFound(id)
  return row
}

/** The outcome that says that an execution has ended; `undefined` while it hasn't. */
export function terminalAnswer({ terminal_outcome }: LockedExecution) {
  return terminal_outcome === 'none'
    ? undefined
    : { outcome: 'execution_terminal' as const, terminalOutcome: terminal_outcome }
}
