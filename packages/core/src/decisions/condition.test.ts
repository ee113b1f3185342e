import { describe, expect, it } from 'vitest'
import type { ChildEnd, ResumeCondition, SignalMatch } from '../contract/suspensions.js'
import { parseExecutionId, parseWaitpointId, type WaitpointId } from '../ids/index.js'
import {
  childrenOf,
  conditionHolds,
  evidenceOf,
  type JudgedSignal,
  judgeArrivals,
  judgeChildEnd,
  judgeSignal,
  looksIntoPayloads,
  startCondition,
  waitpointsOf,
} from './condition.js'

const uuid = (digit: number) => `00000000-0000-4000-8000-00000000000${digit}`
const points = [1, 2, 3].map((digit) => parseWaitpointId(`{fp:0}:${uuid(digit)}`)) as [
  WaitpointId,
  WaitpointId,
  WaitpointId,
]
const [a, b, c] = points
const kids = [7, 8].map((digit) => parseExecutionId(`{fp:1}:${uuid(digit)}`))
const endOf = (at: number, generation = 1): ChildEnd => ({
  id: kids[at] ?? parseExecutionId(''),
  generation,
  outcome: 'success',
})
const child = (at: number): ResumeCondition => ({ kind: 'child', id: endOf(at).id })

const on = (waitpointId: WaitpointId, match?: SignalMatch): ResumeCondition => ({
  kind: 'signal',
  waitpointId,
  match,
})
const all = (...of: readonly ResumeCondition[]): ResumeCondition => ({ kind: 'all_of', of })
const any = (...of: readonly ResumeCondition[]): ResumeCondition => ({ kind: 'any_of', of })
const count = (
  n: number,
  of: 'signals' | 'waitpoints' | 'sources',
  waitpointIds: readonly WaitpointId[],
  match?: SignalMatch,
): ResumeCondition => ({ kind: 'count', n, of, waitpointIds, match })

type Told = Partial<JudgedSignal> & Pick<JudgedSignal, 'waitpointId'>
const signal = (sequence: number, told: Told): JudgedSignal => ({
  sequence,
  name: 'go',
  source: null,
  payload: null,
  ...told,
})
const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

/** Verdicts in order, ending in `!` at the signal by which it holds. */
function tell(condition: ResumeCondition, told: readonly Told[]): string[] {
  let state = startCondition(condition)
  return told.map((each, index) => {
    const before = conditionHolds(condition, state)
    const judged = judgeSignal(condition, state, signal(index + 1, each))
    state = judged.state
    return judged.verdict + (!before && conditionHolds(condition, state) ? '!' : '')
  })
}

describe('a condition', () => {
  it.each<[string, ResumeCondition, readonly Told[], readonly string[]]>([
    ['a signal', on(a), [{ waitpointId: b }, { waitpointId: a }], ['elsewhere', 'counted!']],
    ['a second signal', on(a), [{ waitpointId: a }, { waitpointId: a }], ['counted!', 'not_needed']],
    [
      'a signal by name',
      on(a, { name: 'yes' }),
      [
        { waitpointId: a, name: 'no' },
        { waitpointId: a, name: 'yes' },
      ],
      ['not_matched', 'counted!'],
    ],
    [
      'a signal by payload',
      on(a, { payload: { op: 'above', path: '/n', value: 1 } }),
      [
        { waitpointId: a },
        { waitpointId: a, payload: json({ n: 1 }) },
        { waitpointId: a, payload: Uint8Array.of(0xff) },
        { waitpointId: a, payload: json({ n: 2 }) },
      ],
      ['not_matched', 'not_matched', 'opaque', 'counted!'],
    ],
    [
      'a name that is wrong before a payload is looked at',
      on(a, { name: 'yes', payload: { op: 'exists', path: '' } }),
      [{ waitpointId: a, payload: Uint8Array.of(0xff) }],
      ['not_matched'],
    ],
    [
      'all of two',
      all(on(a), on(b)),
      [{ waitpointId: a }, { waitpointId: a }, { waitpointId: b }],
      ['counted', 'not_needed', 'counted!'],
    ],
    ['any of two', any(on(a), on(b)), [{ waitpointId: b }], ['counted!']],
    [
      'two signals',
      count(2, 'signals', [a, b]),
      [{ waitpointId: a }, { waitpointId: a }, { waitpointId: b }],
      ['counted', 'counted!', 'not_needed'],
    ],
    [
      'two waitpoints',
      count(2, 'waitpoints', [a, b, c]),
      [{ waitpointId: a }, { waitpointId: a }, { waitpointId: c }],
      ['counted', 'not_needed', 'counted!'],
    ],
    [
      'two different approvers',
      count(2, 'sources', [a, b]),
      [
        { waitpointId: a, source: 'ann' },
        { waitpointId: b, source: 'ann' },
        { waitpointId: b, source: 'bob' },
      ],
      ['counted', 'not_needed', 'counted!'],
    ],
    [
      'sources of which nobody knows anything, as one',
      count(2, 'sources', [a]),
      [{ waitpointId: a }, { waitpointId: a }, { waitpointId: a, source: '' }],
      ['counted', 'not_needed', 'counted!'],
    ],
    [
      'two counts, neither of which the other helps',
      any(count(2, 'signals', [a]), count(2, 'signals', [b])),
      [{ waitpointId: a }, { waitpointId: b }, { waitpointId: b }],
      ['counted', 'counted', 'counted!'],
    ],
    [
      'two equal counts, each with its own state',
      all(count(1, 'signals', [a]), count(2, 'signals', [a])),
      [{ waitpointId: a }, { waitpointId: a }],
      ['counted', 'counted!'],
    ],
  ])('waits for %s', (_, condition, told, expected) => {
    expect(tell(condition, told)).toEqual(expected)
  })

  it('takes the first end of a child, whatever comes twice', () => {
    const condition = all(child(0), child(1))
    let state = startCondition(condition)
    const first = judgeChildEnd(condition, state, endOf(0))
    expect(first.counted).toBe(true)
    expect(conditionHolds(condition, first.state)).toBe(false)
    expect(judgeChildEnd(condition, first.state, endOf(0, 2))).toEqual({ state: first.state, counted: false })
    state = judgeChildEnd(condition, first.state, endOf(1)).state
    expect(conditionHolds(condition, state)).toBe(true)
    expect(evidenceOf(condition, state)).toEqual({ signals: [], children: [endOf(0), endOf(1)] })
  })

  it('holds by what it needed, and not by what counted in vain', () => {
    const condition = any(all(on(a), on(b)), on(c))
    const { state, holds } = judgeArrivals(condition, startCondition(condition), {
      children: [],
      signals: [signal(4, { waitpointId: a }), signal(6, { waitpointId: c }), signal(9, { waitpointId: b })],
    })
    expect(holds).toBe(true)
    expect(evidenceOf(condition, state).signals).toEqual([6])
  })

  it('shows what has counted as long as it does not hold', () => {
    const condition = all(on(a), on(b))
    const { state } = judgeSignal(condition, startCondition(condition), signal(3, { waitpointId: a }))
    expect(evidenceOf(condition, state).signals).toEqual([3])
  })

  it('counts ends of children before signals', () => {
    const condition = any(child(0), on(a))
    const { state } = judgeArrivals(condition, startCondition(condition), {
      children: [endOf(0)],
      signals: [signal(1, { waitpointId: a })],
    })
    expect(evidenceOf(condition, state)).toEqual({ signals: [], children: [endOf(0)] })
  })

  it('keeps a state that is JSON', () => {
    const condition = all(count(2, 'sources', [a]), child(0))
    const { state } = judgeArrivals(condition, startCondition(condition), {
      children: [endOf(0)],
      signals: [signal(1, { waitpointId: a, source: 'ann' }), signal(2, { waitpointId: a })],
    })
    expect(JSON.parse(JSON.stringify(state))).toEqual(state)
  })

  it('names what it is about', () => {
    const condition = any(all(on(a), count(1, 'signals', [b, a])), child(1), child(1))
    expect(waitpointsOf(condition)).toEqual([a, b])
    expect(childrenOf(condition)).toEqual([endOf(1).id])
    expect(looksIntoPayloads(condition)).toBe(false)
    expect(looksIntoPayloads(all(on(a, { payload: { op: 'exists', path: '' } })))).toBe(true)
  })
})
