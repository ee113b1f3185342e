import { z } from 'zod'
import type { AuditEntry, ListAudit } from '../contract/audit.js'
import type { Page } from '../contract/conventions.js'
import { pageQuery } from './executions.js'
import type { WireOperation } from './operation.js'
import { readReply, readWire } from './read.js'
import { pageOf } from './records.js'
import { namespaceName, timeMs } from './scalars.js'

const entrySchema: z.ZodType<AuditEntry> = z.object({
  actionId: z.string(),
  atMs: timeMs,
  namespace: namespaceName.nullable().describe('null: the whole deployment.'),
  actor: z.string().describe('Whose credentials they were.'),
  action: z.string().describe('The operation.'),
  subjects: z.array(z.string()).describe('What it was done to.'),
  reason: z.string().nullable(),
  outcome: z.string().nullable().describe('null: the server ended before it could tell.'),
})
const listQuery = z.strictObject({
  namespace: namespaceName.optional().describe('Only of this one; default: all.'),
  actor: z.string().optional(),
  subject: z.string().optional(),
  ...pageQuery,
})

export const listAudit: WireOperation<ListAudit, Page<AuditEntry>> = {
  name: 'audit.list',
  method: 'GET',
  path: '/audit',
  summary: 'What operators did, the newest first.',
  tag: 'admin',
  schemas: { query: listQuery, answer: pageOf(entrySchema) },
  refusals: [],
  writeRequest: ({ namespace, actor, subject, cursor, limit }) => ({
    query: { namespace, actor, subject, cursor, limit },
  }),
  readRequest: (call) => ({ params: readWire(listQuery, call.query) }),
  writeAnswer: (page) => page,
  readAnswer: (json) => readReply(pageOf(entrySchema), json),
}
