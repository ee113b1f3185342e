import { createHash, timingSafeEqual } from 'node:crypto'
import { type AccessOperations, type PresentedApiToken, readApiToken } from '@flowfabric/core'
import { type Grant, grantOf, ownersGrant } from './grant.js'

/** Tells what a presented token allows; nothing for one that is not, or not any more. */
export interface Credentials {
  check(presented: string): Promise<Grant | undefined>
}

/** For so long an answer of the store is good: a token that is revoked is taken for at most so much longer. */
export const grantGoodMs = 2_000
const GRANTS_MAX = 10_000

interface KnownGrant {
  readonly grant: Promise<Grant | undefined>
  readonly untilMs: number
}

/**
 * The configured token, and those that the store keeps. What the store said of one is remembered for a moment, so that
 * a request of a known token costs no call, by its digest: the token itself is not kept.
 */
export function createCredentials(access: AccessOperations, configuredToken: string): Credentials {
  const expected = digestOf(configuredToken)
  const known = new Map<string, KnownGrant>()

  const ask = async (read: PresentedApiToken): Promise<Grant | undefined> => {
    const answer = await access.verify(read)
    return answer.outcome === 'verified' ? grantOf(answer.token) : undefined
  }

  return {
    async check(presented) {
      const digest = digestOf(presented)
      // Digests have one length whatever was sent, and are compared in constant time.
      if (timingSafeEqual(digest, expected)) return ownersGrant
      const key = digest.toString('base64')
      const remembered = known.get(key)
      if (remembered !== undefined && performance.now() < remembered.untilMs) return remembered.grant
      const read = readApiToken(presented)
      // What never was a token takes no place from those that are.
      if (read === undefined) return undefined
      const grant = ask(read)
      known.delete(key)
      known.set(key, { grant, untilMs: performance.now() + grantGoodMs })
      const [oldest] = known.keys()
      if (known.size > GRANTS_MAX && oldest !== undefined) known.delete(oldest)
      try {
        return await grant
      } catch (error) {
        known.delete(key)
        throw error
      }
    },
  }
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
