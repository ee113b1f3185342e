import type { NewApiToken, StoredApiToken, TokenId } from '@flowfabric/core'
import { asList } from '../library/as-list.js'
import { unreadable } from '../library/unreadable.js'

/** What is not set. */
export const UNSET = -1

type Told = Pick<NewApiToken, 'label' | 'scopes' | 'namespaces' | 'lanes'>

/** What a token may do, as it is stored: the same text for the same token. */
export function writeToken({ label, scopes, namespaces, lanes }: NewApiToken): string {
  return JSON.stringify({ label, scopes, namespaces, lanes } satisfies Told)
}

/** A token as it is stored. Throws `corruption`. */
export function readStoredToken(id: string, record: readonly unknown[]): StoredApiToken {
  const [hash, text, createdAtMs, expiresAtMs, revokedAtMs] = asList(record)
  if (
    typeof hash !== 'string' ||
    typeof createdAtMs !== 'number' ||
    typeof expiresAtMs !== 'number' ||
    typeof revokedAtMs !== 'number'
  ) {
    throw unreadable(`token ${id}`)
  }
  const token = {
    id: id as TokenId,
    ...readTold(id, text),
    createdAtMs,
    expiresAtMs: expiresAtMs === UNSET ? null : expiresAtMs,
    revokedAtMs: revokedAtMs === UNSET ? null : revokedAtMs,
  }
  return { token, hash }
}

function readTold(id: string, text: unknown): Told {
  try {
    const told = JSON.parse(String(text)) as Told
    if (typeof told === 'object' && told !== null && Array.isArray(told.scopes)) return told
  } catch {
    // Told below.
  }
  throw unreadable(`token ${id}`)
}
