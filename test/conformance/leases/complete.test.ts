import { mintClaimId, must } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { bytesOf, codeOf, itemCodeOf, readOne, submitOne } from '../../support/builders.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('leases.complete', () => {
  const store = useStore()

  it('ends attempt and execution as success, with the result', async () => {
    const { backend, namespace } = store()
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    await store().advance(500)
    const nowMs = await store().nowMs()
    expect(await worker.complete(handle, 'out')).toEqual({ outcome: 'completed', late: false })
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'completed',
      state: {
        lifecyclePhase: 'terminal',
        ownershipState: 'unowned',
        eligibilityState: 'not_applicable',
        blockingReason: 'none',
        terminalOutcome: 'success',
        attemptState: 'attempt_terminal',
      },
      lease: null,
      terminalAtMs: nowMs,
      failure: null,
    })
    const { items } = await backend.attempts.list({ namespace, executionId: id })
    expect(items).toMatchObject([
      { state: 'ended_success', endedBy: 'holder', endedAtMs: nowMs, late: false },
    ])
    expect((await backend.executions.getResult({ namespace, ids: [id] })).items).toEqual([
      { outcome: 'success', id, result: bytesOf('out') },
    ])
  })

  it('answers a repeat as at first, whatever its payload, and keeps the first result', async () => {
    const { backend, namespace } = store()
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    await worker.complete(handle, 'first')
    const before = await readOne(store(), id)
    expect(await worker.complete(handle, 'second')).toEqual({ outcome: 'completed', late: false })
    expect(await readOne(store(), id)).toEqual(before)
    const { items } = await backend.executions.getResult({ namespace, ids: [id] })
    expect(items[0]).toMatchObject({ result: bytesOf('first') })
  })

  it('claims the next in the same call', async () => {
    const { backend, namespace } = store()
    await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    const second = await submitOne(store())
    const next = worker.request({ max: 1 })
    const call = () =>
      backend.leases.complete({ namespaces: [namespace], items: [{ handle, result: null }], next })
    const answer = await call()
    expect(answer.items).toEqual([{ outcome: 'completed', late: false }])
    expect(answer.claimed.map(({ executionId }) => executionId)).toEqual([second])
    const repeat = await call()
    expect(repeat.items).toEqual(answer.items)
    expect(repeat.claimed.map(({ handle }) => handle)).toEqual(answer.claimed.map(({ handle }) => handle))
  })

  it('claims nothing when the next is refused as bad input, and ends nothing either', async () => {
    const { backend, namespace } = store()
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    const next = worker.request({ claimId: 'x' as never })
    const call = backend.leases.complete({ namespaces: [namespace], items: [{ handle, result: null }], next })
    expect(await codeOf(call)).toBe('invalid_claim_id')
    expect((await readOne(store(), id)).publicState).toBe('active')
  })

  it('leaves the neighbours of a bad item unharmed', async () => {
    const { backend, namespace } = store()
    for (let n = 0; n < 3; n += 1) await submitOne(store())
    const worker = new WorkerDriver(store())
    const leases = await worker.claim()
    const items = [
      { handle: must(leases[0], 'a lease').handle, result: null },
      { handle: must(leases[1], 'a lease').handle, result: new Uint8Array(1_048_577) },
      { handle: 'h1.nonsense', result: null },
      { handle: must(leases[2], 'a lease').handle, result: bytesOf('x') },
    ]
    const answer = await backend.leases.complete({ namespaces: [namespace], items })
    expect(answer.items[0]).toEqual({ outcome: 'completed', late: false })
    expect(itemCodeOf(answer.items[1] as never)).toBe('payload_too_large')
    expect(itemCodeOf(answer.items[2] as never)).toBe('invalid_handle')
    expect(answer.items[3]).toEqual({ outcome: 'completed', late: false })
    expect((await readOne(store(), must(leases[1], 'a lease').executionId)).publicState).toBe('active')
  })

  it('takes one execution twice in a batch as a call and its repeat', async () => {
    const { backend, namespace } = store()
    const id = await submitOne(store())
    const { handle } = await new WorkerDriver(store()).claimOne()
    const items = [
      { handle, result: bytesOf('first') },
      { handle, result: bytesOf('second') },
    ]
    const answer = await backend.leases.complete({ namespaces: [namespace], items })
    expect(answer.items).toEqual(Array(2).fill({ outcome: 'completed', late: false }))
    const results = await backend.executions.getResult({ namespace, ids: [id] })
    expect(results.items[0]).toMatchObject({ result: bytesOf('first') })
  })

  it('refuses a batch that is too long', async () => {
    const items = Array.from({ length: 257 }, () => ({ handle: 'x', result: null }))
    const call = store().backend.leases.complete({ namespaces: [store().namespace], items })
    expect(await codeOf(call)).toBe('batch_too_large')
  })

  it('gives the slot of a capped lane to the next', async () => {
    const { backend, namespace } = store()
    await backend.lanes.configure({ namespace, lane: store().aSolo().lane, settings: { concurrency: 1 } })
    await submitOne(store())
    const second = await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    const next = worker.request({ claimId: mintClaimId() })
    const answer = await backend.leases.complete({
      namespaces: [namespace],
      items: [{ handle, result: null }],
      next,
    })
    expect(answer.claimed.map(({ executionId }) => executionId)).toEqual([second])
  })
})
