import { hashTokenSecret } from '@flowfabric/core'
import type { Chooser } from '../chooser.js'
import type { Call, World } from '../world.js'

const fingerprints: readonly [string, string] = [hashTokenSecret('one'), hashTokenSecret('two')]

export function addKey(c: Chooser, world: World): Call {
  const keyId = c.rarely(8) ? 'no.id' : c.of([world.signingKeys[0], world.signingKeys[1]])
  const fingerprint = c.of(fingerprints)
  const params = { keyId, fingerprint, ...(c.rarely(3) ? { signsFromMs: c.of([0, 5_000]) } : {}) }
  return {
    text: `keyring.add ${keyId} ${fingerprint.slice(0, 4)}`,
    on: (backend) => backend.keyring.add(params),
  }
}

export function retireKey(c: Chooser, world: World): Call {
  const params = { keyId: c.of(world.signingKeys), verifyUntilMs: c.of([0, 7_000, 4_000_000_000_000]) }
  return {
    text: `keyring.retire ${params.keyId} until ${params.verifyUntilMs}`,
    on: (backend) => backend.keyring.retire(params),
  }
}

/** Those of this run: others on the same store have their own. */
export function listKeys(_c: Chooser, world: World): Call {
  return {
    text: 'keyring.list',
    on: async (backend) => {
      const { outcome, keys } = await backend.keyring.list()
      return { outcome, keys: keys.filter(({ keyId }) => world.signingKeys.includes(keyId)) }
    },
  }
}
