import { amountOf, type ClaimRequest, must } from '@flowfabric/core'
import { linesOf } from '../../model/claim.js'
import { beginsAttempt, findBudget, findQuota, quotaFacts, reservedOf } from '../../model/holdings.js'
import type { ExecutionRecord } from '../../model/records.js'
import type { World } from '../world.js'

/**
 * What names quotas or budgets waits in lines. Which of several lines is served first is each store's own, and it decides
 * who gets what room there is. So a claim is sent only if the promise decides: it serves one line of one lane and nothing
 * else, or there is room for all that it serves.
 */
export type Lines = 'none' | 'one' | 'all_fit' | 'undecided'

export function linesServed(world: World, request: ClaimRequest): Lines {
  const open = linesOf(world.model.store, request)
  const lines = open.filter(({ name }) => name !== '').map(({ queue }) => queue)
  if (lines.length === 0) return 'none'
  const isAlone = open.length === 1 && new Set(lines.flat().map(({ lane }) => lane)).size === 1
  if (isAlone) return mayMakeReady(world, request, lines.flat()) ? 'undecided' : 'one'
  return sharesNoQuota(lines) && allFit(world, lines.flat()) ? 'all_fit' : 'undecided'
}

/** What a quota drops can make others of its flow ready. Whether the same claim comes to these is each store's own. */
function mayMakeReady(
  { model: { store } }: World,
  { lanes, kinds }: ClaimRequest,
  line: readonly ExecutionRecord[],
): boolean {
  const mayBeDropped = ({ namespace, demands }: ExecutionRecord) =>
    demands.quotas.some(
      ({ quotaId }) => findQuota(store, namespace, quotaId).settings.strategy === 'drop_new',
    )
  const flows = new Set(line.filter(mayBeDropped).flatMap(({ flowId }) => flowId ?? []))
  return [...store.executions.values()].some(
    ({ flowId, state, lane, kind }) =>
      flowId !== null &&
      flows.has(flowId) &&
      state.eligibilityState === 'blocked_by_dependencies' &&
      lanes.includes(lane) &&
      kinds.includes(kind),
  )
}

/** Else who came first would be each store's own, and a quota may ask the oldest to go. */
function sharesNoQuota(lines: readonly (readonly ExecutionRecord[])[]): boolean {
  const named = lines.flatMap(([head]) =>
    must(head, 'a head').demands.quotas.map(({ quotaId, key }) => `${quotaId}/${key}`),
  )
  return new Set(named).size === named.length
}

function allFit({ model: { store } }: World, all: readonly ExecutionRecord[]): boolean {
  const held = new Map<string, number>()
  const units = new Map<string, number>()
  const reserved = new Map<string, number>()
  const add = (to: Map<string, number>, name: string, amount: number) => {
    const sum = (to.get(name) ?? 0) + amount
    to.set(name, sum)
    return sum
  }
  return all.every((x) => {
    const quotas = x.demands.quotas.every(({ quotaId, key, cost }) => {
      const facts = quotaFacts(store, findQuota(store, x.namespace, quotaId), key, cost)
      const slots = facts.held + add(held, `${quotaId}/${key}`, 1)
      const spent = facts.unitsInWindow + add(units, `${quotaId}/${key}`, beginsAttempt(x) ? cost : 0)
      return slots <= (facts.concurrency ?? slots) && spent <= (facts.rate?.units ?? spent)
    })
    const budgets = x.demands.budgets.every(({ budgetId, estimate }) => {
      const budget = findBudget(store, x.namespace, budgetId)
      return Object.entries(budget.settings.limits).every(([name, { hard }]) => {
        const used = amountOf(budget.used, name)
        const asked = add(reserved, `${budgetId}/${name}`, amountOf(estimate, name))
        return hard === null || (used < hard && used + amountOf(reservedOf(budget), name) + asked <= hard)
      })
    })
    return quotas && budgets
  })
}
