import { timingSafeEqual } from 'node:crypto'
import type { Waitpoint } from '../contract/suspensions.js'
import { limits } from '../limits.js'
import type { Namespace } from '../names.js'
import { checkText, invalidParam } from '../validation/fields.js'
import type { SigningSecret } from './signing-secret.js'

/**
 * What a waitpoint's token speaks of. All of it is in the waitpoint's record, so that verifying needs no more than that;
 * only the source travels in the token, if one was bound to it.
 */
export interface SignedWaitpoint
  extends Pick<Waitpoint, 'id' | 'executionId' | 'createdAtMs' | 'expiresAtMs'> {
  readonly namespace: Namespace
}

/** A token taken apart; nothing of it has been verified. */
export interface ReadToken {
  readonly keyId: string
  readonly source: string | null
  readonly mac: string
}

/** 64 characters of an id, 342 of a source of 256 bytes, 43 of the signature, and the points between them. */
export const waitpointTokenCharsMax = 451

/** `<key id>.<signature>`, or `<key id>.<source>.<signature>`; source and signature are base64url. Throws `invalid_params`. */
export function writeWaitpointToken(
  secret: SigningSecret,
  waitpoint: SignedWaitpoint,
  source: string | null,
): string {
  const mac = signWaitpoint(secret, waitpoint, source)
  if (source === null) return `${secret.keyId}.${mac}`
  checkText(source, 'source', limits.tokenSourceBytesMax, 1)
  const encoded = Buffer.from(source, 'utf8')
  if (encoded.toString('utf8') !== source) throw invalidParam('source', 'must be well-formed Unicode')
  return `${secret.keyId}.${encoded.toString('base64url')}.${mac}`
}

/** The parts of what may be a token; nothing for what is none. */
export function readWaitpointToken(token: string): ReadToken | undefined {
  if (typeof token !== 'string' || token.length > waitpointTokenCharsMax) return undefined
  const parts = token.split('.')
  const [keyId = '', middle = '', last = ''] = parts
  if (parts.length === 2) return { keyId, source: null, mac: middle }
  if (parts.length !== 3 || middle === '') return undefined
  const bytes = Buffer.from(middle, 'base64url')
  const source = bytes.toString('utf8')
  // What decodes to the same but is written otherwise was not written here.
  if (Buffer.from(source, 'utf8').toString('base64url') !== middle) return undefined
  return { keyId, source, mac: last }
}

/** Whether the signature is the secret's, over this waitpoint and the source that the token carries. In constant time. */
export function isSignedBy(secret: SigningSecret, waitpoint: SignedWaitpoint, token: ReadToken): boolean {
  const expected = Buffer.from(signWaitpoint(secret, waitpoint, token.source), 'latin1')
  const presented = Buffer.from(token.mac, 'utf8')
  return presented.length === expected.length && timingSafeEqual(presented, expected)
}

function signWaitpoint(secret: SigningSecret, waitpoint: SignedWaitpoint, source: string | null): string {
  const { id, namespace, executionId, createdAtMs, expiresAtMs } = waitpoint
  return secret
    .sign([
      'flowfabric.waitpoint.v1',
      secret.keyId,
      id,
      namespace,
      executionId,
      source,
      createdAtMs,
      expiresAtMs,
    ])
    .toString('base64url')
}
