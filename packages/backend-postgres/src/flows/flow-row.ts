import type { Flow, FlowCancelPolicy, FlowId, FlowState, FlowSummary, Namespace } from '@flowfabric/core'
import type { Executor } from '../db/database.js'
import { summarizeFlows } from './summary.js'

/** What `flowColumns` select. */
export interface FlowRow {
  readonly partition_key: number
  readonly id: FlowId
  readonly namespace: Namespace
  readonly name: string | null
  readonly state: FlowState
  readonly graph_revision: number
  readonly generation: number
  readonly tags: Readonly<Record<string, string>>
  readonly created_at: number
  readonly deadline_at: number | null
  readonly terminal_at: number | null
  readonly cancel_policy: FlowCancelPolicy | null
  readonly cancel_finalisers: boolean | null
  readonly cancel_requested_at: number | null
  readonly summary: FlowSummary | null
}

/** Of `flow f`. */
export const flowColumns = `f.partition_key, f.id, f.namespace, f.name, f.state, f.graph_revision, f.generation, f.tags,
  f.created_at, f.deadline_at, f.terminal_at, f.cancel_policy, f.cancel_finalisers, f.cancel_requested_at, f.summary`

/** The records, each with its newest summary; one that was never projected is counted now. */
export async function toFlows(executor: Executor, rows: readonly FlowRow[]): Promise<readonly Flow[]> {
  const uncounted = rows.filter(({ summary }) => summary === null)
  const counted =
    uncounted.length === 0 ? new Map<FlowId, FlowSummary>() : await summarizeFlows(executor, uncounted)
  return rows.flatMap((row) => {
    const summary = row.summary ?? counted.get(row.id)
    return summary === undefined
      ? []
      : [toFlow(row, row.summary ?? { ...summary, lastSummaryUpdateAtMs: null })]
  })
}

function toFlow(row: FlowRow, summary: FlowSummary): Flow {
  return {
    id: row.id,
    namespace: row.namespace,
    name: row.name,
    state: row.state,
    graphRevision: row.graph_revision,
    generation: row.generation,
    tags: row.tags,
    createdAtMs: row.created_at,
    deadlineAtMs: row.deadline_at,
    terminalAtMs: row.terminal_at,
    cancel:
      row.cancel_policy === null
        ? null
        : {
            policy: row.cancel_policy,
            finalisers: row.cancel_finalisers ?? true,
            requestedAtMs: row.cancel_requested_at ?? row.created_at,
          },
    summary,
  }
}
