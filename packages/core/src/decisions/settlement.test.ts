import { describe, expect, it } from 'vitest'
import { type ExecutionId, mintExecutionId } from '../ids/index.js'
import { type ReplayMember, replayPlanOf } from './replay.js'
import { type SettlementMember, settlementOf } from './settlement.js'

const names = ['a', 'b', 'c', 'd', 'e'] as const
type Name = (typeof names)[number]
const idOf = Object.fromEntries(names.map((name) => [name, mintExecutionId(0)])) as Record<Name, ExecutionId>
const nameOf = (id: ExecutionId) => names.find((name) => idOf[name] === id)

const ended = (
  name: Name,
  outcome: SettlementMember['outcome'],
  extra: Partial<SettlementMember> = {},
): SettlementMember => ({
  id: idOf[name],
  outcome,
  cancelCause: null,
  runOn: 'groupSatisfied',
  attemptStarted: outcome !== 'skipped',
  group: null,
  ...extra,
})
const link = (...pairs: readonly (readonly [Name, Name])[]) =>
  pairs.map(([from, to]) => ({ from: idOf[from], to: idOf[to] }))

describe('settlement', () => {
  const failed = ended('a', 'failed')
  const race = { policy: 'any_of', state: 'satisfied' } as const
  const broken = { policy: 'all_of', state: 'impossible' } as const

  it.each([
    ['nothing failed', [ended('a', 'success'), ended('b', 'skipped')], [], 'completed'],
    ['a failure that nobody bears', [failed, ended('b', 'success')], [], 'failed'],
    [
      'a failure in a race that was won',
      [failed, ended('b', 'success', { group: race })],
      [['a', 'b']],
      'completed',
    ],
    [
      'a failure in front of an all_of that held is impossible, one that broke bears nothing',
      [failed, ended('b', 'skipped', { group: broken })],
      [['a', 'b']],
      'failed',
    ],
    [
      'a failure whose skips lead to a fallback that ran',
      [
        failed,
        ended('b', 'skipped', { group: broken }),
        ended('c', 'success', { group: broken, runOn: 'groupImpossible' }),
      ],
      [
        ['a', 'b'],
        ['b', 'c'],
      ],
      'completed',
    ],
    [
      'a fallback that never started bears nothing',
      [
        failed,
        ended('c', 'cancelled', {
          group: broken,
          runOn: 'groupImpossible',
          attemptStarted: false,
          cancelCause: 'operator',
        }),
      ],
      [['a', 'c']],
      'failed',
    ],
    [
      'a finaliser bears nothing',
      [failed, ended('b', 'success', { group: race, runOn: 'always' })],
      [['a', 'b']],
      'failed',
    ],
    [
      'the path passes through a finaliser that was cancelled as a loser',
      [
        failed,
        ended('b', 'cancelled', { group: broken, runOn: 'always', cancelCause: 'sibling' }),
        ended('c', 'success', { group: race }),
      ],
      [
        ['a', 'b'],
        ['b', 'c'],
      ],
      'completed',
    ],
    [
      'the path does not pass through a success',
      [
        failed,
        ended('b', 'success', { group: broken, runOn: 'always' }),
        ended('c', 'success', { group: race }),
      ],
      [
        ['a', 'b'],
        ['b', 'c'],
      ],
      'failed',
    ],
    [
      'losers count neither way',
      [
        ended('a', 'cancelled', { cancelCause: 'sibling' }),
        ended('b', 'cancelled', { cancelCause: 'ancestor' }),
      ],
      [],
      'completed',
    ],
    ["an operator's cancel counts", [ended('a', 'cancelled', { cancelCause: 'operator' })], [], 'failed'],
    ['an expiry counts', [ended('a', 'expired')], [], 'failed'],
  ] as const)('%s', (_, members, edges, state) => {
    expect(settlementOf([...members], link(...edges)).state).toBe(state)
  })

  it('names what nobody bore', () => {
    const members = [failed, ended('b', 'success', { group: race }), ended('c', 'failed')]
    expect(settlementOf(members, link(['a', 'b'])).unabsorbed.map(nameOf)).toEqual(['c'])
  })
})

describe('a replay', () => {
  const member = (
    name: Name,
    outcome: ReplayMember['outcome'],
    extra: Partial<ReplayMember> = {},
  ): ReplayMember => ({
    id: idOf[name],
    outcome,
    cancelCause: null,
    dependencyBlocked: false,
    replayCount: 0,
    ...extra,
  })
  const edges = link(['a', 'b'], ['b', 'c'], ['b', 'd'], ['e', 'd'])
  const planned = (members: ReplayMember[], from: 'failed' | readonly ExecutionId[]) => {
    const plan = replayPlanOf(members, edges, from)
    return 'ids' in plan ? [plan.outcome, ...plan.ids.map(nameOf)] : [plan.outcome]
  }
  const all = [
    member('a', 'success'),
    member('b', 'failed'),
    member('c', 'skipped'),
    member('d', 'success'),
    member('e', 'success'),
  ]

  it('from failed takes what failed with its descendants that did not succeed, downstreams first', () => {
    expect(planned(all, 'failed')).toEqual(['plan', 'c', 'b'])
  })

  it('from ids takes all descendants', () => {
    const [outcome, ...ids] = planned(all, [idOf.a])
    expect(outcome).toBe('plan')
    expect(new Set(ids)).toEqual(new Set(['a', 'b', 'c', 'd']))
    expect(ids.indexOf('b')).toBeGreaterThan(ids.indexOf('c'))
    expect(ids.at(-1)).toBe('a')
  })

  it('takes neither skipped members nor losers by themselves', () => {
    expect(
      planned([member('a', 'skipped'), member('b', 'cancelled', { cancelCause: 'sibling' })], 'failed'),
    ).toEqual(['nothing_to_replay'])
  })

  it('conflicts with a member that was let go, not with one that still waits for its upstreams', () => {
    expect(planned([member('b', 'failed'), member('c', 'none')], 'failed')).toEqual(['replay_conflict', 'c'])
    expect(
      planned(
        [member('b', 'failed'), member('c', 'none', { dependencyBlocked: true }), member('d', 'success')],
        'failed',
      ),
    ).toEqual(['plan', 'c', 'b'])
  })

  it('names members that were replayed too often', () => {
    expect(planned([member('b', 'failed', { replayCount: 10 })], 'failed')).toEqual([
      'max_replays_exceeded',
      'b',
    ])
  })
})
