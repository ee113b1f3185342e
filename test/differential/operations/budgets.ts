import type { Amounts, BudgetId, BudgetSettings } from '@flowfabric/core'
import type { Chooser } from '../chooser.js'
import { type Call, handleOn, nameLeases, type World } from '../world.js'
import { chooseHolder } from './leases.js'
import { listed, scan, withoutWaiting } from './quotas.js'

const malformed = 'no id' as BudgetId

const limits: readonly [BudgetSettings['limits'], ...BudgetSettings['limits'][]] = [
  { tokens: { soft: 4, hard: 10 }, usd: { soft: null, hard: null } },
  { tokens: { soft: null, hard: 6 }, usd: { soft: 2, hard: 5 } },
  { tokens: { soft: 3, hard: 20 }, usd: { soft: null, hard: 9 } },
]
const rules = ['block_new', 'cancel_pending', 'fail_running'] as const
const periods: readonly [number | null, ...(number | null)[]] = [null, 45_000, 120_000]

function chooseBudget(c: Chooser, { budgets }: World): BudgetId {
  if (c.rarely(15)) return budgets[2]
  return budgets[c.below(2)] ?? budgets[0]
}

const chooseNamespace = (c: Chooser, world: World) => (c.rarely(10) ? world.foreign : world.namespace)

export function create(c: Chooser, world: World): Call {
  const budgetId = c.rarely(12) ? malformed : (world.budgets[c.below(2)] ?? world.budgets[0])
  const resetPeriodMs = c.of(periods)
  const isAligned = resetPeriodMs !== null && c.rarely(2)
  // Another namespace asks for what is taken already.
  const isThere = world.model.store.budgets.has(budgetId)
  const params = {
    namespace: isThere ? chooseNamespace(c, world) : world.namespace,
    budgetId,
    label: 'a budget',
    limits: c.of(limits),
    onHardBreach: c.of(rules),
    resetPeriodMs,
    // The same for as long as it takes to make it again.
    ...(isAligned ? { firstResetAtMs: Math.ceil(world.model.store.clock.nowMs() / 600_000) * 600_000 } : {}),
  }
  return {
    text: `budgets.create ${JSON.stringify(params)}`,
    on: (backend) => backend.budgets.create(params),
  }
}

export function update(c: Chooser, world: World): Call {
  const settings = {
    ...(c.rarely(2) ? { limits: c.of(limits) } : {}),
    ...(c.rarely(3) ? { onHardBreach: c.of(rules) } : {}),
    ...(c.rarely(4) ? { resetPeriodMs: c.of(periods) } : {}),
    ...(c.rarely(15) ? { resetPeriodMs: 1 } : {}),
  }
  const params = { namespace: chooseNamespace(c, world), budgetId: chooseBudget(c, world), settings }
  return {
    text: `budgets.update ${params.budgetId} ${JSON.stringify(settings)}`,
    on: async (backend) => {
      const { budget, ...answer } = await backend.budgets.update(params)
      return { ...answer, budget: withoutWaiting(budget) }
    },
  }
}

export function get(c: Chooser, world: World): Call {
  const params = { namespace: chooseNamespace(c, world), budgetId: chooseBudget(c, world) }
  return { text: `budgets.get ${params.budgetId}`, on: (backend) => backend.budgets.get(params) }
}

export function list(c: Chooser, world: World): Call {
  return listed(c, 'budgets', (backend, page) =>
    backend.budgets.list({ namespace: world.namespace, ...page }),
  )
}

/** Items of a batch are carried out in no promised order, so there is one. */
export function reportUsage(c: Chooser, world: World): Call {
  const lease = chooseHolder(c, world)
  const amounts: Amounts = {
    tokens: c.of([2, 1, 7]),
    ...(c.rarely(3) ? { usd: c.of([1, 4]) } : {}),
    ...(c.rarely(15) ? { odd: 1 } : {}),
  }
  const scoped = { namespaces: [chooseNamespace(c, world)] }
  const item = { budgetId: chooseBudget(c, world), usageKey: `use-${c.below(6)}`, amounts }
  return {
    text: `budgets.reportUsage ${nameLeases([lease])} ${JSON.stringify(item)}`,
    on: (backend, side) =>
      backend.budgets.reportUsage({ ...scoped, items: [{ handle: handleOn(side, lease), ...item }] }),
  }
}

export function reset(c: Chooser, world: World): Call {
  const params = {
    namespace: chooseNamespace(c, world),
    budgetId: chooseBudget(c, world),
    resetKey: `reset-${c.below(8)}`,
  }
  return {
    text: `budgets.reset ${params.budgetId} ${params.resetKey}`,
    on: async (backend) => {
      const { budget, ...answer } = await backend.budgets.reset(params)
      return { ...answer, budget: withoutWaiting(budget) }
    },
  }
}

/** What `budget_reset` does. */
export function resetDue(c: Chooser, world: World): Call {
  const max = c.rarely(8) ? 0 : 500
  return {
    text: `budgets.resetDue by ${max}`,
    on: async (backend) => {
      const pages = await scan(world, 'budget', (partition) => backend.budgets.resetDue({ partition, max }))
      const items = pages.flatMap((page) => page.items)
      return {
        items: items
          // Those of other runs on the same store are due, too.
          .filter(({ budgetId }) => world.budgets.includes(budgetId))
          .toSorted((a, b) => (a.budgetId < b.budgetId ? -1 : 1)),
      }
    },
  }
}
