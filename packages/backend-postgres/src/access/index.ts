import {
  type AccessOperations,
  type ApiToken,
  checkListTokens,
  checkPutAccess,
  checkRevokeToken,
  checkVerifyToken,
  engineError,
  judgeToken,
  limits,
  type Page,
  type PageRequest,
  type TokenId,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { getNamespace, listNamespaces, putNamespace } from './namespaces.js'
import { putToken } from './put-token.js'
import { type TokenRow, tokenColumns, toStoredToken, toToken } from './token-row.js'

/** API tokens, and namespaces that were put. */
export function createAccess(ctx: PostgresContext): AccessOperations {
  return {
    async put(params) {
      checkPutAccess(params)
      const outcome =
        params.kind === 'token'
          ? await putToken(ctx, params.token, params.hash)
          : await putNamespace(ctx, params.namespace)
      return { outcome }
    },
    listTokens: (params) => listTokens(ctx, params),
    listNamespaces: (params) => listNamespaces(ctx, params),
    getNamespace: (params) => getNamespace(ctx, params),
    revoke: (params) => revokeToken(ctx, params),

    async verify(params) {
      checkVerifyToken(params)
      const [row] = await ctx.db.query<TokenRow & { readonly now: number }>(
        `select ${tokenColumns}, ff.now_ms() as now from ff.api_token where id = $1`,
        [params.tokenId],
      )
      return judgeToken(row && toStoredToken(row), params.hash, row?.now ?? 0)
    },
  }
}

async function listTokens(ctx: PostgresContext, params: PageRequest): Promise<Page<ApiToken>> {
  const after = checkListTokens(params)
  const limit = params.limit ?? limits.pageSizeDefault
  const rows = await ctx.db.query<TokenRow>(
    `select ${tokenColumns} from ff.api_token where $1::uuid is null or id > $1 order by id limit $2`,
    [after ?? null, limit + 1],
  )
  const page = rows.slice(0, limit)
  return { items: page.map(toToken), nextCursor: rows.length > limit ? (page.at(-1)?.id ?? null) : null }
}

async function revokeToken(ctx: PostgresContext, params: { readonly tokenId: TokenId }) {
  checkRevokeToken(params)
  const { tokenId } = params
  return ctx.db.transaction(async (tx) => {
    const [known] = await tx.query<{ revoked_at: number | null }>(
      'select revoked_at from ff.api_token where id = $1 for update',
      [tokenId],
    )
    if (known === undefined) throw engineError('token_not_found', `There is no token ${tokenId}`)
    if (known.revoked_at !== null) return { outcome: 'already_revoked' as const }
    await tx.query('update ff.api_token set revoked_at = ff.now_ms() where id = $1', [tokenId])
    return { outcome: 'revoked' as const }
  })
}
