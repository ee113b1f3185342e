import { z } from 'zod'
import {
  type AccessOperations,
  type ApiToken,
  type NamespaceRecord,
  type NewApiToken,
  tokenScopes,
} from '../contract/access.js'
import type { Page, PageRequest } from '../contract/conventions.js'
import { parseTokenId, type TokenId } from '../ids/index.js'
import { limits } from '../limits.js'
import { pageQuery, reasonField } from './executions.js'
import type { WireOperation } from './operation.js'
import { readReply, readWire } from './read.js'
import { pageOf } from './records.js'
import { laneName, namespaceName, timeMs, tokenId, whole } from './scalars.js'

type Answer<Name extends keyof AccessOperations> = Awaited<ReturnType<AccessOperations[Name]>>

const tag = 'admin'
const tokenPath = z.strictObject({ tokenId })
const namespacePath = z.strictObject({ namespace: namespaceName })
const pageQuerySchema = z.strictObject(pageQuery)
const label = z.string().describe('For people.')

const tokenSchema: z.ZodType<ApiToken> = z.object({
  id: tokenId,
  label,
  scopes: z.array(z.enum(tokenScopes)),
  namespaces: z.array(namespaceName).nullable(),
  lanes: z.array(laneName).nullable(),
  createdAtMs: timeMs,
  expiresAtMs: timeMs.nullable(),
  revokedAtMs: timeMs.nullable(),
})

/** What a token is made of; its id and its secret are minted by the server. */
export interface CreateToken extends Omit<NewApiToken, 'id'> {
  readonly reason?: string | undefined
}

export interface CreatedToken {
  readonly outcome: 'created'
  readonly id: TokenId
  /** What callers present. It is told this once. */
  readonly text: string
}

const createBody = z.strictObject({
  label: label.optional(),
  scopes: z.array(z.enum(tokenScopes)).describe('What it may be used for; none implies another.'),
  namespaces: z.array(namespaceName).nullable().optional().describe('Default: all.'),
  lanes: z.array(laneName).nullable().optional().describe('Which lanes it may claim from. Default: all.'),
  expiresAtMs: whole(0, limits.timeMsMax, 'When it ends. Default: never.').nullable().optional(),
  reason: reasonField,
})
const createdSchema: z.ZodType<CreatedToken> = z.object({
  outcome: z.literal('created'),
  id: tokenId,
  text: z.string().describe('The token. It is told this once, and kept nowhere.'),
})

export const createToken: WireOperation<CreateToken, CreatedToken> = {
  name: 'access.createToken',
  method: 'POST',
  path: '/admin/tokens',
  summary: 'Mint an API token. Its text is told this once.',
  tag,
  schemas: { body: createBody, answer: createdSchema },
  status: () => 201,
  refusals: [],
  writeRequest: (params) => ({ body: params }),
  readRequest: (call) => {
    const {
      label: text = '',
      namespaces = null,
      lanes = null,
      expiresAtMs = null,
      ...rest
    } = readWire(createBody, call.body)
    return { params: { ...rest, label: text, namespaces, lanes, expiresAtMs } }
  },
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(createdSchema, json),
}

export const listTokens: WireOperation<PageRequest, Page<ApiToken>> = {
  name: 'access.listTokens',
  method: 'GET',
  path: '/admin/tokens',
  summary: 'API tokens by age, without their secrets.',
  tag,
  schemas: { query: pageQuerySchema, answer: pageOf(tokenSchema) },
  refusals: [],
  writeRequest: ({ cursor, limit }) => ({ query: { cursor, limit } }),
  readRequest: (call) => ({ params: readWire(pageQuerySchema, call.query) }),
  writeAnswer: (page) => page,
  readAnswer: (json) => readReply(pageOf(tokenSchema), json),
}

export interface RevokeToken {
  readonly tokenId: TokenId
  readonly reason?: string | undefined
}

const reasonQuery = z.strictObject({ reason: reasonField })
const revokeSchema = z.object({ outcome: z.enum(['revoked', 'already_revoked']) })

export const revokeToken: WireOperation<RevokeToken, Answer<'revoke'>> = {
  name: 'access.revoke',
  method: 'DELETE',
  path: '/admin/tokens/{tokenId}',
  summary: 'Revoke an API token, for ever; servers may take it for 2 s more.',
  tag,
  schemas: { path: tokenPath, query: reasonQuery, answer: revokeSchema },
  refusals: [],
  writeRequest: ({ tokenId: id, reason }) => ({ path: { tokenId: id }, query: { reason } }),
  // Judged here already: who sends the token instead of its id sends a secret, which is to be recorded nowhere.
  readRequest: (call) => ({
    params: {
      tokenId: parseTokenId(readWire(tokenPath, call.path).tokenId),
      ...readWire(reasonQuery, call.query),
    },
  }),
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(revokeSchema, json),
}

const namespaceSchema: z.ZodType<NamespaceRecord> = z.object({
  namespace: namespaceName,
  label,
  accepting: z.boolean(),
})

export interface PutNamespace extends NamespaceRecord {
  readonly reason?: string | undefined
}

const namespaceBody = z.strictObject({
  label: label.optional(),
  accepting: z.boolean().optional().describe('Whether servers take new work for it; default true.'),
  reason: reasonField,
})
const putSchema = z.object({ outcome: z.enum(['created', 'changed', 'unchanged']) })

export const putNamespace: WireOperation<PutNamespace, Answer<'put'>> = {
  name: 'access.putNamespace',
  method: 'PUT',
  path: '/admin/namespaces/{namespace}',
  summary: 'Record a namespace: its label, and whether it takes new work.',
  tag,
  schemas: { path: namespacePath, body: namespaceBody, answer: putSchema },
  status: ({ outcome }) => (outcome === 'created' ? 201 : 200),
  refusals: [],
  writeRequest: ({ namespace, ...body }) => ({ path: { namespace }, body }),
  readRequest: (call) => {
    const { label: text = '', accepting = true, ...rest } = readWire(namespaceBody, call.body)
    return { params: { ...rest, ...readWire(namespacePath, call.path), label: text, accepting } }
  },
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(putSchema, json),
}

export const listNamespaces: WireOperation<PageRequest, Page<NamespaceRecord>> = {
  name: 'access.listNamespaces',
  method: 'GET',
  path: '/admin/namespaces',
  summary: 'Namespaces that were recorded, by name.',
  tag,
  schemas: { query: pageQuerySchema, answer: pageOf(namespaceSchema) },
  refusals: [],
  writeRequest: ({ cursor, limit }) => ({ query: { cursor, limit } }),
  readRequest: (call) => ({ params: readWire(pageQuerySchema, call.query) }),
  writeAnswer: (page) => page,
  readAnswer: (json) => readReply(pageOf(namespaceSchema), json),
}
