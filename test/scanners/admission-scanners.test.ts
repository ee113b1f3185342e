import {
  makePartitionTag,
  mintBudgetId,
  mintClaimId,
  mintInstanceId,
  mintQuotaId,
  mintSoloExecutionId,
  type PartitionScanner,
  parseKind,
  parseLaneId,
  parseWorkerId,
  type QuotaDemandSpec,
} from '@flowfabric/core'
import {
  admissionUnblocker,
  budgetReconciler,
  budgetReset,
  budgetUnblocker,
  quotaReconciler,
} from '@flowfabric/scanners'
import { describe, expect, it } from 'vitest'
import type { ModelBackend } from '../model/index.js'
import { contextOf, namespace, openModel, pass } from './scan.js'

const lane = parseLaneId('work')
const kind = parseKind('work')

async function submit(
  model: ModelBackend,
  spec: {
    readonly quotas?: readonly QuotaDemandSpec[]
    readonly budgets?: readonly { budgetId: never; estimate: object }[]
  },
) {
  const id = mintSoloExecutionId({ namespace, lane, shards: 1, count: 1 })
  await model.executions.submit({ namespace, items: [{ id, kind, lane, input: null, ...spec } as never] })
  return id
}

async function claim(model: ModelBackend) {
  const answer = await model.leases.claim({
    claimId: mintClaimId(),
    workerId: parseWorkerId('w'),
    instanceId: mintInstanceId(),
    namespaces: [namespace],
    lanes: [lane],
    kinds: [kind],
    capabilities: [],
    max: 10,
    leaseTtlMs: 60_000,
  })
  return answer.outcome === 'claimed' ? answer.leases : []
}

const stateOf = async (model: ModelBackend, id: never) =>
  (await model.executions.get({ namespace, id })).execution.publicState

describe('admission_unblocker', () => {
  it('wakes what waits for a window once that has passed, and says when that will be', async () => {
    const model = openModel()
    const quotaId = mintQuotaId()
    const rate = { units: 1, windowMs: 1_000 }
    await model.quotas.create({ namespace, quotaId, label: '', rate, concurrency: null, strategy: 'queue' })
    await submit(model, { quotas: [{ quotaId }] })
    const id = await submit(model, { quotas: [{ quotaId }] })
    expect(await claim(model)).toHaveLength(1)
    const nowMs = await model.maintenance.serverTimeMs()
    const early = await pass(admissionUnblocker(), model)
    expect(early.report).toMatchObject({ processed: 0, errors: 0, nextDueAtMs: nowMs + 1_000 })
    await model.maintenance.advanceTime({ byMs: 1_000 })
    // Without it nothing else moves it on.
    expect(await claim(model)).toEqual([])
    expect(await stateOf(model, id as never)).toBe('rate_limited')
    const { report, seen } = await pass(admissionUnblocker(), model)
    expect(report).toMatchObject({ processed: 1, errors: 0 })
    expect(seen.counts).toEqual({ 'admission_keys_woken_total{quota}': 1 })
    expect((await claim(model)).map(({ executionId }) => executionId)).toEqual([id])
    expect((await pass(admissionUnblocker(), model)).report.processed).toBe(0)
  })
})

describe('budget_reset', () => {
  it('begins the period that is due, so that what waits for it is woken', async () => {
    const model = openModel()
    const budgetId = mintBudgetId()
    await model.budgets.create({
      namespace,
      budgetId,
      label: '',
      limits: { tokens: { soft: null, hard: 10 } },
      onHardBreach: 'block_new',
      resetPeriodMs: 60_000,
    })
    const budgets = [{ budgetId: budgetId as never, estimate: { tokens: 10 } }]
    await submit(model, { budgets })
    const [lease] = await claim(model)
    const usage = { handle: lease?.handle ?? '', budgetId, usageKey: 'u', amounts: { tokens: 10 } }
    await model.budgets.reportUsage({ namespaces: [namespace], items: [usage] })
    await model.leases.complete({
      namespaces: [namespace],
      items: [{ handle: lease?.handle ?? '', result: null }],
    })
    const id = await submit(model, { budgets })
    expect(await claim(model)).toEqual([])
    await model.maintenance.advanceTime({ byMs: 60_000 })
    expect((await pass(budgetUnblocker(), model)).report.processed).toBe(0)
    const { report, seen } = await pass(budgetReset(), model)
    expect(report).toMatchObject({ processed: 1, errors: 0 })
    expect(seen.counts).toEqual({ 'budget_resets_total{reset}': 1 })
    expect((await pass(budgetUnblocker(), model)).report.processed).toBe(1)
    expect((await claim(model)).map(({ executionId }) => executionId)).toEqual([id])
    expect((await pass(budgetReset(), model)).report.processed).toBe(0)
  })
})

describe('budget_reconciler and quota_reconciler', () => {
  const answered = async (
    scanner: PartitionScanner,
    role: 'budgets' | 'quotas',
    items: readonly object[],
  ) => {
    const model = openModel()
    const { context, seen } = contextOf(model)
    const reconcile = async () => ({ items, more: false })
    const backend = { ...model, [role]: { ...model[role], reconcile } } as unknown as ModelBackend
    const report = await scanner.scanPartition({ ...context, backend }, makePartitionTag(scanner.family, 0))
    return { report, seen }
  }

  it.each([
    ['budgets', budgetReconciler(), 'budget_reconciler_found_total'],
    ['quotas', quotaReconciler(), 'quota_reconciler_found_total'],
  ] as const)('count what they find in %s, and say it', async (role, scanner, metric) => {
    const { report, seen } = await answered(scanner, role, [
      { outcome: 'released' },
      { outcome: 'drift' },
      { outcome: 'error' },
    ])
    expect(report).toMatchObject({ processed: 2, errors: 1 })
    expect(seen.counts).toEqual({
      [`${metric}{released}`]: 1,
      [`${metric}{drift}`]: 1,
      [`${metric}{error}`]: 1,
    })
    expect(seen.lines).toHaveLength(3)
  })

  it('find nothing where all is well', async () => {
    const model = openModel()
    for (const scanner of [budgetReconciler(), quotaReconciler()])
      expect((await pass(scanner, model)).report).toMatchObject({ processed: 0, errors: 0 })
  })
})
