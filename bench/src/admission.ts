import type { Figure } from './measure.js'
import { inParallel, percentile, perSecond, waitFor } from './measure.js'
import { type Scene, submitAll } from './scene.js'

const ROUNDS = 3

/** A backlog whose executions each name a quota and a budget that have room, beside one of as many that name nothing. */
export async function demands(scene: Scene, size: number): Promise<readonly Figure[]> {
  const { client } = scene
  const quota = await client.quotas.create({ label: 'wide', concurrency: 1_000_000 })
  const limits = { cents: { soft: null, hard: 1_000_000_000 } }
  const budget = await client.budgets.create({ label: 'rich', limits })
  const named = {
    quotas: [{ quotaId: quota.id, key: 'tenant' }],
    budgets: [{ budgetId: budget.id, estimate: { cents: 1 } }],
  }
  const rateOf = async (options?: typeof named) => {
    await submitAll(scene, size, options)
    const until = scene.counter.recorded + size
    const startedAt = performance.now()
    const worker = await scene.startWorker()
    await waitFor(() => scene.counter.recorded >= until)
    const rate = perSecond(size, performance.now() - startedAt)
    await worker.drain()
    return rate
  }
  const plain: number[] = []
  const naming: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    plain.push(await rateOf())
    naming.push(await rateOf(named))
  }
  const share = percentile(naming, 0.5) / percentile(plain, 0.5)
  return [
    { scenario: 'backlog that names nothing', value: percentile(plain, 0.5), unit: 'tasks/s' },
    { scenario: 'backlog that names a quota and a budget', value: percentile(naming, 0.5), unit: 'tasks/s' },
    {
      scenario: 'claims with a quota and a budget',
      value: Math.round(100 * share),
      unit: '% of those without',
    },
  ]
}

const ALLOWED = 1_000

/** What one tenant has beyond its rate, in front of another tenant's few. */
export async function tenants(scene: Scene, size: number): Promise<readonly Figure[]> {
  const { client, work } = scene
  const quota = await client.quotas.create({
    label: 'per tenant',
    rate: { units: ALLOWED, windowMs: 3_600_000 },
  })
  const ofTenant = (key: string) => ({ quotas: [{ quotaId: quota.id, key }] })
  await submitAll(scene, ALLOWED + size, ofTenant('greedy'))
  const worker = await scene.startWorker()
  await waitFor(() => scene.counter.recorded >= ALLOWED)
  const submittedAt = new Map<string, number>()
  const count = 500
  await inParallel(count, 4, async (index) => {
    const at = performance.now()
    const { id } = await client.submit(work, { index, payload: '' }, ofTenant('modest'))
    submittedAt.set(id, at)
  })
  await waitFor(() => scene.counter.recorded >= ALLOWED + count)
  await worker.drain()
  const waits = [...submittedAt].map(([id, at]) => (scene.started.get(id) ?? Number.NaN) - at)
  const what = `start behind ${size.toLocaleString('en')} throttled of another tenant`
  return [
    { scenario: `${what}, p50`, value: Number(percentile(waits, 0.5).toFixed(1)), unit: 'ms' },
    { scenario: `${what}, p99`, value: Number(percentile(waits, 0.99).toFixed(1)), unit: 'ms' },
  ]
}
