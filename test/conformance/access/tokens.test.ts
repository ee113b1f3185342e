import {
  type ApiToken,
  hashTokenSecret,
  limits,
  mintTokenId,
  type NewApiToken,
  parseLaneId,
  parseNamespace,
  type TokenId,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../support/builders.js'
import { useStore } from '../../support/use-store.js'

const hash = hashTokenSecret('a secret')
const otherHash = hashTokenSecret('another secret')

describe('access, tokens', () => {
  const store = useStore({})

  const aToken = (more: Partial<NewApiToken> = {}): NewApiToken => ({
    id: mintTokenId(),
    label: 'a worker',
    scopes: ['submit', 'work'],
    namespaces: [store().namespace],
    lanes: null,
    expiresAtMs: null,
    ...more,
  })
  const put = (token: NewApiToken, ofHash = hash) =>
    store().backend.access.put({ kind: 'token', token, hash: ofHash })
  const listAll = async (limit = 100) => {
    const tokens: ApiToken[] = []
    let cursor: string | undefined
    for (;;) {
      const page = await store().backend.access.listTokens({ cursor, limit })
      expect(page.items.length).toBeLessThanOrEqual(limit)
      tokens.push(...page.items)
      if (page.nextCursor === null) return tokens
      cursor = page.nextCursor
    }
  }
  const find = async (id: TokenId) => (await listAll()).find((token) => token.id === id)
  const verify = (tokenId: TokenId, ofHash = hash) => store().backend.access.verify({ tokenId, hash: ofHash })
  const unauthorized = { outcome: 'unauthorized' }

  it('put creates a token, and verify tells what it may do', async () => {
    const asked = aToken({ lanes: [parseLaneId('mail')], expiresAtMs: (await store().nowMs()) + 60_000 })
    expect(await put(asked)).toEqual({ outcome: 'created' })
    const token = { ...asked, createdAtMs: await store().nowMs(), revokedAtMs: null }
    expect(await verify(asked.id)).toEqual({ outcome: 'verified', token })
    expect(await find(asked.id)).toEqual(token)
  })

  it('a token may be for all namespaces and lanes', async () => {
    const asked = aToken({ namespaces: null, scopes: ['admin'] })
    await put(asked)
    expect(await verify(asked.id)).toMatchObject({ token: { namespaces: null, lanes: null } })
  })

  it('keeps sets in one order and without repeats', async () => {
    const [a, b] = [parseNamespace('a'), parseNamespace('b')]
    const asked = aToken({ scopes: ['work', 'submit', 'work'], namespaces: [b, a, b] })
    await put(asked)
    expect(await find(asked.id)).toMatchObject({ scopes: ['submit', 'work'], namespaces: [a, b] })
    expect(await put({ ...asked, scopes: ['submit', 'work'], namespaces: [a, b] })).toEqual({
      outcome: 'unchanged',
    })
  })

  it('a repeat of put is unchanged; another content under the same hash changes the token', async () => {
    const asked = aToken()
    await put(asked)
    const createdAtMs = await store().nowMs()
    await store().advance(1_000)
    expect(await put(asked)).toEqual({ outcome: 'unchanged' })
    const changed = aToken({ id: asked.id, label: 'a reader', scopes: ['read'], expiresAtMs: 1 })
    expect(await put(changed)).toEqual({ outcome: 'changed' })
    expect(await find(asked.id)).toEqual({ ...changed, createdAtMs, revokedAtMs: null })
    expect(await verify(asked.id)).toEqual(unauthorized)
    expect(await put(asked)).toEqual({ outcome: 'changed' })
    expect(await verify(asked.id)).toMatchObject({ outcome: 'verified', token: asked })
  })

  it('a token keeps its hash for life', async () => {
    const asked = aToken()
    await put(asked)
    expect(await codeOf(put({ ...asked, label: 'mine' }, otherHash))).toBe('token_conflict')
    expect(await find(asked.id)).toMatchObject({ label: 'a worker' })
    expect(await verify(asked.id, otherHash)).toEqual(unauthorized)
  })

  it('an unknown id, a wrong hash, a revoked and an expired token are one answer', async () => {
    const expiresAtMs = (await store().nowMs()) + 1_000
    const [good, revoked, expiring] = [aToken(), aToken(), aToken({ expiresAtMs })]
    for (const token of [good, revoked, expiring]) await put(token)
    await store().backend.access.revoke({ tokenId: revoked.id })
    expect(await verify(good.id, otherHash)).toEqual(unauthorized)
    expect(await verify(mintTokenId())).toEqual(unauthorized)
    expect(await verify(revoked.id)).toEqual(unauthorized)
    await store().advance(999)
    expect((await verify(expiring.id)).outcome).toBe('verified')
    await store().advance(1)
    expect(await verify(expiring.id)).toEqual(unauthorized)
    expect((await verify(good.id)).outcome).toBe('verified')
  })

  it('revoke is for ever', async () => {
    const { access } = store().backend
    const asked = aToken()
    await put(asked)
    await store().advance(1_000)
    expect(await access.revoke({ tokenId: asked.id })).toEqual({ outcome: 'revoked' })
    const revokedAtMs = await store().nowMs()
    await store().advance(1_000)
    expect(await access.revoke({ tokenId: asked.id })).toEqual({ outcome: 'already_revoked' })
    expect(await codeOf(put(asked))).toBe('token_revoked')
    expect(await codeOf(put(asked, otherHash))).toBe('token_conflict')
    expect(await find(asked.id)).toMatchObject({ revokedAtMs })
  })

  it('revoke refuses a token that is not there', async () => {
    const { access } = store().backend
    expect(await codeOf(access.revoke({ tokenId: mintTokenId() }))).toBe('token_not_found')
  })

  it('list tells them by id, page by page', async () => {
    const asked = [aToken(), aToken(), aToken()]
    for (const token of asked.toReversed()) await put(token)
    const ids = asked.map(({ id }) => id).sort()
    for (const limit of [1, 2, 1_000]) {
      const all = (await listAll(limit)).map(({ id }) => id)
      expect(all).toEqual(all.toSorted())
      expect(all.filter((id) => ids.includes(id))).toEqual(ids)
    }
    const { access } = store().backend
    expect(await codeOf(access.listTokens({ cursor: 'p3' }))).toBe('invalid_cursor')
    expect(await codeOf(access.listTokens({ limit: 1_001 }))).toBe('limit_exceeded')
  })

  it('what ended is listed for 30 days, then trimRetention removes it', async () => {
    const { backend, partitions } = store()
    const nowMs = await store().nowMs()
    const [open, revoked, expired, both] = [
      aToken(),
      aToken(),
      aToken({ expiresAtMs: nowMs + 1_000 }),
      aToken({ expiresAtMs: nowMs + limits.durationMsMax / 2 }),
    ]
    for (const token of [open, revoked, expired, both]) await put(token)
    await backend.access.revoke({ tokenId: revoked.id })
    await backend.access.revoke({ tokenId: both.id })
    const known = async () => {
      const ids = (await listAll()).map(({ id }) => id)
      return [open, revoked, expired, both].map(({ id }) => ids.includes(id))
    }
    const trim = async () => {
      let count = 0
      for (const partition of partitions) {
        for (let more = true; more; ) {
          const page = await backend.maintenance.trimRetention({ partition, max: 500 })
          for (const { what, count: n } of page.items) if (what === 'token') count += n
          more = page.more
        }
      }
      return count
    }
    const pending = async () => {
      const { partitions: pulses } = await backend.maintenance.pulse({ partitions })
      return pulses[0]?.pending.includes('retention')
    }
    // Of other tests, and so of no concern here.
    await store().advance(limits.tokenKeptMs - 1)
    await trim()
    expect(await known()).toEqual([true, true, true, true])
    await store().advance(1)
    expect(await pending()).toBe(true)
    expect(await trim()).toBe(2)
    expect(await known()).toEqual([true, false, true, false])
    await store().advance(1_000)
    expect(await pending()).toBe(true)
    expect(await trim()).toBe(1)
    expect(await known()).toEqual([true, false, false, false])
    expect(await pending()).toBe(false)
    expect(await codeOf(backend.access.revoke({ tokenId: expired.id }))).toBe('token_not_found')
  })

  it('what may end later after all is not removed', async () => {
    const { backend, partitions } = store()
    const asked = aToken({ expiresAtMs: (await store().nowMs()) + 1_000 })
    await put(asked)
    await put({ ...asked, expiresAtMs: null })
    await store().advance(limits.tokenKeptMs + 1_000)
    for (const partition of partitions) await backend.maintenance.trimRetention({ partition, max: 500 })
    expect((await verify(asked.id)).outcome).toBe('verified')
  })

  it.each([
    ['an id that is none', { id: 'x' as TokenId }, 'invalid_token_id'],
    ['a label too long', { label: 'x'.repeat(257) }, 'limit_exceeded'],
    ['no scope', { scopes: [] }, 'invalid_params'],
    ['an unknown scope', { scopes: ['root' as 'admin'] }, 'invalid_params'],
    ['no namespace', { namespaces: [] }, 'invalid_params'],
    ['a bad namespace', { namespaces: ['no name' as never] }, 'invalid_namespace'],
    ['a bad lane', { lanes: ['no lane' as never] }, 'invalid_lane_id'],
    ['a time that is none', { expiresAtMs: 1.5 }, 'invalid_params'],
    ['admin of some namespaces', { scopes: ['admin'] as const }, 'invalid_params'],
    [
      'admin of some lanes',
      { scopes: ['admin'] as const, namespaces: null, lanes: [parseLaneId('a')] },
      'invalid_params',
    ],
  ])('put refuses %s', async (_what, wrong, code) => {
    const before = await listAll()
    expect(await codeOf(put(aToken(wrong)))).toBe(code)
    expect(await listAll()).toEqual(before)
  })

  it('put and verify refuse what is no hash', async () => {
    const token = aToken()
    expect(await codeOf(put(token, 'a secret'))).toBe('invalid_params')
    expect(await codeOf(put(token, hash.toUpperCase()))).toBe('invalid_params')
    expect(await codeOf(verify(token.id, 'a secret'))).toBe('invalid_params')
    expect(await find(token.id)).toBeUndefined()
  })
})
