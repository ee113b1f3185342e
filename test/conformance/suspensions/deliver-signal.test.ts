import {
  type ExecutionId,
  mintSignalId,
  mintWaitpointId,
  parseLaneId,
  partitionIndexOf,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { bytesOf, codeOf, readOne } from '../../support/builders.js'
import { onSignal, SuspensionDriver } from '../../support/suspension-driver.js'
import { useStore } from '../../support/use-store.js'

const dayMs = 86_400_000

describe('suspensions.deliverSignal', () => {
  const store = useStore()

  const stateOf = async (id: ExecutionId) => (await readOne(store(), id)).publicState

  it('accepts what counts, and resumes with what satisfies', async () => {
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const waitpointId = await driver.waitpoint(waiting.id)
    await driver.suspend(waiting, {
      condition: { kind: 'count', n: 2, of: 'signals', waitpointIds: [waitpointId] },
    })
    const first = mintSignalId(partitionIndexOf(waitpointId))
    expect(await driver.signal(waitpointId, { signalId: first })).toEqual({
      outcome: 'accepted',
      signalId: first,
    })
    expect(await stateOf(waiting.id)).toBe('suspended')
    const second = mintSignalId(partitionIndexOf(waitpointId))
    expect(await driver.signal(waitpointId, { signalId: second })).toEqual({
      outcome: 'satisfied',
      signalId: second,
    })
    expect(await stateOf(waiting.id)).toBe('resumable')
    const { resumption } = await waiting.worker.claimOne()
    expect(resumption?.signals.map(({ id }) => id)).toEqual([first, second])
  })

  it('answers a repeat with the signal that came first, also after it resumed the execution', async () => {
    const driver = new SuspensionDriver(store())
    const { id, waitpointId } = await driver.suspended()
    const key = { idempotencyKey: 'once' }
    const first = await driver.signal(waitpointId, { ...key, payload: '1' })
    expect(first.outcome).toBe('satisfied')
    const again = await driver.signal(waitpointId, { ...key, payload: '2', name: 'other' })
    expect(again).toEqual({ ...first, outcome: 'duplicate' })
    expect(await driver.listSignals(id)).toMatchObject([{ payload: bytesOf('1') }])
    expect((await driver.signal(waitpointId)).outcome).toBe('waitpoint_closed')
  })

  it('keeps keys per waitpoint, and for 24 hours', async () => {
    const driver = new SuspensionDriver(store())
    const { id } = await driver.active()
    const [a, b] = [await driver.waitpoint(id, 'a'), await driver.waitpoint(id, 'b')]
    const key = { idempotencyKey: 'k' }
    expect((await driver.signal(a, key)).outcome).toBe('buffered')
    expect((await driver.signal(b, key)).outcome).toBe('buffered')
    await store().advance(dayMs - 1)
    expect((await driver.signal(a, key)).outcome).toBe('duplicate')
    await store().advance(1)
    expect((await driver.signal(a, key)).outcome).toBe('buffered')
    expect(await driver.listSignals(id)).toHaveLength(3)
  })

  it('keeps one of many that come with one key at once', async () => {
    const driver = new SuspensionDriver(store())
    const { id, waitpointId, worker } = await driver.suspended()
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => driver.signal(waitpointId, { idempotencyKey: 'k' })),
    )
    const outcomes = answers.map(({ outcome }) => outcome).sort()
    expect(outcomes).toEqual([...Array<string>(9).fill('duplicate'), 'satisfied'])
    expect(await driver.listSignals(id)).toHaveLength(1)
    expect(await worker.claim()).toHaveLength(1)
  })

  it('counts signals that come at once, each of them', async () => {
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const waitpointId = await driver.waitpoint(waiting.id)
    await driver.suspend(waiting, {
      condition: { kind: 'count', n: 20, of: 'sources', waitpointIds: [waitpointId] },
      resumePolicy: { closeWaitpoints: false },
    })
    const outcomes = await Promise.all(
      Array.from(
        { length: 25 },
        async (_, at) => (await driver.signal(waitpointId, { source: `s${at}` })).outcome,
      ),
    )
    const count = (wanted: string) => outcomes.filter((outcome) => outcome === wanted).length
    expect([count('accepted'), count('satisfied'), count('buffered')]).toEqual([19, 1, 5])
    const { resumption } = await waiting.worker.claimOne()
    expect(new Set(resumption?.signals.map(({ source }) => source)).size).toBe(20)
    expect(await driver.listWaitpoints(waiting.id)).toMatchObject([{ signalCount: 25 }])
  })

  it('hands over what it carries as it came', async () => {
    const driver = new SuspensionDriver(store())
    const { waitpointId, worker } = await driver.suspended()
    const payload = Uint8Array.from({ length: 256 }, (_, at) => at)
    await driver.operations.deliverSignal({
      namespace: store().namespace,
      waitpointId,
      signalId: mintSignalId(partitionIndexOf(waitpointId)),
      name: 'Grüße 😀',
      payload,
      idempotencyKey: 'ü€',
      source: 'ann@example.org',
    })
    const { resumption } = await worker.claimOne()
    expect(resumption?.signals).toMatchObject([{ name: 'Grüße 😀', payload, source: 'ann@example.org' }])
  })

  it('carries 256 KiB of payloads with a claim, and pages the rest', async () => {
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const waitpointId = await driver.waitpoint(waiting.id)
    await driver.suspend(waiting, {
      condition: { kind: 'count', n: 4, of: 'signals', waitpointIds: [waitpointId] },
    })
    const payload = 'x'.repeat(100_000)
    for (const name of ['a', 'b', 'c', 'd']) await driver.signal(waitpointId, { name, payload })
    const { resumption } = await waiting.worker.claimOne()
    expect(resumption).toMatchObject({ signalsTruncated: true, signals: [{ name: 'a' }, { name: 'b' }] })
    const suspensionId = resumption?.suspensionId
    const all = await driver.listSignals(waiting.id, { suspensionId })
    expect(all.map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd'])
  })

  it('takes nothing more for what has ended, and again after a replay', async () => {
    const { backend, namespace } = store()
    const driver = new SuspensionDriver(store())
    const { id, worker, handle } = await driver.active()
    const waitpointId = await driver.waitpoint(id)
    const key = { idempotencyKey: 'k' }
    const early = await driver.signal(waitpointId, key)
    await worker.complete(handle)
    expect((await driver.signal(waitpointId)).outcome).toBe('waitpoint_closed')
    expect(await driver.signal(waitpointId, key)).toEqual({ ...early, outcome: 'duplicate' })
    expect(await driver.listWaitpoints(id)).toMatchObject([{ state: 'closed', signalCount: 1 }])
    await backend.executions.replay({ namespace, id })
    expect(await driver.listWaitpoints(id)).toMatchObject([{ state: 'open' }])
    expect((await driver.signal(waitpointId)).outcome).toBe('buffered')
  })

  it('takes nothing more once its waitpoint has expired or was closed', async () => {
    const { namespace } = store()
    const driver = new SuspensionDriver(store())
    const { id } = await driver.active()
    const timed = await driver.waitpoint(id, 'timed', (await store().nowMs()) + 1_000)
    const open = await driver.waitpoint(id, 'open')
    await store().advance(999)
    expect((await driver.signal(timed)).outcome).toBe('buffered')
    await store().advance(1)
    expect((await driver.signal(timed)).outcome).toBe('waitpoint_closed')
    await driver.operations.closeWaitpoint({ namespace, waitpointId: open })
    expect((await driver.signal(open)).outcome).toBe('waitpoint_closed')
  })

  it('refuses what is malformed, too large or unknown, and keeps nothing of it', async () => {
    const driver = new SuspensionDriver(store())
    const { id, waitpointId } = await driver.suspended()
    const codeWith = (more: object) => codeOf(driver.signal(waitpointId, more))
    const elsewhere = partitionIndexOf(waitpointId) === 0 ? 1 : 0
    expect(await codeWith({ signalId: 'x' })).toBe('invalid_signal_id')
    expect(await codeWith({ signalId: mintSignalId(elsewhere) })).toBe('partition_mismatch')
    expect(await codeWith({ name: '' })).toBe('invalid_name')
    expect(await codeWith({ name: 'n'.repeat(129) })).toBe('name_too_long')
    expect(await codeWith({ idempotencyKey: '' })).toBe('invalid_params')
    expect(await codeWith({ idempotencyKey: 'k'.repeat(513) })).toBe('limit_exceeded')
    expect(await codeWith({ idempotencyKey: 'a\0b' })).toBe('nul_in_text')
    expect(await codeWith({ source: '' })).toBe('invalid_params')
    expect(await codeWith({ source: 's'.repeat(257) })).toBe('limit_exceeded')
    expect(await codeWith({ source: undefined })).toBe('invalid_params')
    expect(await codeWith({ payload: 'x'.repeat(1_048_577) })).toBe('payload_too_large')
    expect(await codeOf(driver.signal('x' as never))).toBe('invalid_waitpoint_id')
    expect(await codeOf(driver.signal(mintWaitpointId(99)))).toBe('partition_out_of_range')
    expect(await codeOf(driver.signal(mintWaitpointId(partitionIndexOf(waitpointId))))).toBe(
      'waitpoint_not_found',
    )
    expect(await codeWith({ namespace: 'foreign' })).toBe('waitpoint_not_found')
    expect(await driver.listSignals(id)).toEqual([])
    expect(await stateOf(id)).toBe('suspended')
  })

  it('is told by the feed as the events of its execution are', async () => {
    const { backend, namespace } = store()
    const lane = parseLaneId('told')
    await backend.lanes.configure({ namespace, lane, settings: { eventLevel: 'all' } })
    const driver = new SuspensionDriver(store())
    const told = await driver.active({ lane })
    const waitpointId = await driver.waitpoint(told.id)
    await driver.signal(waitpointId, { name: 'early' })
    const condition = {
      kind: 'all_of',
      of: [onSignal(waitpointId, { name: 'first' }), onSignal(waitpointId, { name: 'last' })],
    } as const
    await driver.suspend(told, { condition })
    await driver.signals(waitpointId, 'first', 'wrong', 'last')
    const untold = await driver.suspended()
    await driver.signal(untold.waitpointId)

    for (const partition of store().partitions) await backend.maintenance.upkeep({ partition, max: 500 })
    const { events } = await backend.events.read({ namespace, limit: 1_000 })
    const story = events
      .filter((event) => 'executionId' in event && event.executionId === told.id)
      .map((event) =>
        event.type === 'signal'
          ? `${event.name} ${event.outcome}`
          : event.type === 'execution'
            ? event.publicState
            : '',
      )
    expect(story).toEqual([
      'waiting',
      'active',
      'early buffered',
      'suspended',
      'first accepted',
      'last satisfied',
      'resumable',
    ])
    expect(events.some((event) => event.type === 'signal' && event.executionId === untold.id)).toBe(false)
    const signals = await backend.events.read({ namespace, filter: { types: ['signal'] }, limit: 1_000 })
    expect(signals.events).toMatchObject([
      { type: 'signal', waitpointId, lane, flowId: null, name: 'early' },
      { name: 'first' },
      { name: 'last' },
    ])
  })
})

describe('suspensions.listSignals', () => {
  const store = useStore()

  it('shows all in the order of their arrival, or those of a waitpoint or a suspension', async () => {
    const { namespace } = store()
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const [a, b] = [await driver.waitpoint(waiting.id, 'a'), await driver.waitpoint(waiting.id, 'b')]
    for (const [on, name] of [
      [a, '1'],
      [b, '2'],
      [a, '3'],
      [b, '4'],
      [a, '5'],
    ] as const)
      await driver.signal(on, { name })
    const names = async (more: object) => (await driver.listSignals(waiting.id, more)).map(({ name }) => name)
    expect(await names({})).toEqual(['1', '2', '3', '4', '5'])
    expect(await names({ waitpointId: b })).toEqual(['2', '4'])
    const condition = { kind: 'count', n: 2, of: 'signals', waitpointIds: [a] } as const
    const answer = await driver.suspend(waiting, { condition })
    const suspensionId = answer.outcome === 'already_satisfied' ? answer.resumption.suspensionId : undefined
    expect(await names({ suspensionId })).toEqual(['1', '3'])
    expect(await names({ suspensionId, waitpointId: b })).toEqual([])

    const pages: string[] = []
    let cursor: string | undefined
    do {
      const params = { namespace, executionId: waiting.id, limit: 2, cursor }
      const page = await driver.operations.listSignals(params)
      pages.push(page.items.map(({ name }) => name).join(''))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    expect(pages).toEqual(['12', '34', '5'])
    expect(await codeOf(driver.listSignals(driver.unknownExecution()))).toBe('execution_not_found')
    expect(await codeOf(driver.listSignals(waiting.id, { limit: 0 }))).toBe('invalid_params')
    expect(await codeOf(driver.listSignals(waiting.id, { cursor: 'x' }))).toBe('invalid_cursor')
  })
})
