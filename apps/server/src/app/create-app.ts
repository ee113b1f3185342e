import { engineError, limits, toProblem } from '@flowfabric/core'
import type { Engine } from '@flowfabric/engine'
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import { Registry } from 'prom-client'
import { serveAdmin } from '../routes/admin-routes.js'
import { serveContract } from '../routes/contract-routes.js'
import { serveEvents } from '../routes/event-routes.js'
import { serveHealth } from '../routes/health-routes.js'
import { createIdMint } from '../routes/id-mint.js'
import { serveFrames } from '../routes/stream-routes.js'
import { serveWaits } from '../routes/waiting-routes.js'
import { serveWaitpoints } from '../routes/waitpoint-routes.js'
import { serveWebhooks } from '../routes/webhook-routes.js'
import { measureHttp } from '../telemetry/http-metrics.js'
import { version } from '../version.js'
import { requireAccess } from './access.js'
import { createAuditTrail } from './audit-trail.js'
import { readJsonBodies } from './body.js'
import { endWaitsOnClose } from './closing.js'
import { createCredentials } from './credentials.js'
import { serveDocs } from './docs-page.js'
import { answerMissingRoutes } from './missing-routes.js'
import { createNamespaceGate } from './namespace-gate.js'
import { describeApi } from './openapi.js'
import { handleError, sendProblem, toEngineError } from './problem.js'
import { createRateLimit } from './rate-limit.js'
import { sendSecurityHeaders } from './security-headers.js'

export interface AppOptions {
  /** Started: its partition counts must be known. */
  readonly engine: Engine
  /** A token with all scopes in all namespaces, beside those that the store keeps. */
  readonly token: string
  readonly logger?: FastifyBaseLogger | undefined
  /** What `/metrics` shows. */
  readonly registry?: Registry | undefined
  /** The longest body that is read (default 16 MiB). */
  readonly bodyBytesMax?: number | undefined
  /** Of each API token, in this process; 0 (default): any number. */
  readonly requestsPerSecond?: number | undefined
}

/** The HTTP API over an engine. Listens nowhere yet: `inject` works at once, `listen` serves. */
export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  const { engine, token, registry = new Registry(), bodyBytesMax = limits.bodyBytesMax } = options
  if (token === '') throw engineError('invalid_configuration', 'A server needs a token that is not empty')
  const app = Fastify({
    ...(options.logger === undefined ? {} : { loggerInstance: options.logger }),
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: bodyBytesMax,
    // Ids in paths are percent-encoded; what is longer is no id, and gets the answer that its route gives.
    routerOptions: { maxParamLength: 1_024 },
    // Answered by us, as every other error is.
    return503OnClosing: false,
    // Open streams and long polls are ended first; what is left is idle.
    forceCloseConnections: 'idle',
    frameworkErrors: (error, _request, reply) => {
      sendProblem(reply as never, toProblem(toEngineError(error)))
    },
  })
  app.setErrorHandler(handleError)
  sendSecurityHeaders(app)
  const credentials = createCredentials(engine.backend.access, token)
  const waits = endWaitsOnClose(app, credentials)
  requireAccess(app, credentials, createRateLimit(options.requestsPerSecond ?? 0))
  app.decorate('auditTrail', createAuditTrail(engine.backend.audit))
  app.decorate('namespaceGate', createNamespaceGate(engine.backend.access))
  readJsonBodies(app)
  await describeApi(app, version)
  const finishRoutes = answerMissingRoutes(app)
  const mint = createIdMint(engine)
  serveContract(app, engine.backend, mint)
  serveWaits(app, engine, mint, waits)
  serveEvents(app, engine, mint, waits)
  serveFrames(app, engine, mint, waits)
  serveWaitpoints(app, engine, mint)
  serveWebhooks(app, engine, mint)
  serveAdmin(app, engine, mint)
  serveHealth(app, engine, waits)
  measureHttp(app, registry, waits)
  serveDocs(app)
  finishRoutes()
  await app.ready()
  return app
}
