import {
  engineError,
  type KeyringOperations,
  type MaintenanceOperations,
  type SigningKey,
  SigningKeys,
  type SigningSecret,
} from '@flowfabric/core'
import type { Clock } from '../clock.js'

/** The signing keys of waitpoint tokens as this process can use them. */
export interface Signing {
  /** The keys with this process's secrets, and the store's time as far as is known. Read from the store once in 2 s at most. */
  current(): Promise<SigningView>
  /** The fingerprint of a secret of this process. Throws `signing_key_secret_missing`. */
  fingerprintOf(keyId: string): string
  /** Forgets what was read, so that a change made here counts at once. */
  refresh(): void
}

export interface SigningView {
  readonly keys: SigningKeys
  readonly nowMs: number
}

export interface SigningParts {
  readonly keyring: KeyringOperations
  readonly maintenance: Pick<MaintenanceOperations, 'serverTimeMs'>
  readonly secrets: readonly SigningSecret[]
  readonly clock: Clock
}

/** For how long a list of keys is good: a key that was added or retired elsewhere counts here so much later. */
const GOOD_MS = 2_000

interface Reading {
  readonly atMs: number
  readonly storeNowMs: number
  readonly keys: readonly SigningKey[]
}

export function createSigning({ keyring, maintenance, secrets, clock }: SigningParts): Signing {
  let reading: Promise<Reading> | undefined
  let readAtMs = Number.NEGATIVE_INFINITY

  const read = async (): Promise<Reading> => {
    const [{ keys }, storeNowMs] = await Promise.all([keyring.list(), maintenance.serverTimeMs()])
    return { keys, storeNowMs, atMs: clock.nowMs() }
  }

  const refresh = () => {
    reading = undefined
  }

  return {
    refresh,
    fingerprintOf(keyId) {
      const secret = secrets.find((each) => each.keyId === keyId)
      if (secret !== undefined) return secret.fingerprint
      throw engineError(
        'signing_key_secret_missing',
        `This process has no secret of signing key ${keyId}, and so no fingerprint of it`,
      )
    },
    async current() {
      if (reading === undefined || clock.nowMs() - readAtMs >= GOOD_MS) {
        readAtMs = clock.nowMs()
        const mine = read()
        reading = mine
        mine.catch(() => {
          if (reading === mine) refresh()
        })
      }
      const { keys, storeNowMs, atMs } = await reading
      return { keys: new SigningKeys(keys, secrets), nowMs: storeNowMs + (clock.nowMs() - atMs) }
    },
  }
}
