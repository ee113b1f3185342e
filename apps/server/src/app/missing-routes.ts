import { engineError } from '@flowfabric/core'
import type { FastifyInstance, HTTPMethods } from 'fastify'
import { anyScope } from './route-scopes.js'

const METHODS: readonly HTTPMethods[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/** Answers 404 for a path without routes, and 405 with `Allow` for a path that has others. Call it before the first route. */
export function answerMissingRoutes(app: FastifyInstance): () => void {
  const methodsByPath = new Map<string, Set<string>>()
  let isRecording = true
  app.addHook('onRoute', (route) => {
    if (!isRecording) return
    const methods = methodsByPath.get(route.url) ?? new Set()
    methodsByPath.set(route.url, methods)
    for (const method of [route.method].flat()) methods.add(method)
  })
  app.setNotFoundHandler((request) => {
    throw engineError(
      'route_not_found',
      `There is no ${request.method} ${request.url.split('?', 1)[0]?.slice(0, 200)}`,
    )
  })
  return () => {
    isRecording = false
    for (const [url, methods] of methodsByPath) refuseOthers(app, url, methods)
  }
}

function refuseOthers(app: FastifyInstance, url: string, methods: ReadonlySet<string>): void {
  const others = METHODS.filter((method) => !methods.has(method))
  const allow = [...methods].sort().join(', ')
  app.route({
    method: others,
    url,
    schema: { hide: true } as object,
    config: { scopes: anyScope },
    // Before a body is read: what it holds does not matter.
    onRequest: async (request, reply) => {
      reply.header('allow', allow)
      throw engineError('method_not_allowed', `${request.method} is not allowed here, but ${allow}`)
    },
    handler: async () => undefined,
  })
}
