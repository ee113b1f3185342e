/**
 * Signing keys of waitpoint tokens: their ids and times. Secrets come from the configuration of each process and never
 * into a store; `SigningKeys` joins the two.
 */
export interface KeyringOperations {
  /** All keys that ever were, by `signsFromMs`, then by id. One round trip. */
  list(): Promise<{ readonly outcome: 'listed'; readonly keys: readonly SigningKey[] }>

  /**
   * Record a key. Its id is used once for ever: the same fingerprint under it is a `duplicate`, answered with what is
   * recorded, also after the key was retired. Atomic, idempotent by id and fingerprint. Throws `signing_key_reused`,
   * `too_many_records`, `invalid_signing_key_id`.
   */
  add(params: AddSigningKey): Promise<{ readonly outcome: 'added' | 'duplicate'; readonly key: SigningKey }>

  /**
   * Sign nothing new with it from now on; verify until `verifyUntilMs`. For ever: a repeat can only bring the end of
   * verifying nearer. Atomic, idempotent. Throws `signing_key_not_found`, `invalid_signing_key_id`.
   */
  retire(params: RetireSigningKey): Promise<{ readonly outcome: 'retired'; readonly key: SigningKey }>
}

export interface SigningKey {
  readonly keyId: string
  /** Tells whether a process has the right secret, without telling the secret: see `fingerprintOf`. */
  readonly fingerprint: string
  readonly signsFromMs: number
  readonly retiredAtMs: number | null
  /** From then on nothing that it signed counts; `null` as long as it is not retired. */
  readonly verifiesUntilMs: number | null
}

export interface AddSigningKey {
  /** `[A-Za-z0-9][A-Za-z0-9_-]{0,63}`. */
  readonly keyId: string
  /** 64 hexadecimal digits. */
  readonly fingerprint: string
  /** Default: now. Later, when every process is to have the secret before the first token is signed. */
  readonly signsFromMs?: number | undefined
}

export interface RetireSigningKey {
  readonly keyId: string
  readonly verifyUntilMs: number
}
