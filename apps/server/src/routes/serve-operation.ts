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
import type { AskedAction } from '../app/audit-trail.js'
import { limitToGrant } from '../app/grant.js'
import { bringsWork } from '../app/namespace-gate.js'
import { sendProblem } from '../app/problem.js'
import { isAudited, routeConfig } from '../app/route-scopes.js'

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
    config: routeConfig(operation.name),
    handler: async (request, reply) => {
      const { params: asked, refused } = operation.readRequest({
        namespace: request.namespace as Namespace,
        path: request.params,
        query: request.query,
        body: request.body,
        headers: request.headers,
        mint,
      })
      const params = limitToGrant(request.grant, asked)
      const carryOut = () => carry(params, request, reply)
      if (bringsWork(operation.name)) await app.namespaceGate.requireAccepting(request.namespace)
      const carried = isAudited(operation.name, operation.method)
        ? await app.auditTrail.record(actionOf(operation, request, params), request.log, carryOut)
        : await carryOut()
      const answer = withRefused(carried, refused)
      const problem = refusalOf(answer)
      if (problem !== undefined) return sendProblem(reply, problem)
      reply.code(operation.status?.(answer) ?? 200)
      return operation.writeAnswer(answer)
    },
  })
}

/** An operator's action, for the audit log. What only an administrator may do concerns all namespaces. */
function actionOf(
  operation: { readonly name: string },
  request: FastifyRequest,
  params: unknown,
): AskedAction {
  const { grant, namespace, routeOptions } = request
  const isOfAll = routeOptions.config.scopes?.every((scope) => scope === 'admin') === true
  return { actor: grant.subject, action: operation.name, namespace: isOfAll ? null : namespace, params }
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
    ...(routeConfig(operation.name).takesWaitpointToken ? { security: eitherToken } : {}),
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

/** As `describeApi` names them. */
const eitherToken = [{ token: [] }, { waitpointToken: [] }]

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
