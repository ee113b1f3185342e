import { describe, expect, it } from 'vitest'
import { FlowDriver, type GraphPlan } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'

type Ends = readonly (readonly [string, 'success' | 'failed' | 'cancelled'])[]

const anyOf = { policy: { kind: 'any_of' as const } }
const always = { ...anyOf, runOn: 'always' as const }
const fallback = { runOn: 'groupImpossible' as const }

/** The rule of completion as a table: what ends how, how the flow then ends, and which failures nothing absorbed. */
const rows: readonly (readonly [string, GraphPlan, Ends, 'completed' | 'failed', readonly string[]])[] = [
  [
    'all succeeded',
    { a: {}, b: { after: ['a'] } },
    [
      ['a', 'success'],
      ['b', 'success'],
    ],
    'completed',
    [],
  ],
  [
    'a failure that nothing absorbs',
    { a: {}, b: {} },
    [
      ['a', 'failed'],
      ['b', 'success'],
    ],
    'failed',
    ['a'],
  ],
  [
    'a cancel by an operator counts as a failure',
    { a: {}, b: {} },
    [
      ['a', 'cancelled'],
      ['b', 'success'],
    ],
    'failed',
    ['a'],
  ],
  [
    'a race that held absorbs its losers',
    { a: {}, b: {}, race: { after: ['a', 'b'], join: anyOf } },
    [
      ['a', 'failed'],
      ['b', 'success'],
      ['race', 'success'],
    ],
    'completed',
    [],
  ],
  [
    'a race that lost absorbs nothing',
    { a: {}, b: {}, race: { after: ['a', 'b'], join: anyOf } },
    [
      ['a', 'failed'],
      ['b', 'failed'],
    ],
    'failed',
    ['a', 'b'],
  ],
  [
    'a quorum that held absorbs the minority',
    { a: {}, b: {}, c: {}, most: { after: ['a', 'b', 'c'], join: { policy: { kind: 'quorum', k: 2 } } } },
    [
      ['c', 'failed'],
      ['a', 'success'],
      ['b', 'success'],
      ['most', 'success'],
    ],
    'completed',
    [],
  ],
  [
    'a failure reaches a race through a skipped member',
    { a: {}, mid: { after: ['a'] }, b: {}, race: { after: ['mid', 'b'], join: anyOf } },
    [
      ['a', 'failed'],
      ['b', 'success'],
      ['race', 'success'],
    ],
    'completed',
    [],
  ],
  [
    'a fallback that ran absorbs',
    { a: {}, rescue: { after: ['a'], join: fallback } },
    [
      ['a', 'failed'],
      ['rescue', 'success'],
    ],
    'completed',
    [],
  ],
  [
    'a fallback that ran and failed absorbs what it was for, and counts itself',
    { a: {}, rescue: { after: ['a'], join: fallback } },
    [
      ['a', 'failed'],
      ['rescue', 'failed'],
    ],
    'failed',
    ['rescue'],
  ],
  [
    'a fallback that never started absorbs nothing',
    { a: {}, rescue: { after: ['a'], join: fallback } },
    [
      ['a', 'failed'],
      ['rescue', 'cancelled'],
    ],
    'failed',
    ['a', 'rescue'],
  ],
  [
    'a fallback that was skipped is no failure',
    { a: {}, rescue: { after: ['a'], join: fallback } },
    [['a', 'success']],
    'completed',
    [],
  ],
  [
    'a finaliser absorbs nothing',
    { a: {}, b: {}, tidy: { after: ['a', 'b'], join: always } },
    [
      ['a', 'failed'],
      ['b', 'success'],
      ['tidy', 'success'],
    ],
    'failed',
    ['a'],
  ],
  [
    'a path does not pass through a finaliser that ran',
    {
      a: {},
      tidy: { after: ['a'], join: always },
      b: {},
      race: { after: ['tidy', 'b'], join: { policy: { kind: 'any_of', onSatisfied: 'let_run' } } },
    },
    [
      ['a', 'failed'],
      ['tidy', 'success'],
      ['b', 'success'],
      ['race', 'success'],
    ],
    'failed',
    ['a'],
  ],
  [
    'all_of absorbs nothing',
    { a: {}, b: {}, join: { after: ['a', 'b'] } },
    [
      ['a', 'failed'],
      ['b', 'success'],
    ],
    'failed',
    ['a'],
  ],
  [
    'a skipped branch counts neither way',
    { a: {}, b: {}, race: { after: ['a', 'b'], join: anyOf }, never: { after: ['race'], join: fallback } },
    [
      ['a', 'success'],
      ['race', 'success'],
    ],
    'completed',
    [],
  ],
]

describe('settlement', () => {
  const store = useStore({})

  it.each(rows)('%s', async (_, plan, ends, state, failures) => {
    const flow = await FlowDriver.submit(store(), plan)
    for (const [name, outcome] of ends) {
      expect((await flow.flow()).state).toBe('open')
      await flow.end(name, outcome)
      await flow.settle()
    }
    expect((await flow.flow()).state).toBe(state)
    const result = await flow.result()
    if (result.outcome === 'pending') throw new Error('the flow has not settled')
    expect(result.outcome).toBe(state)
    expect(result.failures.map(({ name }) => name).sort()).toEqual([...failures].sort())
  })

  it('an expired member counts as a failure', async () => {
    const flow = await FlowDriver.submit(store(), { a: { timeouts: { deadlineMs: 1_000 } } })
    await store().pass(1_000)
    expect(await flow.states()).toEqual({ a: 'expired' })
    expect((await flow.flow()).state).toBe('failed')
  })

  it('leaves the flow open until the dispatcher has looked at the last end', async () => {
    const flow = await FlowDriver.submit(store(), { a: {} })
    expect(await flow.result()).toEqual({ outcome: 'pending', flowState: 'open' })
    await flow.end('a', 'success')
    await flow.settle()
    expect((await flow.result()).outcome).toBe('completed')
    const events = await store().backend.events.read({
      namespace: store().namespace,
      filter: { flowId: flow.flowId },
    })
    const settled = events.events.filter((event) => event.type === 'flow' && event.state === 'completed')
    expect(settled).toHaveLength(1)
  })

  it('its result holds every named sink that succeeded, a failed flow too; an absent result is null', async () => {
    const flow = await FlowDriver.submit(store(), {
      top: {},
      good: { after: ['top'] },
      bare: { after: ['top'] },
      bad: { after: ['top'] },
    })
    await flow.end('top', 'success')
    await flow.settle()
    await flow.start('bare')
    await flow.complete('bare', null)
    await flow.end('bad', 'failed')
    await flow.end('good', 'success')
    await flow.settle()
    expect((await flow.flow()).state).toBe('failed')
    expect(await flow.results()).toEqual({ good: 'result of good', bare: null })
  })
})
