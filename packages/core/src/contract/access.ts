import type { TokenId } from '../ids/index.js'
import type { LaneId, Namespace } from '../names.js'
import type { Page, PageRequest } from './conventions.js'

/** Signing keys of waitpoint tokens: their ids and times. Secrets come from configuration, never into a store. */
export interface KeyringOperations {
  list(): Promise<{ readonly outcome: 'listed'; readonly keys: readonly SigningKey[] }>

  /** A key id is used once for ever. Atomic, idempotent by id and fingerprint. Throws `signing_key_reused`. */
  add(params: AddSigningKey): Promise<{ readonly outcome: 'added' | 'duplicate'; readonly key: SigningKey }>

  /** Sign nothing new with it now; verify until `verifyUntilMs`. Atomic, idempotent. Throws `signing_key_not_found`. */
  retire(params: {
    readonly keyId: string
    readonly verifyUntilMs: number
  }): Promise<{ readonly outcome: 'retired'; readonly key: SigningKey }>
}

export interface SigningKey {
  readonly keyId: string
  /** Tells whether a process has the right secret, without telling the secret. */
  readonly fingerprint: string
  readonly signsFromMs: number
  readonly retiredAtMs: number | null
  readonly verifiesUntilMs: number | null
}

export interface AddSigningKey {
  readonly keyId: string
  readonly fingerprint: string
  readonly signsFromMs?: number | undefined
}

/** API tokens and namespaces. */
export interface AccessOperations {
  /** Create or change a token or a namespace. Idempotent by id or name. */
  put(params: PutAccess): Promise<{ readonly outcome: 'created' | 'changed' }>

  listTokens(params: PageRequest): Promise<Page<ApiToken>>

  listNamespaces(params: PageRequest): Promise<Page<NamespaceRecord>>

  /** It verifies no more. Atomic, idempotent. Throws `token_not_found`. */
  revoke(params: { readonly tokenId: TokenId }): Promise<{ readonly outcome: 'revoked' | 'already_revoked' }>

  /** What a presented token may do. The caller compares in constant time; a wrong hash and an unknown id are one answer. */
  verify(params: { readonly tokenId: TokenId; readonly hash: string }): Promise<VerifyTokenOutcome>
}

export const tokenScopes = ['submit', 'work', 'read', 'operate', 'admin'] as const
export type TokenScope = (typeof tokenScopes)[number]

export interface ApiToken {
  readonly id: TokenId
  readonly label: string
  readonly scopes: readonly TokenScope[]
  /** `null`: all. */
  readonly namespaces: readonly Namespace[] | null
  /** `null`: all of its namespaces. */
  readonly lanes: readonly LaneId[] | null
  readonly createdAtMs: number
  readonly expiresAtMs: number | null
  readonly revokedAtMs: number | null
}

export interface NamespaceRecord {
  readonly namespace: Namespace
  readonly label: string
  /** Whether it takes new work. */
  readonly accepting: boolean
}

export type PutAccess =
  /** `hash` is of the secret part; the secret itself is shown once, by whoever minted it. */
  | {
      readonly kind: 'token'
      readonly token: Omit<ApiToken, 'createdAtMs' | 'revokedAtMs'>
      readonly hash: string
    }
  | { readonly kind: 'namespace'; readonly namespace: NamespaceRecord }

export type VerifyTokenOutcome =
  | { readonly outcome: 'verified'; readonly token: ApiToken }
  | { readonly outcome: 'unauthorized' }

/** Who did what, and why: the actions of operators. Kept a year by default. */
export interface AuditOperations {
  /** Idempotent by `actionId`. */
  append(params: AuditEntry): Promise<{ readonly outcome: 'appended' | 'duplicate' }>

  /** Newest first. */
  list(params: ListAudit): Promise<Page<AuditEntry>>
}

export interface AuditEntry {
  readonly actionId: string
  readonly namespace: Namespace | null
  /** The credential's subject. */
  readonly actor: string
  /** The operation, such as `executions.cancel`. */
  readonly action: string
  /** Ids of what it was done to. */
  readonly subjects: readonly string[]
  readonly reason: string | null
  readonly outcome: string
  readonly atMs: number
}

export interface ListAudit extends PageRequest {
  readonly namespace?: Namespace | undefined
  readonly actor?: string | undefined
  readonly subject?: string | undefined
}
