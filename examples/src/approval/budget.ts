import type { Budget } from '@flowfabric/core'
import type { Client } from '@flowfabric/sdk'

/** What the model may cost all orders together, day by day. Made by the first, and found by all others. */
export function openBudget(client: Client, id: string, dayMs: number): Promise<Budget> {
  return client.budgets.create({
    id,
    label: 'the model',
    limits: { tokens: { soft: null, hard: 1_000 }, usd_micros: { soft: 12_000, hard: 15_000 } },
    resetPeriodMs: dayMs,
  })
}

export function describeSpending({ used, reserved, limits }: Budget): string {
  const { tokens = 0, usd_micros: micros = 0 } = used
  const kept = reserved.tokens ?? 0
  const most = limits.tokens?.hard ?? 0
  return `The model has cost ${(micros / 1e6).toFixed(6)} $ today: ${tokens} of ${most} tokens, ${kept} reserved.`
}
