import { describe, expect, it } from 'vitest'
import { bytesOf, codeOf, itemCodeOf, submitOne } from '../../support/builders.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('attempts.recordStep and attempts.loadSteps', () => {
  const store = useStore()
  const load = (executionId: string, more: object = {}) =>
    store().backend.attempts.loadSteps({
      namespace: store().namespace,
      executionId: executionId as never,
      ...more,
    })

  it('journals in the order of recording, and later attempts see it', async () => {
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const first = await worker.claimOne()
    const nowMs = await store().nowMs()
    const paid = { name: 'paid', type: 'step', result: bytesOf('r'), attemptIndex: 0, recordedAtMs: nowMs }
    const slept = { name: 'a nap', type: 'sleep', result: null, attemptIndex: 0, recordedAtMs: nowMs }
    expect(await worker.step(first.handle, 'paid', 'r')).toEqual({ outcome: 'recorded', step: paid })
    expect(await worker.step(first.handle, 'a nap', null, 'sleep')).toEqual({
      outcome: 'recorded',
      step: slept,
    })
    await worker.fail(first.handle, { retry: { afterMs: 0 } })
    const second = await worker.claimOne()
    expect(second).toMatchObject({ attemptIndex: 1, steps: [paid, slept], stepsTruncated: false })
    await worker.step(second.handle, 'third')
    const { items } = await load(id)
    expect(items.map(({ name, attemptIndex }) => [name, attemptIndex])).toEqual([
      ['paid', 0],
      ['a nap', 0],
      ['third', 1],
    ])
  })

  it('answers what was recorded first when a name comes again, in whatever attempt', async () => {
    await submitOne(store())
    const worker = new WorkerDriver(store())
    const first = await worker.claimOne()
    await worker.step(first.handle, 'paid', 'first')
    await worker.fail(first.handle, { retry: { afterMs: 0 } })
    const second = await worker.claimOne()
    expect(await worker.step(second.handle, 'paid', 'second')).toMatchObject({
      outcome: 'already_recorded',
      step: { result: bytesOf('first'), attemptIndex: 0 },
    })
  })

  it('refuses a name that was recorded by another kind of call', async () => {
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    await worker.step(handle, 'x', null, 'sleep')
    expect(await worker.step(handle, 'x', null, 'step')).toEqual({
      outcome: 'journal_mismatch',
      recordedType: 'sleep',
    })
    expect((await load(id)).items).toHaveLength(1)
  })

  it('refuses more entries than the limit', { timeout: 60_000 }, async () => {
    const { backend, namespace } = store()
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    for (let from = 0; from < 1_000; from += 100) {
      const items = Array.from({ length: 100 }, (_, n) => ({
        handle,
        name: `step-${from + n}`,
        type: 'step' as const,
        result: null,
      }))
      await backend.attempts.recordStep({ namespaces: [namespace], items })
    }
    expect(await worker.step(handle, 'one more')).toEqual({ outcome: 'journal_full' })
    expect((await worker.step(handle, 'step-0')).outcome).toBe('already_recorded')
    expect((await load(id, { limit: 1_000 })).items).toHaveLength(1_000)
  })

  it('refuses more bytes than the limit', async () => {
    await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    const megabyte = 'x'.repeat(1_048_576)
    for (let n = 0; n < 8; n += 1)
      expect((await worker.step(handle, `s${n}`, megabyte)).outcome).toBe('recorded')
    expect(await worker.step(handle, 'one more', 'x')).toEqual({ outcome: 'journal_full' })
    expect((await worker.step(handle, 'empty')).outcome).toBe('recorded')
  })

  it('inlines a journal at a claim up to a bound; the rest is paged', async () => {
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const first = await worker.claimOne()
    for (const name of ['a', 'b', 'c']) await worker.step(first.handle, name, 'x'.repeat(100_000))
    await worker.fail(first.handle, { retry: { afterMs: 0 } })
    const second = await worker.claimOne()
    expect(second.stepsTruncated).toBe(true)
    expect(second.steps.map(({ name }) => name)).toEqual(['a', 'b'])
    const page = await load(id, { limit: 2 })
    const rest = await load(id, { limit: 2, cursor: page.nextCursor })
    expect([...page.items, ...rest.items].map(({ name }) => name)).toEqual(['a', 'b', 'c'])
  })

  it('leaves the neighbours of a bad item unharmed', async () => {
    const { backend, namespace } = store()
    const id = await submitOne(store())
    const { handle } = await new WorkerDriver(store()).claimOne()
    const good = { handle, name: 'good', type: 'step' as const, result: null }
    const items = [
      { ...good, name: '' },
      { ...good, name: 'x'.repeat(129) },
      { ...good, type: 'other' as never },
      { ...good, result: new Uint8Array(1_048_577) },
      { ...good, handle: 'x' },
      good,
    ]
    const answer = await backend.attempts.recordStep({ namespaces: [namespace], items })
    expect(answer.items.slice(0, 5).map((item) => itemCodeOf(item as never))).toEqual([
      'invalid_name',
      'name_too_long',
      'invalid_params',
      'payload_too_large',
      'invalid_handle',
    ])
    expect(answer.items[5]?.outcome).toBe('recorded')
    expect((await load(id)).items.map(({ name }) => name)).toEqual(['good'])
  })

  it('is refused for unknown executions, bad cursors and batches that are too long', async () => {
    const id = await submitOne(store())
    expect(await codeOf(load(store().aSolo().id))).toBe('execution_not_found')
    expect(await codeOf(load(id, { cursor: 'nonsense' }))).toBe('invalid_cursor')
    const items = Array.from({ length: 1_001 }, () => ({
      handle: 'x',
      name: 'x',
      type: 'step' as const,
      result: null,
    }))
    const call = store().backend.attempts.recordStep({ namespaces: [store().namespace], items })
    expect(await codeOf(call)).toBe('batch_too_large')
  })
})
