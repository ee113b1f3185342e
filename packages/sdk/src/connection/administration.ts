import type {
  ApiToken,
  AuditEntry,
  KeyringOperations,
  ListAudit,
  NamespaceRecord,
  Page,
  PageRequest,
} from '@flowfabric/core'
import type {
  AddConfiguredKey,
  CreatedToken,
  CreateToken,
  PutNamespace,
  RevokeToken,
} from '@flowfabric/core/wire'

/** What a server offers to whom it gave the scope `admin`. */
export interface Administration {
  readonly keyring: {
    list(): ReturnType<KeyringOperations['list']>
    /** The server fills in the fingerprint of a secret that it has. */
    add(params: AddConfiguredKey): ReturnType<KeyringOperations['add']>
    retire(
      params: Parameters<KeyringOperations['retire']>[0] & { readonly reason?: string | undefined },
    ): ReturnType<KeyringOperations['retire']>
  }
  readonly tokens: {
    /** The answer holds the token's text, which is told this once. Not idempotent: a repeat mints another token. */
    create(params: CreateToken): Promise<CreatedToken>
    list(params: PageRequest): Promise<Page<ApiToken>>
    revoke(params: RevokeToken): Promise<{ readonly outcome: 'revoked' | 'already_revoked' }>
  }
  readonly namespaces: {
    put(params: PutNamespace): Promise<{ readonly outcome: 'created' | 'changed' | 'unchanged' }>
    list(params: PageRequest): Promise<Page<NamespaceRecord>>
  }
  readonly audit: {
    list(params: ListAudit): Promise<Page<AuditEntry>>
  }
}
