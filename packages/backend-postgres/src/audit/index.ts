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
import type { PostgresContext } from '../db/context.js'

interface AuditRow {
  readonly action_id: string
  readonly at: number
  readonly namespace: Namespace | null
  readonly actor: string
  readonly action: string
  readonly subjects: readonly string[]
  readonly reason: string | null
  readonly outcome: string | null
}

/** The actions of operators. */
export function createAudit(ctx: PostgresContext): AuditOperations {
  return {
    append: (params) => appendEntry(ctx, params),
    list: (params) => listEntries(ctx, params),
  }
}

async function appendEntry(ctx: PostgresContext, params: AppendAudit) {
  checkAppendAudit(params)
  const { actionId, namespace, actor, action, subjects, reason, outcome } = params
  // A row that was inserted just now has no old version, which is how the two are told apart.
  const [row] = await ctx.db.call<{ is_new: boolean }>(
    `insert into ff.audit_entry (action_id, at, namespace, actor, action, subjects, reason, outcome)
       values ($1, ff.now_ms(), $2, $3, $4, $5, $6, $7)
     on conflict (action_id) do update set outcome = excluded.outcome
       where audit_entry.outcome is null and excluded.outcome is not null
     returning xmax = 0 as is_new`,
    [actionId, namespace, actor, action, subjects, reason, outcome],
  )
  if (row === undefined) return { outcome: 'duplicate' as const }
  return { outcome: row.is_new ? ('appended' as const) : ('completed' as const) }
}

async function listEntries(ctx: PostgresContext, params: ListAudit): Promise<Page<AuditEntry>> {
  const after = checkListAudit(params)
  const limit = params.limit ?? limits.pageSizeDefault
  const rows = await ctx.db.query<AuditRow>(
    `select action_id, at, namespace, actor, action, subjects, reason, outcome from ff.audit_entry
     where ($1::bigint is null or (at, action_id) < ($1, $2::uuid)) and ($3::text is null or namespace = $3)
       and ($4::text is null or actor = $4) and ($5::text is null or $5 = any (subjects))
     order by at desc, action_id desc limit $6`,
    [
      after?.atMs ?? null,
      after?.actionId ?? null,
      params.namespace ?? null,
      params.actor ?? null,
      params.subject ?? null,
      limit + 1,
    ],
  )
  const items = rows.slice(0, limit).map(toEntry)
  const last = items.at(-1)
  return { items, nextCursor: last === undefined || rows.length <= limit ? null : writeAuditCursor(last) }
}

function toEntry(row: AuditRow): AuditEntry {
  return {
    actionId: row.action_id,
    namespace: row.namespace,
    actor: row.actor,
    action: row.action,
    subjects: row.subjects,
    reason: row.reason,
    outcome: row.outcome,
    atMs: row.at,
  }
}
