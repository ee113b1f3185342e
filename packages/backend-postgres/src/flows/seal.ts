import {
  checkGetFlow,
  engineError,
  type FlowId,
  limits,
  makePartitionTag,
  type SealFlow,
  type SealFlowOutcome,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { Executor } from '../db/database.js'
import { kickDispatch } from '../resolution/dispatch.js'
import { tellReady } from '../resolution/hop.js'
import { lockFlow, partitionOf, tryLockFlow } from './flow-state.js'

interface ReleaseRow {
  readonly released: number
  readonly ready_lanes: readonly number[] | null
  readonly next_due_at: number | null
}

/** Opens a draft. Its roots are released in batches: the first in this step, the others by the outbox. */
export async function sealFlow(ctx: PostgresContext, params: SealFlow): Promise<SealFlowOutcome> {
  checkGetFlow(params)
  const { flowId, namespace } = params
  const partition = await partitionOf(ctx, flowId)
  const { outcome, release } = await ctx.db.transaction(async (tx) => {
    const flow = await lockFlow(tx, { partition, flowId, namespace })
    if (flow.state !== 'draft') {
      const isSealed = flow.state === 'open' || flow.state === 'completed' || flow.state === 'failed'
      const refusal: SealFlowOutcome = isSealed
        ? { outcome: 'already_sealed' }
        : { outcome: 'flow_not_open', flowState: flow.state }
      return { outcome: refusal, release: undefined }
    }
    const [any] = await tx.query<{ found: boolean }>(
      'select exists (select 1 from ff.execution where flow_id = $1) as found',
      [flowId],
    )
    if (any?.found !== true) throw engineError('empty_flow', `Draft ${flowId} has no nodes to release`)
    await tx.query(
      `update ff.flow set state = 'open', draft_expires_at = null, unprojected = true,
         deadline_at = ff.now_ms() + deadline_ms, due_at = ff.now_ms() + deadline_ms
       where partition_key = $1 and id = $2`,
      [partition, flowId],
    )
    await tx.query('select ff.unpark_entries($1)', [flowId])
    const first = await releaseBatch(tx, partition, flowId)
    if (first.released === limits.scannerBatchMax) {
      await tx.query(
        `insert into ff.completion_event (partition_key, kind, flow_id, generation) values ($1, 'seal_release', $2, $3)`,
        [partition, flowId, flow.generation],
      )
    }
    return { outcome: { outcome: 'sealed', graphRevision: flow.graph_revision } as const, release: first }
  })
  if (release === undefined) return outcome
  tellRelease(ctx, partition, release)
  kickDispatch(ctx, [partition])
  return outcome
}

/** The next roots of a sealed draft. Answers how many; the entry goes with the last of them. */
export async function releaseRoots(
  ctx: PostgresContext,
  partition: number,
  flowId: FlowId,
  entryId: string,
): Promise<number> {
  const release = await ctx.db.transaction(async (tx) => {
    const flow = await tryLockFlow(tx, partition, flowId)
    const mayRelease = flow !== undefined && (flow.state === 'open' || flow.state === 'replaying')
    const batch = mayRelease ? await releaseBatch(tx, partition, flowId) : nothingReleased
    if (batch.released < limits.scannerBatchMax) {
      await tx.query('delete from ff.completion_event where partition_key = $1 and id = $2', [
        partition,
        entryId,
      ])
    }
    return batch
  })
  tellRelease(ctx, partition, release)
  return release.released
}

const nothingReleased: ReleaseRow = { released: 0, ready_lanes: null, next_due_at: null }

async function releaseBatch(tx: Executor, partition: number, flowId: FlowId): Promise<ReleaseRow> {
  const [row] = await tx.query<ReleaseRow>(
    'select released, ready_lanes, next_due_at from ff.release_roots($1, $2, $3, ff.now_ms())',
    [partition, flowId, limits.scannerBatchMax],
  )
  return row ?? nothingReleased
}

function tellRelease(ctx: PostgresContext, partition: number, release: ReleaseRow): void {
  if (!ctx.hints.hasListeners) return
  tellReady(ctx, release.ready_lanes ?? [])
  const tag = makePartitionTag('flow', partition)
  ctx.hints.emit({ type: 'events', partition: tag })
  if (release.next_due_at !== null)
    ctx.hints.emit({ type: 'due', partition: tag, dueAtMs: release.next_due_at })
}
