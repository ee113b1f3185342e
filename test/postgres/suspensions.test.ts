import { setTimeout } from 'node:timers/promises'
import { must, parseLaneId, type ResumeCondition } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { bytesOf, submitOne } from '../support/builders.js'
import { FlowDriver } from '../support/flow-driver.js'
import { onSignal, SuspensionDriver } from '../support/suspension-driver.js'
import { useStore } from '../support/use-store.js'
import { WorkerDriver } from '../support/worker-driver.js'

const dayMs = 86_400_000
const lane = parseLaneId('called')
const tables = [
  'suspension',
  'resumption',
  'waitpoint',
  'signal',
  'child',
  'child_watcher',
  'completion_event',
]

describe('the rows of suspensions', () => {
  const store = useStore()

  async function select(text: string): Promise<readonly { readonly n?: number }[]> {
    const { inside } = store().opened
    if (!('pool' in inside)) throw new Error('no store with tables')
    return (await inside.pool.query(text.replaceAll('ff.', `${inside.schema}.`))).rows
  }

  async function countRows(): Promise<Readonly<Record<string, number>>> {
    const counts = tables.map(async (table) => {
      const [row] = await select(`select count(*)::integer as n from ff.${table}`)
      return [table, must(row?.n, 'a count')] as const
    })
    return Object.fromEntries(await Promise.all(counts))
  }

  const noRows = Object.fromEntries(tables.map((table) => [table, 0]))

  async function trimAll(): Promise<void> {
    const { backend, partitions } = store()
    for (const partition of partitions) await backend.maintenance.trimRetention({ partition, max: 500 })
    await store().settle()
  }

  it('are none of an execution that never waited and called nobody', async () => {
    const { worker, handle } = await new SuspensionDriver(store()).active()
    await worker.complete(handle)
    await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] } })
    expect(await countRows()).toEqual(noRows)
    expect(await select('select from ff.execution where has_ties is not null')).toEqual([])
    expect(await select('select from ff.flow where has_ties is not null')).toEqual([])
  })

  it('go with their executions and flows, and messages with their last receiver', async () => {
    const { backend, namespace } = store()
    const driver = new SuspensionDriver(store())
    const resumed = await driver.suspended({}, { retentionMs: dayMs })
    await driver.signal(resumed.waitpointId, { payload: '1' })
    await resumed.worker.complete((await resumed.worker.claimOne()).handle)
    const early = await driver.active()
    await driver.signal(await driver.waitpoint(early.id, 'unused'))
    await early.worker.complete(early.handle)
    const parent = await driver.active()
    const child = await submitOne(store(), { lane, parent: { id: parent.id, detached: false } })
    const flow = await FlowDriver.submit(store(), { a: {} }, { parent: { id: parent.id, detached: false } })
    const condition: ResumeCondition = {
      kind: 'all_of',
      of: [child, flow.flowId].map((id) => ({ kind: 'child', id })),
    }
    await driver.suspend(parent, { reason: 'child', condition })
    await store().settle()
    const children = new WorkerDriver(store(), { lanes: [lane] })
    await children.complete((await children.claimOne()).handle)
    await store().settle()
    await backend.executions.cancel({ namespace, id: parent.id })
    await store().settle()
    expect(await countRows()).toMatchObject({ suspension: 0, child_watcher: 0, completion_event: 0 })
    await store().pass(2 * dayMs)
    await trimAll()
    await trimAll()
    expect(await countRows()).toEqual(noRows)
  })

  it('are another run’s after a fork', async () => {
    const { backend, namespace } = store()
    const driver = new SuspensionDriver(store())
    const { id, waitpointId, worker } = await driver.suspended()
    await driver.signal(waitpointId)
    await worker.complete((await worker.claimOne()).handle)
    await backend.executions.replay({ namespace, id, input: bytesOf('other') })
    const { execution } = await backend.executions.get({ namespace, id })
    expect(execution.publicState).toBe('waiting')
    expect(await countRows()).toEqual(noRows)
    const { handle } = await worker.claimOne()
    const again = await driver.waitpoint(id)
    await driver.suspend({ id, handle }, { condition: onSignal(again) })
    expect(await countRows()).toEqual({ ...noRows, suspension: 1, waitpoint: 1 })
  })
})

describe('a claim that waits for what a signal makes claimable', () => {
  const store = useStore()

  const rows = async (text: string): Promise<readonly Readonly<Record<string, unknown>>[]> => {
    const { inside } = store().opened
    if (!('pool' in inside)) throw new Error('no store with tables')
    return (await inside.pool.query(text.replaceAll('ff.', `${inside.schema}.`))).rows
  }

  /** As a worker does that has nothing to do. */
  async function wait(
    worker: WorkerDriver,
  ): Promise<{ readonly claimed: ReturnType<WorkerDriver['claim']> }> {
    const claimed = worker.claim({ waitMs: 5_000 })
    // Until it has looked once, and found nothing.
    await setTimeout(50)
    return { claimed }
  }

  it('is carried out in its transaction', async () => {
    const driver = new SuspensionDriver(store())
    const { id, waitpointId, worker } = await driver.suspended()
    const { claimed } = await wait(worker)
    expect(await driver.signal(waitpointId)).toMatchObject({ outcome: 'satisfied' })
    expect(await claimed).toMatchObject([{ executionId: id, resumption: { by: 'condition' } }])
    const written = await rows(
      'select distinct x.xmin::text from (select xmin from ff.signal union all select xmin from ff.execution) x',
    )
    expect(written).toHaveLength(1)
  })

  it('goes its own way where this process was wrong about what stands', async () => {
    const driver = new SuspensionDriver(store())
    const other = new SuspensionDriver({ ...store(), backend: store().opened.reopen() })
    const waiting = await driver.active()
    const [gate, aside] = [await driver.waitpoint(waiting.id), await driver.waitpoint(waiting.id, 'aside')]
    await driver.suspend(waiting, { condition: onSignal(gate) })
    expect(await other.signal(aside)).toMatchObject({ outcome: 'buffered' })
    const { claimed } = await wait(waiting.worker)
    expect(await driver.signal(gate)).toMatchObject({ outcome: 'satisfied' })
    expect(await claimed).toMatchObject([{ executionId: waiting.id }])
  })

  it('waits on when the signal fails', async () => {
    const driver = new SuspensionDriver(store())
    const { id, waitpointId, worker } = await driver.suspended()
    const { claimed } = await wait(worker)
    const rename = (from: string, to: string) =>
      rows(`do $$ declare f regprocedure; begin
        select oid into f from pg_proc where proname = '${from}' and pronamespace =
          (select relnamespace from pg_class where oid = 'ff.signal'::regclass);
        execute format('alter function %s rename to ${to}', f);
      end $$`)
    await rename('deliver_signal', 'away')
    await expect(driver.signal(waitpointId)).rejects.toThrow()
    await rename('away', 'deliver_signal')
    expect(await driver.signal(waitpointId)).toMatchObject({ outcome: 'satisfied' })
    expect(await claimed).toMatchObject([{ executionId: id }])
  })
})
