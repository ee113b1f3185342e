import { limits, must, parseNamespace, type StreamMode } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { bytesOf, codeOf, itemCodeOf, submitOne } from '../../support/builders.js'
import { framesOf, textsOf } from '../../support/frames.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('streams.append', () => {
  const store = useStore()
  const { read, tail } = framesOf(store)

  async function start() {
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    return { id, worker, lease: await worker.claimOne() }
  }
  const outcomesOf = (items: readonly { readonly outcome: string }[]) => items.map(({ outcome }) => outcome)

  it('keeps frames in the order of the call, with all that they came with', async () => {
    const { id, worker, lease } = await start()
    const nowMs = await store().nowMs()
    const items = await worker.emit(lease.handle, 0, ['a', 'b'], { type: 'token' })
    expect(outcomesOf(items)).toEqual(['appended', 'appended'])
    await worker.emit(lease.handle, 2, ['c'])
    const page = await read({ executionId: id })
    const frame = { attemptIndex: 0, mode: 'durable', appendedAtMs: nowMs }
    expect(page.items).toMatchObject([
      { ...frame, frameNumber: 0, type: 'token', frame: bytesOf('a') },
      { ...frame, frameNumber: 1, type: 'token', frame: bytesOf('b') },
      { ...frame, frameNumber: 2, type: null, frame: bytesOf('c') },
    ])
    expect(page.items.slice(0, 2).map(({ cursor }) => cursor)).toEqual(
      items.map((item) => 'cursor' in item && item.cursor),
    )
  })

  it('keeps bytes as they are', async () => {
    const { id, worker, lease } = await start()
    const frame = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    const items = [new Uint8Array(), frame].map((each, frameNumber) => ({
      handle: lease.handle,
      mode: 'durable' as const,
      frameNumber,
      frame: each,
    }))
    await store().backend.streams.append({ namespaces: [store().namespace], items })
    expect((await read({ executionId: id })).items.map((each) => each.frame)).toEqual([
      new Uint8Array(),
      frame,
    ])
    await worker.complete(lease.handle)
  })

  it('answers a repeat with the same cursor, and appends nothing twice', async () => {
    const { id, worker, lease } = await start()
    const first = await worker.emit(lease.handle, 0, ['a', 'b'])
    const again = await worker.emit(lease.handle, 0, ['a', 'other', 'c'])
    expect(outcomesOf(again)).toEqual(['already_appended', 'already_appended', 'appended'])
    expect(again.slice(0, 2)).toEqual(first.map((item) => ({ ...item, outcome: 'already_appended' })))
    expect(textsOf((await read({ executionId: id })).items)).toEqual(['a', 'b', 'c'])
  })

  it('refuses a number beyond the next one, and says which that is', async () => {
    const { id, worker, lease } = await start()
    const gap = { outcome: 'frame_out_of_order', expectedFrameNumber: 0 }
    expect(await worker.emit(lease.handle, 1, ['b', 'c'])).toEqual([gap, gap])
    const { handle } = lease
    const item = (frameNumber: number) => ({
      handle,
      mode: 'durable' as const,
      frameNumber,
      frame: bytesOf(`${frameNumber}`),
    })
    const { items } = await store().backend.streams.append({
      namespaces: [store().namespace],
      items: [item(0), item(2), item(1), item(2)],
    })
    expect(outcomesOf(items)).toEqual(['appended', 'frame_out_of_order', 'appended', 'appended'])
    expect(textsOf((await read({ executionId: id })).items)).toEqual(['0', '1', '2'])
  })

  it('leaves what follows a refused frame for another call, and the neighbours of other attempts unharmed', async () => {
    const [one, other] = [await start(), await start()]
    const item = (handle: string, frameNumber: number, more: object = {}) => ({
      handle,
      mode: 'durable' as StreamMode,
      frameNumber,
      frame: bytesOf('x'),
      ...more,
    })
    const namespaces = [store().namespace]
    const long = new Uint8Array(limits.frameBytesMax + 1)
    const bad = item(one.lease.handle, 0)
    const { items } = await store().backend.streams.append({
      namespaces,
      items: [
        item(one.lease.handle, 0),
        { ...bad, frameNumber: 1, frame: long },
        { ...bad, mode: 'forever' as never },
        { ...bad, frameNumber: -1 },
        { ...bad, type: '' },
        { ...bad, frame: 'text' as never },
        { ...bad, handle: 'x' },
        item(one.lease.handle, 2),
        item(other.lease.handle, 0),
      ],
    })
    expect(items.slice(1, 7).map((each) => itemCodeOf(each as never))).toEqual([
      'frame_too_large',
      'invalid_params',
      'invalid_params',
      'invalid_name',
      'invalid_params',
      'invalid_handle',
    ])
    expect(outcomesOf([...items.slice(0, 1), ...items.slice(7)])).toEqual([
      'appended',
      'frame_out_of_order',
      'appended',
    ])
    expect((await read({ executionId: one.id })).items).toHaveLength(1)
  })

  it('takes the longest frame and the longest batch, and no more', async () => {
    const { id, worker, lease } = await start()
    const longest = 'x'.repeat(limits.frameBytesMax)
    expect(outcomesOf(await worker.emit(lease.handle, 0, [longest]))).toEqual(['appended'])
    const many = Array.from({ length: limits.frameBatchMax }, () => 'x')
    expect(new Set(outcomesOf(await worker.emit(lease.handle, 1, many)))).toEqual(new Set(['appended']))
    expect(await codeOf(worker.emit(lease.handle, 257, [...many, 'x']))).toBe('batch_too_large')
    expect((await read({ executionId: id, limit: 1_000 })).items).toHaveLength(257)
  })

  it('refuses durable frames past the bounds of an attempt, and goes on to take others', {
    timeout: 60_000,
  }, async () => {
    const { worker, lease } = await start()
    const longest = 'x'.repeat(limits.frameBytesMax)
    const count = limits.streamBytesMax / limits.frameBytesMax
    for (let from = 0; from < count; from += 16) {
      const items = await worker.emit(lease.handle, from, Array(16).fill(longest))
      expect(new Set(outcomesOf(items))).toEqual(new Set(['appended']))
    }
    expect(await worker.emit(lease.handle, count, ['x', 'y'])).toEqual([
      { outcome: 'stream_full', bound: 'bytes' },
      { outcome: 'frame_out_of_order', expectedFrameNumber: count },
    ])
    expect(outcomesOf(await worker.emit(lease.handle, count, [''], { mode: 'durable' }))).toEqual([
      'appended',
    ])
    const progress = await worker.emit(lease.handle, count + 1, ['lost some day'], { mode: 'best_effort' })
    expect(outcomesOf(progress)).toEqual(['appended'])
  })

  it('refuses more durable frames of an attempt than the limit', { timeout: 60_000 }, async () => {
    const { worker, lease } = await start()
    const batch = 250
    for (let from = 0; from < limits.streamFramesMax; from += batch) {
      await worker.emit(lease.handle, from, Array(batch).fill(''))
    }
    expect(await worker.emit(lease.handle, limits.streamFramesMax, [''])).toEqual([
      { outcome: 'stream_full', bound: 'frames' },
    ])
  })

  it('keeps the order of calls that are under way at once', async () => {
    const { id, worker, lease } = await start()
    const numbers = Array.from({ length: 20 }, (_, n) => n)
    const answers = await Promise.all(numbers.map((n) => worker.emit(lease.handle, n, [`${n}`])))
    expect(outcomesOf(answers.flat())).toEqual(numbers.map(() => 'appended'))
    expect(textsOf((await read({ executionId: id })).items)).toEqual(numbers.map(String))
  })

  it('is an effect: the attempt cannot be handed back unstarted any more', async () => {
    const { worker, lease } = await start()
    await worker.emit(lease.handle, 1, ['refused'])
    await worker.emit(lease.handle, 0, ['a'], { mode: 'best_effort' })
    expect(await worker.yield(lease.handle)).toEqual({ outcome: 'attempt_has_effects' })
  })

  it('leaves an attempt whose every frame was refused without effect', async () => {
    const { id, worker, lease } = await start()
    await worker.emit(lease.handle, 7, ['refused'])
    expect(await worker.yield(lease.handle)).toEqual({ outcome: 'yielded' })
    expect((await tail({ executionId: id })).frames).toEqual([])
  })

  it('counts from 0 under each lease of an attempt that was delayed, and goes on behind what it has', async () => {
    const { id, worker, lease } = await start()
    await worker.emit(lease.handle, 0, ['a', 'b'])
    await worker.delay(lease.handle, (await store().nowMs()) + 5_000)
    expect(await worker.emit(lease.handle, 2, ['late'])).toMatchObject([{ outcome: 'execution_not_active' }])
    await store().pass(5_000)
    const next = await worker.claimOne()
    expect(next.attemptIndex).toBe(0)
    expect(outcomesOf(await worker.emit(next.handle, 0, ['c']))).toEqual(['appended'])
    expect(outcomesOf(await worker.emit(next.handle, 0, ['c', 'd']))).toEqual([
      'already_appended',
      'appended',
    ])
    expect(await worker.emit(lease.handle, 2, ['stale'])).toEqual([{ outcome: 'stale_lease' }])
    const { items } = await read({ executionId: id })
    expect(textsOf(items)).toEqual(['a', 'b', 'c', 'd'])
    expect(items.map(({ frameNumber }) => frameNumber)).toEqual([0, 1, 2, 3])
  })

  it('is fenced in the documented order, before anything else is judged', async () => {
    const { id, worker, lease } = await start()
    const emit = async (from: number) => (await worker.emit(lease.handle, from, ['x']))[0]
    expect(await emit(0)).toMatchObject({ outcome: 'appended' })
    await store().pass(30_000)
    expect(await emit(0)).toEqual({ outcome: 'lease_expired' })
    const second = await worker.claimOne()
    expect(await emit(0)).toEqual({ outcome: 'stale_lease' })
    await worker.complete(second.handle)
    const ended = {
      outcome: 'execution_not_active',
      recorded: { endedBy: 'holder', terminalOutcome: 'success' },
    }
    expect(await worker.emit(second.handle, 9, ['x'])).toEqual([ended])
    const foreign = await store().backend.streams.append({
      namespaces: [parseNamespace('foreign')],
      items: [{ handle: second.handle, mode: 'durable', frameNumber: 0, frame: bytesOf('x') }],
    })
    expect(foreign.items).toEqual([{ outcome: 'stale_lease' }])
    expect((await read({ executionId: id, attemptIndex: 1 })).items).toEqual([])
  })

  it('takes frames of a lease that has run out and was not reaped', async () => {
    const { worker, lease } = await start()
    await store().advance(60_000)
    expect(outcomesOf(await worker.emit(lease.handle, 0, ['x']))).toEqual(['appended'])
  })

  it('is refused for a revoked lease and a timed-out attempt', async () => {
    const { id, worker, lease } = await start()
    await store().backend.leases.revoke({ namespace: store().namespace, id })
    expect(await worker.emit(lease.handle, 0, ['x'])).toEqual([{ outcome: 'lease_revoked' }])
    const timed = await submitOne(store(), { timeouts: { attemptTimeoutMs: 1_000 } })
    const held = must(
      (await worker.claim()).find(({ executionId }) => executionId === timed),
      'the one with a timeout',
    )
    await store().pass(1_000)
    expect(await worker.emit(held.handle, 0, ['x'])).toEqual([{ outcome: 'attempt_timed_out' }])
  })
})
