import { mintWaitpointId, partitionIndexOf } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf, readOne, submitOne } from '../../support/builders.js'
import { onSignal, SuspensionDriver } from '../../support/suspension-driver.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('suspensions.createWaitpoint', () => {
  const store = useStore()

  it('names a point ahead of the suspension, before anybody works on the execution', async () => {
    const driver = new SuspensionDriver(store())
    const id = await submitOne(store(), { delayMs: 60_000 })
    const waitpointId = driver.mintWaitpoint(id)
    const expiresAtMs = (await store().nowMs()) + 60_000
    const waitpoint = {
      id: waitpointId,
      executionId: id,
      name: 'gate',
      state: 'open',
      createdAtMs: await store().nowMs(),
      expiresAtMs,
      signalCount: 0,
    }
    expect(await driver.create(id, { waitpointId, expiresAtMs })).toEqual({ outcome: 'created', waitpoint })
    expect(await driver.listWaitpoints(id)).toEqual([waitpoint])
    expect((await readOne(store(), id)).publicState).toBe('delayed')
  })

  it('answers a repeat with what is there', async () => {
    const driver = new SuspensionDriver(store())
    const { id } = await driver.active()
    const waitpointId = await driver.waitpoint(id)
    await driver.signal(waitpointId)
    await store().advance(1_000)
    const again = await driver.create(id, { waitpointId, expiresAtMs: 1 })
    expect(again).toMatchObject({
      outcome: 'duplicate',
      waitpoint: { id: waitpointId, expiresAtMs: null, signalCount: 1 },
    })
    expect(await driver.listWaitpoints(id)).toHaveLength(1)
  })

  it('refuses an id or a name that is taken', async () => {
    const driver = new SuspensionDriver(store())
    const { id } = await driver.active()
    const waitpointId = await driver.waitpoint(id)
    expect(await driver.create(id, { name: 'gate' })).toEqual({ outcome: 'waitpoint_conflict' })
    expect(await driver.create(id, { waitpointId, name: 'other' })).toEqual({ outcome: 'waitpoint_conflict' })
    const other = await driver.active()
    expect(await driver.create(other.id, { waitpointId })).toEqual({ outcome: 'waitpoint_conflict' })
    expect((await driver.create(other.id, { name: 'gate' })).outcome).toBe('created')
  })

  it('is a worker’s write with a handle: fenced, and an effect of its attempt', async () => {
    const driver = new SuspensionDriver(store())
    const { id, handle, worker } = await driver.active()
    const waitpointId = driver.mintWaitpoint(id)
    expect((await driver.create(id, { waitpointId, handle })).outcome).toBe('created')
    expect((await driver.create(id, { waitpointId, handle })).outcome).toBe('duplicate')
    expect(await worker.yield(handle)).toEqual({ outcome: 'attempt_has_effects' })
    await worker.complete(handle)
    expect(await driver.create(id, { handle, name: 'late' })).toEqual({
      outcome: 'execution_not_active',
      recorded: { endedBy: 'holder', terminalOutcome: 'success' },
    })
    const other = await driver.active()
    expect(await codeOf(driver.create(other.id, { handle }))).toBe('invalid_params')
    expect(await codeOf(driver.create(other.id, { handle: 'x' }))).toBe('invalid_handle')
    await store().pass(30_000)
    expect(await driver.create(other.id, { handle: other.handle })).toEqual({ outcome: 'lease_expired' })
  })

  it('leaves the attempt as unstarted as it was without one', async () => {
    const driver = new SuspensionDriver(store())
    const { id, handle, worker } = await driver.active()
    await driver.waitpoint(id)
    expect(await worker.yield(handle)).toEqual({ outcome: 'yielded' })
  })

  it('is refused for what has ended, is unknown or another namespace’s', async () => {
    const driver = new SuspensionDriver(store())
    const { id, handle, worker } = await driver.active()
    await worker.complete(handle)
    expect(await driver.create(id)).toEqual({ outcome: 'execution_terminal', terminalOutcome: 'success' })
    expect(await codeOf(driver.create(driver.unknownExecution()))).toBe('execution_not_found')
    expect(await codeOf(driver.create(id, { namespace: 'foreign' } as never))).toBe('execution_not_found')
    const elsewhere = mintWaitpointId(partitionIndexOf(id) === 0 ? 1 : 0)
    expect(await codeOf(driver.create(id, { waitpointId: elsewhere }))).toBe('partition_mismatch')
    expect(await codeOf(driver.create(id, { name: '' }))).toBe('invalid_name')
    expect(await codeOf(driver.create(id, { expiresAtMs: -1 }))).toBe('invalid_params')
    expect(await driver.listWaitpoints(id)).toEqual([])
  })
})

describe('suspensions.closeWaitpoint', () => {
  const store = useStore()

  it('takes no more signals, and keeps those that came', async () => {
    const { namespace } = store()
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const waitpointId = await driver.waitpoint(waiting.id)
    await driver.signal(waitpointId)
    const close = () => driver.operations.closeWaitpoint({ namespace, waitpointId })
    expect(await close()).toEqual({ outcome: 'set', previous: 'open' })
    expect(await close()).toEqual({ outcome: 'set', previous: 'closed' })
    expect(await driver.listWaitpoints(waiting.id)).toMatchObject([{ state: 'closed', signalCount: 1 }])
    const answer = await driver.suspend(waiting, { condition: onSignal(waitpointId) })
    expect(answer.outcome).toBe('already_satisfied')
  })

  it('leaves what waits on it to its timeout', async () => {
    const { namespace } = store()
    const driver = new SuspensionDriver(store())
    const timeout = { afterMs: 60_000, behaviour: 'expire' } as const
    const { id, waitpointId } = await driver.suspended({ timeout })
    await driver.operations.closeWaitpoint({ namespace, waitpointId })
    expect((await readOne(store(), id)).publicState).toBe('suspended')
    expect((await driver.signal(waitpointId)).outcome).toBe('waitpoint_closed')
    await store().pass(60_000)
    expect((await readOne(store(), id)).publicState).toBe('expired')
  })

  it('leaves an expired one as it is', async () => {
    const { namespace } = store()
    const driver = new SuspensionDriver(store())
    const { id } = await driver.active()
    const waitpointId = await driver.waitpoint(id, 'timed', (await store().nowMs()) + 1)
    await store().advance(1)
    const close = () => driver.operations.closeWaitpoint({ namespace, waitpointId })
    expect(await close()).toEqual({ outcome: 'set', previous: 'expired' })
    expect(await close()).toEqual({ outcome: 'set', previous: 'expired' })
    expect(await driver.listWaitpoints(id)).toMatchObject([{ state: 'expired' }])
  })

  it('is refused for what is unknown or another namespace’s', async () => {
    const driver = new SuspensionDriver(store())
    const { id } = await driver.active()
    const waitpointId = await driver.waitpoint(id)
    const close = (params: object) =>
      codeOf(
        driver.operations.closeWaitpoint({ namespace: store().namespace, waitpointId, ...params } as never),
      )
    expect(await close({ waitpointId: driver.mintWaitpoint(id) })).toBe('waitpoint_not_found')
    expect(await close({ namespace: 'foreign' })).toBe('waitpoint_not_found')
    expect(await close({ waitpointId: 'x' })).toBe('invalid_waitpoint_id')
    expect(await driver.listWaitpoints(id)).toMatchObject([{ state: 'open' }])
  })
})

describe('suspensions.findWaitpoint', () => {
  const store = useStore()

  it('tells of a waitpoint by its id alone whose it is', async () => {
    const driver = new SuspensionDriver(store())
    const { id, handle, worker } = await driver.active()
    const waitpointId = await driver.waitpoint(id)
    const find = () => driver.operations.findWaitpoint({ waitpointId })
    const [listed] = await driver.listWaitpoints(id)
    expect(await find()).toEqual({ outcome: 'found', namespace: store().namespace, waitpoint: listed })
    await driver.signal(waitpointId)
    expect((await find()).waitpoint).toMatchObject({ state: 'open', signalCount: 1 })
    await worker.complete(handle)
    expect((await find()).waitpoint.state).toBe('closed')
  })

  it('is refused for what is unknown', async () => {
    const driver = new SuspensionDriver(store())
    const { id } = await driver.active()
    const find = (waitpointId: unknown) => codeOf(driver.operations.findWaitpoint({ waitpointId } as never))
    expect(await find(driver.mintWaitpoint(id))).toBe('waitpoint_not_found')
    expect(await find('x')).toBe('invalid_waitpoint_id')
    expect(await find(mintWaitpointId(60_000))).toBe('partition_out_of_range')
  })
})

describe('suspensions.listWaitpoints', () => {
  const store = useStore()

  it('pages them, oldest first', async () => {
    const { namespace } = store()
    const driver = new SuspensionDriver(store())
    const executionId = await submitOne(store())
    for (const name of ['one', 'two', 'three']) await driver.waitpoint(executionId, name)
    const first = await driver.operations.listWaitpoints({ namespace, executionId, limit: 2 })
    expect(first.items.map(({ name }) => name)).toEqual(['one', 'two'])
    const cursor = first.nextCursor ?? undefined
    const rest = await driver.operations.listWaitpoints({ namespace, executionId, limit: 2, cursor })
    expect(rest.items.map(({ name }) => name)).toEqual(['three'])
    expect(rest.nextCursor).toBeNull()
    expect(await codeOf(driver.listWaitpoints(driver.unknownExecution()))).toBe('execution_not_found')
    const foreign = { namespace: 'foreign' as never, executionId }
    expect(await codeOf(driver.operations.listWaitpoints(foreign))).toBe('execution_not_found')
    const broken = { namespace, executionId, cursor: 'x' }
    expect(await codeOf(driver.operations.listWaitpoints(broken))).toBe('invalid_cursor')
    await new WorkerDriver(store()).claimOne()
  })
})
