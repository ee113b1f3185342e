import { defaultNamespace, engineError, type Namespace, parseNamespace } from '@flowfabric/core'
import { readPresentedToken, waitpointTokenHeader } from '@flowfabric/core/wire'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Credentials } from './credentials.js'
import { type Grant, namespaceOf, ownersGrant, visitorsGrant } from './grant.js'
import type { RateLimit } from './rate-limit.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** What the caller's credentials allow. */
    grant: Grant
    /** The caller's namespace: from `FF-Namespace`, and one that is open to it. */
    namespace: Namespace
  }
}

/**
 * Who may call: whoever bears a token with the scope that the route asks for. Everything below `/v1` asks for one but the
 * description of the API; a route there that names no scope cannot be registered.
 */
export function requireAccess(app: FastifyInstance, credentials: Credentials, rate: RateLimit): void {
  // Never seen by a handler that needs one: the hook below sets it, or refuses.
  app.decorateRequest('grant')
  app.decorateRequest('namespace', defaultNamespace)
  app.addHook('onRoute', (route) => {
    if (route.config?.takesWaitpointToken) route.preHandler = refuseEmptyHands
    if (isOpen(route.url) || (route.config?.scopes?.length ?? 0) > 0) return
    throw new Error(`the route ${route.method} ${route.url} says nothing of who may call it`)
  })
  app.addHook('onRequest', async (request) => {
    if (isOpen(pathOf(request))) {
      request.grant = ownersGrant
      return
    }
    const { scopes = [], takesWaitpointToken = false } = request.routeOptions.config
    if (takesWaitpointToken && comesWithToken(request)) {
      request.grant = visitorsGrant
      return
    }
    const grant = await authenticate(request, credentials)
    rate.take(grant)
    request.grant = grant
    if (scopes.length > 0 && !scopes.some((scope) => grant.scopes.has(scope))) {
      throw engineError('forbidden', `The credentials lack the scope ${scopes.join(' or ')}`)
    }
    request.namespace = namespaceOf(grant, readNamespace(request))
  })
}

/** The token may stand in the body, which is not read yet: whoever has none is refused then. */
function comesWithToken({ headers }: FastifyRequest): boolean {
  return headers[waitpointTokenHeader] !== undefined || headers.authorization === undefined
}

/** The body has been read: who has neither credentials nor a token has nothing. */
async function refuseEmptyHands(request: FastifyRequest): Promise<void> {
  if (request.grant !== visitorsGrant || readPresentedToken(request) !== undefined) return
  throw engineError(
    'unauthorized',
    'The waitpoint’s token must come as the header FF-Waitpoint-Token or in the body, or a token of the API: Bearer <token>',
  )
}

/** How often it is asked whether the credentials of a call that waits are still good. */
const WATCH_MS = 5_000

/** Calls back once the credentials of a request are not good any more. Answers what ends that. */
export function watchAccess(
  request: FastifyRequest,
  credentials: Credentials,
  onEnd: () => void,
): () => void {
  if (request.grant === ownersGrant) return () => undefined
  const timer = setInterval(() => {
    authenticate(request, credentials).catch((error: { readonly code?: string }) => {
      // A store that cannot be asked says nothing of the credentials.
      if (error.code === 'unauthorized') onEnd()
    })
  }, WATCH_MS)
  timer.unref()
  return () => clearInterval(timer)
}

async function authenticate(request: FastifyRequest, credentials: Credentials): Promise<Grant> {
  const presented = readBearer(request)
  const grant = presented === undefined ? undefined : await credentials.check(presented)
  if (grant !== undefined) return grant
  throw engineError(
    'unauthorized',
    'The header Authorization must carry a token that is good here: Bearer <token>',
  )
}

const OPEN_PATHS: ReadonlySet<string> = new Set(['/v1/openapi.json'])

function isOpen(path: string): boolean {
  return OPEN_PATHS.has(path) || !(path === '/v1' || path.startsWith('/v1/'))
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? ''
}

function readBearer(request: FastifyRequest): string | undefined {
  const [scheme, presented, ...rest] = (request.headers.authorization ?? '').split(' ')
  return scheme?.toLowerCase() === 'bearer' && rest.length === 0 ? presented : undefined
}

function readNamespace(request: FastifyRequest): Namespace | undefined {
  const header = request.headers['ff-namespace']
  return header === undefined ? undefined : parseNamespace(String(header))
}
