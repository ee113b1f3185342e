import {
  type IdMint,
  mintWaitpointToken,
  openWaitpoint,
  readPresentedToken,
  signalExecution,
  wire,
} from '@flowfabric/core/wire'
import type { Engine } from '@flowfabric/engine'
import type { FastifyInstance } from 'fastify'
import { serveOperation } from './serve-operation.js'

/**
 * Suspensions, waitpoints and signals. A signal’s source is the subject of the credentials, or what was signed into the
 * waitpoint’s token: no body tells it.
 */
export function serveWaitpoints(app: FastifyInstance, engine: Engine, mint: IdMint): void {
  const { waitpoints, backend } = engine
  const { suspensions } = backend
  serveOperation(app, mint, wire.suspensions.suspend, (params) => suspensions.suspend(params))
  serveOperation(app, mint, openWaitpoint, (params, _request, reply) => {
    reply.header('cache-control', 'no-store')
    return waitpoints.open(params)
  })
  serveOperation(app, mint, mintWaitpointToken, (params, _request, reply) => {
    reply.header('cache-control', 'no-store')
    return waitpoints.mint(params)
  })
  serveOperation(app, mint, wire.suspensions.closeWaitpoint, (params) => suspensions.closeWaitpoint(params))
  serveOperation(app, mint, wire.suspensions.listWaitpoints, (params) => suspensions.listWaitpoints(params))
  serveOperation(app, mint, wire.suspensions.listSignals, (params) => suspensions.listSignals(params))
  serveOperation(app, mint, signalExecution, (params, { grant }) =>
    suspensions.deliverSignal({ ...params, source: grant.subject }),
  )
  serveOperation(app, mint, wire.suspensions.deliverSignal, (params, request) => {
    const token = readPresentedToken(request)
    if (token !== undefined) {
      const { namespace: _, source: __, ...signal } = params
      return waitpoints.deliver({ ...signal, token })
    }
    return suspensions.deliverSignal({ ...params, source: request.grant.subject })
  })
}
