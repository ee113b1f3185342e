import {
  type ApiToken,
  checkListTokens,
  checkRevokeToken,
  checkVerifyToken,
  engineError,
  judgeToken,
  limits,
  type NewApiToken,
  normaliseToken,
  type Page,
  type PageRequest,
  type TokenId,
  tooManyRecords,
  type VerifyToken,
  type VerifyTokenOutcome,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { homeTag } from '../maintenance/prepare.js'
import { readStoredToken, UNSET, writeToken } from './stored-token.js'

/** Creates a token, or changes what it may do. */
export async function putToken(
  ctx: ValkeyContext,
  asked: NewApiToken,
  hash: string,
): Promise<'created' | 'changed' | 'unchanged'> {
  const token = normaliseToken(asked)
  const { reply } = await ctx.invoke({
    name: 'access_put_token',
    tag: homeTag,
    args: [token.id, hash, writeToken(token), token.expiresAtMs ?? UNSET],
  })
  switch (reply) {
    case 'full':
      throw tooManyRecords('tokens')
    case 'conflict':
      throw engineError('token_conflict', `The id ${token.id} is taken`)
    case 'revoked':
      throw engineError('token_revoked', `Token ${token.id} was revoked`)
    default:
      return reply as 'created' | 'changed' | 'unchanged'
  }
}

export async function listTokens(ctx: ValkeyContext, params: PageRequest): Promise<Page<ApiToken>> {
  const after = checkListTokens(params)
  const { reply } = await ctx.invoke({
    name: 'access_list_tokens',
    tag: homeTag,
    args: [after ?? '', params.limit ?? limits.pageSizeDefault],
  })
  const [records, more] = reply
  const items = asList(records).map(([id, record]) => readStoredToken(id, record).token)
  return { items, nextCursor: more ? (items.at(-1)?.id ?? null) : null }
}

export async function revokeToken(
  ctx: ValkeyContext,
  params: { readonly tokenId: TokenId },
): Promise<{ readonly outcome: 'revoked' | 'already_revoked' }> {
  checkRevokeToken(params)
  const { tokenId } = params
  const { reply } = await ctx.invoke({ name: 'access_revoke', tag: homeTag, args: [tokenId] })
  if (reply === 'none') throw engineError('token_not_found', `There is no token ${tokenId}`)
  return { outcome: reply as 'revoked' | 'already_revoked' }
}

export async function verifyToken(ctx: ValkeyContext, params: VerifyToken): Promise<VerifyTokenOutcome> {
  checkVerifyToken(params)
  const { tokenId, hash } = params
  const { reply, news } = await ctx.invoke({ name: 'access_get_token', tag: homeTag, args: [tokenId] })
  const record = asList(reply)
  const stored = record.length === 0 ? undefined : readStoredToken(tokenId, record)
  return judgeToken(stored, hash, news.nowMs)
}
