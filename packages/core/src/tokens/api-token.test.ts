import { describe, expect, it } from 'vitest'
import { hashesMatch, hashTokenSecret, judgeToken, mintApiToken, readApiToken } from './index.js'

describe('an API token', () => {
  it('is read back as the id and the hash that it was minted with', () => {
    const minted = mintApiToken()
    expect(readApiToken(minted.text)).toEqual({ tokenId: minted.id, hash: minted.hash })
    expect(minted.text).toMatch(/^ff_[0-9a-f-]{36}_[A-Za-z0-9_-]{43}$/)
    expect(minted.hash).not.toContain(minted.text.slice(-43))
  })

  it('is never minted twice', () => {
    const texts = Array.from({ length: 100 }, () => mintApiToken().text)
    expect(new Set(texts).size).toBe(100)
  })

  it.each([
    ['nothing', ''],
    ['the development token', 'ff_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
    ['a short secret', mintApiToken().text.slice(0, -1)],
    ['more than a token', `${mintApiToken().text}x`],
    ['another prefix', mintApiToken().text.replace('ff_', 'gg_')],
    ['an id in capitals', mintApiToken().text.slice(0, 39).toUpperCase() + mintApiToken().text.slice(39)],
  ])('is not read from %s', (_what, text) => {
    expect(readApiToken(text)).toBeUndefined()
  })

  it('has a hash that anybody can check', () => {
    expect(hashTokenSecret('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  })

  it('is compared as a whole, whatever the lengths', () => {
    expect(hashesMatch('abc', 'abc')).toBe(true)
    expect(hashesMatch('abc', 'abd')).toBe(false)
    expect(hashesMatch('abc', 'ab')).toBe(false)
    expect(hashesMatch('', '')).toBe(true)
  })

  it('that is unknown is never let in, not even by the hash of nobody', () => {
    expect(judgeToken(undefined, '0'.repeat(64), 0)).toEqual({ outcome: 'unauthorized' })
  })
})
