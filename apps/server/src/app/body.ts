import { engineError, limits } from '@flowfabric/core'
import { jsonDepthOf } from '@flowfabric/core/wire'
import type { FastifyInstance } from 'fastify'

/** Reads JSON bodies, strictly: UTF-8, one JSON text, a bounded depth. No other content type is read. */
export function readJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseBody(body as Buffer))
    } catch (error) {
      done(error as Error, undefined)
    }
  })
}

/** An empty body is none: what a route needs of it, the route says. */
function parseBody(body: Buffer): unknown {
  if (body.length === 0) return undefined
  const text = decode(body)
  if (jsonDepthOf(text) > limits.jsonDepthMax) {
    throw engineError('limit_exceeded', `The body is nested deeper than ${limits.jsonDepthMax}`, {
      max: limits.jsonDepthMax,
      field: 'body',
    })
  }
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw engineError('invalid_json', 'The body is not JSON', {}, { cause })
  }
}

function decode(body: Buffer): string {
  try {
    return utf8.decode(body)
  } catch (cause) {
    throw engineError('invalid_json', 'The body is not UTF-8', {}, { cause })
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })
