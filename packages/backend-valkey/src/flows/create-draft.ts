import { createHash } from 'node:crypto'
import {
  type CreateDraft,
  type CreateDraftOutcome,
  checkCreateDraft,
  type FlowId,
  isEngineError,
  limits,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import type { IdempotencyKeys } from '../idempotency/keys.js'
import { headOf } from './accept.js'
import { placeOf } from './flow-place.js'

/** Begins a graph that `extend` fills and `seal` releases: under its id, or the one that its key stands for. */
export async function createDraft(
  ctx: ValkeyContext,
  keys: IdempotencyKeys,
  params: CreateDraft,
): Promise<CreateDraftOutcome> {
  checkCreateDraft(params, await ctx.partitions())
  const { namespace, flowId, name = '', idempotencyKey: key, idempotencyTtlMs: ttlMs } = params
  if (key === undefined) return create(ctx, params, flowId)
  // What a draft will hold isn't known yet: only its name can tell two of them apart.
  const content = createHash('sha256').update(name).digest('base64url')
  const reservation = await keys.reserve({ namespace, key, ttlMs, target: flowId, kind: '@draft', content })
  if (reservation === 'conflict') return { outcome: 'idempotency_conflict' }
  try {
    const outcome = await create(ctx, params, reservation.target as FlowId)
    if (outcome.outcome === 'flow_conflict') await keys.forget(reservation)
    return outcome
  } catch (fault) {
    if (isEngineError(fault) && fault.mayHaveCommitted !== true) await keys.forget(reservation)
    throw fault
  }
}

async function create(ctx: ValkeyContext, params: CreateDraft, flowId: FlowId): Promise<CreateDraftOutcome> {
  const { tag } = await placeOf(ctx, flowId)
  const { reply } = await ctx.invoke({
    name: 'flows_create_draft',
    tag,
    args: [headOf({ ...params, flowId }, null), params.draftTtlMs ?? limits.draftTtlMs],
  })
  const [word, namespace, shape] = reply
  if (word === 'a') return { outcome: 'created', flowId }
  // A flow that was submitted has content, a draft has none.
  const isDraft = namespace === params.namespace && shape === ''
  return isDraft ? { outcome: 'duplicate', flowId } : { outcome: 'flow_conflict' }
}
