import {
  type AddSigningKey,
  checkAddSigningKey,
  checkRetireSigningKey,
  engineError,
  type KeyringOperations,
  type RetireSigningKey,
  type SigningKey,
  tooManyRecords,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { unreadable } from '../library/unreadable.js'
import { homeTag } from '../maintenance/prepare.js'

/** The signing keys of the deployment, in the home partition: ids, times and fingerprints. */
export function createKeyring(ctx: ValkeyContext): KeyringOperations {
  return {
    async list() {
      const { reply } = await ctx.invoke({ name: 'keyring_list', tag: homeTag, args: [] })
      const keys = asList(reply)
        .map(([keyId, record]) => toSigningKey(keyId, record))
        .sort((a, b) => a.signsFromMs - b.signsFromMs || (a.keyId < b.keyId ? -1 : 1))
      return { outcome: 'listed', keys }
    },
    add: (params) => addKey(ctx, params),
    retire: (params) => retireKey(ctx, params),
  }
}

async function addKey(ctx: ValkeyContext, params: AddSigningKey) {
  checkAddSigningKey(params)
  const { keyId, fingerprint, signsFromMs = UNSET } = params
  const { reply } = await ctx.invoke({
    name: 'keyring_add',
    tag: homeTag,
    args: [keyId, fingerprint, signsFromMs],
  })
  const [word, record] = reply
  if (word === 'full') throw tooManyRecords('signing keys')
  const key = toSigningKey(keyId, record)
  if (word === 'added') return { outcome: 'added' as const, key }
  if (key.fingerprint === fingerprint) return { outcome: 'duplicate' as const, key }
  throw engineError('signing_key_reused', `The id ${keyId} was used for another signing key`)
}

async function retireKey(ctx: ValkeyContext, params: RetireSigningKey) {
  checkRetireSigningKey(params)
  const { keyId, verifyUntilMs } = params
  const { reply } = await ctx.invoke({
    name: 'keyring_retire',
    tag: homeTag,
    args: [keyId, verifyUntilMs],
  })
  const record = asList(reply)
  if (record.length === 0) throw engineError('signing_key_not_found', `There is no signing key ${keyId}`)
  return { outcome: 'retired' as const, key: toSigningKey(keyId, record) }
}

const UNSET = -1

function toSigningKey(keyId: string, record: readonly unknown[]): SigningKey {
  const [fingerprint, signsFromMs, retiredAtMs, verifiesUntilMs] = asList(record)
  if (
    typeof fingerprint !== 'string' ||
    typeof signsFromMs !== 'number' ||
    typeof retiredAtMs !== 'number' ||
    typeof verifiesUntilMs !== 'number'
  ) {
    throw unreadable(`signing key ${keyId}`)
  }
  return {
    keyId,
    fingerprint,
    signsFromMs,
    retiredAtMs: retiredAtMs === UNSET ? null : retiredAtMs,
    verifiesUntilMs: verifiesUntilMs === UNSET ? null : verifiesUntilMs,
  }
}
