import { limits } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { bytesOf, codeOf, itemCodeOf, submitOne } from '../../support/builders.js'
import { framesOf, textsOf } from '../../support/frames.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('the modes of a stream', () => {
  const store = useStore()
  const { read, tail, summary } = framesOf(store)

  async function start() {
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    let next = 0
    const emit = async (mode: 'durable' | 'summary' | 'best_effort', ...frames: readonly string[]) => {
      const items = await worker.emit(handle, next, frames, { mode })
      next += items.filter(({ outcome }) => outcome === 'appended').length
      return items
    }
    return { id, worker, handle, emit }
  }

  describe('summary', () => {
    it('merges patches into one document, and lets readers have the deltas', async () => {
      const { id, emit } = await start()
      expect(await summary(id)).toEqual({
        outcome: 'summary',
        attemptIndex: 0,
        document: '{}',
        patchCount: 0,
        updatedAtMs: null,
      })
      await emit('summary', '{"phase":"read","pages":{"a":1,"b":2}}', '{"phase":"write"}')
      await store().advance(1_000)
      await emit('summary', '{"pages":{"a":null},"list":[{"x":null}],"empty":{},"none":[]}')
      expect(await summary(id)).toEqual({
        outcome: 'summary',
        attemptIndex: 0,
        document: '{"phase":"write","pages":{"b":2},"list":[{"x":null}],"empty":{},"none":[]}',
        patchCount: 3,
        updatedAtMs: await store().nowMs(),
      })
      const { items } = await read({ executionId: id })
      expect(items.map(({ mode }) => mode)).toEqual(['summary', 'summary', 'summary'])
      expect(textsOf(items)[1]).toBe('{"phase":"write"}')
    })

    it('has one meaning for what stores are wont to change', async () => {
      const { id, emit } = await start()
      await emit(
        'summary',
        ' { "big" : 9007199254740993, "small": 1.10, "exp": 1e2, "minus": -0, "long": 0.1234567890123456789 } ',
        '{"text":"\\u0000 \\ud83d\\ude00 ß \\ud800 \\/","empty":"","0":[],"a":{"b":{"c":[[],{}]}}}',
        '{"__proto__":{"polluted":true},"a":{"b":{"d":1}}}',
      )
      const { document } = await summary(id)
      expect(document).toBe(
        '{"0":[],"big":9007199254740992,"small":1.1,"exp":100,"minus":0,"long":0.12345678901234568,' +
          '"text":"\\u0000 😀 ß \\ud800 /","empty":"","a":{"b":{"c":[[],{}],"d":1}},"__proto__":{"polluted":true}}',
      )
    })

    it('is of an attempt: the next one begins with an empty document', async () => {
      const { id, worker, handle, emit } = await start()
      await emit('summary', '{"a":1}')
      await worker.fail(handle, { retry: { afterMs: 0 } })
      const second = await worker.claimOne()
      await worker.emit(second.handle, 0, ['{"b":2}'], { mode: 'summary' })
      expect((await summary(id)).document).toBe('{"b":2}')
      expect(await summary(id, 0)).toMatchObject({ attemptIndex: 0, document: '{"a":1}', patchCount: 1 })
    })

    it.each([
      '[]',
      '"text"',
      '1',
      'null',
      '{"a":1e999}',
      '{"a":[{"b":-1e999}]}',
      nested(limits.jsonDepthMax + 1),
    ])('refuses %j, which is no patch of a document', async (patch) => {
      const { id, emit } = await start()
      expect((await emit('summary', patch)).map((item) => itemCodeOf(item as never))).toEqual([
        'invalid_patch',
      ])
      expect((await summary(id)).patchCount).toBe(0)
    })

    it('takes a patch as deep as the limit', async () => {
      const { id, emit } = await start()
      await emit('summary', nested(limits.jsonDepthMax))
      expect((await summary(id)).document).toBe(nested(limits.jsonDepthMax))
    })

    it.each([
      bytesOf(''),
      bytesOf('{'),
      bytesOf('\ufeff{}'),
      new Uint8Array([0x7b, 0xff, 0x7d]),
      bytesOf('{"a":"\0"}'),
    ])('refuses what is no plaintext: %j', async (frame) => {
      const { handle } = await start()
      const { items } = await store().backend.streams.append({
        namespaces: [store().namespace],
        items: [{ handle, mode: 'summary', frameNumber: 0, frame }],
      })
      expect(items.map((item) => itemCodeOf(item as never))).toEqual(['payload_opaque'])
    })

    it('refuses a patch that would make the document too long, and takes one that makes it shorter', async () => {
      const { id, emit } = await start()
      // {"a":"…","b":"…"} is as long as it may be.
      const half = 'x'.repeat((limits.summaryBytesMax - '{"a":"","b":""}'.length - 1) / 2)
      const rest = limits.summaryBytesMax - `{"a":"${half}","b":""}`.length
      await emit('summary', JSON.stringify({ a: half }))
      const full = { outcome: 'stream_full', bound: 'document' }
      expect(await emit('summary', JSON.stringify({ b: 'x'.repeat(rest + 1) }))).toEqual([full])
      expect(await emit('summary', JSON.stringify({ b: 'x'.repeat(rest) }))).toMatchObject([
        { outcome: 'appended' },
      ])
      expect((await summary(id)).document).toHaveLength(limits.summaryBytesMax)
      expect(await emit('summary', '{"c":1}')).toEqual([full])
      expect(await emit('summary', '{"a":null,"c":1}')).toMatchObject([{ outcome: 'appended' }])
      expect((await summary(id)).document).toBe(JSON.stringify({ b: 'x'.repeat(rest), c: 1 }))
    })

    it('stays after its deltas were dropped', { timeout: 60_000 }, async () => {
      const { id, emit } = await start()
      const patches = Array.from({ length: 200 }, (_, n) => `{"k${n}":${n}}`)
      for (let round = 0; round < 6; round += 1) await emit('summary', ...patches)
      expect((await summary(id)).patchCount).toBe(1_200)
      expect(JSON.parse((await summary(id)).document)).toHaveProperty('k199', 199)
      const { items } = await read({ executionId: id, limit: 1_000 })
      expect([items[0]?.frameNumber, items.length]).toEqual([200, 1_000])
    })

    it('is found for no unknown execution and no unknown attempt', async () => {
      const { id } = await start()
      expect(await codeOf(summary(store().aSolo().id))).toBe('execution_not_found')
      expect(await codeOf(summary(id, 1))).toBe('attempt_not_found')
      const waiting = await submitOne(store())
      expect(await summary(waiting)).toMatchObject({ attemptIndex: 0, document: '{}', patchCount: 0 })
    })
  })

  describe('best_effort', () => {
    it('keeps the newest frames, and all durable ones between them', { timeout: 60_000 }, async () => {
      const { id, emit } = await start()
      await emit('durable', 'first')
      await emit('best_effort', 'dropped')
      await emit('durable', 'second')
      for (let from = 0; from < limits.cappedFramesMax; from += 250) {
        await emit('best_effort', ...Array.from({ length: 250 }, (_, n) => `${from + n}`))
      }
      const begin = await tail({ executionId: id, limit: 3 })
      expect(
        begin.frames.map(({ frameNumber, frame }) => [frameNumber, textsOf([{ frame } as never])[0]]),
      ).toEqual([
        [0, 'first'],
        // The jump tells readers that a frame went.
        [2, 'second'],
        [3, '0'],
      ])
      const all = await read({ executionId: id, limit: 1_000 })
      const rest = await read({ executionId: id, limit: 1_000, cursor: all.nextCursor ?? undefined })
      expect(all.items.length + rest.items.length).toBe(limits.cappedFramesMax + 2)
    })

    it('keeps no more bytes than the limit', async () => {
      const { id, emit } = await start()
      const frame = 'x'.repeat(limits.frameBytesMax)
      const most = limits.cappedBytesMax / limits.frameBytesMax
      await emit('best_effort', ...Array(most).fill(frame))
      expect((await read({ executionId: id })).items).toHaveLength(most)
      await emit('best_effort', 'x')
      const { items } = await read({ executionId: id })
      expect([items.length, items[0]?.frameNumber]).toEqual([most, 1])
    })

    it('drops old frames when the next comes', async () => {
      const { id, emit } = await start()
      await emit('best_effort', 'a', 'b')
      await store().advance(limits.cappedAgeMsMax)
      await emit('best_effort', 'c')
      expect(textsOf((await read({ executionId: id })).items)).toEqual(['a', 'b', 'c'])
      await store().advance(1)
      expect(textsOf((await read({ executionId: id })).items)).toEqual(['a', 'b', 'c'])
      await emit('durable', 'd')
      expect(textsOf((await read({ executionId: id })).items)).toEqual(['c', 'd'])
    })

    it('goes on for a reader whose frames went, and answers a repeat of what went', async () => {
      const { id, worker, handle, emit } = await start()
      const [first] = await emit('best_effort', 'a', 'b')
      const { cursor } = await tail({ executionId: id, limit: 1 })
      await store().advance(limits.cappedAgeMsMax + 1)
      await emit('best_effort', 'c')
      expect(textsOf((await tail({ executionId: id, cursor })).frames)).toEqual(['c'])
      expect(await worker.emit(handle, 0, ['a'])).toEqual([{ ...first, outcome: 'already_appended' }])
      expect(textsOf((await read({ executionId: id })).items)).toEqual(['c'])
    })
  })
})

/** Objects one in the other, so many. */
function nested(depth: number): string {
  return `${'{"a":'.repeat(depth - 1)}{}${'}'.repeat(depth - 1)}`
}
