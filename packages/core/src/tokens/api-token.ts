import { hash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { ApiToken, NewApiToken, VerifyTokenOutcome } from '../contract/access.js'
import { tokenScopes } from '../contract/access.js'
import { mintTokenId, parseTokenId, type TokenId } from '../ids/index.js'

/** A token that was minted just now: its text is shown to whoever asked for it, and only its hash is kept. */
export interface MintedApiToken {
  readonly id: TokenId
  readonly text: string
  readonly hash: string
}

/** What a presented token says: what `access.verify` takes. */
export interface PresentedApiToken {
  readonly tokenId: TokenId
  readonly hash: string
}

/** A token as a store keeps it. */
export interface StoredApiToken {
  readonly token: ApiToken
  readonly hash: string
}

/** `ff_<token id>_<32 random bytes as base64url>`. */
const PATTERN = /^ff_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})_([A-Za-z0-9_-]{43})$/
const SECRET_BYTES = 32

export function mintApiToken(): MintedApiToken {
  const id = mintTokenId()
  const secret = randomBytes(SECRET_BYTES).toString('base64url')
  return { id, text: `ff_${id}_${secret}`, hash: hashTokenSecret(secret) }
}

/** Nothing for a text that was never minted as a token. */
export function readApiToken(text: string): PresentedApiToken | undefined {
  const [, id, secret] = PATTERN.exec(text) ?? []
  if (id === undefined || secret === undefined) return undefined
  return { tokenId: parseTokenId(id), hash: hashTokenSecret(secret) }
}

/**
 * SHA-256 in hex. A slow hash is for what people think up; of 256 random bits nobody finds the one that belongs to a hash,
 * however fast he may try.
 */
export function hashTokenSecret(secret: string): string {
  return hash('sha256', secret, 'hex')
}

/** What is answered to whoever presents this hash: unknown, wrong, revoked and expired are one. */
export function judgeToken(
  stored: StoredApiToken | undefined,
  presented: string,
  nowMs: number,
): VerifyTokenOutcome {
  const isSame = hashesMatch(stored?.hash ?? NO_HASH, presented)
  if (stored === undefined || !isSame) return { outcome: 'unauthorized' }
  const { revokedAtMs, expiresAtMs } = stored.token
  const isOver = revokedAtMs !== null || (expiresAtMs !== null && expiresAtMs <= nowMs)
  return isOver ? { outcome: 'unauthorized' } : { outcome: 'verified', token: stored.token }
}

/** Whether two hashes are the same text, in constant time. */
export function hashesMatch(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one, 'utf8'), Buffer.from(other, 'utf8')]
  return a.length === b.length && timingSafeEqual(a, b)
}

/** No secret has it as far as anybody knows. */
const NO_HASH = '0'.repeat(64)

/** The same for whoever means the same: sets in one order, without repeats. */
export function normaliseToken(token: NewApiToken): NewApiToken {
  return {
    id: token.id,
    label: token.label,
    scopes: tokenScopes.filter((scope) => token.scopes.includes(scope)),
    namespaces: token.namespaces && sortedSet(token.namespaces),
    lanes: token.lanes && sortedSet(token.lanes),
    expiresAtMs: token.expiresAtMs,
  }
}

function sortedSet<Name extends string>(names: readonly Name[]): readonly Name[] {
  return [...new Set(names)].sort()
}
