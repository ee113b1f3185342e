import {
  engineError,
  hashesMatch,
  limits,
  type NewApiToken,
  normaliseToken,
  tooManyRecords,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { Executor } from '../db/database.js'
import { type TokenRow, tokenColumns } from './token-row.js'

/** Creates a token, or changes what it may do. */
export function putToken(
  ctx: PostgresContext,
  asked: NewApiToken,
  hash: string,
): Promise<'created' | 'changed' | 'unchanged'> {
  const token = normaliseToken(asked)
  return ctx.db.transaction(async (tx) => {
    if (await insertToken(tx, token, hash)) return 'created'
    const [row] = await tx.query<TokenRow>(
      `select ${tokenColumns} from ff.api_token where id = $1 for update`,
      [token.id],
    )
    if (row === undefined) throw tooManyRecords('tokens')
    if (!hashesMatch(row.hash, hash)) throw engineError('token_conflict', `The id ${token.id} is taken`)
    if (row.revoked_at !== null) throw engineError('token_revoked', `Token ${token.id} was revoked`)
    return (await changeToken(tx, token)) ? 'changed' : 'unchanged'
  })
}

async function insertToken(tx: Executor, token: NewApiToken, hash: string): Promise<boolean> {
  const rows = await tx.query<{ id: string }>(
    `insert into ff.api_token (id, hash, label, scopes, namespaces, lanes, expires_at, created_at)
       select $1, $2, $3, $4, $5, $6, $7, ff.now_ms() where (select count(*) from ff.api_token) < $8::integer
     on conflict (id) do nothing returning id`,
    [
      token.id,
      hash,
      token.label,
      token.scopes,
      token.namespaces,
      token.lanes,
      token.expiresAtMs,
      limits.recordsMax,
    ],
  )
  return rows.length > 0
}

async function changeToken(tx: Executor, token: NewApiToken): Promise<boolean> {
  const rows = await tx.query<{ id: string }>(
    `update ff.api_token set label = $2, scopes = $3, namespaces = $4, lanes = $5, expires_at = $6
     where id = $1
       and (label, scopes, namespaces, lanes, expires_at) is distinct from ($2, $3::text[], $4::text[], $5::text[], $6::bigint)
     returning id`,
    [token.id, token.label, token.scopes, token.namespaces, token.lanes, token.expiresAtMs],
  )
  return rows.length > 0
}
