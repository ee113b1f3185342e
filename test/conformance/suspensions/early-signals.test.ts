import {
  type ExecutionId,
  mintSuspensionId,
  partitionIndexOf,
  type ResumeCondition,
  type WaitpointId,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { readOne } from '../../support/builders.js'
import { onSignal, SuspensionDriver, type Waiting } from '../../support/suspension-driver.js'
import { useStore } from '../../support/use-store.js'

describe('signals that come before the suspension', () => {
  const store = useStore()

  const count = (
    n: number,
    of: 'signals' | 'waitpoints' | 'sources',
    ...waitpointIds: readonly WaitpointId[]
  ): ResumeCondition => ({ kind: 'count', n, of, waitpointIds })

  it.each<[string, (a: WaitpointId, b: WaitpointId) => ResumeCondition, readonly string[]]>([
    ['a signal', (a) => onSignal(a), ['a1']],
    ['a signal by name', (a) => onSignal(a, { name: 'a2' }), ['a2']],
    [
      'a signal by payload',
      (_, b) => onSignal(b, { payload: { op: 'equals', path: '/by', value: 'b1' } }),
      ['b1'],
    ],
    ['all of', (a, b) => ({ kind: 'all_of', of: [onSignal(b), onSignal(a)] }), ['a1', 'b1']],
    ['any of', (a, b) => ({ kind: 'any_of', of: [onSignal(b), onSignal(a, { name: 'no' })] }), ['b1']],
    ['a count of signals', (a, b) => count(3, 'signals', a, b), ['a1', 'b1', 'a2']],
    ['a count of waitpoints', (a, b) => count(2, 'waitpoints', a, b), ['a1', 'b1']],
    ['a count of sources', (a, b) => count(2, 'sources', a, b), ['a1', 'a2']],
  ])('satisfy %s at once, and the lease is kept', async (_, conditionOn, expected) => {
    const { backend, namespace } = store()
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const [a, b] = [await driver.waitpoint(waiting.id, 'a'), await driver.waitpoint(waiting.id, 'b')]
    const say = (on: WaitpointId, name: string, source: string) =>
      driver.signal(on, { name, source, payload: JSON.stringify({ by: name }) })
    expect((await say(a, 'a1', 'ann')).outcome).toBe('buffered')
    expect((await say(b, 'b1', 'ann')).outcome).toBe('buffered')
    expect((await say(a, 'a2', 'bob')).outcome).toBe('buffered')

    const answer = await driver.suspend(waiting, { condition: conditionOn(a, b) })
    expect(answer).toMatchObject({
      outcome: 'already_satisfied',
      resumption: { by: 'condition', atMs: await store().nowMs(), signalsTruncated: false, children: [] },
    })
    const resumption = answer.outcome === 'already_satisfied' ? answer.resumption : undefined
    expect(resumption?.signals.map(({ name }) => name)).toEqual(expected)
    expect((await readOne(store(), waiting.id)).publicState).toBe('active')
    const { items } = await backend.attempts.list({ namespace, executionId: waiting.id })
    expect(items).toMatchObject([{ state: 'started' }])
    expect((await waiting.worker.renew(waiting.handle)).outcome).toBe('renewed')
    expect(await waiting.worker.yield(waiting.handle)).toEqual({ outcome: 'attempt_has_effects' })
    expect((await waiting.worker.complete(waiting.handle)).outcome).toBe('completed')
  })

  it('count towards a suspension that needs more', async () => {
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const waitpointId = await driver.waitpoint(waiting.id)
    await driver.signal(waitpointId, { name: 'early', source: 'ann' })
    await driver.suspend(waiting, { condition: count(2, 'sources', waitpointId) })
    expect((await readOne(store(), waiting.id)).publicState).toBe('suspended')
    expect((await driver.signal(waitpointId, { source: 'ann' })).outcome).toBe('buffered')
    expect((await driver.signal(waitpointId, { name: 'late', source: 'bob' })).outcome).toBe('satisfied')
    const { resumption } = await waiting.worker.claimOne()
    expect(resumption?.signals.map(({ name }) => name)).toEqual(['early', 'late'])
  })

  it('are left for a later suspension where they were not used', async () => {
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const waitpointId = await driver.waitpoint(waiting.id)
    await driver.signals(waitpointId, 'a', 'b', 'c')
    const used: (string | undefined)[] = []
    const resumePolicy = { closeWaitpoints: false }
    for (let turn = 0; turn < 3; turn += 1) {
      const answer = await driver.suspend(waiting, { condition: onSignal(waitpointId), resumePolicy })
      if (answer.outcome === 'already_satisfied') used.push(answer.resumption.signals[0]?.name)
    }
    expect(used).toEqual(['a', 'b', 'c'])
    const next = { condition: onSignal(waitpointId), resumePolicy }
    expect((await driver.suspend(waiting, next)).outcome).toBe('suspended')
  })

  it('answer the same suspension the same, in this attempt and in later ones', async () => {
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const waitpointId = await driver.waitpoint(waiting.id)
    await driver.signals(waitpointId, 'a', 'b')
    const suspensionId = mintSuspensionId(partitionIndexOf(waiting.id))
    const item = { suspensionId, condition: onSignal(waitpointId) }
    const first = await driver.suspend(waiting, item)
    expect(first.outcome).toBe('already_satisfied')
    expect(await driver.suspend(waiting, item)).toEqual(first)
    await waiting.worker.fail(waiting.handle, { retry: { afterMs: 0 } })
    const { handle, attemptIndex, resumption } = await waiting.worker.claimOne()
    expect(attemptIndex).toBe(1)
    expect(first).toEqual({ outcome: 'already_satisfied', resumption })
    expect(await driver.suspend({ id: waiting.id, handle }, item)).toEqual(first)
  })

  it('are seen again by the suspension that they resumed, when it begins once more', async () => {
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const [a, b] = [await driver.waitpoint(waiting.id, 'a'), await driver.waitpoint(waiting.id, 'b')]
    await driver.signals(a, 'first')
    await driver.signals(b, 'second')
    const begin = (on: WaitpointId, from?: string) => ({
      suspensionId: (from ?? mintSuspensionId(partitionIndexOf(waiting.id))) as never,
      condition: onSignal(on),
    })
    const [one, two] = [begin(a), begin(b)]
    expect((await driver.suspend(waiting, one)).outcome).toBe('already_satisfied')
    expect((await driver.suspend(waiting, two)).outcome).toBe('already_satisfied')
    const again = await driver.suspend(waiting, one)
    expect(again).toMatchObject({
      outcome: 'already_satisfied',
      resumption: { signals: [{ name: 'first' }] },
    })
    expect((await driver.suspend(waiting, begin(a))).outcome).toBe('suspended')
  })

  it('count on although their waitpoint takes no more', async () => {
    const { namespace } = store()
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const closed = await driver.waitpoint(waiting.id, 'closed')
    const expired = await driver.waitpoint(waiting.id, 'expired', (await store().nowMs()) + 1_000)
    await driver.signals(closed, 'a')
    await driver.signals(expired, 'b')
    await driver.operations.closeWaitpoint({ namespace, waitpointId: closed })
    await store().advance(1_000)
    const condition = { kind: 'all_of', of: [onSignal(closed), onSignal(expired)] } as const
    expect((await driver.suspend(waiting, { condition })).outcome).toBe('already_satisfied')
  })

  it('are looked at in batches, whatever there is of them', async () => {
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const waitpointId = await driver.waitpoint(waiting.id)
    await flood(driver, waitpointId, 600)
    expect((await driver.signal(waitpointId, { name: 'last', payload: '{"n":601}' })).outcome).toBe(
      'buffered',
    )
    const match = { name: 'last', payload: { op: 'equals', path: '/n', value: 601 } } as const
    const answer = await driver.suspend(waiting, { condition: onSignal(waitpointId, match) })
    expect(answer).toMatchObject({
      outcome: 'already_satisfied',
      resumption: { signals: [{ name: 'last' }] },
    })
  })

  it('and signals that come at the same moment count once each, whoever is first', async () => {
    const driver = new SuspensionDriver(store())
    for (let turn = 0; turn < 10; turn += 1) {
      const waiting = await driver.active()
      const waitpointId = await driver.waitpoint(waiting.id)
      const condition = count(3, 'signals', waitpointId)
      const [answer] = await Promise.all([
        driver.suspend(waiting, { condition }),
        ...['a', 'b', 'c'].map((name) => driver.signal(waitpointId, { name })),
      ])
      await expectResumed(waiting, answer.outcome)
      expect(await driver.listSignals(waiting.id)).toHaveLength(3)
    }
  })

  async function expectResumed({ id, handle, worker }: Waiting, outcome: string): Promise<void> {
    if (outcome === 'already_satisfied') {
      await worker.complete(handle)
      return
    }
    expect(await stateOf(id)).toBe('resumable')
    const claimed = await worker.claimOne()
    expect(claimed.resumption?.signals).toHaveLength(3)
    await worker.complete(claimed.handle)
  }

  const stateOf = async (id: ExecutionId) => (await readOne(store(), id)).publicState

  it('are kept up to ten thousand, and then turned away unless they count', async () => {
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const waitpointId = await driver.waitpoint(waiting.id)
    await flood(driver, waitpointId, 10_000)
    const repeat = await driver.signal(waitpointId, { idempotencyKey: 'flood-0' })
    expect(repeat.outcome).toBe('duplicate')
    expect((await driver.signal(waitpointId)).outcome).toBe('too_many_signals')
    expect(await driver.listWaitpoints(waiting.id)).toMatchObject([{ signalCount: 10_000 }])
    await driver.suspend(waiting, { condition: onSignal(waitpointId, { name: 'needed' }) })
    expect((await driver.signal(waitpointId)).outcome).toBe('not_matched')
    expect((await driver.signal(waitpointId, { name: 'needed' })).outcome).toBe('satisfied')
  }, 120_000)

  async function flood(driver: SuspensionDriver, waitpointId: WaitpointId, many: number): Promise<void> {
    for (let at = 0; at < many; at += 200) {
      const batch = Array.from({ length: Math.min(200, many - at) }, (_, index) =>
        driver.signal(waitpointId, { name: 'noise', idempotencyKey: `flood-${at + index}` }),
      )
      await Promise.all(batch)
    }
  }
})
