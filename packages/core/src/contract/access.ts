import type { TokenId } from '../ids/index.js'
import type { LaneId, Namespace } from '../names.js'
import type { Page, PageRequest, Scoped } from './conventions.js'

/**
 * API tokens and namespaces. They are kept here and enforced by whoever serves callers that present a token; who has the
 * store itself needs none.
 */
export interface AccessOperations {
  /**
   * Create or change a token or a namespace. Atomic, idempotent by id or name: what is so already is `unchanged`. A token
   * keeps its hash for life, and a revoked one cannot be changed. Throws `token_conflict`, `token_revoked`,
   * `too_many_records`.
   */
  put(params: PutAccess): Promise<{ readonly outcome: 'created' | 'changed' | 'unchanged' }>

  /** By id, which is by age. Revoked and expired ones are listed for 30 days, until `trimRetention` removes them. */
  listTokens(params: PageRequest): Promise<Page<ApiToken>>

  /** Those that were put, by name. */
  listNamespaces(params: PageRequest): Promise<Page<NamespaceRecord>>

  /** A namespace as it was put, or as one that never was: it exists from its first use. One round trip. */
  getNamespace(params: Scoped): Promise<{ readonly outcome: 'found'; readonly namespace: NamespaceRecord }>

  /** It verifies no more. Atomic, idempotent. Throws `token_not_found`. */
  revoke(params: { readonly tokenId: TokenId }): Promise<{ readonly outcome: 'revoked' | 'already_revoked' }>

  /**
   * What a presented token may do. Hashes are compared in constant time; an unknown id, a wrong hash, a revoked and an
   * expired token are one answer. One round trip.
   */
  verify(params: VerifyToken): Promise<VerifyTokenOutcome>
}

export const tokenScopes = ['submit', 'work', 'read', 'operate', 'admin'] as const
/** What a token may be used for. None implies another. `admin` is for tokens of all namespaces and lanes alone. */
export type TokenScope = (typeof tokenScopes)[number]

export interface ApiToken {
  readonly id: TokenId
  /** For people. */
  readonly label: string
  readonly scopes: readonly TokenScope[]
  /** `null`: all. */
  readonly namespaces: readonly Namespace[] | null
  /** Which lanes it may claim from; `null`: all of its namespaces. */
  readonly lanes: readonly LaneId[] | null
  readonly createdAtMs: number
  readonly expiresAtMs: number | null
  readonly revokedAtMs: number | null
}

export interface NamespaceRecord {
  readonly namespace: Namespace
  /** For people. */
  readonly label: string
  /** Whether servers take new executions and flows for it (default `true`). What was accepted goes on. */
  readonly accepting: boolean
}

export type NewApiToken = Omit<ApiToken, 'createdAtMs' | 'revokedAtMs'>

export type PutAccess =
  /** `hash` is that of the secret part, see `hashTokenSecret`; the secret itself is shown once, by whoever minted it. */
  | { readonly kind: 'token'; readonly token: NewApiToken; readonly hash: string }
  | { readonly kind: 'namespace'; readonly namespace: NamespaceRecord }

export interface VerifyToken {
  readonly tokenId: TokenId
  readonly hash: string
}

export type VerifyTokenOutcome =
  | { readonly outcome: 'verified'; readonly token: ApiToken }
  | { readonly outcome: 'unauthorized' }
