import { createHash } from 'node:crypto'
import {
  type CreateDraft,
  type CreateDraftOutcome,
  checkCreateDraft,
  engineError,
  type FlowId,
  limits,
  makePartitionTag,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { kickDispatch } from '../resolution/dispatch.js'
import { partitionOf } from './flow-state.js'

interface DraftRow {
  readonly outcome: CreateDraftOutcome['outcome']
  readonly flow_id: FlowId
  readonly expires_at: number | null
}

/** Begins a graph that `extend` fills and `seal` releases. */
export async function createDraft(ctx: PostgresContext, params: CreateDraft): Promise<CreateDraftOutcome> {
  checkCreateDraft(params, await ctx.partitions())
  const { flowId, namespace, name, tags, deadlineMs, draftTtlMs, idempotencyKey, idempotencyTtlMs, parent } =
    params
  const partition = await partitionOf(ctx, flowId)
  const [row] = await ctx.db.call<DraftRow>(
    'select outcome, flow_id, expires_at from ff.create_draft($1, $2, $3, $4, $5::jsonb, $6, $7, $8, $9, $10, $11::jsonb)',
    [
      partition,
      flowId,
      namespace,
      name ?? null,
      tags === undefined ? null : JSON.stringify(tags),
      deadlineMs ?? null,
      draftTtlMs ?? limits.draftTtlMs,
      idempotencyKey ?? null,
      // What a draft will hold isn't known yet: only its name can tell two of them apart.
      createHash('sha256')
        .update(name ?? '')
        .digest(),
      idempotencyTtlMs ?? limits.idempotencyTtlMs,
      parent === undefined ? null : JSON.stringify(parent),
    ],
  )
  if (row === undefined)
    throw engineError('corruption', 'A draft was answered by nothing', { subject: 'create_draft' })
  switch (row.outcome) {
    case 'created': {
      if (parent !== undefined) kickDispatch(ctx, [partition])
      const tag = makePartitionTag('flow', partition)
      ctx.hints.emit({ type: 'events', partition: tag })
      if (row.expires_at !== null) ctx.hints.emit({ type: 'due', partition: tag, dueAtMs: row.expires_at })
      return { outcome: 'created', flowId: row.flow_id }
    }
    case 'duplicate':
      return { outcome: 'duplicate', flowId: row.flow_id }
    default:
      return { outcome: row.outcome }
  }
}
