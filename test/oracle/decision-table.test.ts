import {
  decideGroup,
  type GroupCounters,
  groupComplete,
  type JoinPolicy,
  nodeFate,
  outcomeBucket,
  resolveJoin,
  siblingCancelReason,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { bucketOf, fateOf, reasonOf, verdict } from './rules.js'
import { plainJoin } from './world.js'

const counters = (succeeded: number, failed: number, skipped: number, n: number): GroupCounters => ({
  n,
  succeeded,
  failed,
  skipped,
})

const allOf: JoinPolicy = { kind: 'all_of', onImpossible: 'let_run' }
const anyOf = (onSatisfied: 'cancel_remaining' | 'let_run'): JoinPolicy => ({ kind: 'any_of', onSatisfied })
const quorum = (k: number, onSatisfied: 'cancel_remaining' | 'let_run'): JoinPolicy => ({
  kind: 'quorum',
  k,
  onSatisfied,
})

describe('decision table', () => {
  it.each([
    ['all_of (3,0,0,n3)', allOf, counters(3, 0, 0, 3), 'satisfied', null],
    ['all_of (2,1,0,n3)', allOf, counters(2, 1, 0, 3), 'impossible', null],
    ['all_of (1,0,0,n3)', allOf, counters(1, 0, 0, 3), 'pending', null],
    [
      'any_of cancel (1,0,0,n3)',
      anyOf('cancel_remaining'),
      counters(1, 0, 0, 3),
      'satisfied',
      'sibling_quorum_satisfied',
    ],
    ['any_of let_run (1,0,0,n3)', anyOf('let_run'), counters(1, 0, 0, 3), 'satisfied', null],
    [
      'any_of cancel (0,3,0,n3)',
      anyOf('cancel_remaining'),
      counters(0, 3, 0, 3),
      'impossible',
      'sibling_quorum_impossible',
    ],
    ['quorum 2 let_run (2,0,1,n3)', quorum(2, 'let_run'), counters(2, 0, 1, 3), 'satisfied', null],
    [
      'quorum 3 cancel (0,3,0,n5)',
      quorum(3, 'cancel_remaining'),
      counters(0, 3, 0, 5),
      'impossible',
      'sibling_quorum_impossible',
    ],
  ] as const)('%s', (_, policy, c, decision, reason) => {
    const join = { ...resolveJoin(undefined), policy }
    expect(decideGroup(join, c)).toBe(decision)
    if (decision !== 'pending') expect(siblingCancelReason(policy, decision)).toBe(reason)
  })

  it('is pending for n = 0, whatever the policy', () => {
    for (const policy of [allOf, anyOf('cancel_remaining'), quorum(1, 'let_run')]) {
      for (const runOn of ['groupSatisfied', 'groupImpossible', 'always'] as const) {
        expect(decideGroup({ ...resolveJoin(undefined), policy, runOn }, counters(0, 0, 0, 0))).toBe(
          'pending',
        )
      }
    }
  })

  it('agrees with a brute-force oracle for every n ≤ 6, k, succeeded, failed and skipped', () => {
    let compared = 0
    for (const c of everyCounters(6)) {
      for (const policy of everyPolicy(c.n)) {
        for (const runOn of ['groupSatisfied', 'groupImpossible', 'always'] as const) {
          const join = { ...resolveJoin(undefined), policy, runOn }
          const asked = { policy: policy.kind, k: policy.kind === 'quorum' ? policy.k : 0, runOn }
          const expected = verdict(asked, c)
          expect(decideGroup(join, c), JSON.stringify({ join, c })).toBe(expected)
          compared += 1
          if (expected === 'pending') continue
          const cancels =
            (policy.kind === 'all_of' ? policy.onImpossible : policy.onSatisfied) === 'cancel_remaining'
          const mine = { ...plainJoin, ...asked, cancels }
          expect(nodeFate(join, expected)).toBe(fateOf(mine, expected))
          expect(siblingCancelReason(policy, expected)).toBe(reasonOf(mine, expected))
        }
      }
    }
    expect(compared).toBeGreaterThan(5_000)
  })

  it('never decides otherwise once it has decided, whatever the open upstreams still do', () => {
    for (const c of everyCounters(5)) {
      if (groupComplete(c) || c.n === 0) continue
      for (const policy of everyPolicy(c.n)) {
        const join = { ...resolveJoin(undefined), policy }
        const decision = decideGroup(join, c)
        if (decision === 'pending') continue
        for (const bucket of ['succeeded', 'failed', 'skipped'] as const)
          expect(decideGroup(join, { ...c, [bucket]: c[bucket] + 1 })).toBe(decision)
      }
    }
  })
})

describe('outcome buckets', () => {
  it.each(['success', 'failed', 'cancelled', 'expired', 'skipped'] as const)('of %s', (outcome) => {
    expect(outcomeBucket(outcome)).toBe(bucketOf(outcome))
  })
})

function* everyCounters(nMax: number): Generator<GroupCounters> {
  for (let n = 0; n <= nMax; n += 1)
    for (let s = 0; s <= n; s += 1)
      for (let f = 0; s + f <= n; f += 1)
        for (let sk = 0; s + f + sk <= n; sk += 1) yield counters(s, f, sk, n)
}

function* everyPolicy(n: number): Generator<JoinPolicy> {
  for (const on of ['cancel_remaining', 'let_run'] as const) {
    yield { kind: 'all_of', onImpossible: on }
    yield anyOf(on)
    for (let k = 1; k <= Math.max(1, n); k += 1) yield quorum(k, on)
  }
}
