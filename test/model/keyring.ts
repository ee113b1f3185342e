import {
  checkAddSigningKey,
  checkRetireSigningKey,
  engineError,
  type KeyringOperations,
  limits,
  tooManyRecords,
} from '@flowfabric/core'
import { type Model, operate } from './store.js'

export function createKeyring(model: Model): KeyringOperations {
  return {
    list: () =>
      operate(model, () => ({
        outcome: 'listed' as const,
        keys: [...model.signingKeys.values()].sort(
          (a, b) => a.signsFromMs - b.signsFromMs || (a.keyId < b.keyId ? -1 : 1),
        ),
      })),

    add: (params) =>
      operate(model, () => {
        checkAddSigningKey(params)
        const { keyId, fingerprint, signsFromMs = model.clock.nowMs() } = params
        const known = model.signingKeys.get(keyId)
        if (known?.fingerprint === fingerprint) return { outcome: 'duplicate' as const, key: known }
        if (known !== undefined) {
          throw engineError('signing_key_reused', `the id ${keyId} was used for another signing key`)
        }
        requireRoom(model.signingKeys.size, 'signing keys')
        const key = { keyId, fingerprint, signsFromMs, retiredAtMs: null, verifiesUntilMs: null }
        model.signingKeys.set(keyId, key)
        return { outcome: 'added' as const, key }
      }),

    retire: (params) =>
      operate(model, () => {
        checkRetireSigningKey(params)
        const { keyId, verifyUntilMs } = params
        const known = model.signingKeys.get(keyId)
        if (known === undefined)
          throw engineError('signing_key_not_found', `there is no signing key ${keyId}`)
        const key = {
          ...known,
          retiredAtMs: known.retiredAtMs ?? model.clock.nowMs(),
          verifiesUntilMs: Math.min(known.verifiesUntilMs ?? verifyUntilMs, verifyUntilMs),
        }
        model.signingKeys.set(keyId, key)
        return { outcome: 'retired' as const, key }
      }),
  }
}

export function requireRoom(count: number, field: string): void {
  if (count >= limits.recordsMax) throw tooManyRecords(field)
}
