import { engineError } from '@flowfabric/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { readConnectionSettings } from './options.js'
import { createPatience } from './patience.js'

const settings = readConnectionSettings({ url: 'valkey://h', callTimeoutMs: 5_000, retryForMs: 3_000 })
const lost = { kind: 'unknown', code: 'connection_lost', text: 'cut', isSlow: false } as const
const unreachable = expect.objectContaining({ code: 'store_unreachable' })
const mayHaveCommitted = expect.objectContaining({ code: 'connection_lost', mayHaveCommitted: true })

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('the patience of a call', () => {
  it('pauses longer and longer, and ends when its time is over', () => {
    const patience = createPatience(settings, true)
    const pauses = Array.from({ length: 8 }, () => patience.hold('busy'))
    pauses.forEach((pause, index) => {
      const longest = Math.min(400, 10 * 2 ** index)
      expect(pause).toBeLessThanOrEqual(longest)
      expect(pause).toBeGreaterThanOrEqual(longest * 0.75)
    })
    vi.advanceTimersByTime(2_990)
    expect(patience.hold('busy')).toBeLessThanOrEqual(10)
    vi.advanceTimersByTime(10)
    expect(() => patience.hold('busy')).toThrow(unreachable)
    expect(() => patience.hold('busy')).toThrow(/^busy; given up after 3000 ms$/)
  })

  it('lets a try take what is left, but never so little that it says nothing', () => {
    const patience = createPatience(settings, true)
    expect(patience.tryForMs).toBe(3_000)
    vi.advanceTimersByTime(1_500)
    expect(patience.tryForMs).toBe(1_500)
    vi.advanceTimersByTime(1_400)
    expect(patience.tryForMs).toBe(1_000)
  })

  it('remembers that an answer was lost, whatever comes afterwards', () => {
    const patience = createPatience(settings, true)
    patience.lose(lost)
    expect(patience.mayHaveCommitted).toBe(true)
    expect(patience.end(engineError('store_unreachable', 'gone'))).toEqual(mayHaveCommitted)
    expect(patience.end(engineError('closed', 'over'))).toMatchObject({ cause: { code: 'closed' } })
    expect(patience.end(engineError('store_full', 'full'))).toMatchObject({
      code: 'store_full',
      mayHaveCommitted: true,
    })
    vi.advanceTimersByTime(3_000)
    expect(() => patience.hold('busy')).toThrow(mayHaveCommitted)
    expect(() => patience.lose({ ...lost, code: 'timed_out' })).toThrow(
      expect.objectContaining({ code: 'timed_out', mayHaveCommitted: true }),
    )
  })

  it('ends with the first lost answer when the call may not be repeated, or the server is only slow', () => {
    expect(() => createPatience(settings, false).lose(lost)).toThrow(mayHaveCommitted)
    expect(() => createPatience(settings, true).lose({ ...lost, isSlow: true })).toThrow(mayHaveCommitted)
  })

  it('leaves an error alone when nothing was lost', () => {
    const error = engineError('store_full', 'full')
    expect(createPatience(settings, true).end(error)).toBe(error)
  })
})
