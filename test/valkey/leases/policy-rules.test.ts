import {
  type Backoff,
  backoffMs,
  defaultRetryPolicy,
  limits,
  type RetryPolicy,
  reclaimBackoffMs,
  retryAllowed,
} from '@flowfabric/core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { packPolicy } from '../../../packages/backend-valkey/src/executions/submission.js'
import { executionFields as X } from '../../../packages/backend-valkey/src/generated/layouts.js'
import { type LuaRules, openLuaRules } from '../library/ask-lua.js'

let rules: LuaRules

beforeAll(async () => {
  rules = await openLuaRules()
})

afterAll(() => rules.close())

type Policies = Parameters<typeof packPolicy>[0]

function recordOf(policies: Policies, retries = 0): unknown[] {
  const record: unknown[] = Object.keys(X).map(() => 0)
  record[X.policy] = packPolicy(policies)
  record[X.retries] = retries
  return record
}

const draws = [0, 0.25, 0.5, 0.999] as const
const counts = [1, 2, 3, 7, 40, 999] as const

const backoffs: readonly Backoff[] = [
  defaultRetryPolicy.backoff,
  { kind: 'fixed', initialMs: 700, multiplier: 9, maxMs: 5_000, jitter: false },
  { kind: 'fixed', initialMs: 7_000, multiplier: 1, maxMs: 5_000, jitter: true },
  { kind: 'exponential', initialMs: 0, multiplier: 2, maxMs: 5_000, jitter: false },
  { kind: 'exponential', initialMs: 3, multiplier: 1.5, maxMs: 100_000, jitter: false },
  { kind: 'exponential', initialMs: 1_000, multiplier: 1, maxMs: 60_000, jitter: true },
  { kind: 'exponential', initialMs: 1, multiplier: 1_000, maxMs: 315_576_000_000, jitter: false },
]

/** The draw comes with the case. */
const drawn = 'function call.random(u) return u.draw end'
const inFull = (expression: string) => `string.format('%.0f', ${expression})`

it('draws the pause before a retry as core does, with a policy and without', async () => {
  const cases = counts.flatMap((retry) =>
    draws.flatMap((draw) => [undefined, ...backoffs].map((backoff) => ({ retry, draw, backoff }))),
  )
  const told = await rules.ask(
    ['call', 'policy'],
    cases.map(({ retry, draw, backoff }) => [
      draw,
      recordOf({ retry: backoff && { ...defaultRetryPolicy, backoff } }, retry),
    ]),
    `${drawn} return { ${inFull('policy.backoff({ draw = case[1] }, case[2])')} }`,
  )
  cases.forEach(({ retry, draw, backoff = defaultRetryPolicy.backoff }, place) => {
    expect(told[place], JSON.stringify(cases[place])).toEqual([String(backoffMs(backoff, retry, draw))])
  })
})

it('tries again as often as core does, and not what is final', async () => {
  const policies: readonly (RetryPolicy | undefined)[] = [
    undefined,
    { ...defaultRetryPolicy, maxAttempts: 1 },
    { ...defaultRetryPolicy, maxAttempts: 1_000, nonRetryable: ['bad', 'worse'] },
  ]
  const cases = policies.flatMap((retry) =>
    [1, 2, 3, 999, 1_000].flatMap((made) =>
      ['error', 'bad', 'worse'].map((category) => ({ retry, made, category })),
    ),
  )
  const told = await rules.ask(
    ['call', 'policy'],
    cases.map(({ retry, made, category }) => [recordOf({ retry }, made), category]),
    'return { policy.may_retry(case[1], case[2]) }',
  )
  const expected = cases.map(({ retry = defaultRetryPolicy, made, category }) => [
    retryAllowed(retry, made, category),
  ])
  expect(told).toEqual(expected)
})

it('draws the pause before a reclaim as core does', async () => {
  const cases = [0, 8, 9, 20, 21, 22, 23, ...counts].flatMap((reclaim) =>
    draws.map((draw) => [draw, reclaim]),
  )
  const told = await rules.ask(
    ['call', 'policy'],
    cases,
    `${drawn} return { ${inFull('policy.reclaim_pause({ draw = case[1] }, case[2])')} }`,
  )
  expect(told).toEqual(cases.map(([draw = 0, reclaim = 0]) => [String(reclaimBackoffMs(reclaim, draw))]))
})

it('reads the other policies as they were stated, and has the same defaults and bounds as core', async () => {
  const stated: readonly Policies[] = [
    {},
    { retentionMs: 0, maxReclaims: 0 },
    { retentionMs: 5, maxReclaims: 7, timeouts: { attemptTimeoutMs: 9 } },
    { timeouts: { attemptTimeoutMs: limits.durationMsMax }, retentionMs: limits.durationMsMax },
  ]
  const told = await rules.ask(
    ['call', 'policy'],
    stated.map((each) => recordOf(each)),
    `return { ${inFull('policy.attempt_timeout(case)')}, policy.retention(case) and ${inFull('policy.retention(case)')} or 'none',
       policy.max_reclaims(case) }`,
  )
  const expected = stated.map(({ timeouts, retentionMs, maxReclaims }) => [
    String(timeouts?.attemptTimeoutMs ?? 0),
    String(retentionMs ?? 'none'),
    maxReclaims ?? limits.reclaimsMax,
  ])
  expect(told).toEqual(expected)
  const priorities = [0, limits.priorityMax, limits.priorityMax + 1]
  const allowed = await rules.ask(['call', 'policy'], priorities, 'return { policy.is_priority(case) }')
  expect(allowed).toEqual([[true], [true], [false]])
})
