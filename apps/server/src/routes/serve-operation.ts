import type { Namespace } from '@flowfabric/core'
import {
  type IdMint,
  mergeRefused,
  problemSchema,
  refusalOf,
  type WireOperation,
  type WireSchemas,
} from '@flowfabric/core/wire'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { sendProblem } from '../app/problem.js'

/** What carries out an operation: the params as the contract has them, and the answer likewise. */
export type Carry<Params, Answer> = (
  params: Params,
  request: FastifyRequest,
  reply: FastifyReply,
) => Promise<Answer>

/**
 * Serves one operation of the contract under its route: reads the params, carries it out, writes the answer. Refusals
 * of single calls become problem documents, errors of batch items go back to their places.
 */
export function serveOperation<Params, Answer>(
  app: FastifyInstance,
  mint: IdMint,
  operation: WireOperation<Params, Answer>,
  carry: Carry<Params, Answer>,
): void {
  app.route({
    method: operation.method,
    url: `/v1${fastifyPath(operation.path)}`,
    schema: describeRoute(operation),
    handler: async (request, reply) => {
      const { params, refused } = operation.readRequest({
        namespace: request.namespace as Namespace,
        path: request.params,
        query: request.query,
        body: request.body,
        mint,
      })
      const answer = withRefused(await carry(params, request, reply), refused)
      const problem = refusalOf(answer)
      if (problem !== undefined) return sendProblem(reply, problem)
      reply.code(operation.status?.(answer) ?? 200)
      return operation.writeAnswer(answer)
    },
  })
}

/** What the API's description says of a route. Nothing is validated by it: the operation reads its requests itself. */
export function describeRoute(operation: {
  readonly name: string
  readonly summary: string
  readonly tag: string
  readonly schemas: WireSchemas
}): object {
  const { path, query, body, answer } = operation.schemas
  return {
    operationId: operation.name,
    summary: operation.summary,
    tags: [operation.tag],
    headers: namespaceHeader,
    ...(path === undefined ? {} : { params: path }),
    ...(query === undefined ? {} : { querystring: query }),
    ...(body === undefined ? {} : { body }),
    response: {
      '2xx': { description: 'Carried out.', content: { 'application/json': { schema: answer } } },
      default: {
        description: 'Refused.',
        content: { 'application/problem+json': { schema: problemSchema } },
      },
    },
  }
}

const namespaceHeader = z.object({
  'FF-Namespace': z.string().optional().describe('The namespace that the call is about; default `default`.'),
})

/** `/executions/{id}` and `/executions:batch` as Fastify writes them: `/executions/:id`, `/executions::batch`. */
export function fastifyPath(path: string): string {
  return path.replaceAll(':', '::').replaceAll(/\{(\w+)\}/g, ':$1')
}

function withRefused<Answer>(
  answer: Answer,
  refused: Parameters<typeof mergeRefused>[1] | undefined,
): Answer {
  if (refused === undefined || refused.size === 0) return answer
  const { items } = answer as { readonly items: readonly unknown[] }
  return { ...answer, items: mergeRefused(items, refused) }
}
