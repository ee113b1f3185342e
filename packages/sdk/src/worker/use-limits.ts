import {
  type AcquireQuotaOutcome,
  type Amounts,
  type BudgetId,
  must,
  parseBudgetId,
  parseQuotaId,
  type ReportUsageOutcome,
} from '@flowfabric/core'
import { callSafely } from '../calls/call-safely.js'
import { pause } from '../calls/pause.js'
import { isFencingRefusal } from '../calls/refusals.js'
import { AttemptLostError, BudgetExceeded } from '../errors.js'
import type { AcquiredSlot, AcquireOptions, SpendOptions } from '../tasks/handler-context.js'
import type { HeldLease } from './held-lease.js'
import type { WorkerCore } from './worker-core.js'

/**
 * Charges the budgets that the execution names, or the one that is stated. A budget that lacks one of the dimensions is
 * passed over, unless all do. Throws `BudgetExceeded` once a hard limit is passed: the charge stands all the same.
 */
export async function spend(
  core: WorkerCore,
  held: HeldLease,
  amounts: Amounts,
  usageKey: string,
  { budget }: SpendOptions,
): Promise<void> {
  const { handle, namespace, budgets, executionId } = held.claimed
  const named = budget === undefined ? budgets.map(({ budgetId }) => budgetId) : [parseBudgetId(budget)]
  if (named.length === 0) throw new TypeError(`${executionId} names no budget, and none is stated`)
  const items = named.map((budgetId) => ({ handle, budgetId, usageKey, amounts }))
  const answer = await callSafely(() => core.backend.budgets.reportUsage({ namespaces: [namespace], items }))
  judgeCharges(named, answer.items)
}

function judgeCharges(named: readonly BudgetId[], outcomes: readonly ReportUsageOutcome[]): void {
  const errors = outcomes.flatMap((item) => (item.outcome === 'error' ? [item.error] : []))
  const isPassedOver = errors.every(({ code }) => code === 'unknown_dimension')
  if (errors.length > 0 && (!isPassedOver || errors.length === outcomes.length)) throw errors[0]
  for (const [place, item] of outcomes.entries()) {
    if (item.outcome === 'stale_lease') throw new AttemptLostError(item.outcome)
    if (item.outcome === 'hard_breach') throw new BudgetExceeded(must(named[place], 'a budget'), item.used)
  }
}

/** Waits for room, as long as the run lasts. What is held goes with the attempt, or with `release`. */
export async function acquire(
  core: WorkerCore,
  held: HeldLease,
  quota: string,
  holderKey: string,
  { key, cost }: AcquireOptions,
): Promise<AcquiredSlot> {
  const { handle, namespace } = held.claimed
  const use = { handle, quotaId: parseQuotaId(quota), key, holderKey }
  const ask = async (): Promise<AcquireQuotaOutcome> => {
    const { items } = await callSafely(() =>
      core.backend.quotas.acquire({ namespaces: [namespace], items: [{ ...use, cost }] }),
    )
    return must(items[0], 'an answer')
  }
  for (let waitMs = WAIT_MS_MIN; ; waitMs = Math.min(waitMs * 2, WAIT_MS_MAX)) {
    held.signal.throwIfAborted()
    const outcome = await ask()
    if (outcome.outcome === 'error') throw outcome.error
    if (isFencingRefusal(outcome)) {
      core.refuse(held, outcome)
      throw new AttemptLostError(outcome.outcome)
    }
    if (outcome.outcome !== 'quota_exceeded') break
    const untilMs = outcome.retryAtMs === null ? waitMs : outcome.retryAtMs - held.storeTime()
    await pause(Math.max(1, Math.min(untilMs, WAIT_MS_MAX)), held.signal)
  }
  return {
    release: async () => {
      // A slot of a lease that is lost is free by then.
      await callSafely(() => core.backend.quotas.release({ namespaces: [namespace], items: [use] }))
    },
  }
}

const WAIT_MS_MIN = 50
const WAIT_MS_MAX = 2_000
