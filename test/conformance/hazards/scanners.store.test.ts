import {
  type ExecutionId,
  mintInstanceId,
  mintSoloExecutionId,
  parseKind,
  parseLaneId,
  parseWorkerId,
} from '@flowfabric/core'
import { foundationScanners } from '@flowfabric/scanners'
import { describe, expect, it } from 'vitest'
import { AdmissionDriver } from '../../support/admission-driver.js'
import { backendName } from '../../support/backends.js'
import { readOne, submitOne } from '../../support/builders.js'
import { createStoreFaults } from '../../support/faults/open.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { OperationDriver } from '../../support/operation-driver.js'
import { type Brought, runScanners } from '../../support/scanner-passes.js'
import { minute, ScheduleDriver } from '../../support/schedule-driver.js'
import { type TestStore, useStore } from '../../support/use-store.js'
import { endSolos, WebhookDriver } from '../../support/webhook-driver.js'
import { WorkerDriver } from '../../support/worker-driver.js'

const isValkey = backendName().startsWith('valkey')

/** Whether all is well again, by what a caller can see, or by what the last passes brought about. */
type IsRepaired = (brought: Brought) => Promise<boolean> | boolean

interface Row {
  /** What happens without it. */
  readonly hazard: string
  /** How long after its cause the scanner may take at most, by its interval. */
  readonly withinMs: number
  /** Other scanners that would repair it too. */
  readonly helpers?: readonly string[]
  /** Where the hazard cannot be, and why. */
  readonly never?: string | false
  readonly arrange: (store: TestStore) => Promise<IsRepaired>
}

const rows: Readonly<Record<string, Row>> = {
  completion_dispatcher: {
    hazard: 'what follows an ended execution never starts',
    withinMs: 1_000,
    helpers: ['dependency_reconciler'],
    arrange: async (store) => {
      const flow = await FlowDriver.submit(store, { a: {}, b: { after: ['a'] } })
      await flow.start('a')
      await flow.complete('a')
      return async () => (await flow.tryStart('b')).length === 1
    },
  },
  timers: {
    hazard: 'what is delayed never becomes claimable',
    withinMs: 2_000,
    arrange: async (store) => {
      const id = await submitOne(store, { delayMs: 1_000 })
      return async () => (await readOne(store, id)).publicState === 'waiting'
    },
  },
  schedule_runner: {
    hazard: 'no tick starts anything',
    withinMs: minute + 1_000,
    arrange: async (store) => {
      const driver = await ScheduleDriver.create(store)
      return async () => (await driver.started()).length > 0
    },
  },
  operation_runner: {
    hazard: 'a bulk operation never begins',
    withinMs: 1_000,
    arrange: async (store) => {
      const lane = parseLaneId('bulk')
      const id = await submitOne(store, { lane })
      await OperationDriver.begin(store, { kind: 'cancel', filter: { lane } })
      return async () => (await readOne(store, id)).publicState === 'cancelled'
    },
  },
  budget_reset: {
    hazard: 'a budget that is used up is never filled again',
    withinMs: minute + 1_000,
    arrange: async (store) => {
      const driver = await useUpBudget(store)
      return async () => (await driver.readBudget()).period > 1
    },
  },
  admission_unblocker: {
    hazard: 'what waits for a window waits when it has passed',
    withinMs: 2_000,
    arrange: async (store) => {
      const driver = new AdmissionDriver(store)
      await driver.quota({ rate: { units: 1, windowMs: 1_000 } })
      await driver.submitQuota()
      await driver.submitQuota()
      expect(await driver.claimIds()).toHaveLength(1)
      return async () => (await driver.claimIds()).length === 1
    },
  },
  budget_unblocker: {
    hazard: 'what waits for a budget waits on when whoever began the new period has died',
    withinMs: 2_000,
    arrange: async (store) => {
      const driver = await useUpBudget(store)
      // What is given back wakes too.
      await store.settle()
      await driver.submitBudget(10)
      expect(await driver.claimIds()).toEqual([])
      await store.advance(minute)
      await createStoreFaults(store.opened).resetAndWakeNobody()
      return async () => (await driver.claimIds()).length === 1
    },
  },
  edge_cancel_dispatcher: {
    hazard: 'the losers of a decided join run on',
    withinMs: 1_000,
    arrange: async (store) => {
      const flow = await fire(store)
      return async () => (await flow.state('b')) === 'cancelled'
    },
  },
  edge_cancel_reconciler: {
    hazard: 'what a crash left of a sibling cancel is looked at for ever',
    withinMs: 10_000,
    helpers: ['edge_cancel_dispatcher'],
    arrange: async (store) => {
      const flow = await fire(store)
      await createStoreFaults(store.opened).clearCancelFlag(flow.id('join'))
      const tuple = `${flow.flowId}|${flow.id('join')}`
      return async () => !(await store.faults.pendingTuples()).includes(tuple)
    },
  },
  cancel_reconciler: {
    hazard: 'members of a cancelled flow stay as they were',
    withinMs: 15_000,
    arrange: async (store) => {
      const names = Array.from({ length: 600 }, (_, index) => `n${index}`)
      const flow = await FlowDriver.submit(store, Object.fromEntries(names.map((name) => [name, {}])))
      await flow.cancel('cancel_all')
      return async () => new Set(Object.values(await flow.states())).size === 1
    },
  },
  webhook_dispatcher: {
    hazard: 'nobody is told',
    withinMs: 1_000,
    arrange: async (store) => {
      await WebhookDriver.put(store)
      await endSolos(store, 1)
      return ({ sent }) => sent.length > 0
    },
  },
  flow_projector: {
    hazard: 'a flow looks as it did when it was submitted',
    withinMs: 15_000,
    arrange: async (store) => {
      const flow = await FlowDriver.submit(store, { a: {}, b: { after: ['a'] } })
      await flow.start('a')
      await flow.complete('a')
      const toldAtMs = (await flow.flow()).summary.lastSummaryUpdateAtMs
      return async () => (await flow.flow()).summary.lastSummaryUpdateAtMs !== toldAtMs
    },
  },
  dependency_reconciler: {
    hazard: 'what follows an execution whose end was lost waits for ever',
    withinMs: 120_000,
    arrange: async (store) => {
      const flow = await FlowDriver.submit(store, { a: {}, b: { after: ['a'] } })
      await flow.start('a')
      await flow.complete('a')
      await store.faults.dropOutbox()
      return async () => (await flow.tryStart('b')).length === 1
    },
  },
  ready_announcer: {
    hazard: 'a claim that waits hears nothing of work whose hint was lost',
    withinMs: 300,
    arrange: async (store) => {
      await submitOne(store)
      return ({ announced }) =>
        announced.some((hint) => hint.type === 'ready' && hint.namespace === store.namespace)
    },
  },
  store_upkeep: {
    hazard: 'events are appended and never numbered',
    withinMs: 6_000,
    // Who reads the feed for deliveries has it numbered.
    helpers: ['webhook_dispatcher'],
    never: isValkey && 'its events have their numbers when they are appended',
    arrange: async (store) => {
      await endSolos(store, 3)
      return async () => (await countUnnumbered(store)) === 0
    },
  },
  index_reconciler: {
    hazard: 'what is in no index is never found',
    withinMs: 300_000,
    arrange: async (store) => {
      const id = await submitOne(store, { delayMs: 1_000 })
      await createStoreFaults(store.opened).forgetTimer(id)
      return async () => (await readOne(store, id)).publicState === 'waiting'
    },
  },
  worker_reaper: {
    hazard: 'a dead instance is listed for ever',
    withinMs: 45_000,
    arrange: async ({ backend, namespace }) => {
      const instanceId = mintInstanceId()
      await backend.workers.register({
        namespaces: [namespace],
        workerId: parseWorkerId('gone'),
        instanceId,
        lanes: [parseLaneId('solos')],
        kinds: [parseKind('work')],
        capabilities: [],
        concurrency: 1,
      })
      return async () => (await backend.workers.list({ namespace })).workers.length === 0
    },
  },
  retention_trimmer: {
    hazard: 'what has ended is kept for ever',
    withinMs: 3_000,
    arrange: async (store) => {
      const [solo] = await endSolos(store, 1, { retentionMs: 1_000 })
      return async () => !(await isThere(store, solo?.id as ExecutionId))
    },
  },
  quota_reconciler: {
    hazard: 'a slot whose holder does not run is never free again',
    withinMs: 300_000,
    arrange: async (store) => {
      const driver = new AdmissionDriver(store)
      const quotaId = await driver.quota({ concurrency: 1 })
      await createStoreFaults(store.opened).leaveSlot(quotaId, await submitOne(store))
      return async () => (await driver.readQuota()).held === 0
    },
  },
  budget_reconciler: {
    hazard: 'what is reserved for an execution that does not run is never given back',
    withinMs: 300_000,
    arrange: async (store) => {
      const driver = new AdmissionDriver(store)
      const budgetId = await driver.budget(10)
      await createStoreFaults(store.opened).leaveReservation(budgetId, await submitOne(store))
      return async () => (await driver.readBudget()).reserved.tokens === undefined
    },
  },
  lane_sync: {
    hazard: 'partitions keep the settings that a lane had',
    withinMs: 1_000,
    never: isValkey ? false : 'a lane is one row',
    arrange: async (store) => {
      const lane = parseLaneId('half-changed')
      const { backend, namespace, partitions } = store
      await backend.lanes.configure({ namespace, lane, settings: { shards: 8 } })
      const items = Array.from({ length: 32 }, () =>
        store.aSolo({
          lane,
          id: mintSoloExecutionId({ namespace, lane, shards: 8, count: partitions.length }),
        }),
      )
      await backend.executions.submit({ namespace, items })
      await createStoreFaults(store.opened).pauseLaneHalfWay(store.namespace, lane)
      const worker = new WorkerDriver(store)
      return async () => (await worker.claim({ lanes: [lane] })).length === 0
    },
  },
}

async function countUnnumbered({ opened: { inside } }: TestStore): Promise<number> {
  if (!('pool' in inside)) throw new Error('this store has no tables')
  const { rows } = await inside.pool.query(`select count(*)::integer as n from ${inside.schema}.event_batch`)
  return Number(rows[0]?.n)
}

/** Of ten tokens for each minute. */
async function useUpBudget(store: TestStore): Promise<AdmissionDriver> {
  const driver = new AdmissionDriver(store)
  await driver.budget(10, { resetPeriodMs: minute })
  await driver.submitBudget(10)
  const { handle } = await driver.worker.claimOne()
  await driver.spend(handle, 10)
  await driver.worker.complete(handle)
  return driver
}

async function isThere(store: TestStore, id: ExecutionId): Promise<boolean> {
  const { items } = await store.backend.executions.list({ namespace: store.namespace, limit: 100 })
  return items.some((each) => each.id === id)
}

async function fire(store: TestStore): Promise<FlowDriver> {
  const flow = await FlowDriver.submit(store, {
    a: {},
    b: {},
    join: { after: ['a', 'b'], join: { policy: { kind: 'any_of' } } },
  })
  await flow.start('a')
  await flow.complete('a')
  await flow.settle({ except: ['sibling_cancels', 'projection'] })
  return flow
}

/** A flow of more members than one step cancels; what looks at a sample would seldom meet anything else beside them. */
const large = 'cancel_reconciler'

it('every scanner has its hazard', () => {
  const scanners = foundationScanners().map(({ name }) => name)
  expect(Object.keys(rows).toSorted()).toEqual(scanners.toSorted())
})

describe.each([
  ['small', (name: string) => name !== large],
  ['large', (name: string) => name === large],
] as const)('without its scanner, %s', (_, isHere) => {
  const store = useStore({ inlineResolveEdges: 0 }, { faulty: true })
  const here = Object.entries(rows).filter(([name, { never = false }]) => never === false && isHere(name))

  it.each(here)('%s: with all others its hazard stays, with it there is none', async (name, row) => {
    const { withinMs, helpers = [], arrange } = row
    const isRepaired = await arrange(store())
    expect(await isRepaired({ announced: [], sent: [] }), 'before').toBe(false)
    await store().advance(withinMs)
    const mine = foundationScanners().filter((scanner) => !helpers.includes(scanner.name))
    const others = mine.filter((scanner) => scanner.name !== name)
    expect(await isRepaired(await runScanners(store(), others)), `without it ${row.hazard}`).toBe(false)
    expect(await isRepaired(await runScanners(store(), mine)), 'with it').toBe(true)
  })
})
