import {
  type BudgetLimit,
  breachLevels,
  breachOf,
  budgetShortage,
  quotaShortage,
  type RateStep,
  rateRetryAt,
  rateStepOf,
  unitsInWindow,
} from '@flowfabric/core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type LuaRules, openLuaRules } from '../library/ask-lua.js'

let rules: LuaRules

beforeAll(async () => {
  rules = await openLuaRules()
})

afterAll(() => rules.close())

/** Small numbers without end, the same in each run. */
function createNumbers(): (below: number) => number {
  let seed = 7
  return (below) => {
    seed = (seed * 16_807) % 2_147_483_647
    return seed % below
  }
}

it('Lua finds the same room in a window as core does', async () => {
  const next = createNumbers()
  const cases = Array.from({ length: 1_500 }, () => {
    const windowMs = [1, 7, 1_000, 1_001, 60_000, 3_600_000][next(6)] ?? 1
    const nowMs = 1_767_225_600_000 + next(10_000_000)
    const steps: RateStep[] = Array.from({ length: next(6) }, () => ({
      atMs: rateStepOf(nowMs - next(2 * windowMs), windowMs),
      units: next(4),
    })).sort((a, b) => a.atMs - b.atMs)
    return {
      windowMs,
      nowMs,
      steps,
      units: 1 + next(8),
      cost: next(10),
      begins: next(2),
      held: next(4),
      slots: next(4),
    }
  })
  const told = await rules.ask(
    ['room'],
    cases.map((each) => ({ ...each, steps: each.steps.flatMap(({ atMs, units }) => [atMs, units]) })),
    `local _, sum = room.live(case.steps, case.windowMs, case.nowMs)
     local settings = { 1, '', 0, '', '', case.units, case.windowMs, case.slots, 'queue' }
     return { string.format('%.0f', room.step_of(case.nowMs, case.windowMs)), sum,
       string.format('%.0f', room.retry_at(case.units, case.windowMs, case.steps, case.cost, case.nowMs)),
       room.of_quota(settings, case.held, sum, case.cost, case.begins == 1) or '' }`,
  )
  const expected = cases.map(({ windowMs, nowMs, steps, units, cost, begins, held, slots }) => {
    const rate = { units, windowMs }
    const used = unitsInWindow(steps, windowMs, nowMs)
    const quota = { quotaId: '' as never, key: '', cost, rate, held, unitsInWindow: used, retryAtMs: null }
    const of = { ...quota, concurrency: slots === 0 ? null : slots, strategy: 'queue' as const }
    const shortage = quotaShortage(of, begins === 1)
    return [
      String(rateStepOf(nowMs, windowMs)),
      used,
      String(rateRetryAt(rate, steps, cost, nowMs) ?? 0),
      shortage === null ? '' : shortage === 'concurrency' ? 'c' : 'r',
    ]
  })
  expect(told).toEqual(expected)
})

it('Lua finds the same room in a budget as core does', async () => {
  const next = createNumbers()
  const names = ['a', 'b', 'c']
  const amounts = () => Object.fromEntries(names.flatMap((name) => (next(2) === 0 ? [] : [[name, next(6)]])))
  const limit = (): BudgetLimit => {
    const soft = next(3) === 0 ? null : next(6)
    return { soft, hard: next(3) === 0 ? null : (soft ?? 0) + next(6) }
  }
  const cases = Array.from({ length: 1_500 }, () => ({
    limits: Object.fromEntries(names.slice(0, 1 + next(3)).map((name) => [name, limit()])),
    used: amounts(),
    reserved: amounts(),
    estimate: amounts(),
  }))
  const told = await rules.ask(
    ['room'],
    cases.map((each) => ({
      ...each,
      limits: Object.entries(each.limits).map(([name, { soft, hard }]) => [name, soft ?? -1, hard ?? -1]),
    })),
    `return { room.of_budget(case.limits, case.used, case.reserved, case.estimate) or '', room.breach(case.limits, case.used) }`,
  )
  const expected = cases.map((each) => [
    budgetShortage({ ...each, budgetId: '' as never, nextResetAtMs: null }) ?? '',
    breachLevels.indexOf(breachOf(each.limits, each.used)),
  ])
  expect(told).toEqual(expected)
})
