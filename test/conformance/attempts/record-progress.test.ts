import { describe, expect, it } from 'vitest'
import { codeOf, itemCodeOf, readOne, submitOne } from '../../support/builders.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('attempts.recordProgress', () => {
  const store = useStore()

  it('shows the last progress, also after the end', async () => {
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    expect(await worker.progress(handle, 10, 'begun')).toEqual({ outcome: 'recorded' })
    expect((await readOne(store(), id)).progress).toEqual({ percent: 10, message: 'begun' })
    await worker.progress(handle, 55.5)
    await worker.complete(handle)
    expect((await readOne(store(), id)).progress).toEqual({ percent: 55.5, message: null })
  })

  it('leaves the neighbours of a bad item unharmed', async () => {
    const { backend, namespace } = store()
    const id = await submitOne(store())
    const { handle } = await new WorkerDriver(store()).claimOne()
    const items = [
      { handle, percent: 101 },
      { handle, percent: -1 },
      { handle, percent: Number.NaN },
      { handle, percent: 1, message: 'x'.repeat(1_025) },
      { handle: 'x', percent: 1 },
      { handle, percent: 100 },
    ]
    const answer = await backend.attempts.recordProgress({ namespaces: [namespace], items })
    expect(answer.items.slice(0, 5).map((item) => itemCodeOf(item as never))).toEqual([
      'invalid_params',
      'invalid_params',
      'invalid_params',
      'limit_exceeded',
      'invalid_handle',
    ])
    expect(answer.items[5]).toEqual({ outcome: 'recorded' })
    expect((await readOne(store(), id)).progress).toEqual({ percent: 100, message: null })
  })

  it('refuses a batch that is too long', async () => {
    const items = Array.from({ length: 1_001 }, () => ({ handle: 'x', percent: 1 }))
    const call = store().backend.attempts.recordProgress({ namespaces: [store().namespace], items })
    expect(await codeOf(call)).toBe('batch_too_large')
  })
})
