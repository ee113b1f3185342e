import { type EngineError, engineError, isEngineError, type Problem, toProblem } from '@flowfabric/core'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'

const PROBLEM_TYPE = 'application/problem+json'

/** Sends a problem document with its status. */
export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  if (problem.retryAfterMs !== undefined) reply.header('retry-after', Math.ceil(problem.retryAfterMs / 1_000))
  return reply.code(problem.status).type(PROBLEM_TYPE).serializer(JSON.stringify).send(problem)
}

/** The last stop of every error of a route: its problem document. What nobody foresaw is logged, and told nothing of. */
export function handleError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const known = toEngineError(error, request.routeOptions?.bodyLimit)
  if (known.code === 'internal_error') request.log.error({ err: error }, 'A request met an unforeseen error')
  if (known.code === 'unauthorized') reply.header('www-authenticate', 'Bearer')
  sendProblem(reply, toProblem(known))
}

/** The error of this system that another one stands for. */
export function toEngineError(error: unknown, bodyBytesMax = 0): EngineError {
  if (isEngineError(error)) return error as EngineError
  const { code, statusCode, message = 'The request is malformed' } = error as Partial<FastifyError>
  switch (code) {
    // What Fastify itself refuses, before a route sees the request.
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return engineError('body_too_large', `The body is longer than ${bodyBytesMax} bytes`, {
        max: bodyBytesMax,
      })
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return engineError('unsupported_media_type', 'A body must be application/json')
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return engineError('invalid_json', 'The body is cut off')
    default:
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return engineError('invalid_params', message, { issues: [{ path: '', message }] })
  }
  return engineError('internal_error', 'The server met a fault of its own')
}
