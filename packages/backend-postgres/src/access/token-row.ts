import type { ApiToken, LaneId, Namespace, StoredApiToken, TokenId, TokenScope } from '@flowfabric/core'

/** What `tokenColumns` select. */
export interface TokenRow {
  readonly id: TokenId
  readonly hash: string
  readonly label: string
  readonly scopes: readonly TokenScope[]
  readonly namespaces: readonly Namespace[] | null
  readonly lanes: readonly LaneId[] | null
  readonly created_at: number
  readonly expires_at: number | null
  readonly revoked_at: number | null
}

/** Of `api_token`. */
export const tokenColumns = 'id, hash, label, scopes, namespaces, lanes, created_at, expires_at, revoked_at'

export function toToken(row: TokenRow): ApiToken {
  return {
    id: row.id,
    label: row.label,
    scopes: row.scopes,
    namespaces: row.namespaces,
    lanes: row.lanes,
    createdAtMs: row.created_at,
    expiresAtMs: row.expires_at,
    revokedAtMs: row.revoked_at,
  }
}

export function toStoredToken(row: TokenRow): StoredApiToken {
  return { token: toToken(row), hash: row.hash }
}
