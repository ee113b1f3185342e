import { type ExecutionId, parseLaneId, type TimerItem } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf, readOne, steadyRetry, submitOne } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('maintenance.drainTimers', () => {
  const store = useStore()

  /** One call per partition; what was applied to these executions. */
  async function drain(...ids: readonly string[]): Promise<TimerItem[]> {
    const applied: TimerItem[] = []
    for (const partition of store().partitions) {
      const { items } = await store().backend.maintenance.drainTimers({ partition, max: 500 })
      applied.push(...items.filter((item) => item.outcome === 'applied' && ids.includes(item.id)))
    }
    return applied
  }

  const attemptsOf = async (executionId: ExecutionId) =>
    (await store().backend.attempts.list({ namespace: store().namespace, executionId })).items

  it('applies nothing before its time, and everything that is due', async () => {
    const id = await submitOne(store(), { delayMs: 1_000 })
    const dueAtMs = (await store().nowMs()) + 1_000
    await store().advance(999)
    expect(await drain(id)).toEqual([])
    await store().advance(5_000)
    expect(await drain(id)).toEqual([{ outcome: 'applied', timer: 'delayed_promotion', id, dueAtMs }])
    expect(await readOne(store(), id)).toMatchObject({ publicState: 'waiting', readyAtMs: dueAtMs })
    expect(await drain(id)).toEqual([])
  })

  it('promotes in the order of their due times, whatever the order of applying', async () => {
    const late = await submitOne(store(), { delayMs: 2_000 })
    const early = await submitOne(store(), { delayMs: 1_000 })
    await store().pass(10_000)
    const order = (await new WorkerDriver(store()).claim()).map(({ executionId }) => executionId)
    expect(order).toEqual([early, late])
  })

  it('reaps a lease that ran out: the execution is claimable again by itself, keeping priority and age', async () => {
    const id = await submitOne(store(), { priority: 4 })
    const { readyAtMs } = await readOne(store(), id)
    const worker = new WorkerDriver(store())
    await worker.claimOne({ leaseTtlMs: 1_000 })
    await store().advance(1_000)
    expect(await drain(id)).toMatchObject([{ timer: 'lease_expiry' }])
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'waiting',
      state: {
        lifecyclePhase: 'runnable',
        ownershipState: 'lease_expired_reclaimable',
        eligibilityState: 'eligible_now',
        attemptState: 'pending_reclaim_attempt',
      },
      priority: 4,
      readyAtMs,
      reclaimCount: 1,
      retryCount: 1,
    })
    expect(await attemptsOf(id)).toMatchObject([{ state: 'interrupted_reclaimed', endedBy: 'lease_expiry' }])
    expect(await worker.claimOne()).toMatchObject({ attemptIndex: 1, attemptType: 'reclaim' })
    expect((await readOne(store(), id)).retryCount).toBe(1)
  })

  it('pauses later reclaims, the second for half a second to one', async () => {
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    for (let n = 0; n < 2; n += 1) {
      await worker.claimOne({ leaseTtlMs: 1_000 })
      await store().pass(1_000)
    }
    const nowMs = await store().nowMs()
    const waiting = await readOne(store(), id)
    expect(waiting).toMatchObject({
      publicState: 'delayed',
      state: { blockingReason: 'waiting_for_reclaim_backoff', ownershipState: 'lease_expired_reclaimable' },
      delayReason: 'reclaim_backoff',
      reclaimCount: 2,
    })
    expect(waiting.notBeforeMs).toBeGreaterThanOrEqual(nowMs + 500)
    expect(waiting.notBeforeMs).toBeLessThanOrEqual(nowMs + 1_000)
    await store().pass(1_000)
    expect(await worker.claimOne()).toMatchObject({ attemptIndex: 2, attemptType: 'reclaim' })
  })

  it('ends as failed what lost its lease more often than its bound', async () => {
    const id = await submitOne(store(), { maxReclaims: 1 })
    const worker = new WorkerDriver(store())
    for (let n = 0; n < 2; n += 1) {
      await worker.claimOne({ leaseTtlMs: 1_000 })
      await store().pass(1_000)
    }
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'failed',
      failure: { category: 'max_reclaims_exceeded' },
      reclaimCount: 1,
    })
  })

  it('a processed lease does not hide a later one', async () => {
    const ids: ExecutionId[] = []
    const worker = new WorkerDriver(store())
    for (let n = 0; n < 5; n += 1) {
      ids.push(await submitOne(store()))
      await worker.claim({ leaseTtlMs: 1_000 + n })
    }
    await store().advance(60_000)
    for (const partition of store().partitions) {
      let more = true
      while (more) ({ more } = await store().backend.maintenance.drainTimers({ partition, max: 1 }))
    }
    for (const id of ids)
      expect((await readOne(store(), id)).state.ownershipState).toBe('lease_expired_reclaimable')
  })

  it('ends an attempt that used up its time as a failure, which is retried', async () => {
    const id = await submitOne(store(), { timeouts: { attemptTimeoutMs: 500 }, retry: steadyRetry() })
    await new WorkerDriver(store()).claimOne()
    await store().advance(500)
    const nowMs = await store().nowMs()
    expect(await drain(id)).toEqual([{ outcome: 'applied', timer: 'attempt_timeout', id, dueAtMs: nowMs }])
    expect(await readOne(store(), id)).toMatchObject({ publicState: 'delayed', notBeforeMs: nowMs + 1_000 })
    expect(await attemptsOf(id)).toMatchObject([
      { state: 'ended_failure', endedBy: 'attempt_timeout', failure: { category: 'timeout' } },
    ])
  })

  it('fails an execution whose last attempt timed out, and one that does not retry time-outs', async () => {
    const timeouts = { attemptTimeoutMs: 500 }
    const last = await submitOne(store(), { timeouts, retry: steadyRetry({ maxAttempts: 1 }) })
    const fatal = await submitOne(store(), { timeouts, retry: steadyRetry({ nonRetryable: ['timeout'] }) })
    await new WorkerDriver(store()).claim()
    await store().pass(500)
    for (const id of [last, fatal]) {
      expect(await readOne(store(), id)).toMatchObject({
        publicState: 'failed',
        failure: { category: 'timeout' },
      })
    }
  })

  it.each(['waiting', 'delayed', 'active', 'held'] as const)(
    'expires what is %s at its deadline',
    async (state) => {
      const id = await submitOne(store(), { timeouts: { deadlineMs: 1_000 }, retry: steadyRetry() })
      const worker = new WorkerDriver(store())
      const { backend, namespace } = store()
      if (state === 'active') await worker.claimOne()
      if (state === 'held') await backend.executions.hold({ namespace, id })
      if (state === 'delayed')
        await worker.fail((await worker.claimOne()).handle, { retry: { afterMs: 60_000 } })
      await store().advance(1_000)
      const nowMs = await store().nowMs()
      expect(await drain(id)).toEqual([
        { outcome: 'applied', timer: 'execution_deadline', id, dueAtMs: nowMs },
      ])
      expect(await readOne(store(), id)).toMatchObject({
        publicState: 'expired',
        failure: { category: 'deadline' },
        cancelCause: null,
        terminalAtMs: nowMs,
      })
      await store().pass(120_000)
      expect((await readOne(store(), id)).publicState).toBe('expired')
    },
  )

  it('expires what was not started in time, and never what was', async () => {
    const timeouts = { queueTtlMs: 1_000 }
    const started = await submitOne(store(), { timeouts })
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    const waiting = await submitOne(store(), { timeouts })
    await store().pass(1_000)
    expect(await readOne(store(), waiting)).toMatchObject({
      publicState: 'expired',
      failure: { category: 'queue_ttl' },
    })
    await worker.fail(handle, { retry: { afterMs: 5_000 } })
    await store().pass(5_000)
    expect((await readOne(store(), started)).publicState).toBe('waiting')
  })

  it('applies the deadline before a lease that ran out at the same time', async () => {
    const id = await submitOne(store(), { timeouts: { deadlineMs: 1_000, attemptTimeoutMs: 1_000 } })
    await new WorkerDriver(store()).claimOne({ leaseTtlMs: 1_000 })
    await store().advance(1_000)
    expect(await drain(id)).toMatchObject([{ timer: 'execution_deadline' }])
    expect((await readOne(store(), id)).publicState).toBe('expired')
  })

  it('applies one timer of an execution per call', async () => {
    const id = await submitOne(store(), { delayMs: 1_000, timeouts: { deadlineMs: 1_000 } })
    await store().advance(60_000)
    expect(await drain(id)).toMatchObject([{ timer: 'delayed_promotion' }])
    expect((await readOne(store(), id)).publicState).toBe('waiting')
    expect(await drain(id)).toMatchObject([{ timer: 'execution_deadline' }])
  })

  it("expires all open members at their flow's deadline", async () => {
    const flow = await FlowDriver.submit(
      store(),
      { a: {}, b: {}, c: { after: ['b'] } },
      { deadlineMs: 5_000 },
    )
    await flow.end('a', 'success')
    await flow.start('b')
    await store().advance(5_000)
    const dueAtMs = await store().nowMs()
    expect(await drain(flow.flowId)).toEqual([
      { outcome: 'applied', timer: 'flow_deadline', id: flow.flowId, dueAtMs },
    ])
    expect(await flow.states()).toEqual({ a: 'completed', b: 'expired', c: 'expired' })
    await flow.settle()
    expect((await flow.flow()).state).toBe('failed')
  })

  it.each([
    ["a flow's deadline", 'expired'],
    ["a draft's end", 'cancelled'],
  ] as const)('%s holds for more members than end in one batch', async (which, end) => {
    const { backend, namespace } = store()
    const lane = parseLaneId('large')
    const flow = new FlowDriver(store())
    const names = Array.from({ length: 600 }, (_, n) => `n${n}`)
    const plan = Object.fromEntries(names.map((name) => [name, { lane }]))
    if (end === 'expired') await flow.submit(plan, { deadlineMs: 5_000 })
    else {
      await backend.flows.createDraft({ namespace, flowId: flow.flowId, draftTtlMs: 5_000 })
      await flow.extend(plan)
    }
    await store().advance(5_000)
    await drain(flow.flowId)
    expect(await flow.tryStart(...names), which).toEqual([])
    await flow.settle()
    expect(new Set(Object.values(await flow.states()))).toEqual(new Set([end]))
  })

  it('cancels a draft that was not sealed in time, with its members', async () => {
    const { backend, namespace } = store()
    const flow = new FlowDriver(store())
    await backend.flows.createDraft({ namespace, flowId: flow.flowId, draftTtlMs: 1_000 })
    await flow.extend({ a: {}, b: { after: ['a'] } })
    await store().advance(1_000)
    expect(await drain(flow.flowId)).toMatchObject([{ timer: 'draft_expiry' }])
    await flow.settle()
    expect(await flow.states()).toEqual({ a: 'cancelled', b: 'cancelled' })
    expect((await flow.execution('a')).cancelCause).toBe('draft_expired')
    expect((await flow.flow()).state).toBe('cancelled')
  })

  it('says when its partition is next due, and so does the pulse', async () => {
    const { maintenance } = store().backend
    const id = await submitOne(store(), { delayMs: 1_000 })
    const dueAtMs = (await store().nowMs()) + 1_000
    const { partitions } = await maintenance.pulse({ partitions: store().partitions })
    const own = partitions.find(({ partition }) => id.startsWith(partition))
    expect(own?.nextDueAtMs).toBeLessThanOrEqual(dueAtMs)
    await store().advance(1_000)
    const later = await maintenance.pulse({ partitions: store().partitions })
    expect(later.partitions.find(({ partition }) => id.startsWith(partition))?.pending).toContain('timers')
  })

  it.each([
    ['partition_tag_without_braces', { partition: 'fp:0' }],
    ['partition_out_of_range', { partition: '{fp:9}' }],
    ['partition_tag_unknown_family', { partition: '{q:0}' }],
    ['invalid_params', { max: 0 }],
  ])('refuses a call with %s', async (code, fault) => {
    const request = { partition: store().partitions[0], max: 10, ...fault }
    expect(await codeOf(store().backend.maintenance.drainTimers(request as never))).toBe(code)
  })
})
