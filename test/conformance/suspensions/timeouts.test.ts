import {
  type ExecutionId,
  mintSuspensionId,
  partitionIndexOf,
  type SuspensionTimeoutBehaviour,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { readOne } from '../../support/builders.js'
import { onSignal, SuspensionDriver } from '../../support/suspension-driver.js'
import { useStore } from '../../support/use-store.js'

const minuteMs = 60_000

describe('the timeout of a suspension', () => {
  const store = useStore()

  async function suspended(behaviour: SuspensionTimeoutBehaviour, more: object = {}) {
    const driver = new SuspensionDriver(store())
    const timeout = { afterMs: minuteMs, behaviour }
    return { driver, ...(await driver.suspended({ timeout, ...more })) }
  }

  const attemptsOf = async (executionId: ExecutionId) =>
    (await store().backend.attempts.list({ namespace: store().namespace, executionId })).items

  it('is a timer of its execution, which goes when the condition holds', async () => {
    const { backend, partitions } = store()
    const { driver, id, waitpointId } = await suspended('fail')
    const answer = { dueAtMs: (await store().nowMs()) + minuteMs }
    const { suspension } = await backend.executions.explainFacts({ namespace: store().namespace, id })
    expect(suspension).toMatchObject({ timesOutAtMs: answer.dueAtMs, timeoutBehaviour: 'fail' })
    await store().advance(minuteMs - 1)
    const drain = async () => {
      const items = []
      for (const partition of partitions) {
        const drained = await backend.maintenance.drainTimers({ partition, max: 500 })
        items.push(...drained.items.filter((item) => item.id === id))
      }
      return items
    }
    expect(await drain()).toEqual([])
    const pulse = await backend.maintenance.pulse({ partitions })
    expect(pulse.partitions.map(({ nextDueAtMs }) => nextDueAtMs)).toContain(answer.dueAtMs)
    await store().advance(1)
    expect(await drain()).toEqual([{ outcome: 'applied', timer: 'suspension_timeout', id, ...answer }])
    expect(await drain()).toEqual([])

    const other = await suspended('fail')
    expect((await driver.signal(other.waitpointId)).outcome).toBe('satisfied')
    await store().pass(2 * minuteMs)
    expect((await readOne(store(), other.id)).publicState).toBe('resumable')
    expect((await driver.signal(waitpointId)).outcome).toBe('waitpoint_closed')
  })

  it('that is due but not applied turns nothing away', async () => {
    const { driver, id, waitpointId } = await suspended('fail')
    await store().advance(minuteMs)
    expect((await driver.signal(waitpointId)).outcome).toBe('satisfied')
    await store().settle()
    expect((await readOne(store(), id)).publicState).toBe('resumable')
  })

  it('fails the execution for good, whatever its retry policy', async () => {
    const { driver, id, handle, worker, waitpointId } = await suspended('fail')
    await store().pass(minuteMs)
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'failed',
      failure: { category: 'suspension_timeout' },
      terminalAtMs: await store().nowMs(),
    })
    expect(await attemptsOf(id)).toMatchObject([
      { state: 'ended_failure', endedBy: 'suspension_timeout', failure: { category: 'suspension_timeout' } },
    ])
    expect((await driver.signal(waitpointId)).outcome).toBe('waitpoint_closed')
    const recorded = { endedBy: 'suspension_timeout', terminalOutcome: 'failed' }
    expect(await worker.complete(handle)).toEqual({ outcome: 'execution_not_active', recorded })
  })

  it('cancels it', async () => {
    const { id } = await suspended('cancel')
    await store().pass(minuteMs)
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'cancelled',
      cancelCause: 'suspension_timeout',
      failure: null,
    })
    expect(await attemptsOf(id)).toMatchObject([{ state: 'ended_cancelled', endedBy: 'suspension_timeout' }])
  })

  it('expires it', async () => {
    const { id } = await suspended('expire')
    await store().pass(minuteMs)
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'expired',
      failure: { category: 'suspension_timeout' },
    })
    expect(await attemptsOf(id)).toMatchObject([{ state: 'ended_cancelled', endedBy: 'suspension_timeout' }])
  })

  it('resumes it with what has counted', async () => {
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const [a, b] = [await driver.waitpoint(waiting.id, 'a'), await driver.waitpoint(waiting.id, 'b')]
    const condition = { kind: 'all_of', of: [onSignal(a), onSignal(b)] } as const
    const timeout = { afterMs: minuteMs, behaviour: 'auto_resume' } as const
    await driver.suspend(waiting, { condition, timeout })
    await driver.signals(a, 'counted')
    await store().pass(minuteMs)
    expect(await readOne(store(), waiting.id)).toMatchObject({ publicState: 'resumable' })
    expect((await driver.listWaitpoints(waiting.id)).map(({ state }) => state)).toEqual(['closed', 'closed'])
    const { resumption } = await waiting.worker.claimOne()
    expect(resumption).toMatchObject({ by: 'timeout', signals: [{ name: 'counted' }], children: [] })
  })

  it('resumes it with a signal of its own', async () => {
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const waitpointId = await driver.waitpoint(waiting.id)
    const suspensionId = mintSuspensionId(partitionIndexOf(waiting.id))
    const condition = { kind: 'count', n: 2, of: 'signals', waitpointIds: [waitpointId] } as const
    const timeout = { afterMs: minuteMs, behaviour: 'auto_resume_with_timeout_signal' } as const
    await driver.suspend(waiting, { suspensionId, condition, timeout })
    await driver.signals(waitpointId, 'counted')
    await store().pass(minuteMs)
    const { resumption } = await waiting.worker.claimOne()
    const sent = {
      id: suspensionId as string,
      waitpointId: null,
      name: 'timeout',
      payload: null,
      source: null,
      receivedAtMs: await store().nowMs(),
      suspensionId,
    }
    expect(resumption).toMatchObject({ by: 'timeout', atMs: sent.receivedAtMs })
    expect(resumption?.signals).toMatchObject([{ name: 'counted' }, sent])
    expect((await driver.listSignals(waiting.id))[1]).toEqual(sent)
    expect(await driver.listWaitpoints(waiting.id)).toMatchObject([{ signalCount: 1 }])
  })

  it('resumes it after the delay of its policy', async () => {
    const { id, worker } = await suspended('auto_resume', { resumePolicy: { delayMs: 5_000 } })
    await store().pass(minuteMs)
    expect((await readOne(store(), id)).state.blockingReason).toBe('waiting_for_resume_delay')
    await store().pass(5_000)
    expect((await worker.claimOne()).resumption?.by).toBe('timeout')
  })

  it('escalates it to an operator, who is shown', async () => {
    const { backend, namespace } = store()
    const { id } = await suspended('escalate')
    await store().pass(minuteMs)
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'suspended',
      state: {
        lifecyclePhase: 'suspended',
        eligibilityState: 'not_applicable',
        blockingReason: 'paused_by_operator',
        attemptState: 'attempt_interrupted',
      },
      held: false,
    })
    const { suspension } = await backend.executions.explainFacts({ namespace, id })
    expect(suspension).toMatchObject({ escalated: true, timeoutBehaviour: 'escalate' })
    await store().pass(10 * minuteMs)
    expect((await readOne(store(), id)).publicState).toBe('suspended')
  })

  it('that has escalated is released by an operator', async () => {
    const { backend, namespace } = store()
    const { id, worker } = await suspended('escalate')
    expect(await backend.executions.release({ namespace, id })).toEqual({ outcome: 'not_held' })
    await store().pass(minuteMs)
    await backend.executions.hold({ namespace, id })
    expect(await backend.executions.release({ namespace, id })).toEqual({ outcome: 'released' })
    expect(await readOne(store(), id)).toMatchObject({ publicState: 'resumable', held: false })
    expect((await worker.claimOne()).resumption).toMatchObject({ by: 'operator', signals: [] })
  })

  it('that has escalated still hears signals, a cancel and a deadline', async () => {
    const { backend, namespace } = store()
    const { driver, ...first } = await suspended('escalate')
    const second = await suspended('escalate')
    const timeout = { afterMs: minuteMs, behaviour: 'escalate' } as const
    const third = await driver.suspended({ timeout }, { timeouts: { deadlineMs: 2 * minuteMs } })
    await store().pass(minuteMs)
    expect((await driver.signal(first.waitpointId)).outcome).toBe('satisfied')
    expect((await readOne(store(), first.id)).publicState).toBe('resumable')
    await backend.executions.cancel({ namespace, id: second.id })
    expect((await readOne(store(), second.id)).publicState).toBe('cancelled')
    await store().pass(minuteMs)
    expect((await readOne(store(), third.id)).publicState).toBe('expired')
  })

  it('comes after the deadline at the same time', async () => {
    const driver = new SuspensionDriver(store())
    const timeout = { afterMs: minuteMs, behaviour: 'auto_resume' } as const
    const { id } = await driver.suspended({ timeout }, { timeouts: { deadlineMs: minuteMs } })
    await store().pass(minuteMs)
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'expired',
      failure: { category: 'deadline' },
    })
  })

  it('of a suspension that begins again runs afresh', async () => {
    const { backend, namespace } = store()
    const { driver, id, worker, waitpointId } = await suspended('fail')
    await store().pass(minuteMs)
    await backend.executions.replay({ namespace, id })
    const { handle } = await worker.claimOne()
    const timeout = { afterMs: minuteMs, behaviour: 'auto_resume' } as const
    const answer = await driver.suspend({ id, handle }, { condition: onSignal(waitpointId), timeout })
    expect(answer).toMatchObject({ outcome: 'suspended', timesOutAtMs: (await store().nowMs()) + minuteMs })
    expect((await driver.signal(waitpointId)).outcome).toBe('satisfied')
  })

  it.each(['signal first', 'both at once'])('and a signal race for it, and one wins: %s', async (way) => {
    const { backend, partitions } = store()
    for (let turn = 0; turn < 5; turn += 1) {
      const { driver, id, worker, waitpointId } = await suspended('fail')
      await store().advance(minuteMs)
      const drain = () =>
        Promise.all(partitions.map((partition) => backend.maintenance.drainTimers({ partition, max: 500 })))
      const signal = driver.signal(waitpointId)
      if (way === 'signal first') await signal
      const [{ outcome }] = await Promise.all([signal, drain()])
      const { publicState } = await readOne(store(), id)
      expect([outcome, publicState]).toEqual(
        outcome === 'satisfied' ? ['satisfied', 'resumable'] : ['waitpoint_closed', 'failed'],
      )
      if (outcome === 'satisfied') await worker.complete((await worker.claimOne()).handle)
    }
  })
})
