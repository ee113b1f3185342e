import { mintOperationId, parseLaneId } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../support/builders.js'
import { OperationDriver, statesOf, submitSolos } from '../../support/operation-driver.js'
import { useStore } from '../../support/use-store.js'

const lane = parseLaneId('bulk')

describe('operations.pause, resume and stop', () => {
  const store = useStore()
  const begin = () => OperationDriver.begin(store(), { kind: 'cancel', filter: { lane } })

  it('waits while it is paused, and goes on where it was; both are idempotent', async () => {
    const { operations } = store().backend
    const ids = await submitSolos(store(), 4, { lane })
    const operation = await begin()
    await operation.advance(1)
    expect(await operations.pause({ ...operation.name, reason: 'so' })).toEqual({ outcome: 'paused' })
    expect(await operations.pause(operation.name)).toEqual({ outcome: 'already_paused' })
    expect(await operation.advance()).toBeUndefined()
    expect(await operation.read()).toMatchObject({ state: 'paused', done: 1, endedAtMs: null })
    // What is accepted meanwhile is not its business, whenever it goes on.
    await store().advance(1)
    const later = await submitSolos(store(), 1, { lane })
    expect(await operations.resume(operation.name)).toEqual({ outcome: 'resumed' })
    expect(await operations.resume(operation.name)).toEqual({ outcome: 'not_paused' })
    expect(await operation.run()).toMatchObject({ state: 'completed', done: 4, total: 4 })
    expect(await statesOf(store(), ids)).toEqual(Array(4).fill('cancelled'))
    expect(await statesOf(store(), later)).toEqual(['waiting'])
  })

  it('ends where it is stopped; what is done stays', async () => {
    const { operations } = store().backend
    const ids = await submitSolos(store(), 4, { lane })
    const operation = await begin()
    await operation.advance(1)
    expect(await operations.stop(operation.name)).toEqual({ outcome: 'stopped' })
    expect(await operations.stop(operation.name)).toEqual({ outcome: 'already_ended' })
    expect(await operation.advance()).toBeUndefined()
    expect(await operation.read()).toMatchObject({
      state: 'stopped',
      done: 1,
      endedAtMs: await store().nowMs(),
    })
    const states = await statesOf(store(), ids)
    expect(states.filter((state) => state === 'waiting')).toHaveLength(3)
  })

  it('stops also what is paused', async () => {
    const { operations } = store().backend
    const operation = await begin()
    await operations.pause(operation.name)
    expect(await operations.stop(operation.name)).toEqual({ outcome: 'stopped' })
    expect(await operations.resume(operation.name)).toEqual({ outcome: 'already_ended' })
    expect(await operations.pause(operation.name)).toEqual({ outcome: 'already_ended' })
  })

  it('changes nothing in what has ended', async () => {
    const { operations } = store().backend
    const operation = await begin()
    const ended = await operation.run()
    for (const change of ['pause', 'resume', 'stop'] as const)
      expect(await operations[change](operation.name)).toEqual({ outcome: 'already_ended' })
    expect(await operation.read()).toEqual(ended)
  })

  it('refuses an operation that there is not, a foreign one, and what is no id', async () => {
    const { backend, namespace } = store()
    const operation = await begin()
    for (const change of ['pause', 'resume', 'stop'] as const) {
      const call = (params: object) => codeOf(backend.operations[change]({ ...operation.name, ...params }))
      expect(await call({ operationId: mintOperationId() })).toBe('operation_not_found')
      expect(await call({ namespace: `${namespace}-x` })).toBe('operation_not_found')
      expect(await call({ operationId: 'x' })).toBe('invalid_operation_id')
      expect(await call({ reason: 7 })).toBe('invalid_params')
    }
    expect((await operation.read()).state).toBe('running')
  })
})
