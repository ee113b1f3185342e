import { describe, expect, it } from 'vitest'
import { codeOf, itemCodeOf, readOne, steadyRetry, submitOne } from '../../support/builders.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('leases.fail', () => {
  const store = useStore()

  it('retries after the computed pause, as a new attempt, until the attempts are used up', async () => {
    const id = await submitOne(store(), { retry: steadyRetry({ maxAttempts: 3 }) })
    const worker = new WorkerDriver(store())
    for (const [attemptIndex, pauseMs] of [1_000, 2_000].entries()) {
      const lease = await worker.claimOne()
      expect(lease).toMatchObject({ attemptIndex, attemptType: attemptIndex === 0 ? 'initial' : 'retry' })
      const retryAtMs = (await store().nowMs()) + pauseMs
      expect(await worker.fail(lease.handle)).toEqual({ outcome: 'retrying', retryAtMs, late: false })
      expect(await readOne(store(), id)).toMatchObject({
        publicState: 'delayed',
        state: { blockingReason: 'waiting_for_retry_backoff', attemptState: 'pending_retry_attempt' },
        notBeforeMs: retryAtMs,
        delayReason: 'retry_backoff',
        retryCount: attemptIndex + 1,
        failure: null,
      })
      await store().pass(pauseMs - 1)
      expect(await worker.claim()).toEqual([])
      await store().pass(1)
      expect((await readOne(store(), id)).readyAtMs).toBe(retryAtMs)
    }
    const failure = { category: 'error', message: 'at last', details: 'stack' }
    const last = await worker.claimOne()
    expect(await worker.fail(last.handle, { failure })).toEqual({ outcome: 'failed', late: false })
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'failed',
      failure,
      attemptCount: 3,
      retryCount: 3,
    })
    const { items } = await store().backend.attempts.list({ namespace: store().namespace, executionId: id })
    expect(items.map(({ state, endedBy }) => [state, endedBy])).toEqual(
      Array(3).fill(['ended_failure', 'holder']),
    )
    expect(items.map(({ failure }) => failure?.message)).toEqual([
      'it did not work',
      'it did not work',
      'at last',
    ])
  })

  it('draws a jittered pause within its bound', async () => {
    await submitOne(store())
    const worker = new WorkerDriver(store())
    const nowMs = await store().nowMs()
    const answer = await worker.fail((await worker.claimOne()).handle)
    if (answer.outcome !== 'retrying') throw new Error(answer.outcome)
    expect(Number.isInteger(answer.retryAtMs)).toBe(true)
    expect(answer.retryAtMs).toBeGreaterThanOrEqual(nowMs)
    expect(answer.retryAtMs).toBeLessThanOrEqual(nowMs + 1_000)
  })

  it('retries at the time, or after the pause, that the item asks for', async () => {
    const id = await submitOne(store(), { retry: steadyRetry() })
    const worker = new WorkerDriver(store())
    const nowMs = await store().nowMs()
    const after = await worker.fail((await worker.claimOne()).handle, { retry: { afterMs: 7_000 } })
    expect(after).toEqual({ outcome: 'retrying', retryAtMs: nowMs + 7_000, late: false })
    await store().pass(7_000)
    const at = await worker.fail((await worker.claimOne()).handle, { retry: { atMs: nowMs + 9_000 } })
    expect(at).toEqual({ outcome: 'retrying', retryAtMs: nowMs + 9_000, late: false })
    await store().pass(2_000)
    // The wish chooses the time; how often is still the policy's.
    expect(await worker.fail((await worker.claimOne()).handle, { retry: { afterMs: 0 } })).toMatchObject({
      outcome: 'failed',
    })
    expect((await readOne(store(), id)).publicState).toBe('failed')
  })

  it('takes a time that is not in the future as at once', async () => {
    await submitOne(store())
    const worker = new WorkerDriver(store())
    const nowMs = await store().nowMs()
    const answer = await worker.fail((await worker.claimOne()).handle, { retry: { atMs: nowMs - 5_000 } })
    expect(answer).toEqual({ outcome: 'retrying', retryAtMs: nowMs, late: false })
    expect(await worker.claimOne()).toMatchObject({ attemptIndex: 1, attemptType: 'retry' })
  })

  it('goes behind what became ready before the retry', async () => {
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    await store().advance(10)
    const second = await submitOne(store())
    await store().advance(10)
    await worker.fail(handle, { retry: { afterMs: 0 } })
    expect((await worker.claim()).map(({ executionId }) => executionId)).toEqual([second, id])
  })

  it('does not retry when told so, nor what is not worth a retry', async () => {
    const told = await submitOne(store())
    const worker = new WorkerDriver(store())
    expect(await worker.fail((await worker.claimOne()).handle, { retry: 'never' })).toEqual({
      outcome: 'failed',
      late: false,
    })
    const fatal = await submitOne(store(), { retry: steadyRetry({ nonRetryable: ['fatal'] }) })
    const failure = { category: 'fatal', message: 'no use' }
    const asked = { failure, retry: { afterMs: 1 } }
    expect((await worker.fail((await worker.claimOne()).handle, asked)).outcome).toBe('failed')
    expect(await readOne(store(), told)).toMatchObject({ publicState: 'failed', attemptCount: 1 })
    expect(await readOne(store(), fatal)).toMatchObject({ publicState: 'failed', failure })
  })

  it('answers a repeat as at first, also after the next claim', async () => {
    const id = await submitOne(store(), { retry: steadyRetry() })
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    const first = await worker.fail(handle)
    await store().pass(1_000)
    const next = await worker.claimOne()
    expect(await worker.fail(handle, { retry: 'never' })).toEqual(first)
    expect(await readOne(store(), id)).toMatchObject({ publicState: 'active', attemptCount: 2 })
    expect((await worker.complete(next.handle)).outcome).toBe('completed')
    expect(await worker.fail(handle)).toEqual(first)
  })

  it('claims the next in the same call', async () => {
    const { backend, namespace } = store()
    await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    const second = await submitOne(store())
    const failure = { category: 'error', message: 'x' }
    const items = [{ handle, failure, retry: 'never' as const }]
    const answer = await backend.leases.fail({ namespaces: [namespace], items, next: worker.request() })
    expect(answer.items).toEqual([{ outcome: 'failed', late: false }])
    expect(answer.claimed.map(({ executionId }) => executionId)).toEqual([second])
  })

  it('takes it again in the same call, and the shorter lease ends in its time', async () => {
    const { backend, namespace } = store()
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne({ leaseTtlMs: 60_000 })
    const items = [{ handle, failure: { category: 'error', message: 'x' }, retry: { afterMs: 0 } }]
    const next = worker.request({ leaseTtlMs: 1_000 })
    const { claimed } = await backend.leases.fail({ namespaces: [namespace], items, next })
    expect(claimed.map(({ attemptType }) => attemptType)).toEqual(['retry'])
    await store().pass(1_000)
    expect(await readOne(store(), id)).toMatchObject({ lease: null, reclaimCount: 1 })
  })

  it.each<[string, object]>([
    ['invalid_params', { failure: undefined }],
    ['invalid_params', { failure: { category: '', message: '' } }],
    ['limit_exceeded', { failure: { category: 'error', message: 'x'.repeat(4_097) } }],
    ['nul_in_text', { failure: { category: 'error', message: 'a\0b' } }],
    ['invalid_params', { retry: 'always' }],
    ['invalid_params', { retry: { afterMs: -1 } }],
    ['invalid_handle', { handle: 'h2.x' }],
  ])('refuses an item with %s, and the attempt goes on', async (code, fault) => {
    const id = await submitOne(store())
    const { handle } = await new WorkerDriver(store()).claimOne()
    const items = [{ handle, failure: { category: 'error', message: 'x' }, ...fault }] as never[]
    const answer = await store().backend.leases.fail({ namespaces: [store().namespace], items })
    expect(itemCodeOf(answer.items[0] as never)).toBe(code)
    expect((await readOne(store(), id)).publicState).toBe('active')
  })

  it('refuses a batch that is too long', async () => {
    const item = { handle: 'x', failure: { category: 'error', message: 'x' } }
    const items = Array.from({ length: 257 }, () => item)
    const call = store().backend.leases.fail({ namespaces: [store().namespace], items })
    expect(await codeOf(call)).toBe('batch_too_large')
  })
})
