import { cutText } from '../errors/cut-text.js'
import { engineError } from '../errors/engine-error.js'

const PATTERN = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/

/** The id of a signing key as it stands in tokens: `[A-Za-z0-9][A-Za-z0-9_-]{0,63}`. Throws `invalid_signing_key_id`. */
export function parseSigningKeyId(text: string): string {
  if (isSigningKeyId(text)) return text
  const value = cutText(text)
  const fault = typeof text === 'string' ? 'bad_character' : 'not_a_text'
  throw engineError('invalid_signing_key_id', `Not the id of a signing key: ${value}`, {
    idKind: 'signing_key',
    fault,
    value,
  })
}

export function isSigningKeyId(value: unknown): value is string {
  return typeof value === 'string' && PATTERN.test(value)
}
