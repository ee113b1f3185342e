import type { SigningKey } from '../contract/keyring.js'
import { engineError } from '../errors/engine-error.js'
import type { WebhookId } from '../ids/index.js'
import type { Namespace } from '../names.js'
import type { SigningSecret } from './signing-secret.js'
import {
  isSignedBy,
  readWaitpointToken,
  type SignedWaitpoint,
  writeWaitpointToken,
} from './waitpoint-token.js'

export interface SigningKeyProblem {
  readonly keyId: string
  /** The process has no secret of this id, or one of another fingerprint. */
  readonly fault: 'no_secret' | 'other_secret'
}

export interface NamedWebhookSecret {
  readonly keyId: string
  readonly namespace: Namespace
  readonly webhookId: WebhookId
  readonly number: number
}

/** The keys that the store lists, with the secrets that this process has of them. Times are the store's. */
export class SigningKeys {
  readonly #keys: readonly SigningKey[]
  readonly #secrets: ReadonlyMap<string, SigningSecret>

  constructor(keys: readonly SigningKey[], secrets: readonly SigningSecret[]) {
    this.#keys = keys
    this.#secrets = new Map(secrets.map((secret) => [secret.keyId, secret]))
  }

  /** What keeps this process from verifying all tokens that are still good, or from signing. Empty: it is ready. */
  problemsAt(nowMs: number): readonly SigningKeyProblem[] {
    return this.#keys
      .filter((key) => isLive(key, nowMs))
      .flatMap((key): SigningKeyProblem[] => {
        if (this.#secretOf(key) !== undefined) return []
        return [{ keyId: key.keyId, fault: this.#secrets.has(key.keyId) ? 'other_secret' : 'no_secret' }]
      })
  }

  /** The key that signs: of those that began to sign and were not retired, the one that began last. */
  signerAt(nowMs: number): SigningKey | undefined {
    return this.#keys
      .filter(({ signsFromMs, retiredAtMs }) => signsFromMs <= nowMs && retiredAtMs === null)
      .toSorted((a, b) => b.signsFromMs - a.signsFromMs || (a.keyId < b.keyId ? 1 : -1))[0]
  }

  /**
   * The token of a waitpoint. A source that is bound to it becomes that of every signal that the token delivers.
   * Throws `signing_key_secret_missing`, `invalid_params`.
   */
  mint(waitpoint: SignedWaitpoint, nowMs: number, source: string | null = null): string {
    const key = this.signerAt(nowMs)
    const secret = key && this.#secretOf(key)
    if (secret === undefined) {
      throw engineError(
        'signing_key_secret_missing',
        key === undefined
          ? 'No signing key is in force'
          : `The secret of signing key ${key.keyId} is missing`,
      )
    }
    return writeWaitpointToken(secret, waitpoint, source)
  }

  /**
   * Whether the token is this waitpoint's and still good, and which source it binds. What is malformed, forged, expired,
   * another waitpoint's, or of an unknown or retired key is `undefined` alike.
   */
  verify(
    token: string,
    waitpoint: SignedWaitpoint,
    nowMs: number,
  ): { readonly source: string | null } | undefined {
    const read = readWaitpointToken(token)
    const key = read && this.#keys.find(({ keyId }) => keyId === read.keyId)
    if (read === undefined || key === undefined || !isLive(key, nowMs)) return undefined
    const secret = this.#secretOf(key)
    if (secret === undefined || !isSignedBy(secret, waitpoint, read)) return undefined
    const { expiresAtMs } = waitpoint
    return expiresAtMs !== null && expiresAtMs <= nowMs ? undefined : { source: read.source }
  }

  /** Whether the process has the secret that the key was recorded with. */
  canSign(keyId: string): boolean {
    const key = this.#keys.find((each) => each.keyId === keyId)
    return key !== undefined && this.#secretOf(key) !== undefined
  }

  /**
   * The secret of a webhook, which follows from the key's, the webhook and a number: no store keeps it. Also of a key that was
   * retired, for as long as the process has its secret. `undefined`: it has not.
   */
  webhookSecret({ keyId, namespace, webhookId, number }: NamedWebhookSecret): Buffer | undefined {
    const key = this.#keys.find((each) => each.keyId === keyId)
    return (
      key && this.#secretOf(key)?.sign(['flowfabric.webhook-secret.v1', keyId, namespace, webhookId, number])
    )
  }

  /** Only the secret that the key was recorded with. */
  #secretOf({ keyId, fingerprint }: SigningKey): SigningSecret | undefined {
    const secret = this.#secrets.get(keyId)
    return secret?.fingerprint === fingerprint ? secret : undefined
  }
}

/** Whether what it signed may still count. */
function isLive({ verifiesUntilMs }: SigningKey, nowMs: number): boolean {
  return verifiesUntilMs === null || verifiesUntilMs > nowMs
}
