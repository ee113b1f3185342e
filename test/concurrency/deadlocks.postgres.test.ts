import {
  type ClaimedExecution,
  type FoundationBackend,
  isEngineError,
  makePartitionTag,
  mintSoloExecutionId,
  parseKind,
  parseLaneId,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { createRandom } from '../model/random.js'
import { AdmissionDriver } from '../support/admission-driver.js'
import { FlowDriver, type GraphPlan } from '../support/flow-driver.js'
import { isSoak } from '../support/soak.js'
import { useStore } from '../support/use-store.js'
import { WorkerDriver } from '../support/worker-driver.js'

const lane = parseLaneId('tangle')
const names = ['a', 'b', 'c', 'd', 'e', 'f', 'any', 'most', 'all']
const kinds = [...names, 'more', 'work'].map((name) => parseKind(name))
const sessionCount = 8
const flowsOpen = 3
const forMs = isSoak ? 600_000 : 4_000

describe('eight sessions on few flows, budgets and quotas', () => {
  const store = useStore({ partitions: { flow: 2 } }, { faulty: true })

  it('never tell a caller of a deadlock', { timeout: forMs + 120_000 }, async () => {
    const { namespace, opened, partitions } = store()
    const random = createRandom(20_261_122)
    const below = (bound: number) => Math.floor(random.next() * bound)
    const shuffled = <Value>(list: readonly Value[]): Value[] =>
      list
        .map((value) => ({ value, at: random.next() }))
        .sort((x, y) => x.at - y.at)
        .map(({ value }) => value)

    const driver = new AdmissionDriver(store())
    const budgets = await Promise.all([0, 1, 2].map(() => driver.budget(1_000_000_000)))
    const quotas = await Promise.all([0, 1, 2].map(() => driver.quota({ concurrency: 6 })))
    const demands = () => ({
      quotas: shuffled(quotas)
        .slice(0, below(3))
        .map((quotaId) => ({ quotaId, key: `k${below(2)}` })),
      budgets: shuffled(budgets)
        .slice(0, below(3))
        .map((budgetId) => ({ budgetId, estimate: { tokens: 5 } })),
    })
    const plan = (): GraphPlan => ({
      ...Object.fromEntries(names.slice(0, 6).map((name) => [name, { lane, ...demands() }])),
      any: { lane, after: ['a', 'b', 'c', 'd'], join: { policy: { kind: 'any_of' } } },
      most: { lane, after: ['c', 'd', 'e', 'f'], join: { policy: { kind: 'quorum', k: 2 } } },
      all: { lane, after: ['any', 'most', 'f'] },
    })

    const flows: FlowDriver[] = []
    const told = new Map<string, number>()
    const wrong: unknown[] = []
    const calls = { count: 0 }
    const overAt = performance.now() + forMs

    const session = async (backend: FoundationBackend) => {
      const worker = new WorkerDriver({ ...store(), backend })
      let held: ClaimedExecution[] = []
      const some = () => shuffled(held).slice(0, 1 + below(4))
      const flow = () => flows[below(flows.length)]?.through(backend)
      const member = () => names[below(names.length)] ?? 'a'
      const end = async (how: 'complete' | 'fail') => {
        const ended = some()
        held = held.filter((each) => !ended.includes(each))
        const items = ended.map(({ handle }) => ({ handle, result: null }))
        if (how === 'complete') return backend.leases.complete({ namespaces: [namespace], items })
        const failure = { category: 'logic', message: 'so' } as const
        return backend.leases.fail({
          namespaces: [namespace],
          items: ended.map(({ handle }) => ({ handle, failure, retry: 'never' as const })),
        })
      }
      const acts: (() => Promise<unknown> | undefined)[] = [
        async () => held.push(...(await worker.claim({ lanes: [lane], kinds, max: 1 + below(6) }))),
        async () => held.push(...(await worker.claim({ lanes: [lane], kinds, max: 1 + below(6) }))),
        () => end('complete'),
        () => end('complete'),
        () => end('fail'),
        () =>
          backend.budgets.reportUsage({
            namespaces: [namespace],
            items: some().flatMap(({ handle }) =>
              shuffled(budgets).map((budgetId) => ({
                handle,
                budgetId,
                usageKey: `u${below(50)}`,
                amounts: { tokens: below(9) },
              })),
            ),
          }),
        () =>
          backend.quotas.acquire({
            namespaces: [namespace],
            items: some().flatMap(({ handle }) =>
              shuffled(quotas).map((quotaId) => ({
                handle,
                quotaId,
                key: `k${below(2)}`,
                holderKey: `h${below(3)}`,
              })),
            ),
          }),
        () =>
          backend.budgets.reset({
            namespace,
            budgetId: budgets[below(3)] as never,
            resetKey: `${random.next()}`,
          }),
        () =>
          backend.leases.renew({
            namespaces: [namespace],
            items: some().map(({ handle }) => ({ handle, leaseTtlMs: 30_000 })),
          }),
        () => flow()?.cancelMember(member()),
        () => (below(8) === 0 ? flow()?.cancel('cancel_all') : undefined),
        () =>
          flow()?.extend({
            more: { lane, kind: parseKind('more'), after: [member()], ...demands() } as never,
          }),
        () => flow()?.replay('failed'),
        async () => {
          const items = shuffled(['x', 'y', 'z']).map((idempotencyKey) => ({
            ...store().aSolo({ lane, idempotencyKey, ...demands() }),
            id: mintSoloExecutionId({ namespace, lane, shards: 1, count: partitions.length }),
          }))
          await backend.executions.submit({ namespace, items })
        },
        async () => {
          const partition = partitions[below(partitions.length)] ?? makePartitionTag('flow', 0)
          const request = { partition, max: 1 + below(50) }
          await shuffled([
            () => backend.resolution.dispatchCompletions(request),
            () => backend.resolution.drainSiblingCancels(request),
            () => backend.resolution.drainCancelBacklog(request),
            () => backend.resolution.reconcileDependencies(request),
            () => backend.resolution.projectSummaries(request),
            () => backend.maintenance.drainTimers(request),
            () => backend.budgets.reconcile({ partition: makePartitionTag('budget', 0), max: 50 }),
            () => backend.quotas.reconcile({ partition: makePartitionTag('quota', 0), max: 50 }),
            () => backend.quotas.wakeParked({ partition: makePartitionTag('quota', 0), max: 50 }),
            () => backend.quotas.wakeParked({ partition: makePartitionTag('budget', 0), max: 50 }),
          ])[0]?.()
        },
      ]
      while (performance.now() < overAt) {
        calls.count += 1
        try {
          if (flows.length < flowsOpen || below(60) === 0) {
            if (flows.length >= flowsOpen) flows.shift()
            flows.push(await FlowDriver.submit({ ...store(), backend }, plan()))
          }
          await acts[below(acts.length)]?.()
        } catch (error) {
          const code = isEngineError(error) ? error.code : String(error)
          told.set(code, (told.get(code) ?? 0) + 1)
          if (mentionsDeadlock(error)) wrong.push(error)
        }
      }
    }
    await Promise.all(Array.from({ length: sessionCount }, () => session(opened.reopen())))
    expect(wrong).toEqual([])
    expect(told.get('internal_error')).toBeUndefined()
    const { inner } = await readDeadlocks()
    console.log(
      `${calls.count} calls of ${sessionCount} sessions in ${forMs / 1000} s; ${inner} deadlocks, all retried inside; told: ${JSON.stringify(Object.fromEntries(told))}`,
    )
  })

  async function readDeadlocks(): Promise<{ readonly inner: number }> {
    const { inside } = store().opened
    if (!('pool' in inside)) throw new Error('this test needs a server')
    const { rows } = await inside.pool.query(
      'select deadlocks::integer as n from pg_stat_database where datname = current_database()',
    )
    return { inner: Number(rows[0]?.n) }
  }
})

/** Anywhere among its causes. */
function mentionsDeadlock(error: unknown): boolean {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if ('code' in at && at.code === '40P01') return true
    if (/deadlock|40P01/i.test(at.message)) return true
  }
  return false
}
