import { createHash, timingSafeEqual } from 'node:crypto'
import { defaultNamespace, engineError, type Namespace, parseNamespace } from '@flowfabric/core'
import type { FastifyInstance, FastifyRequest } from 'fastify'

declare module 'fastify' {
  interface FastifyRequest {
    /** The caller's namespace, from `FF-Namespace`. */
    namespace: Namespace
  }
}

/**
 * Who may call: whoever bears the one token, which has all scopes. Everything below `/v1` asks for it but the
 * description of the API. The namespace is the caller's word, as long as there is one token for all of them.
 */
export function requireAccess(app: FastifyInstance, token: string): void {
  const expected = digestOf(token)
  app.decorateRequest('namespace', defaultNamespace)
  app.addHook('onRequest', async (request) => {
    if (isOpen(request)) return
    if (!bearsToken(request, expected)) {
      throw engineError(
        'unauthorized',
        'The header Authorization must carry this server’s token: Bearer <token>',
      )
    }
    request.namespace = readNamespace(request)
  })
}

const OPEN_PATHS: ReadonlySet<string> = new Set(['/v1/openapi.json'])

function isOpen(request: FastifyRequest): boolean {
  const path = request.url.split('?', 1)[0] ?? ''
  return OPEN_PATHS.has(path) || !(path === '/v1' || path.startsWith('/v1/'))
}

/** Compares digests, which have one length whatever was sent, in constant time. */
function bearsToken(request: FastifyRequest, expected: Buffer): boolean {
  const [scheme, presented, ...rest] = (request.headers.authorization ?? '').split(' ')
  if (scheme?.toLowerCase() !== 'bearer' || presented === undefined || rest.length > 0) return false
  return timingSafeEqual(digestOf(presented), expected)
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function readNamespace(request: FastifyRequest): Namespace {
  const header = request.headers['ff-namespace']
  return header === undefined ? defaultNamespace : parseNamespace(String(header))
}
