import {
  decideGroup,
  type GroupCounters,
  groupComplete,
  type Join,
  type JoinPolicy,
  nodeFate,
  runOns,
  siblingCancelReason,
} from '@flowfabric/core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  decisionLetters,
  joinKindLetters,
  onDecidedLetters,
  runOnLetters,
} from '../../../packages/backend-valkey/src/flows/flow-letters.js'
import { groupFields as G } from '../../../packages/backend-valkey/src/generated/layouts.js'
import { type LuaRules, openLuaRules } from '../library/ask-lua.js'

const N_MAX = 6

interface Case {
  readonly join: Join
  readonly counters: GroupCounters
}

let rules: LuaRules

beforeAll(async () => {
  rules = await openLuaRules()
})

afterAll(() => rules.close())

/** Every group of up to so many upstreams, under every policy. */
function allCases(): readonly Case[] {
  const counters: GroupCounters[] = []
  for (let n = 0; n <= N_MAX; n += 1)
    for (let succeeded = 0; succeeded <= n; succeeded += 1)
      for (let failed = 0; succeeded + failed <= n; failed += 1)
        for (let skipped = 0; succeeded + failed + skipped <= n; skipped += 1)
          counters.push({ n, succeeded, failed, skipped })
  const policies: JoinPolicy[] = (['cancel_remaining', 'let_run'] as const).flatMap((on) => [
    { kind: 'all_of' as const, onImpossible: on },
    { kind: 'any_of' as const, onSatisfied: on },
    ...Array.from({ length: N_MAX }, (_, k) => ({ kind: 'quorum' as const, k: k + 1, onSatisfied: on })),
  ])
  return policies.flatMap((policy) =>
    runOns.flatMap((runOn) =>
      counters.map((each) => ({
        join: { policy, runOn, settled: false, cancelShared: false, ancestors: 'cancel' as const },
        counters: each,
      })),
    ),
  )
}

function pack({ join: { policy, runOn }, counters }: Case, state: string): unknown[] {
  const group: unknown[] = Array.from({ length: Object.keys(G).length }, () => 0)
  const onDecided = policy.kind === 'all_of' ? policy.onImpossible : policy.onSatisfied
  group[G.kind] = joinKindLetters[policy.kind]
  group[G.k] = policy.kind === 'quorum' ? policy.k : 0
  group[G.on_decided] = onDecidedLetters[onDecided]
  group[G.run_on] = runOnLetters[runOn]
  group[G.state] = state
  group[G.n] = counters.n
  group[G.ok] = counters.succeeded
  group[G.failed] = counters.failed
  group[G.skipped] = counters.skipped
  return group
}

/** Of each group: known, complete, decision, whether its node runs, reason of a sibling cancel. */
const askLua = (groups: readonly unknown[][]) =>
  rules.ask(
    ['groups'],
    groups,
    `return { groups.is_known(case), groups.is_complete(case), groups.decide(case), groups.runs(case), groups.cancel_reason(case) }`,
  )

it('decides every group of up to six upstreams as core does', async () => {
  const cases = allCases()
  const told = await askLua(cases.map((each) => pack(each, 'p')))
  const seen = new Set<string>()
  cases.forEach(({ join, counters }, place) => {
    const decision = decideGroup(join, counters)
    seen.add(`${join.policy.kind} ${decision}`)
    const [isKnown, isComplete, letter] = told[place] ?? []
    const expected = [true, groupComplete(counters), decisionLetters[decision]]
    expect([isKnown, isComplete, letter], JSON.stringify({ join, counters })).toEqual(expected)
  })
  expect(seen.size).toBe(9)
})

it('says as core does what a decision means to the node and to the siblings', async () => {
  for (const decision of ['satisfied', 'impossible'] as const) {
    const cases = allCases()
    const told = await askLua(cases.map((each) => pack(each, decisionLetters[decision])))
    cases.forEach(({ join }, place) => {
      const reason = siblingCancelReason(join.policy, decision)
      const expected = [nodeFate(join, decision) === 'run', reason === null ? '' : decisionLetters[decision]]
      expect(told[place]?.slice(3), JSON.stringify(join)).toEqual(expected)
    })
  }
})

it('takes a policy without words for the default one, and one that it does not know for none', async () => {
  const [plain] = allCases().filter(({ join, counters }) => join.policy.kind === 'any_of' && counters.n === 2)
  if (plain === undefined) throw new Error('no case')
  const group = (change: (fields: unknown[]) => void) => {
    const fields = pack({ ...plain, counters: { n: 2, succeeded: 1, failed: 0, skipped: 0 } }, 's')
    change(fields)
    return fields
  }
  const told = await askLua([
    group((fields) => {
      fields[G.on_decided] = ''
    }),
    group((fields) => {
      fields[G.kind] = ''
    }),
    group((fields) => {
      fields[G.kind] = 'weighted_of'
    }),
    group((fields) => {
      fields[G.run_on] = 'onFullMoon'
    }),
  ])
  expect(told.map(([isKnown]) => isKnown)).toEqual([true, true, false, false])
  // What it does to the others when it decides is to cancel them, but for `all_of`.
  expect(told[0]?.[4]).toBe('s')
  expect(told[1]?.[2]).toBe('p')
})
