import { createHmac } from 'node:crypto'
import { engineError } from '../errors/engine-error.js'
import { limits } from '../limits.js'
import { encodeFields } from './canonical.js'
import { isSigningKeyId, parseSigningKeyId } from './signing-key-id.js'

/**
 * The secret of a signing key, as a process was configured with it. It signs and tells nothing: neither JSON nor a log of
 * this object holds the secret.
 */
export class SigningSecret {
  readonly keyId: string
  /** Stored with the key: tells whether another process has the same secret. */
  readonly fingerprint: string
  readonly #secret: Buffer

  /** The secret's text is random; its bytes are those of its UTF-8. Throws `invalid_signing_key_id`, `invalid_configuration`. */
  constructor(keyId: string, secret: string) {
    this.keyId = parseSigningKeyId(keyId)
    this.#secret = Buffer.from(secret, 'utf8')
    const { signingSecretBytesMin: min, signingSecretBytesMax: max } = limits
    if (this.#secret.length < min || this.#secret.length > max) {
      throw engineError(
        'invalid_configuration',
        `The secret of signing key ${keyId} needs ${min}…${max} bytes`,
      )
    }
    this.fingerprint = this.sign(['flowfabric.signing-key.v1', keyId]).toString('hex')
  }

  /** HMAC-SHA256 over the fields. The first of them says what is signed, so that nothing stands for something else. */
  sign(fields: readonly [purpose: string, ...(string | number | null)[]]): Buffer {
    return createHmac('sha256', this.#secret).update(encodeFields(fields)).digest()
  }
}

/**
 * The secrets of a configuration: `<key id>:<secret>`, separated by commas, spaces or line breaks. Throws
 * `invalid_configuration` without telling what was read.
 */
export function parseSigningSecrets(text: string): readonly SigningSecret[] {
  const entries = text.split(/[\s,]+/).filter((entry) => entry !== '')
  const secrets = entries.map((entry, place) => {
    const colon = entry.indexOf(':')
    const keyId = entry.slice(0, Math.max(0, colon))
    // What stands where the id should be may be a secret.
    if (!isSigningKeyId(keyId)) {
      throw engineError(
        'invalid_configuration',
        `Signing keys are written <id>:<secret>; entry ${place + 1} is not`,
      )
    }
    return new SigningSecret(keyId, entry.slice(colon + 1))
  })
  const ids = new Set(secrets.map(({ keyId }) => keyId))
  if (ids.size < secrets.length) {
    throw engineError('invalid_configuration', 'Two signing keys have one id')
  }
  return secrets
}
