import { createHmac } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { SigningKey } from '../contract/keyring.js'
import { mintExecutionId, mintWaitpointId } from '../ids/index.js'
import { parseNamespace } from '../names.js'
import { encodeFields } from './canonical.js'
import {
  parseSigningSecrets,
  type SignedWaitpoint,
  SigningKeys,
  SigningSecret,
  waitpointTokenCharsMax,
} from './index.js'

const secretText = 'the-first-secret-of-32-bytes-or-more'
const first = new SigningSecret('k1', secretText)
const second = new SigningSecret('k2', 'the-second-secret-of-32-bytes-or-more')
const nowMs = 1_700_000_000_000

function keyOf({ keyId, fingerprint }: SigningSecret, more: Partial<SigningKey> = {}): SigningKey {
  return { keyId, fingerprint, signsFromMs: 0, retiredAtMs: null, verifiesUntilMs: null, ...more }
}

const waitpoint: SignedWaitpoint = {
  id: mintWaitpointId(3),
  namespace: parseNamespace('tenant'),
  executionId: mintExecutionId(3),
  createdAtMs: nowMs - 1_000,
  expiresAtMs: nowMs + 60_000,
}
const keys = new SigningKeys([keyOf(first)], [first])

describe('the token of a waitpoint', () => {
  it('is the key’s id and a signature, and verifies for its waitpoint', () => {
    const token = keys.mint(waitpoint, nowMs)
    expect(token).toMatch(/^k1\.[A-Za-z0-9_-]{43}$/)
    expect(keys.verify(token, waitpoint, nowMs)).toEqual({ source: null })
    expect(keys.mint(waitpoint, nowMs)).toBe(token)
  })

  it('carries the source that was bound to it', () => {
    for (const source of ['ann@example.org', 'ünïcode ✓', '.', 'x'.repeat(256)]) {
      const token = keys.mint(waitpoint, nowMs, source)
      expect(token).toMatch(/^k1\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}$/)
      expect(token.length).toBeLessThanOrEqual(waitpointTokenCharsMax)
      expect(keys.verify(token, waitpoint, nowMs)).toEqual({ source })
    }
    const longest = new SigningSecret('k'.repeat(64), secretText)
    const token = new SigningKeys([keyOf(longest)], [longest]).mint(waitpoint, nowMs, 'x'.repeat(256))
    expect(token.length).toBe(waitpointTokenCharsMax)
  })

  it.each([
    ['an empty source', ''],
    ['a source with NUL', 'a\0b'],
    ['a source of half a character', '\ud800'],
  ])('refuses %s', (_what, source) => {
    expect(() => keys.mint(waitpoint, nowMs, source)).toThrow()
    expect(() => keys.mint(waitpoint, nowMs, 'x'.repeat(257))).toThrow(/at most 256/)
  })

  it('holds for nothing but its waitpoint as it was when it was minted', () => {
    const token = keys.mint(waitpoint, nowMs, 'ann')
    const others: Partial<SignedWaitpoint>[] = [
      { id: mintWaitpointId(3) },
      { namespace: parseNamespace('other') },
      { executionId: mintExecutionId(3) },
      { createdAtMs: waitpoint.createdAtMs + 1 },
      { expiresAtMs: nowMs + 60_001 },
      { expiresAtMs: null },
    ]
    for (const other of others) expect(keys.verify(token, { ...waitpoint, ...other }, nowMs)).toBeUndefined()
    expect(keys.verify(token, waitpoint, nowMs)).toEqual({ source: 'ann' })
  })

  it('that is forged, swapped, malformed or foreign gives the same answer as an expired one', () => {
    const plain = keys.mint(waitpoint, nowMs)
    const ann = keys.mint(waitpoint, nowMs, 'ann')
    const bob = keys.mint(waitpoint, nowMs, 'bob')
    const [, source = '', mac = ''] = ann.split('.')
    const foreign = new SigningSecret('k1', 'a-secret-of-somebody-else-with-32-bytes')
    const wrong = [
      '',
      'k1',
      'k1.',
      '.',
      `k2${plain.slice(2)}`,
      `${plain}=`,
      `${plain}.x`,
      plain.slice(0, -1),
      plain.slice(0, -1) + (plain.endsWith('A') ? 'B' : 'A'),
      // The other spelling of the same bytes.
      ...['A', 'E', 'I', 'M', 'Q', 'U', 'Y', 'c', 'g', 'k', 'o', 's', 'w', '0', '4', '8'].flatMap((last) =>
        plain.endsWith(last) ? [plain.slice(0, -1) + String.fromCharCode(last.charCodeAt(0) + 1)] : [],
      ),
      `k1.${mac}`,
      `k1..${mac}`,
      `k1.${source}=.${mac}`,
      `k1.${bob.split('.')[1]}.${mac}`,
      new SigningKeys([keyOf(foreign)], [foreign]).mint(waitpoint, nowMs),
      'x'.repeat(10_000),
      undefined as unknown as string,
    ]
    for (const token of wrong) expect(keys.verify(token, waitpoint, nowMs), token).toBeUndefined()
    for (const token of [plain, ann, bob]) {
      expect(keys.verify(token, waitpoint, nowMs)).toBeDefined()
      expect(keys.verify(token, waitpoint, nowMs + 59_999)).toBeDefined()
      expect(keys.verify(token, waitpoint, nowMs + 60_000)).toBeUndefined()
    }
    const forEver = { ...waitpoint, expiresAtMs: null }
    expect(keys.verify(keys.mint(forEver, nowMs), forEver, nowMs * 2)).toBeDefined()
  })

  it('is what its documentation says', () => {
    const { id, namespace, executionId, createdAtMs, expiresAtMs } = waitpoint
    const fields = [
      'flowfabric.waitpoint.v1',
      'k1',
      id,
      namespace,
      executionId,
      null,
      createdAtMs,
      expiresAtMs,
    ]
    const message = fields.map((field) => {
      if (field === null) return Buffer.of(0)
      const bytes = Buffer.from(String(field))
      return Buffer.concat([Buffer.of(1, 0, 0, 0, bytes.length), bytes])
    })
    const mac = createHmac('sha256', secretText).update(Buffer.concat(message)).digest('base64url')
    expect(keys.mint(waitpoint, nowMs)).toBe(`k1.${mac}`)
  })
})

describe('the canonical encoding', () => {
  it('gives different fields different bytes', () => {
    const cases = [
      [],
      [null],
      [''],
      ['a', 'b'],
      ['ab'],
      ['ab', ''],
      ['', 'ab'],
      ['a', null, 'b'],
      [null, null],
    ]
    const encoded = cases.map((fields) => encodeFields(fields).toString('hex'))
    expect(new Set(encoded).size).toBe(cases.length)
  })
})

describe('signing keys', () => {
  it('the one that began to sign last signs; those before it verify on', () => {
    const rotated = new SigningKeys([keyOf(first), keyOf(second, { signsFromMs: nowMs })], [first, second])
    expect(rotated.mint(waitpoint, nowMs - 1)).toMatch(/^k1\./)
    expect(rotated.mint(waitpoint, nowMs)).toMatch(/^k2\./)
    expect(rotated.verify(keys.mint(waitpoint, nowMs), waitpoint, nowMs)).toBeDefined()
  })

  it('a retired one signs nothing, and verifies until its time', () => {
    const retired = keyOf(second, { signsFromMs: 5, retiredAtMs: nowMs, verifiesUntilMs: nowMs + 10 })
    const token = new SigningKeys([keyOf(second)], [second]).mint(waitpoint, nowMs)
    const rotated = new SigningKeys([keyOf(first), retired], [first, second])
    expect(rotated.mint(waitpoint, nowMs)).toMatch(/^k1\./)
    expect(rotated.verify(token, waitpoint, nowMs + 9)).toBeDefined()
    expect(rotated.verify(token, waitpoint, nowMs + 10)).toBeUndefined()
  })

  it('without one in force nothing is minted', () => {
    const none = new SigningKeys([], [first])
    expect(() => none.mint(waitpoint, nowMs)).toThrow(
      expect.objectContaining({ code: 'signing_key_secret_missing' }),
    )
    expect(none.verify(keys.mint(waitpoint, nowMs), waitpoint, nowMs)).toBeUndefined()
  })

  it('name those of which a secret is missing, or another one, as long as they verify', () => {
    const other = new SigningSecret('k2', 'another-second-secret-of-32-bytes-too')
    const listed = [keyOf(first), keyOf(second, { retiredAtMs: 1, verifiesUntilMs: nowMs + 10 })]
    expect(new SigningKeys(listed, [first, second]).problemsAt(nowMs)).toEqual([])
    const lacking = new SigningKeys(listed, [other])
    expect(lacking.problemsAt(nowMs)).toEqual([
      { keyId: 'k1', fault: 'no_secret' },
      { keyId: 'k2', fault: 'other_secret' },
    ])
    expect(lacking.problemsAt(nowMs + 10)).toEqual([{ keyId: 'k1', fault: 'no_secret' }])
    expect(() => lacking.mint(waitpoint, nowMs)).toThrow(
      expect.objectContaining({ code: 'signing_key_secret_missing' }),
    )
    const token = new SigningKeys([keyOf(other)], [other]).mint(waitpoint, nowMs)
    expect(lacking.verify(token, waitpoint, nowMs)).toBeUndefined()
  })
})

describe('a secret', () => {
  it('is told by nothing', () => {
    const shown = [
      inspect(first, { depth: 9, showHidden: true }),
      JSON.stringify(first),
      String(first),
      first.fingerprint,
      inspect(keys, { depth: 9, showHidden: true }),
      keys.mint(waitpoint, nowMs),
    ]
    for (const text of shown) {
      expect(text).not.toContain(secretText)
      expect(text).not.toContain(Buffer.from(secretText).toString('hex').slice(0, 20))
    }
  })

  it('has a fingerprint that depends on it and on the id', () => {
    expect(first.fingerprint).toMatch(/^[0-9a-f]{64}$/)
    expect(new SigningSecret('k1', secretText).fingerprint).toBe(first.fingerprint)
    expect(new SigningSecret('k9', secretText).fingerprint).not.toBe(first.fingerprint)
  })

  it.each([
    'k1:short',
    'k1',
    ':no-id-but-a-secret-of-32-bytes-or-more',
    'k.1:a-secret-of-32-bytes-or-even-more',
  ])('is not read from %j, and the error does not tell it', (text) => {
    expect(() => parseSigningSecrets(text)).toThrow(
      expect.objectContaining({
        code: expect.stringMatching(/invalid_configuration|invalid_signing_key_id/),
      }),
    )
  })

  it('is read from a list, one by one', () => {
    const read = parseSigningSecrets(`k1:${secretText},\n  k2:${secretText}:with:colons\n`)
    expect(read.map(({ keyId }) => keyId)).toEqual(['k1', 'k2'])
    expect(read[0]?.fingerprint).toBe(first.fingerprint)
    expect(parseSigningSecrets(' \n')).toEqual([])
    expect(() => parseSigningSecrets(`k1:${secretText} k1:${secretText}`)).toThrow(/one id/)
    try {
      parseSigningSecrets(`${secretText}`)
    } catch (error) {
      expect(String(error)).not.toContain(secretText)
    }
  })
})
