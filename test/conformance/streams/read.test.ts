import { type ExecutionId, type Frame, limits, parseNamespace } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf, submitOne } from '../../support/builders.js'
import { framesOf, textsOf } from '../../support/frames.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('streams.read and streams.tail', () => {
  const store = useStore()
  const { read, tail } = framesOf(store)

  /** An execution with frames in two attempts: a…e, then f. */
  async function twoAttempts() {
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const first = await worker.claimOne()
    await worker.emit(first.handle, 0, ['a', 'b'])
    await worker.emit(first.handle, 2, ['c'], { mode: 'best_effort' })
    await worker.emit(first.handle, 3, ['d', 'e'])
    await worker.fail(first.handle, { retry: { afterMs: 0 } })
    const second = await worker.claimOne()
    await worker.emit(second.handle, 0, ['f'])
    return { id, worker, second }
  }

  it('reads a range of an attempt, by default the newest, page by page', async () => {
    const { id } = await twoAttempts()
    expect(textsOf((await read({ executionId: id })).items)).toEqual(['f'])
    const texts: string[] = []
    let cursor: string | undefined
    for (let pages = 0; pages < 3; pages += 1) {
      const page = await read({ executionId: id, attemptIndex: 0, limit: 2, cursor })
      texts.push(...textsOf(page.items))
      expect(page.nextCursor === null).toBe(pages === 2)
      cursor = page.nextCursor ?? undefined
    }
    expect(texts).toEqual(['a', 'b', 'c', 'd', 'e'])
  })

  it('goes on after any frame', async () => {
    const { id } = await twoAttempts()
    const { items } = await read({ executionId: id, attemptIndex: 0 })
    for (const [place, { cursor }] of items.entries()) {
      expect(textsOf((await read({ executionId: id, cursor })).items).join('')).toBe('abcde'.slice(place + 1))
      const tailed = await tail({ executionId: id, cursor, acrossAttempts: true })
      expect(textsOf(tailed.frames).join('')).toBe('abcdef'.slice(place + 1))
    }
  })

  it('reads across attempts from the first on, each frame once', async () => {
    const { id, worker, second } = await twoAttempts()
    const seen: Frame[] = []
    let cursor: string | undefined
    for (let looks = 0; looks < 4; looks += 1) {
      const page = await tail({ executionId: id, acrossAttempts: true, limit: 2, cursor })
      expect(page.closed).toBeNull()
      seen.push(...page.frames)
      cursor = page.cursor
    }
    expect(seen.map(({ attemptIndex, frameNumber }) => `${attemptIndex}.${frameNumber}`)).toEqual([
      '0.0',
      '0.1',
      '0.2',
      '0.3',
      '0.4',
      '1.0',
    ])
    await worker.emit(second.handle, 1, ['g'])
    await worker.complete(second.handle)
    const last = await tail({ executionId: id, acrossAttempts: true, cursor })
    expect([textsOf(last.frames), last.closed]).toEqual([['g'], 'execution_terminal'])
  })

  it('fills a page up to its bytes', async () => {
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    const frame = 'x'.repeat(limits.frameBytesMax)
    const most = limits.streamPageBytesMax / limits.frameBytesMax
    for (let from = 0; from < most; from += 16) await worker.emit(handle, from, Array(16).fill(frame))
    await worker.emit(handle, most, ['y'])
    const page = await read({ executionId: id, limit: 1_000 })
    expect(page.items).toHaveLength(most)
    const rest = await read({ executionId: id, cursor: page.nextCursor ?? '' })
    expect([textsOf(rest.items), rest.nextCursor]).toEqual([['y'], null])
  })

  it('says why no more frames come, once all were read', async () => {
    const closedOf = async (id: ExecutionId, attemptIndex?: number) =>
      (await tail({ executionId: id, attemptIndex })).closed
    const worker = new WorkerDriver(store())
    const { backend, namespace } = store()

    const completed = await submitOne(store())
    const { handle } = await worker.claimOne()
    expect(await closedOf(completed)).toBeNull()
    await worker.emit(handle, 0, ['a', 'b'])
    await worker.complete(handle)
    const first = await tail({ executionId: completed, limit: 1 })
    expect(first.closed).toBeNull()
    expect((await tail({ executionId: completed, cursor: first.cursor })).closed).toBe('attempt_ended')

    const failed = await submitOne(store())
    await worker.fail((await worker.claimOne()).handle, { retry: { afterMs: 60_000 } })
    expect(await closedOf(failed)).toBe('attempt_ended')

    const lost = await submitOne(store())
    await worker.claimOne()
    await store().pass(30_000)
    expect(await closedOf(lost)).toBe('lease_lost')
    await worker.claim()
    expect([await closedOf(lost), await closedOf(lost, 0)]).toEqual([null, 'lease_lost'])
    await backend.leases.revoke({ namespace, id: lost })
    expect(await closedOf(lost, 1)).toBe('lease_lost')

    const cancelled = await submitOne(store(), { priority: 1 })
    await worker.claim({ max: 1 })
    await backend.executions.cancel({ namespace, id: cancelled })
    expect(await closedOf(cancelled)).toBe('execution_terminal')

    const timedOut = await submitOne(store(), { priority: 2, timeouts: { attemptTimeoutMs: 1_000 } })
    await worker.claim({ max: 1 })
    await store().pass(1_000)
    expect(await closedOf(timedOut, 0)).toBe('attempt_ended')
  })

  it('stays open while its attempt is delayed', async () => {
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    await worker.emit(handle, 0, ['a'])
    await worker.delay(handle, (await store().nowMs()) + 60_000)
    expect(await tail({ executionId: id })).toMatchObject({ closed: null, frames: [{ frameNumber: 0 }] })
  })

  it('waits for an execution that has not begun, and is told when it ends without', async () => {
    const { backend, namespace } = store()
    const id = await submitOne(store())
    const begin = await tail({ executionId: id })
    expect(begin).toMatchObject({ frames: [], closed: null })
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    await worker.emit(handle, 0, ['a'])
    expect(textsOf((await tail({ executionId: id, cursor: begin.cursor })).frames)).toEqual(['a'])
    const skipped = await submitOne(store())
    await backend.executions.cancel({ namespace, id: skipped })
    for (const acrossAttempts of [false, true]) {
      expect((await tail({ executionId: skipped, acrossAttempts })).closed).toBe('execution_terminal')
    }
    expect((await read({ executionId: skipped })).items).toEqual([])
  })

  it('takes a cursor of an attempt that was handed back unstarted', async () => {
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const first = await worker.claimOne()
    await worker.fail(first.handle, { retry: { afterMs: 0 } })
    const second = await worker.claimOne()
    const { cursor } = await tail({ executionId: id })
    await worker.yield(second.handle)
    expect(await tail({ executionId: id, cursor })).toMatchObject({ frames: [], closed: null })
    const third = await worker.claimOne()
    await worker.emit(third.handle, 0, ['x'])
    expect(textsOf((await tail({ executionId: id, cursor })).frames)).toEqual(['x'])
  })

  it('keeps earlier attempts over a replay, also with a new input, and goes on across it', async () => {
    const { backend, namespace } = store()
    const { id, worker, second } = await twoAttempts()
    await worker.complete(second.handle)
    const before = await tail({ executionId: id, acrossAttempts: true })
    expect(before.closed).toBe('execution_terminal')
    await backend.executions.replay({ namespace, id, input: new Uint8Array([1]) })
    const third = await worker.claimOne()
    await worker.emit(third.handle, 0, ['g'])
    const all = await tail({ executionId: id, acrossAttempts: true })
    expect(textsOf(all.frames).join('')).toBe('abcdefg')
    const after = await tail({ executionId: id, acrossAttempts: true, cursor: before.cursor })
    expect([textsOf(after.frames), after.closed]).toEqual([['g'], null])
  })

  it('wakes when frames come, when the stream closes, and not before', async () => {
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    const { cursor } = await tail({ executionId: id })
    let isOver = false
    const waiting = tail({ executionId: id, cursor, waitMs: 30_000 }).finally(() => {
      isOver = true
    })
    await worker.progress(handle)
    await new Promise(setImmediate)
    expect(isOver).toBe(false)
    const startedAt = performance.now()
    await worker.emit(handle, 0, ['a'])
    const woken = await waiting
    expect(performance.now() - startedAt).toBeLessThan(5_000)
    expect(textsOf(woken.frames)).toEqual(['a'])
    const closing = tail({ executionId: id, cursor: woken.cursor, waitMs: 30_000 })
    await worker.complete(handle)
    expect(await closing).toMatchObject({ frames: [], closed: 'attempt_ended' })
  })

  it('answers empty when the wait is over, or its signal aborts', async () => {
    const id = await submitOne(store())
    await new WorkerDriver(store()).claimOne()
    expect(await tail({ executionId: id, waitMs: 20 })).toMatchObject({ frames: [], closed: null })
    const controller = new AbortController()
    const waiting = tail({ executionId: id, waitMs: 30_000, signal: controller.signal })
    controller.abort()
    expect(await waiting).toMatchObject({ frames: [], closed: null })
  })

  it('is refused for what is not there, and for cursors that it never gave', async () => {
    const { id } = await twoAttempts()
    const [frame] = (await read({ executionId: id })).items
    const cursor = frame?.cursor ?? ''
    const other = await submitOne(store())
    const tampered = cursor.replace(/^f1/, 'f0')
    for (const ask of [read, tail]) {
      expect(await codeOf(ask({ executionId: store().aSolo().id }))).toBe('execution_not_found')
      expect(await codeOf(ask({ executionId: id, attemptIndex: 2 }))).toBe('attempt_not_found')
      for (const bad of ['nonsense', '', 'p1', 'f1.1', tampered, `${cursor}0`]) {
        expect(await codeOf(ask({ executionId: id, cursor: bad }))).toBe('invalid_cursor')
      }
      expect(await codeOf(ask({ executionId: other, cursor }))).toBe('invalid_cursor')
      expect(await codeOf(ask({ executionId: id, cursor, attemptIndex: 0 }))).toBe('invalid_cursor')
      expect(await codeOf(ask({ executionId: id, limit: 0 }))).toBe('invalid_params')
      expect(await codeOf(ask({ executionId: id, limit: 1_001 }))).toBe('limit_exceeded')
      expect(await codeOf(ask({ executionId: id, attemptIndex: -1 }))).toBe('invalid_params')
    }
    expect(await codeOf(tail({ executionId: id, waitMs: 30_001 }))).toBe('limit_exceeded')
    expect(await codeOf(tail({ executionId: id, acrossAttempts: 1 as never }))).toBe('invalid_params')
    const { streams } = store().backend
    const namespace = parseNamespace('foreign')
    expect(await codeOf(streams.tail({ namespace, executionId: id }))).toBe('execution_not_found')
    expect(await codeOf(streams.readSummary({ namespace, executionId: id }))).toBe('execution_not_found')
  })
})
