import { engineError } from '@flowfabric/core'
import { describe, expect, test } from 'vitest'
import { RetryAtError, TerminalError } from '../errors.js'
import { AbortReason, readRefusal } from './abort-reason.js'
import { describeFailure, describeInvalidInput } from './failures.js'
import { LagMeter } from './lag-meter.js'
import { WorkMeter } from './work-meter.js'

describe('prefetch', () => {
  test('is none before anything was measured', () => {
    expect(new WorkMeter().prefetch(16)).toBe(0)
  })

  test('is as much as runs at once, while work is quick', () => {
    const work = new WorkMeter()
    work.record(0.1)
    expect(work.prefetch(16)).toBe(16)
  })

  test('is at most a second of measured work', () => {
    const work = new WorkMeter()
    work.record(4_000)
    expect(work.prefetch(16)).toBe(4)
    work.record(60_000)
    expect(work.prefetch(16)).toBe(1)
  })

  test('is not more than what runs now allows', () => {
    const work = new WorkMeter()
    work.record(1)
    work.raise(8_000)
    expect(work.prefetch(16)).toBe(2)
    work.raise(10)
    expect(work.prefetch(16)).toBe(2)
  })
})

describe('what is asked for ahead', () => {
  test('is nothing before anything was measured', () => {
    expect(new WorkMeter().ahead(16)).toBe(0)
  })

  test('is what the slots get through in 20 ms', () => {
    const work = new WorkMeter()
    work.record(4)
    expect(work.ahead(16)).toBe(80)
    work.raise(40)
    expect(work.ahead(16)).toBe(8)
    work.raise(1_000)
    expect(work.ahead(16)).toBe(0)
  })

  test('is bounded for each slot, however quick the work is', () => {
    const work = new WorkMeter()
    work.record(0)
    expect(work.ahead(16)).toBe(480)
  })
})

describe('back-pressure', () => {
  test('halves with every late sample, never to nothing, and comes back step by step', () => {
    const lag = new LagMeter(8, 100)
    expect([lag.allowed, lag.isLagging]).toEqual([8, false])
    for (let sample = 0; sample < 5; sample++) lag.sample(150)
    expect([lag.allowed, lag.isLagging]).toEqual([1, true])
    for (let sample = 0; sample < 7; sample++) lag.sample(20)
    expect([lag.allowed, lag.isLagging]).toEqual([8, false])
  })
})

describe('a failure', () => {
  test('keeps category, message and stack of what was thrown', () => {
    const { failure, retry } = describeFailure(new Error('broken'))
    expect(failure).toMatchObject({
      category: 'error',
      message: 'broken',
      details: expect.stringContaining('Error: broken'),
    })
    expect(retry).toBeUndefined()
  })

  test.each([
    [new TerminalError('no'), 'terminal', 'never'],
    [new TerminalError('no', { category: 'spam' }), 'spam', 'never'],
    [new RetryAtError(1234.5, 'later'), 'error', { atMs: 1235 }],
    [new AbortReason('timed_out', 'over'), 'timeout', undefined],
    [new AbortReason('cancelled', 'stop'), 'cancelled', undefined],
    [engineError('budget_exceeded', 'spent'), 'budget_exceeded', undefined],
    [Object.assign(new Error('mine'), { category: 'quota' }), 'quota', undefined],
    [Object.assign(new Error('mine'), { category: 'bad\ncategory' }), 'error', undefined],
    ['a text', 'error', undefined],
    [undefined, 'error', undefined],
  ])('of %s is of the right category', (thrown, category, retry) => {
    const described = describeFailure(thrown)
    expect(described.failure.category).toBe(category)
    expect(described.retry).toEqual(retry)
  })

  test('is cut to what a store takes, without cutting a character', () => {
    const { failure } = describeFailure(new Error(`${'ä'.repeat(3_000)}\0`))
    expect(Buffer.byteLength(failure.message)).toBeLessThanOrEqual(4_096)
    expect(failure.message).toBe('ä'.repeat(2_048))
    expect(describeFailure(new Error('a\0b')).failure.message).toBe('a\uFFFDb')
  })

  test('of an invalid input is not tried again', () => {
    expect(describeInvalidInput(new Error('bad'))).toMatchObject({
      failure: { category: 'validation' },
      retry: 'never',
    })
  })
})

describe('a refusal', () => {
  test.each([
    [{ outcome: 'stale_lease' } as const, 'lease_lost'],
    [{ outcome: 'lease_expired' } as const, 'lease_lost'],
    [{ outcome: 'lease_revoked' } as const, 'lease_lost'],
    [{ outcome: 'attempt_timed_out' } as const, 'timed_out'],
    [
      {
        outcome: 'execution_not_active',
        recorded: { endedBy: 'cancel', terminalOutcome: 'cancelled' },
      } as const,
      'cancelled',
    ],
    [
      {
        outcome: 'execution_not_active',
        recorded: { endedBy: 'deadline', terminalOutcome: 'expired' },
      } as const,
      'timed_out',
    ],
    [
      {
        outcome: 'execution_not_active',
        recorded: { endedBy: 'holder', terminalOutcome: 'success' },
      } as const,
      'lease_lost',
    ],
  ])('%j means %s to its handler', (refusal, kind) => {
    expect(readRefusal(refusal).kind).toBe(kind)
  })
})
