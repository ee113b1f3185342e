import type { ClaimedExecution, ClaimRequest, LeaseOperations, Namespace } from '@flowfabric/core'
import {
  executionResult,
  explain,
  flowResult,
  type IdMint,
  type WireExplanation,
  wire,
} from '@flowfabric/core/wire'
import type { Engine } from '@flowfabric/engine'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Waits } from '../app/closing.js'
import { serveOperation } from './serve-operation.js'

/**
 * The routes that may wait: claims, alone or behind a completion, and results. Each ends early when its client goes
 * away, and what a claim had leased by then is handed back.
 */
export function serveWaits(app: FastifyInstance, engine: Engine, mint: IdMint, waits: Waits): void {
  const { leases } = engine.backend
  serveOperation(app, mint, wire.leases.claim, async (params, _request, reply) => {
    const outcome = await leases.claim({ ...params, signal: waits.signalOf(reply) })
    if (outcome.outcome === 'claimed') await handBackIfGone(reply, leases, params.namespaces, outcome.leases)
    return outcome
  })
  serveOperation(app, mint, wire.leases.complete, async (params, _request, reply) => {
    const result = await leases.complete(withSignal(params, waits.signalOf(reply)))
    await handBackIfGone(reply, leases, params.namespaces, result.claimed)
    return result
  })
  serveOperation(app, mint, wire.leases.fail, async (params, _request, reply) => {
    const result = await leases.fail(withSignal(params, waits.signalOf(reply)))
    await handBackIfGone(reply, leases, params.namespaces, result.claimed)
    return result
  })
  serveOperation(app, mint, executionResult, async ({ namespace, id, waitMs = 0 }, _request, reply) => {
    const signal = waits.signalOf(reply)
    const outcome = await engine.results.waitForExecution({ namespace, id, waitMs, signal })
    if (outcome.outcome === 'error') throw outcome.error
    return outcome
  })
  serveOperation(app, mint, flowResult, ({ namespace, flowId, waitMs = 0 }, _request, reply) =>
    engine.results.waitForFlow({ namespace, flowId, waitMs, signal: waits.signalOf(reply) }),
  )
  serveOperation(app, mint, explain, async (params) => {
    const explanation = await engine.explain(params)
    return explanation as unknown as WireExplanation
  })
}

function withSignal<Params extends { readonly next?: ClaimRequest | undefined }>(
  params: Params,
  signal: AbortSignal,
): Params {
  return params.next === undefined ? params : { ...params, next: { ...params.next, signal } }
}

/** Work that was leased for a client that has gone away would lie idle for the length of its lease. */
async function handBackIfGone(
  reply: FastifyReply,
  leases: LeaseOperations,
  namespaces: readonly Namespace[],
  claimed: readonly ClaimedExecution[],
): Promise<void> {
  if (claimed.length === 0 || !reply.raw.destroyed) return
  await leases.yield({ namespaces, items: claimed.map(({ handle }) => ({ handle })) })
}
