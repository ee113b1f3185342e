import { setTimeout as pause } from 'node:timers/promises'
import {
  engineError,
  type FlowId,
  isEngineError,
  type SubmitFlow,
  type SubmitFlowOutcome,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { flowFields as F } from '../generated/layouts.js'
import type { IdempotencyKeys, Reservation } from '../idempotency/keys.js'
import type { FlowContent } from './flow-content.js'
import { readFlow } from './read-flow.js'

/** A key's owner must have submitted by then; the clocks of two nodes agree much better than the rest of the time. */
const OWNER_HAS_MS = 8_000
const ABANDONED_AFTER_MS = 10_000
/** How long an owner that may still be submitting is waited for in one call. */
const WAITS_MS = 1_000
const PAUSE_MS = 25

type Submit = (notAfterMs: number) => Promise<SubmitFlowOutcome | 'stale'>

/**
 * Submits a flow under its idempotency key. The nodes' ids belong to the partition of the flow id that came along, so a
 * recorded id that has no flow is of no use here: once nobody can submit under it any more, the key stands for this flow.
 * Throws `contention` while another process is between the two steps.
 */
export async function submitUnderKey(
  ctx: ValkeyContext,
  keys: IdempotencyKeys,
  params: SubmitFlow,
  content: FlowContent,
  submit: Submit,
): Promise<SubmitFlowOutcome> {
  const { namespace, flowId, idempotencyKey: key = '', idempotencyTtlMs: ttlMs } = params
  const giveUpAt = performance.now() + WAITS_MS
  const keyed = { namespace, key, ttlMs, target: flowId, kind: '@flow', content: content.shape }
  // How often the key counts this call.
  let counts = 0
  for (;;) {
    const reservation = await keys.reserve(keyed)
    if (reservation === 'conflict') return { outcome: 'idempotency_conflict' }
    counts = reservation.target === flowId ? counts + 1 : 1
    if (reservation.target === flowId) {
      const outcome = await submitOwn(keys, reservation, counts, submit)
      if (outcome !== 'stale') return outcome
      counts = (await keys.replace(reservation, flowId, ttlMs)) ? 1 : 0
      continue
    }
    const shape = await shapeOf(ctx, namespace, reservation.target as FlowId)
    if (shape === content.shape) return { outcome: 'duplicate', flowId: reservation.target as FlowId }
    const mayGoOn = performance.now() < giveUpAt
    if (shape === undefined && (await isAbandoned(ctx, reservation, mayGoOn))) {
      counts = (await keys.replace(reservation, flowId, ttlMs)) ? 1 : 0
      continue
    }
    await keys.forget(reservation)
    counts = 0
    if (shape !== undefined) return { outcome: 'flow_conflict' }
    if (!mayGoOn) throw engineError('contention', `Another call is submitting a flow under the key ${key}`)
    await pause(PAUSE_MS)
  }
}

/** Whoever is refused takes back what he recorded. */
async function submitOwn(
  keys: IdempotencyKeys,
  reservation: Reservation,
  counts: number,
  submit: Submit,
): Promise<SubmitFlowOutcome | 'stale'> {
  const forget = async () => {
    for (let count = 0; count < counts; count += 1) await keys.forget(reservation)
  }
  try {
    const outcome = await submit(reservation.reservedAtMs + OWNER_HAS_MS)
    if (outcome !== 'stale' && outcome.outcome !== 'accepted' && outcome.outcome !== 'duplicate')
      await forget()
    return outcome
  } catch (fault) {
    if (isEngineError(fault) && fault.mayHaveCommitted !== true) await forget()
    throw fault
  }
}

/** Whether nobody can submit under the recorded id any more. A clock that stands still is a test's: there it is over after the wait. */
async function isAbandoned(
  ctx: ValkeyContext,
  { tag, reservedAtMs }: Reservation,
  mayGoOn: boolean,
): Promise<boolean> {
  const { reply: nowMs } = await ctx.invoke({ name: 'maintenance_clock', tag, args: [] })
  return nowMs - reservedAtMs > ABANDONED_AFTER_MS || (!mayGoOn && nowMs === reservedAtMs)
}

/** The content of a flow that is there. */
async function shapeOf(
  ctx: ValkeyContext,
  namespace: SubmitFlow['namespace'],
  flowId: FlowId,
): Promise<string | undefined> {
  try {
    const { flow } = await readFlow(ctx, namespace, flowId)
    return String(flow.fields[F.shape])
  } catch (fault) {
    if (isEngineError(fault) && fault.code === 'flow_not_found') return undefined
    throw fault
  }
}
