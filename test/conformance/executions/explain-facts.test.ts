import { type ExecutionId, mintExecutionId, parseLaneId, parseNamespace } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf, readOne, submitOne } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('executions.explainFacts', () => {
  const store = useStore()
  const explain = (id: ExecutionId) =>
    store().backend.executions.explainFacts({ namespace: store().namespace, id })

  it('reads the execution, its lane, its workers and how many are ahead, as of one moment', async () => {
    const { backend, namespace } = store()
    const lane = parseLaneId('solos')
    await backend.lanes.configure({ namespace, lane, settings: { concurrency: 1 } })
    await submitOne(store())
    await submitOne(store(), { capabilities: ['gpu'] })
    const ahead = await submitOne(store(), { priority: 1 })
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const { kinds, lanes, workerId } = worker.request()
    const registration = {
      namespaces: [namespace],
      workerId,
      lanes,
      kinds,
      capabilities: ['arm'],
      concurrency: 4,
    }
    await backend.workers.register({ ...registration, instanceId: worker.instanceId })
    expect((await worker.claimOne({ max: 1 })).executionId).toBe(ahead)
    expect(await explain(id)).toEqual({
      outcome: 'facts',
      execution: await readOne(store(), id),
      nowMs: await store().nowMs(),
      lane: { state: 'active', concurrency: 1, active: 1 },
      workers: [{ instanceId: worker.instanceId, kinds, capabilities: ['arm'], draining: false }],
      ahead: 1,
      flow: null,
      group: null,
      lastAttempt: null,
      suspension: null,
      demands: null,
    })
  })

  it('shows the last attempt', async () => {
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    await worker.fail((await worker.claimOne()).handle, { retry: { afterMs: 1_000 } })
    expect((await explain(id)).lastAttempt).toMatchObject({
      index: 0,
      state: 'ended_failure',
      endedBy: 'holder',
    })
  })

  it('names the upstreams that a member waits for', async () => {
    const flow = await FlowDriver.submit(store(), {
      a: {},
      b: {},
      join: { after: ['a', 'b'], join: { policy: { kind: 'any_of' } } },
    })
    await flow.start('a')
    const facts = await explain(flow.id('join'))
    expect(facts.flow).toEqual({ id: flow.flowId, state: 'open', finalisers: true })
    expect(facts.group).toMatchObject({
      view: { state: 'pending', counters: { n: 2, succeeded: 0, failed: 0, skipped: 0 } },
      join: { policy: { kind: 'any_of', onSatisfied: 'cancel_remaining' }, runOn: 'groupSatisfied' },
      storedPolicy: 'any_of',
    })
    const pending = facts.group?.pendingUpstreams.map(({ name, publicState }) => [name, publicState])
    expect(new Map(pending as [string, string][])).toEqual(
      new Map([
        ['a', 'active'],
        ['b', 'waiting'],
      ]),
    )
  })

  it('counts those ahead in its own partition: between partitions there is no order', async () => {
    const submitIn = (partition: number) => submitOne(store(), { id: mintExecutionId(partition) })
    await submitIn(1)
    await submitIn(0)
    await submitIn(1)
    expect((await explain(await submitIn(0))).ahead).toBe(1)
    expect((await explain(await submitIn(1))).ahead).toBe(2)
  })

  it('counts nobody ahead of what does not wait for a worker', async () => {
    await submitOne(store())
    expect((await explain(await submitOne(store(), { delayMs: 1_000 }))).ahead).toBe(0)
  })

  it('is refused for unknown and foreign executions', async () => {
    const id = await submitOne(store())
    expect(await codeOf(explain(store().aSolo().id))).toBe('execution_not_found')
    const foreign = store().backend.executions.explainFacts({ namespace: parseNamespace('foreign'), id })
    expect(await codeOf(foreign)).toBe('execution_not_found')
  })
})
