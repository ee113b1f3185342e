import { describe, expect, it } from 'vitest'
import { createAudience } from './audience.js'

describe('what is published for others', () => {
  function create(isListening: boolean) {
    let nowMs = 0
    const audience = createAudience(
      () => isListening,
      () => nowMs,
    )
    return {
      audience,
      pass(ms: number) {
        nowMs += ms
      },
    }
  }

  it('everything, until it is known that nobody else listens', () => {
    const { audience } = create(true)
    expect(audience.tells()).toBe(7)
    audience.heard(2)
    expect(audience.tells()).toBe(7)
    audience.heard(1)
    expect(audience.tells()).toBe(0)
  })

  it('one call in a while asks again', () => {
    const { audience, pass } = create(true)
    audience.heard(1)
    pass(999)
    expect(audience.tells()).toBe(0)
    pass(1)
    expect([audience.tells(), audience.tells()]).toEqual([7, 0])
    audience.heard(2)
    expect(audience.tells()).toBe(7)
  })

  it('a process that does not listen itself is told by one listener that somebody does', () => {
    const { audience } = create(false)
    audience.heard(1)
    expect(audience.tells()).toBe(7)
    audience.heard(0)
    expect(audience.tells()).toBe(0)
  })
})
