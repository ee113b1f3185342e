import { createWebhook, type IdMint, putWebhook, rotateWebhookSecret, wire } from '@flowfabric/core/wire'
import type { Engine } from '@flowfabric/engine'
import type { FastifyInstance } from 'fastify'
import { serveOperation } from './serve-operation.js'

/** Webhooks. An answer that tells a secret is kept by no cache. */
export function serveWebhooks(app: FastifyInstance, engine: Engine, mint: IdMint): void {
  const { webhooks: keeper, backend } = engine
  const { webhooks } = backend
  for (const put of [createWebhook, putWebhook])
    serveOperation(app, mint, put, (params, _request, reply) => {
      reply.header('cache-control', 'no-store')
      return keeper.put(params)
    })
  serveOperation(app, mint, rotateWebhookSecret, (params, _request, reply) => {
    reply.header('cache-control', 'no-store')
    return keeper.rotateSecret(params)
  })
  serveOperation(app, mint, wire.webhooks.get, (params) => webhooks.get(params))
  serveOperation(app, mint, wire.webhooks.list, (params) => webhooks.list(params))
  serveOperation(app, mint, wire.webhooks.delete, (params) => webhooks.delete(params))
  serveOperation(app, mint, wire.webhooks.setState, (params) => webhooks.setState(params))
  serveOperation(app, mint, wire.webhooks.listDeliveries, (params) => webhooks.listDeliveries(params))
  serveOperation(app, mint, wire.webhooks.redeliver, (params) => webhooks.redeliver(params))
}
