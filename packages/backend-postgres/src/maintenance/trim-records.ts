import { limits } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'

/** Tokens that ended long ago. Answers how many. */
export async function trimTokens(ctx: PostgresContext, max: number): Promise<number> {
  const rows = await ctx.db.call<{ id: string }>(
    `delete from ff.api_token where id in (
       select id from ff.api_token
       where (expires_at is not null or revoked_at is not null)
         and least(expires_at, revoked_at) <= ff.now_ms() - $1::bigint
       order by least(expires_at, revoked_at) limit $2 for update skip locked)
     returning id`,
    [limits.tokenKeptMs, max],
  )
  return rows.length
}

/** Old entries of the audit log. Answers how many. */
export async function trimAudit(ctx: PostgresContext, max: number): Promise<number> {
  const rows = await ctx.db.call<{ action_id: string }>(
    `delete from ff.audit_entry where action_id in (
       select action_id from ff.audit_entry where at <= ff.now_ms() - $1::bigint
       order by at limit $2 for update skip locked)
     returning action_id`,
    [limits.auditAgeMsMax, max],
  )
  return rows.length
}
