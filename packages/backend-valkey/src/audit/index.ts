import {
  type AppendAudit,
  type AuditEntry,
  type AuditOperations,
  checkAppendAudit,
  checkListAudit,
  type ListAudit,
  limits,
  type Namespace,
  type Page,
  writeAuditCursor,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { unreadable } from '../library/unreadable.js'
import { homeTag } from '../maintenance/prepare.js'

/** The actions of operators, in the home partition. */
export function createAudit(ctx: ValkeyContext): AuditOperations {
  return {
    append: (params) => appendEntry(ctx, params),
    list: (params) => listEntries(ctx, params),
  }
}

async function appendEntry(
  ctx: ValkeyContext,
  params: AppendAudit,
): Promise<{ readonly outcome: 'appended' | 'completed' | 'duplicate' }> {
  checkAppendAudit(params)
  const { actionId, namespace, actor, action, subjects, reason, outcome } = params
  const { reply } = await ctx.invoke({
    name: 'audit_append',
    tag: homeTag,
    args: [
      actionId,
      namespace ?? '',
      actor,
      action,
      [...subjects],
      reason !== null,
      reason ?? '',
      outcome ?? '',
    ],
  })
  return { outcome: reply as 'appended' | 'completed' | 'duplicate' }
}

/** Entries that one call looks at: what a filter lets through may be far apart. */
const LOOK = 500

async function listEntries(ctx: ValkeyContext, params: ListAudit): Promise<Page<AuditEntry>> {
  const limit = params.limit ?? limits.pageSizeDefault
  const after = checkListAudit(params)
  const { namespace = '', actor = '', subject = '' } = params
  const items: AuditEntry[] = []
  let [atMs, actionId] = [after?.atMs ?? -1, after?.actionId ?? '']
  // One more than the page tells whether there is a next one.
  for (let more = true; more && items.length <= limit; ) {
    const { reply } = await ctx.invoke({
      name: 'audit_list',
      tag: homeTag,
      args: [atMs, actionId, namespace, actor, subject, limit + 1 - items.length, LOOK],
    })
    const [records, lastAtMs, lastId, hasMore] = reply
    for (const [id, record] of asList(records)) items.push(toEntry(id, record))
    atMs = lastAtMs
    actionId = lastId
    more = hasMore
  }
  const page = items.slice(0, limit)
  const last = page.at(-1)
  return {
    items: page,
    nextCursor: last === undefined || items.length <= limit ? null : writeAuditCursor(last),
  }
}

function toEntry(actionId: string, record: readonly unknown[]): AuditEntry {
  const [namespace, actor, action, subjects, reason, outcome, atMs] = asList(record)
  if (typeof actor !== 'string' || typeof action !== 'string' || typeof atMs !== 'number') {
    throw unreadable(`action ${actionId}`)
  }
  return {
    actionId,
    namespace: namespace === false ? null : (namespace as Namespace),
    actor,
    action,
    subjects: asList(subjects as readonly string[]),
    reason: reason === false ? null : String(reason),
    outcome: outcome === false ? null : String(outcome),
    atMs,
  }
}
