import { type EngineError, engineError } from '../errors/engine-error.js'
import { limits } from '../limits.js'
import type { RetryPolicy } from '../policies/retry.js'
import { defaultRetryPolicy } from '../policies/retry.js'
import type { Timeouts } from '../policies/timeouts.js'

/** Throws `invalid_policy` unless the retry policy holds together. */
export function checkRetryPolicy(policy: RetryPolicy): void {
  // Most callers leave it at the default, or pass that very object.
  if (policy === defaultRetryPolicy) return
  if (typeof policy !== 'object' || policy === null) throw invalidPolicy('retry', 'must be an object')
  requireWhole('retry.maxAttempts', policy.maxAttempts, 1, limits.attemptsMax)
  checkBackoff(policy.backoff)
  const { nonRetryable } = policy
  if (!Array.isArray(nonRetryable) || nonRetryable.length > CATEGORIES_MAX) {
    throw invalidPolicy('retry.nonRetryable', `must be a list of at most ${CATEGORIES_MAX} categories`)
  }
  for (const category of nonRetryable as readonly unknown[]) {
    if (!isCategory(category)) throw invalidPolicy('retry.nonRetryable', 'holds what is no category')
  }
}

/** Throws `invalid_policy` unless each timeout is a duration. */
export function checkTimeouts(timeouts: Timeouts): void {
  if (typeof timeouts !== 'object' || timeouts === null) throw invalidPolicy('timeouts', 'must be an object')
  checkDuration('timeouts.deadlineMs', timeouts.deadlineMs)
  checkDuration('timeouts.attemptTimeoutMs', timeouts.attemptTimeoutMs)
  checkDuration('timeouts.queueTtlMs', timeouts.queueTtlMs)
}

/** Whether the value can be a failure's category: 1…128 characters without control characters. */
export function isCategory(value: unknown): value is string {
  return typeof value === 'string' && CATEGORY_PATTERN.test(value)
}

/** The error of a policy that does not hold together. */
export function invalidPolicy(path: string, message: string): EngineError {
  return engineError('invalid_policy', `${path} ${message}`, { path })
}

function checkBackoff(backoff: RetryPolicy['backoff']): void {
  if (typeof backoff !== 'object' || backoff === null)
    throw invalidPolicy('retry.backoff', 'must be an object')
  if (backoff.kind !== 'fixed' && backoff.kind !== 'exponential') {
    throw invalidPolicy('retry.backoff.kind', 'must be fixed or exponential')
  }
  requireWhole('retry.backoff.initialMs', backoff.initialMs, 0, limits.durationMsMax)
  requireWhole('retry.backoff.maxMs', backoff.maxMs, 0, limits.durationMsMax)
  if (backoff.maxMs < backoff.initialMs) throw invalidPolicy('retry.backoff.maxMs', 'is below initialMs')
  const { multiplier } = backoff
  if (typeof multiplier !== 'number' || !(multiplier >= 1 && multiplier <= MULTIPLIER_MAX)) {
    throw invalidPolicy('retry.backoff.multiplier', `must be a number of 1…${MULTIPLIER_MAX}`)
  }
  if (typeof backoff.jitter !== 'boolean')
    throw invalidPolicy('retry.backoff.jitter', 'must be true or false')
}

function checkDuration(path: string, value: unknown): void {
  if (value !== undefined) requireWhole(path, value, 1, limits.durationMsMax)
}

function requireWhole(path: string, value: unknown, min: number, max: number): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return
  throw invalidPolicy(path, `must be a whole number of ${min}…${max}`)
}

const CATEGORIES_MAX = 100
const MULTIPLIER_MAX = 1_000
const CATEGORY_PATTERN = /^[^\p{Cc}\p{Cs}]{1,128}$/u
