import { describe, expect, it } from 'vitest'
import type { JoinPolicy } from '../policies/join.js'
import { resolveJoin } from '../policies/join.js'
import {
  decideGroup,
  decidePolicy,
  edgeStateFor,
  type GroupCounters,
  groupComplete,
  nodeFate,
  outcomeBucket,
  readyToRelease,
  siblingCancelReason,
} from './join.js'

const counters = (succeeded: number, failed: number, skipped: number, n: number): GroupCounters => ({
  n,
  succeeded,
  failed,
  skipped,
})
const allOf: JoinPolicy = { kind: 'all_of', onImpossible: 'let_run' }
const anyOf = (onSatisfied: 'cancel_remaining' | 'let_run'): JoinPolicy => ({ kind: 'any_of', onSatisfied })
const quorum = (k: number, onSatisfied: 'cancel_remaining' | 'let_run' = 'let_run'): JoinPolicy => ({
  kind: 'quorum',
  k,
  onSatisfied,
})

/** The decision with its sibling cancel, in the words of the table. */
function row(policy: JoinPolicy, c: GroupCounters): string {
  const decision = decidePolicy(policy, c)
  if (decision === 'pending') return 'pending'
  return siblingCancelReason(policy, decision) === null ? decision : `${decision} cancel`
}

describe('decision table', () => {
  it.each([
    [allOf, counters(3, 0, 0, 3), 'satisfied'],
    [allOf, counters(2, 1, 0, 3), 'impossible'],
    [allOf, counters(1, 0, 0, 3), 'pending'],
    [anyOf('cancel_remaining'), counters(1, 0, 0, 3), 'satisfied cancel'],
    [anyOf('let_run'), counters(1, 0, 0, 3), 'satisfied'],
    [anyOf('let_run'), counters(0, 3, 0, 3), 'impossible'],
    [quorum(2), counters(2, 0, 1, 3), 'satisfied'],
    [quorum(3), counters(0, 3, 0, 5), 'impossible'],
    [allOf, counters(0, 0, 0, 0), 'pending'],
    [anyOf('cancel_remaining'), counters(0, 0, 0, 0), 'pending'],
    [quorum(1), counters(0, 0, 0, 0), 'pending'],
  ] as const)('%o of %o is %s', (policy, c, expected) => {
    expect(row(policy, c)).toBe(expected)
  })

  it('agrees with every way in which the pending upstreams can still end, for all n ≤ 6', () => {
    for (const [policy, c] of everyGroup(6))
      expect(decidePolicy(policy, c), JSON.stringify([policy, c])).toBe(brute(policy, c))
  })
})

/**
 * Brute force, without the table: a group is satisfied when what has succeeded suffices by itself, impossible when it
 * does not even if all that is pending succeeds.
 */
function brute(policy: JoinPolicy, c: GroupCounters): string {
  const pending = c.n - c.succeeded - c.failed - c.skipped
  const need = policy.kind === 'all_of' ? c.n : policy.kind === 'any_of' ? 1 : policy.k
  if (c.n === 0) return 'pending'
  if (c.succeeded >= need) return 'satisfied'
  for (let more = 0; more <= pending; more += 1) if (c.succeeded + more >= need) return 'pending'
  return 'impossible'
}

function* everyGroup(nMax: number): Generator<readonly [JoinPolicy, GroupCounters]> {
  for (let n = 0; n <= nMax; n += 1) {
    for (let s = 0; s <= n; s += 1) {
      for (let f = 0; s + f <= n; f += 1) {
        for (let k = 0; s + f + k <= n; k += 1) {
          const c = counters(s, f, k, n)
          yield [allOf, c]
          yield [anyOf('let_run'), c]
          for (let q = 1; q <= n; q += 1) yield [quorum(q), c]
        }
      }
    }
  }
}

describe('outcome buckets', () => {
  it.each([
    ['success', 'succeeded', 'satisfied'],
    ['failed', 'failed', 'impossible'],
    ['skipped', 'skipped', 'impossible'],
    ['cancelled', 'failed', 'impossible'],
    ['expired', 'failed', 'impossible'],
  ] as const)('%s counts as %s and leaves its edge %s', (outcome, bucket, edge) => {
    expect(outcomeBucket(outcome)).toBe(bucket)
    expect(edgeStateFor(outcome)).toBe(edge)
  })
})

describe('what a decision does to its node', () => {
  it('runs or skips by runOn', () => {
    const fates = (['groupSatisfied', 'groupImpossible', 'always'] as const).map((runOn) => {
      const join = resolveJoin({ runOn })
      return [nodeFate(join, 'satisfied'), nodeFate(join, 'impossible')]
    })
    expect(fates).toEqual([
      ['run', 'skip'],
      ['skip', 'run'],
      ['run', 'run'],
    ])
  })

  it('decides an always group only when its last upstream has ended', () => {
    const join = resolveJoin({ runOn: 'always' })
    expect(decideGroup(join, counters(1, 1, 0, 3))).toBe('pending')
    expect(decideGroup(join, counters(2, 1, 0, 3))).toBe('impossible')
    expect(decideGroup(join, counters(3, 0, 0, 3))).toBe('satisfied')
  })

  it('lets a settled node go only when every upstream has ended', () => {
    const join = resolveJoin({ policy: { kind: 'any_of' }, settled: true })
    expect(decideGroup(join, counters(1, 0, 0, 2))).toBe('satisfied')
    expect(readyToRelease(join, counters(1, 0, 0, 2))).toBe(false)
    expect(readyToRelease(join, counters(1, 0, 1, 2))).toBe(true)
    expect(groupComplete(counters(0, 0, 0, 0))).toBe(false)
  })

  it('gives all_of a sibling cancel only when it asks for it and became impossible', () => {
    expect(siblingCancelReason(allOf, 'impossible')).toBeNull()
    const failFast: JoinPolicy = { kind: 'all_of', onImpossible: 'cancel_remaining' }
    expect(siblingCancelReason(failFast, 'impossible')).toBe('sibling_quorum_impossible')
    expect(siblingCancelReason(failFast, 'satisfied')).toBeNull()
    expect(siblingCancelReason(quorum(2, 'cancel_remaining'), 'impossible')).toBe('sibling_quorum_impossible')
  })
})
