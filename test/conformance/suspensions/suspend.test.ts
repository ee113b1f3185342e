import { mintSuspensionId, mintWaitpointId, parseLaneId, partitionIndexOf } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf, itemCodeOf, readOne } from '../../support/builders.js'
import { onSignal, SuspensionDriver } from '../../support/suspension-driver.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('suspensions.suspend', () => {
  const store = useStore()

  it('gives the lease back and waits', async () => {
    const { backend, namespace } = store()
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const waitpointId = driver.mintWaitpoint(waiting.id)
    const suspensionId = mintSuspensionId(partitionIndexOf(waiting.id))
    const answer = await driver.suspend(waiting, {
      suspensionId,
      reason: 'approval',
      condition: onSignal(waitpointId),
      waitpoints: [{ waitpointId, name: 'gate' }],
    })
    expect(answer).toEqual({ outcome: 'suspended', suspensionId, timesOutAtMs: null })
    expect(await readOne(store(), waiting.id)).toMatchObject({
      publicState: 'suspended',
      state: {
        lifecyclePhase: 'suspended',
        ownershipState: 'unowned',
        eligibilityState: 'not_applicable',
        blockingReason: 'waiting_for_approval',
        terminalOutcome: 'none',
        attemptState: 'attempt_interrupted',
      },
      lease: null,
      readyAtMs: null,
      notBeforeMs: null,
    })
    const { items } = await backend.attempts.list({ namespace, executionId: waiting.id })
    expect(items).toMatchObject([{ index: 0, state: 'suspended', endedAtMs: null, endedBy: null }])
    expect(await waiting.worker.claim()).toEqual([])
    const { suspension } = await backend.executions.explainFacts({ namespace, id: waiting.id })
    expect(suspension).toEqual({
      id: suspensionId,
      reason: 'approval',
      condition: onSignal(waitpointId),
      sinceMs: await store().nowMs(),
      timesOutAtMs: null,
      timeoutBehaviour: null,
      escalated: false,
    })
  })

  it.each(['signal', 'approval', 'callback', 'tool_result', 'child'] as const)(
    'shows that it waits for: %s',
    async (reason) => {
      const { id } = await new SuspensionDriver(store()).suspended({ reason })
      expect((await readOne(store(), id)).state.blockingReason).toBe(`waiting_for_${reason}`)
    },
  )

  it('is resumed by the signal, and the same attempt goes on in any worker with it', async () => {
    const driver = new SuspensionDriver(store())
    const { id, waitpointId } = await driver.suspended()
    await store().advance(5_000)
    const answer = await driver.signal(waitpointId, { name: 'yes', payload: '{"by":"ann"}', source: 'ann' })
    expect(answer.outcome).toBe('satisfied')
    const nowMs = await store().nowMs()
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'resumable',
      state: {
        lifecyclePhase: 'runnable',
        eligibilityState: 'eligible_now',
        blockingReason: 'waiting_for_worker',
        attemptState: 'pending_resume',
      },
      readyAtMs: nowMs,
    })
    const [signal] = await driver.listSignals(id)
    expect(signal).toMatchObject({ name: 'yes', source: 'ann', receivedAtMs: nowMs })
    const other = new WorkerDriver(store())
    const claimed = await other.claimOne()
    expect(claimed).toMatchObject({
      executionId: id,
      attemptIndex: 0,
      attemptType: 'initial',
      resumption: { by: 'condition', atMs: nowMs, signals: [signal], signalsTruncated: false, children: [] },
    })
    expect(claimed.resumption?.suspensionId).toBe(signal?.suspensionId)
    expect(await readOne(store(), id)).toMatchObject({ epoch: 2, attemptCount: 1, retryCount: 1 })
    expect((await other.complete(claimed.handle)).outcome).toBe('completed')
  })

  it('answers a repeat as at first, until the attempt goes on', async () => {
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const waitpointId = await driver.waitpoint(waiting.id)
    const first = await driver.suspend(waiting, { condition: onSignal(waitpointId) })
    expect(first.outcome).toBe('suspended')
    await store().advance(1_000)
    const repeat = { condition: onSignal(waitpointId), timeout: { afterMs: 1, behaviour: 'fail' } } as const
    expect(await driver.suspend(waiting, repeat)).toEqual(first)
    expect(await waiting.worker.complete(waiting.handle)).toEqual({
      outcome: 'execution_not_active',
      recorded: { endedBy: 'holder', terminalOutcome: 'none' },
    })
    await driver.signal(waitpointId)
    expect(await driver.suspend(waiting, repeat)).toEqual(first)
    await waiting.worker.claimOne()
    expect(await driver.suspend(waiting, repeat)).toEqual({ outcome: 'stale_lease' })
  })

  it('is refused to whom the lease was lost', async () => {
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const waitpointId = await driver.waitpoint(waiting.id)
    await store().pass(30_000)
    const condition = onSignal(waitpointId)
    expect(await driver.suspend(waiting, { condition })).toEqual({ outcome: 'lease_expired' })
    await waiting.worker.claimOne()
    expect(await driver.suspend(waiting, { condition })).toEqual({ outcome: 'stale_lease' })
  })

  it('ends what is to be cancelled anyway, and answers the same again', async () => {
    const { backend, namespace } = store()
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const waitpointId = await driver.waitpoint(waiting.id)
    await driver.signal(waitpointId)
    await backend.executions.cancel({ namespace, id: waiting.id, graceMs: 60_000 })
    const condition = onSignal(waitpointId)
    expect(await driver.suspend(waiting, { condition })).toEqual({ outcome: 'cancelled' })
    expect(await driver.suspend(waiting, { condition })).toEqual({ outcome: 'cancelled' })
    expect(await readOne(store(), waiting.id)).toMatchObject({
      publicState: 'cancelled',
      cancelCause: 'operator',
    })
    const { items } = await backend.attempts.list({ namespace, executionId: waiting.id })
    expect(items).toMatchObject([{ state: 'ended_cancelled', endedBy: 'holder' }])
  })

  it('frees the slot of a capped lane, and needs one again', async () => {
    const { backend, namespace } = store()
    const lane = parseLaneId('capped')
    await backend.lanes.configure({ namespace, lane, settings: { concurrency: 1 } })
    const driver = new SuspensionDriver(store())
    const { waitpointId, worker } = await driver.suspended({}, { lane })
    const second = await driver.active({ lane })
    await driver.signal(waitpointId)
    expect(await worker.claim()).toEqual([])
    await second.worker.complete(second.handle)
    expect(await worker.claim()).toHaveLength(1)
  })

  it('takes what the attempt used already off its timeout, and not what it waited', async () => {
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active({ timeouts: { attemptTimeoutMs: 10_000 } })
    const waitpointId = await driver.waitpoint(waiting.id)
    await store().advance(4_000)
    await driver.suspend(waiting, { condition: onSignal(waitpointId) })
    await store().pass(3_600_000)
    await driver.signal(waitpointId)
    expect((await waiting.worker.claimOne()).attemptDeadlineAtMs).toBe((await store().nowMs()) + 6_000)
  })

  it('keeps the journal, and lets nobody hand the attempt back afterwards', async () => {
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const waitpointId = await driver.waitpoint(waiting.id)
    await waiting.worker.step(waiting.handle, 'before', 'x')
    await driver.suspend(waiting, { condition: onSignal(waitpointId) })
    await driver.signal(waitpointId)
    const { handle, steps } = await waiting.worker.claimOne()
    expect(steps.map(({ name }) => name)).toEqual(['before'])
    expect(await waiting.worker.yield(handle)).toEqual({ outcome: 'attempt_has_effects' })
  })

  it('carries how it was resumed to later attempts too, until the next suspension', async () => {
    const driver = new SuspensionDriver(store())
    const { id, worker, waitpointId } = await driver.suspended()
    await driver.signal(waitpointId)
    const { resumption, handle } = await worker.claimOne({ leaseTtlMs: 1_000 })
    expect(resumption?.signals).toHaveLength(1)
    await store().pass(1_000)
    expect(await worker.renew(handle)).toEqual({ outcome: 'lease_expired' })
    const reclaimed = await worker.claimOne()
    expect(reclaimed).toMatchObject({ attemptIndex: 1, attemptType: 'reclaim', resumption })
    const next = await driver.waitpoint(id, 'second')
    await driver.suspend({ id, handle: reclaimed.handle }, { condition: onSignal(next) })
    await driver.signal(next)
    const last = await worker.claimOne()
    expect(last.resumption?.suspensionId).not.toBe(resumption?.suspensionId)
    expect(last.resumption?.signals.map(({ waitpointId: on }) => on)).toEqual([next])
  })

  it('waits again and again, also on the same waitpoint', async () => {
    const driver = new SuspensionDriver(store())
    const resumePolicy = { closeWaitpoints: false }
    const { id, worker, waitpointId } = await driver.suspended({ resumePolicy })
    for (const name of ['one', 'two', 'three']) {
      expect((await driver.signal(waitpointId, { name })).outcome).toBe('satisfied')
      const { handle, resumption } = await worker.claimOne()
      expect(resumption?.signals.map((signal) => signal.name)).toEqual([name])
      const again = await driver.suspend({ id, handle }, { condition: onSignal(waitpointId), resumePolicy })
      expect(again.outcome).toBe('suspended')
    }
  })

  it('closes what it waited on when it resumes, and leaves the rest open', async () => {
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const other = await driver.waitpoint(waiting.id, 'other')
    const both = [await driver.waitpoint(waiting.id, 'a'), await driver.waitpoint(waiting.id, 'b')] as const
    const condition = { kind: 'any_of', of: both.map((each) => onSignal(each)) } as const
    await driver.suspend(waiting, { condition })
    await driver.signal(both[0])
    const states = (await driver.listWaitpoints(waiting.id)).map(({ name, state }) => `${name} ${state}`)
    expect(states).toEqual(['other open', 'a closed', 'b closed'])
    expect((await driver.signal(both[1])).outcome).toBe('waitpoint_closed')
    expect((await driver.signal(other)).outcome).toBe('buffered')
  })

  it('waits for its resume delay before it goes on', async () => {
    const driver = new SuspensionDriver(store())
    const { id, worker, waitpointId } = await driver.suspended({ resumePolicy: { delayMs: 60_000 } })
    expect((await driver.signal(waitpointId)).outcome).toBe('satisfied')
    const dueAtMs = (await store().nowMs()) + 60_000
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'delayed',
      state: {
        eligibilityState: 'not_eligible_until_time',
        blockingReason: 'waiting_for_resume_delay',
        attemptState: 'attempt_interrupted',
      },
      notBeforeMs: dueAtMs,
      delayReason: 'resume_delay',
    })
    expect(await worker.claim()).toEqual([])
    await store().pass(60_000)
    expect(await readOne(store(), id)).toMatchObject({ publicState: 'resumable', readyAtMs: dueAtMs })
    expect((await worker.claimOne()).resumption?.signals).toHaveLength(1)
  })

  it('creates the waitpoints that are not there yet, and only them', async () => {
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const first = await driver.waitpoint(waiting.id, 'first')
    const second = driver.mintWaitpoint(waiting.id)
    const waitpoints = [
      { waitpointId: first, name: 'first' },
      { waitpointId: second, name: 'second', expiresAtMs: (await store().nowMs()) + 5_000 },
    ]
    const condition = { kind: 'all_of', of: [onSignal(first), onSignal(second)] } as const
    expect((await driver.suspend(waiting, { condition, waitpoints })).outcome).toBe('suspended')
    expect(await driver.listWaitpoints(waiting.id)).toMatchObject([
      { id: first, expiresAtMs: null },
      { id: second, name: 'second', expiresAtMs: (await store().nowMs()) + 5_000 },
    ])
  })

  it('is refused whole when a waitpoint is unknown, or its id or name is taken', async () => {
    const driver = new SuspensionDriver(store())
    const strangers = await driver.active()
    const strange = await driver.waitpoint(strangers.id)
    const waiting = await driver.active()
    const own = await driver.waitpoint(waiting.id, 'own')
    const fresh = driver.mintWaitpoint(waiting.id)

    const foreign = { condition: onSignal(strange) }
    expect(itemCodeOf(await driver.suspend(waiting, foreign))).toBe('waitpoint_not_found')
    const unknown = { condition: onSignal(fresh), waitpoints: [{ waitpointId: own, name: 'own' }] }
    expect(itemCodeOf(await driver.suspend(waiting, unknown))).toBe('waitpoint_not_found')
    const taken = { waitpointId: strange, name: 'strange' }
    expect(await driver.suspend(waiting, { condition: onSignal(own), waitpoints: [taken] })).toEqual({
      outcome: 'waitpoint_conflict',
      waitpointId: strange,
    })
    const named = { waitpointId: fresh, name: 'own' }
    const renamed = { waitpointId: own, name: 'other' }
    for (const waitpoint of [named, renamed]) {
      expect(await driver.suspend(waiting, { condition: onSignal(own), waitpoints: [waitpoint] })).toEqual({
        outcome: 'waitpoint_conflict',
        waitpointId: waitpoint.waitpointId,
      })
    }
    expect(await readOne(store(), waiting.id)).toMatchObject({ publicState: 'active' })
    expect(await driver.listWaitpoints(waiting.id)).toHaveLength(1)
    expect((await waiting.worker.yield(waiting.handle)).outcome).toBe('yielded')
  })

  it('carries out the items of a call each for itself', async () => {
    const { namespace } = store()
    const driver = new SuspensionDriver(store())
    const a = await driver.active()
    const b = await driver.active()
    const waitpointId = await driver.waitpoint(a.id)
    const early = await driver.waitpoint(b.id)
    await driver.signal(early)
    const { items } = await driver.operations.suspend({
      namespaces: [namespace],
      items: [
        driver.item({ ...a, handle: '' }, { condition: onSignal(waitpointId) }),
        driver.item(a, { condition: { kind: 'any_of', of: [] } }),
        driver.item(a, { condition: onSignal(waitpointId) }),
        driver.item(b, { condition: onSignal(early) }),
        driver.item(a, { condition: onSignal(waitpointId), timeout: { afterMs: 1, behaviour: 'fail' } }),
      ],
    })
    expect(itemCodeOf(items[0] as never)).toBe('invalid_handle')
    expect(itemCodeOf(items[1] as never)).toBe('condition_unsatisfiable')
    expect(items[2]?.outcome).toBe('suspended')
    expect(items[3]?.outcome).toBe('already_satisfied')
    expect(items[4]).toEqual(items[2])
    const many = Array.from({ length: 257 }, () => driver.item(a, { condition: onSignal(waitpointId) }))
    expect(await codeOf(driver.operations.suspend({ namespaces: [namespace], items: many }))).toBe(
      'batch_too_large',
    )
  })

  it('is another namespace’s to nobody', async () => {
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const waitpointId = await driver.waitpoint(waiting.id)
    const items = [driver.item(waiting, { condition: onSignal(waitpointId) })]
    const { items: answers } = await driver.operations.suspend({ namespaces: ['foreign' as never], items })
    expect(answers).toEqual([{ outcome: 'stale_lease' }])
  })

  it('has at most so many waitpoints', async () => {
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    for (let at = 0; at < 1_000; at += 50) {
      const batch = Array.from({ length: 50 }, (_, index) => driver.waitpoint(waiting.id, `w${at + index}`))
      await Promise.all(batch)
    }
    const waitpointId = mintWaitpointId(partitionIndexOf(waiting.id))
    const more = { condition: onSignal(waitpointId), waitpoints: [{ waitpointId, name: 'more' }] }
    expect(itemCodeOf(await driver.suspend(waiting, more))).toBe('too_many_waitpoints')
    expect(await codeOf(driver.create(waiting.id, { name: 'more' }))).toBe('too_many_waitpoints')
    expect((await readOne(store(), waiting.id)).publicState).toBe('active')
  })
})
