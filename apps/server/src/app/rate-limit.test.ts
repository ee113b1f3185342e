import { describe, expect, it } from 'vitest'
import { type Grant, ownersGrant } from './grant.js'
import { createRateLimit } from './rate-limit.js'

const grant = (subject: string): Grant => ({ ...ownersGrant, subject })

describe('the rate of requests', () => {
  it('is kept for each token by itself, with a second saved up', () => {
    let nowMs = 0
    const limit = createRateLimit(2, () => nowMs)
    const [one, other] = [grant('token:1'), grant('token:2')]
    const isTaken = (whose: Grant) => {
      try {
        limit.take(whose)
        return true
      } catch (error) {
        return (error as { readonly retryAfterMs?: number }).retryAfterMs
      }
    }
    expect([isTaken(one), isTaken(one), isTaken(one), isTaken(other)]).toEqual([true, true, 500, true])
    nowMs = 400
    expect(isTaken(one)).toBe(100)
    nowMs = 500
    expect([isTaken(one), isTaken(one)]).toEqual([true, 500])
    nowMs = 60_000
    expect([isTaken(one), isTaken(one), isTaken(one)]).toEqual([true, true, 500])
  })

  it('has no bound for the configured token, and for nobody where none is set', () => {
    const limit = createRateLimit(1, () => 0)
    for (let n = 0; n < 3; n += 1) limit.take(ownersGrant)
    const none = createRateLimit(0, () => 0)
    for (let n = 0; n < 3; n += 1) none.take(grant('token:1'))
  })
})
