import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { keepSigningSecrets, randomSigningSecrets } from './signing-file.js'

describe('the signing keys of a folder', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'flowfabric-signing-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('are made at the first use, for their owner alone, and kept', () => {
    const [first] = keepSigningSecrets(folder)
    const file = join(folder, 'signing-keys')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const [again] = keepSigningSecrets(folder)
    expect([again?.keyId, again?.fingerprint]).toEqual([first?.keyId, first?.fingerprint])
    expect(readFileSync(file, 'utf8')).toMatch(/^k-[0-9a-f]{12}:[A-Za-z0-9_-]{43}\n$/)
  })

  it('may be more than one, and are closed to others again', () => {
    const file = join(folder, 'signing-keys')
    const lines = ['k1:a-secret-of-32-characters-or-more', 'k2:another-secret-of-32-characters-too']
    writeFileSync(file, lines.join('\n'), { mode: 0o644 })
    expect(keepSigningSecrets(folder).map(({ keyId }) => keyId)).toEqual(['k1', 'k2'])
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  it('that cannot be read are an error that tells nothing of them', () => {
    writeFileSync(join(folder, 'signing-keys'), 'a-secret-without-an-id-that-nobody-may-see')
    let message = ''
    try {
      keepSigningSecrets(folder)
    } catch (error) {
      message = String(error)
    }
    expect(message).toContain('entry 1')
    expect(message).not.toContain('nobody-may-see')
  })

  it('of two stores in memory are not the same', () => {
    expect(randomSigningSecrets()[0]?.fingerprint).not.toBe(randomSigningSecrets()[0]?.fingerprint)
  })
})
