import { describe, expect, it } from 'vitest'
import { createHeadCache } from './head-cache.js'
import { emptyStream } from './judge-frames.js'

describe('the heads that a process knows', () => {
  it('are as many as fit, those that were written last', () => {
    const heads = createHeadCache(2_000)
    const large = { ...emptyStream, document: new Uint8Array(1_000) }
    heads.keep('a', emptyStream)
    heads.keep('b', large)
    heads.keep('a', emptyStream)
    heads.keep('c', large)
    expect([heads.get('a'), heads.get('b'), heads.get('c')]).toEqual([emptyStream, undefined, large])
    heads.forget('c')
    heads.keep('b', large)
    expect([heads.get('a'), heads.get('b'), heads.get('c')]).toEqual([emptyStream, large, undefined])
  })

  it('count what they are now, not what they were', () => {
    const heads = createHeadCache(3_000)
    for (let n = 0; n < 10; n += 1) heads.keep('a', { ...emptyStream, document: new Uint8Array(2_000) })
    heads.keep('b', emptyStream)
    expect(heads.get('a')).toBeDefined()
  })
})
