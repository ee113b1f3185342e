import { type AddSigningKey, hashTokenSecret, mintUuid } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../support/builders.js'
import { useStore } from '../../support/use-store.js'

const fingerprint = hashTokenSecret('one secret')
const otherFingerprint = hashTokenSecret('another secret')

describe('keyring', () => {
  const store = useStore({})

  const aKey = (more: Partial<AddSigningKey> = {}): AddSigningKey => ({
    keyId: `k-${mintUuid()}`,
    fingerprint,
    ...more,
  })
  const find = async (keyId: string) => {
    const { keys } = await store().backend.keyring.list()
    return keys.find((key) => key.keyId === keyId)
  }

  it('add records a key that signs from now on, or from the time that is stated', async () => {
    const { keyring } = store().backend
    const nowMs = await store().nowMs()
    const first = aKey()
    const key = { ...first, signsFromMs: nowMs, retiredAtMs: null, verifiesUntilMs: null }
    expect(await keyring.add(first)).toEqual({ outcome: 'added', key })
    expect(await find(first.keyId)).toEqual(key)
    const later = aKey({ signsFromMs: nowMs + 60_000 })
    expect((await keyring.add(later)).key).toEqual({ ...key, ...later })
  })

  it('a repeat of add is a duplicate that changes nothing', async () => {
    const { keyring } = store().backend
    const asked = aKey()
    const { key } = await keyring.add(asked)
    await store().advance(1_000)
    expect(await keyring.add(asked)).toEqual({ outcome: 'duplicate', key })
    expect(await keyring.add({ ...asked, signsFromMs: 5 })).toEqual({ outcome: 'duplicate', key })
    expect(await find(asked.keyId)).toEqual(key)
  })

  it('an id is used once for ever', async () => {
    const { keyring } = store().backend
    const asked = aKey()
    const { key } = await keyring.add(asked)
    expect(await codeOf(keyring.add({ ...asked, fingerprint: otherFingerprint }))).toBe('signing_key_reused')
    expect(await find(asked.keyId)).toEqual(key)
  })

  it('retire ends the signing now and the verifying at its time', async () => {
    const { keyring } = store().backend
    const { keyId, ...rest } = (await keyring.add(aKey())).key
    await store().advance(1_000)
    const nowMs = await store().nowMs()
    const verifyUntilMs = nowMs + 60_000
    const retired = { ...rest, keyId, retiredAtMs: nowMs, verifiesUntilMs: verifyUntilMs }
    expect(await keyring.retire({ keyId, verifyUntilMs })).toEqual({ outcome: 'retired', key: retired })
    expect(await find(keyId)).toEqual(retired)
  })

  it('a repeat of retire can only bring the end nearer', async () => {
    const { keyring } = store().backend
    const { keyId } = (await keyring.add(aKey())).key
    const nowMs = await store().nowMs()
    const { key } = await keyring.retire({ keyId, verifyUntilMs: nowMs + 60_000 })
    await store().advance(1_000)
    const later = await keyring.retire({ keyId, verifyUntilMs: nowMs + 90_000 })
    expect(later).toEqual({ outcome: 'retired', key })
    const sooner = await keyring.retire({ keyId, verifyUntilMs: nowMs + 2_000 })
    expect(sooner.key).toEqual({ ...key, verifiesUntilMs: nowMs + 2_000 })
  })

  it('a retired id does not come back, neither under its own secret nor under another', async () => {
    const { keyring } = store().backend
    const asked = aKey()
    await keyring.add(asked)
    const { key } = await keyring.retire({ keyId: asked.keyId, verifyUntilMs: 0 })
    expect(await keyring.add(asked)).toEqual({ outcome: 'duplicate', key })
    expect(await codeOf(keyring.add({ ...asked, fingerprint: otherFingerprint }))).toBe('signing_key_reused')
    expect(await find(asked.keyId)).toEqual(key)
  })

  it('retire refuses an id that was never added', async () => {
    const { keyring } = store().backend
    const keyId = `k-${mintUuid()}`
    expect(await codeOf(keyring.retire({ keyId, verifyUntilMs: 0 }))).toBe('signing_key_not_found')
    expect(await find(keyId)).toBeUndefined()
  })

  it('list tells them by the time from which they sign', async () => {
    const { keyring } = store().backend
    const nowMs = await store().nowMs()
    const group = mintUuid().slice(0, 23)
    const times = { a: nowMs + 2, b: nowMs + 1, c: nowMs + 1 }
    for (const [name, signsFromMs] of Object.entries(times)) {
      await keyring.add({ keyId: `${group}-${name}`, fingerprint, signsFromMs })
    }
    const own = (await keyring.list()).keys.filter(({ keyId }) => keyId.startsWith(group))
    expect(own.map(({ keyId }) => keyId.at(-1))).toEqual(['b', 'c', 'a'])
  })

  it('of several callers at once one adds the key, and the others learn whose it is', async () => {
    const { keyring } = store().backend
    const keyId = `k-${mintUuid()}`
    const asked = [fingerprint, otherFingerprint, fingerprint, otherFingerprint]
    const answers = await Promise.allSettled(asked.map((each) => keyring.add({ keyId, fingerprint: each })))
    const key = await find(keyId)
    const told = answers.map((answer, place) => {
      if (asked[place] !== key?.fingerprint)
        return codeOf(Promise.reject((answer as PromiseRejectedResult).reason))
      return (answer as PromiseFulfilledResult<{ outcome: string }>).value.outcome
    })
    expect((await Promise.all(told)).sort()).toEqual([
      'added',
      'duplicate',
      'signing_key_reused',
      'signing_key_reused',
    ])
  })

  it.each([
    ['an id with a point', { keyId: 'a.b' }, 'invalid_signing_key_id'],
    ['an empty id', { keyId: '' }, 'invalid_signing_key_id'],
    ['an id that is too long', { keyId: 'x'.repeat(65) }, 'invalid_signing_key_id'],
    ['no fingerprint', { fingerprint: 'secret' }, 'invalid_params'],
    ['a time that is none', { signsFromMs: -1 }, 'invalid_params'],
    ['a time too late', { signsFromMs: Number.MAX_SAFE_INTEGER }, 'limit_exceeded'],
  ])('add refuses %s', async (_what, wrong, code) => {
    const { keyring } = store().backend
    const before = await keyring.list()
    expect(await codeOf(keyring.add(aKey(wrong)))).toBe(code)
    expect(await keyring.list()).toEqual(before)
  })

  it('retire refuses what it cannot read', async () => {
    const { keyring } = store().backend
    const { keyId } = (await keyring.add(aKey())).key
    expect(await codeOf(keyring.retire({ keyId: 'a b', verifyUntilMs: 0 }))).toBe('invalid_signing_key_id')
    expect(await codeOf(keyring.retire({ keyId, verifyUntilMs: 0.5 }))).toBe('invalid_params')
    expect((await find(keyId))?.retiredAtMs).toBeNull()
  })
})
