import { describe, expect, it } from 'vitest'
import { type Backoff, backoffMs, defaultRetryPolicy, reclaimBackoffMs, retryAllowed } from './retry.js'

const steady: Backoff = { kind: 'exponential', initialMs: 100, multiplier: 3, maxMs: 2_000, jitter: false }

describe('backoff', () => {
  it('grows by its factor up to its bound', () => {
    expect([1, 2, 3, 4, 100, 5_000].map((retry) => backoffMs(steady, retry, 0.5))).toEqual([
      100, 300, 900, 2_000, 2_000, 2_000,
    ])
  })

  it('stays where it is when fixed', () => {
    expect([1, 7].map((retry) => backoffMs({ ...steady, kind: 'fixed' }, retry, 0.5))).toEqual([100, 100])
  })

  it('is uniform in 0…computed with full jitter, in whole ms', () => {
    const full = { ...steady, jitter: true }
    expect(backoffMs(full, 1, 0)).toBe(0)
    expect(backoffMs(full, 1, 0.999_999)).toBe(100)
    expect(backoffMs(full, 1, 0.5)).toBe(50)
  })
})

describe('a retry', () => {
  it('is allowed while attempts are left and the category may be retried', () => {
    expect(retryAllowed(defaultRetryPolicy, 2, 'error')).toBe(true)
    expect(retryAllowed(defaultRetryPolicy, 3, 'error')).toBe(false)
    expect(retryAllowed({ ...defaultRetryPolicy, nonRetryable: ['validation'] }, 1, 'validation')).toBe(false)
  })
})

describe('a reclaim', () => {
  it('comes at once the first time, then after 1 s doubling to 60 s, jittered in its upper half', () => {
    expect(reclaimBackoffMs(1, 0.9)).toBe(0)
    expect([2, 3, 4, 30].map((n) => reclaimBackoffMs(n, 0))).toEqual([500, 1_000, 2_000, 30_000])
    expect(reclaimBackoffMs(30, 0.999_999)).toBe(59_999)
  })
})
