import type { KeyringOperations, SigningSecret } from '@flowfabric/core'

/**
 * Where no key signs, the first secret that the keyring does not know becomes one: a new deployment needs no set-up, and
 * keys that an operator retired stay so.
 */
export async function addFirstSigningKey(
  keyring: KeyringOperations,
  secrets: readonly SigningSecret[],
): Promise<void> {
  if (secrets.length === 0) return
  const { keys } = await keyring.list()
  if (keys.some(({ retiredAtMs }) => retiredAtMs === null)) return
  const known = new Set(keys.map(({ keyId }) => keyId))
  const first = secrets.find(({ keyId }) => !known.has(keyId))
  if (first !== undefined) await keyring.add({ keyId: first.keyId, fingerprint: first.fingerprint })
}
