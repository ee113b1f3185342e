import { randomUUID } from 'node:crypto'
import { createValkeyBackend, type ValkeyBackend } from '@flowfabric/backend-valkey'
import {
  type Handle,
  makePartitionTag,
  mintBudgetId,
  mintOperationId,
  mintQuotaId,
  mintScheduleId,
  parseKind,
  parseLaneId,
  parseNamespace,
  readPartitionConfig,
} from '@flowfabric/core'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { submitOne } from '../support/builders.js'
import { flowPartitions } from '../support/drive.js'
import { FlowDriver } from '../support/flow-driver.js'
import { startValkey, type ValkeyServer } from '../support/servers/valkey.js'
import { withClient } from '../support/servers/valkey-client.js'
import { onSignal, SuspensionDriver } from '../support/suspension-driver.js'
import type { TestStore } from '../support/use-store.js'
import { inNamespace } from '../support/use-store.js'
import { WorkerDriver } from '../support/worker-driver.js'

type Transition = 'submit' | 'terminal' | 'record'

const counts = readPartitionConfig({ flow: 2, budget: 1, quota: 1 })
const lane = parseLaneId('solos')

describe('what waits until it is durable', () => {
  let server: ValkeyServer
  beforeAll(async () => {
    server = await startValkey()
    return () => server.stop()
  })

  let namespaces = 0

  /** As much of a store under test as the drivers ask for. */
  const openedAs = (backend: ValkeyBackend) => ({
    name: 'valkey',
    backend,
    partitionCounts: counts,
    partitions: flowPartitions(counts.flow),
    inside: { keyPrefix: 'ff', send: async () => null, keys: async () => [] },
  })

  /** The same store by two backends: one that waits for nothing, to prepare what is needed, and one that waits for `transition`. */
  async function open(
    transition: Transition,
  ): Promise<{ readonly quick: TestStore; readonly durable: TestStore }> {
    const durability = { for: [transition], aof: { local: 1, replicas: 0 } as const, timeoutMs: 3_000 }
    const backends = [undefined, durability].map((each) =>
      createValkeyBackend({ url: server.url, partitions: counts, durability: each }),
    ) as [ValkeyBackend, ValkeyBackend]
    onTestFinished(async () => {
      await Promise.all(backends.map(({ maintenance }) => maintenance.close()))
    })
    await backends[0].maintenance.prepare()
    namespaces += 1
    const namespace = parseNamespace(`durable-${namespaces}`)
    const [quick, durable] = backends.map((backend) =>
      inNamespace(openedAs(backend) as never, namespace),
    ) as [TestStore, TestStore]
    return { quick, durable }
  }

  /** How often the server was asked to wait while the work was done. */
  async function waitsOf(work: () => Promise<unknown>): Promise<number> {
    const read = () =>
      withClient(server.port, async (client) =>
        Number(/cmdstat_waitaof:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0),
      )
    const before = await read()
    await work()
    return (await read()) - before
  }

  /** What each role keeps: prepared by the first store, carried out by the second. */
  type Deed = (quick: TestStore) => Promise<(durable: TestStore) => Promise<unknown>>
  const budget = {
    label: 'b',
    limits: { usd: { soft: null, hard: 10 } },
    onHardBreach: 'block_new',
    resetPeriodMs: null,
  } as const
  const quota = { label: 'q', rate: null, concurrency: 1, strategy: 'queue' } as const
  const held = async (quick: TestStore) => new SuspensionDriver(quick).active()
  const deeds: readonly (readonly [string, Transition, Deed])[] = [
    ['executions.submit', 'submit', async () => (store) => submitOne(store)],
    [
      'executions.submit under a key',
      'submit',
      async () => (store) => submitOne(store, { idempotencyKey: 'k' }),
    ],
    [
      'flows.submit',
      'submit',
      async () => (store) => FlowDriver.submit(store, { a: {}, b: { after: ['a'] } }),
    ],
    [
      'executions.replay',
      'submit',
      async (quick) => {
        const { id, handle, worker } = await held(quick)
        await worker.complete(handle)
        return (store) => store.backend.executions.replay({ namespace: store.namespace, id })
      },
    ],
    [
      'leases.complete',
      'terminal',
      async (quick) => {
        const { handle, worker } = await held(quick)
        return (store) => through(worker, store).complete(handle)
      },
    ],
    [
      'executions.cancel',
      'terminal',
      async (quick) => {
        const id = await submitOne(quick)
        return (store) => store.backend.executions.cancel({ namespace: store.namespace, id })
      },
    ],
    [
      'suspensions.suspend',
      'terminal',
      async (quick) => {
        const waiting = await held(quick)
        return (store) => {
          const driver = new SuspensionDriver(store)
          const waitpointId = driver.mintWaitpoint(waiting.id)
          return driver.suspend(waiting, {
            condition: onSignal(waitpointId),
            waitpoints: [{ waitpointId, name: 'gate' }],
          })
        }
      },
    ],
    [
      'suspensions.deliverSignal',
      'record',
      async (quick) => {
        const { waitpointId } = await new SuspensionDriver(quick).suspended()
        return (store) => new SuspensionDriver(store).signal(waitpointId)
      },
    ],
    [
      'suspensions.createWaitpoint',
      'record',
      async (quick) => {
        const id = await submitOne(quick)
        return (store) => new SuspensionDriver(store).waitpoint(id)
      },
    ],
    [
      'suspensions.closeWaitpoint',
      'record',
      async (quick) => {
        const waitpointId = await new SuspensionDriver(quick).waitpoint(await submitOne(quick))
        return (store) =>
          store.backend.suspensions.closeWaitpoint({ namespace: store.namespace, waitpointId })
      },
    ],
    ['attempts.recordStep', 'record', withHandle((worker, handle) => worker.step(handle, 'one'))],
    ['attempts.recordProgress', 'record', withHandle((worker, handle) => worker.progress(handle))],
    ['streams.append', 'record', withHandle((worker, handle) => worker.emit(handle, 0, ['"frame"']))],
    [
      'lanes.configure',
      'record',
      async () => (store) =>
        store.backend.lanes.configure({ namespace: store.namespace, lane, settings: { weight: 2 } }),
    ],
    [
      'schedules.put',
      'record',
      async () => (store) =>
        store.backend.schedules.put({
          namespace: store.namespace,
          scheduleId: mintScheduleId(),
          label: 'hourly',
          timing: { kind: 'interval', everyMs: 3_600_000 },
          work: { kind: 'execution', spec: { kind: parseKind('work'), lane, input: null } },
        }),
    ],
    [
      'operations.create',
      'record',
      async () => (store) =>
        store.backend.operations.create({
          namespace: store.namespace,
          operationId: mintOperationId(),
          work: { kind: 'cancel', filter: { lane } },
        }),
    ],
    [
      'quotas.create',
      'submit',
      async () => (store) =>
        store.backend.quotas.create({ namespace: store.namespace, quotaId: mintQuotaId(), ...quota }),
    ],
    [
      'quotas.update',
      'record',
      async (quick) => {
        const quotaId = mintQuotaId()
        await quick.backend.quotas.create({ namespace: quick.namespace, quotaId, ...quota })
        return (store) =>
          store.backend.quotas.update({ namespace: store.namespace, quotaId, settings: { concurrency: 2 } })
      },
    ],
    [
      'budgets.create',
      'submit',
      async () => (store) =>
        store.backend.budgets.create({ namespace: store.namespace, budgetId: mintBudgetId(), ...budget }),
    ],
    [
      'budgets.reset',
      'record',
      async (quick) => {
        const budgetId = mintBudgetId()
        await quick.backend.budgets.create({ namespace: quick.namespace, budgetId, ...budget })
        return (store) => store.backend.budgets.reset({ namespace: store.namespace, budgetId, resetKey: 'r' })
      },
    ],
    [
      'budgets.reportUsage',
      'record',
      async (quick) => {
        const budgetId = mintBudgetId()
        await quick.backend.budgets.create({ namespace: quick.namespace, budgetId, ...budget })
        const { handle } = await held(quick)
        const items = [{ handle, budgetId, usageKey: 'u', amounts: { usd: 1 } }]
        return (store) => store.backend.budgets.reportUsage({ namespaces: [store.namespace], items })
      },
    ],
    [
      'audit.append',
      'record',
      async () => (store) =>
        store.backend.audit.append({
          actionId: randomUUID(),
          namespace: store.namespace,
          actor: 'me',
          action: 'executions.cancel',
          subjects: [],
          reason: null,
          outcome: null,
        }),
    ],
    [
      'keyring.add',
      'record',
      async () => (store) =>
        store.backend.keyring.add({ keyId: `k-${randomUUID()}`, fingerprint: 'a'.repeat(64) }),
    ],
  ]

  function through(worker: WorkerDriver, store: TestStore): WorkerDriver {
    return Object.assign(new WorkerDriver(store), { instanceId: worker.instanceId })
  }

  function withHandle(deed: (worker: WorkerDriver, handle: Handle) => Promise<unknown>): Deed {
    return async (quick) => {
      const { handle, worker } = await held(quick)
      return (store) => deed(through(worker, store), handle)
    }
  }

  it.each(deeds)('%s waits as %s', async (_, transition, deed) => {
    const asked = await open(transition)
    const carryOut = await deed(asked.quick)
    expect(await waitsOf(() => carryOut(asked.durable))).toBeGreaterThan(0)
  })

  it.each(['submit', 'terminal', 'record'] as const)(
    'nothing else waits where %s is asked for',
    async (transition) => {
      const { quick, durable } = await open(transition)
      for (const [name, brought, deed] of deeds) {
        if (brought === transition || (transition === 'submit' && name.startsWith('operations'))) continue
        const carryOut = await deed(quick)
        expect(await waitsOf(() => carryOut(durable)), name).toBe(0)
        // The next deed claims what it has submitted itself.
        for (const { handle } of await new WorkerDriver(quick).claim({ max: 100 }))
          await new WorkerDriver(quick).complete(handle)
      }
    },
  )

  it('of what the runners of schedules and bulk operations write, only what is judged by later', async () => {
    const { quick, durable } = await open('record')
    const { namespace, backend } = quick
    const scheduleId = mintScheduleId()
    await backend.schedules.put({
      namespace,
      scheduleId,
      label: 'each second',
      timing: { kind: 'interval', everyMs: 1_000 },
      overlap: 'allow_all',
      work: { kind: 'execution', spec: { kind: parseKind('work'), lane, input: null } },
    })
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    const partition = makePartitionTag('quota', 0)
    const fire = async () => {
      const { items } = await durable.backend.schedules.fireDue({ partition, max: 10 })
      expect(items[0]).toMatchObject({ outcome: 'started' })
    }
    expect(await waitsOf(fire)).toBe(0)
    await backend.schedules.delete({ namespace, scheduleId })
    // What other tests have left.
    await backend.operations.advance({ partition, max: 100 })
    await submitOne(quick, { lane })
    const operationId = mintOperationId()
    await backend.operations.create({ namespace, operationId, work: { kind: 'cancel', filter: { lane } } })
    const advance = async () => {
      const { items } = await durable.backend.operations.advance({ partition, max: 10 })
      expect(items.find((each) => each.operationId === operationId)).toMatchObject({ outcome: 'completed' })
    }
    // For its batch, and not for its end.
    expect(await waitsOf(advance)).toBe(1)
  })

  it('neither claims nor renewals wait, whatever is asked for', async () => {
    for (const transition of ['submit', 'terminal', 'record'] as const) {
      const { quick, durable } = await open(transition)
      await submitOne(quick)
      const worker = new WorkerDriver(durable)
      expect(
        await waitsOf(async () => {
          const { handle } = await worker.claimOne()
          await worker.renew(handle)
        }),
      ).toBe(0)
    }
  })
})
