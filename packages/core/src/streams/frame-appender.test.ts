import { describe, expect, it } from 'vitest'
import type { StreamMode } from '../contract/streams.js'
import { engineError } from '../errors/engine-error.js'
import { encodeHandle, type LeaseHandle } from '../handle.js'
import { mintExecutionId, mintLeaseId } from '../ids/index.js'
import { defaultNamespace } from '../names.js'
import { createFrameAppender, type FrameWrite, type FrameWriteOutcome } from './frame-appender.js'
import { emptyStream, type StreamHead } from './judge-frames.js'

const lease: LeaseHandle = {
  executionId: mintExecutionId(1),
  attemptIndex: 0,
  leaseId: mintLeaseId(),
  epoch: 3,
}
const bytes = (text: string) => new TextEncoder().encode(text)
const text = (frame: Uint8Array | null) => (frame === null ? null : new TextDecoder().decode(frame))

/** A store of one stream, and the calls of a process that appends to it. */
function open() {
  let head: StreamHead = emptyStream
  const written: string[] = []
  const writes: FrameWrite[] = []
  /** What the next write comes to instead. */
  let instead: ((write: FrameWrite) => Promise<FrameWriteOutcome> | undefined) | undefined
  const write = async (each: FrameWrite): Promise<FrameWriteOutcome> => {
    writes.push(each)
    await new Promise(setImmediate)
    const other = instead?.(each)
    if (other !== undefined) return other
    if (each.expected.nextNumber !== head.nextNumber || each.expected.writtenAtMs !== head.writtenAtMs) {
      return { outcome: 'moved', head }
    }
    written.push(...each.frames.map(({ frame }) => String(text(frame))))
    head = { ...each.head, writtenAtMs: head.writtenAtMs + 1 }
    return { outcome: 'written', writtenAtMs: head.writtenAtMs }
  }
  const another = () => {
    const append = createFrameAppender(write)
    return async (frameNumber: number, frame: string, mode: StreamMode = 'durable') => {
      const items = [{ handle: encodeHandle(lease), mode, frameNumber, frame: bytes(frame) }]
      return (await append({ namespaces: [defaultNamespace], items })).items[0]?.outcome
    }
  }
  return {
    another,
    written,
    writes,
    head: () => head,
    answer: (next: typeof instead) => {
      instead = next
    },
  }
}

describe('appending frames', () => {
  it('asks once for what is called in one turn, and once more for what came meanwhile', async () => {
    const { another, written, writes } = open()
    const append = another()
    const first = [append(0, 'a'), append(1, 'b')]
    await new Promise(setImmediate)
    const then = [append(2, 'c'), append(3, 'd')]
    expect(await Promise.all([...first, ...then])).toEqual(Array(4).fill('appended'))
    expect(writes.map(({ frames }) => frames.length)).toEqual([2, 2])
    expect(written).toEqual(['a', 'b', 'c', 'd'])
  })

  it('judges anew where another process has appended', async () => {
    const { another, written, writes, head } = open()
    const [one, two] = [another(), another()]
    await one(0, '{"a":1}', 'summary')
    expect(await two(1, '{"b":2}', 'summary')).toBe('appended')
    expect(await one(0, '{"a":1}', 'summary')).toBe('already_appended')
    expect(await one(2, '{"a":null}', 'summary')).toBe('appended')
    expect(text(head().document)).toBe('{"b":2}')
    expect(written).toHaveLength(3)
    // The first try of each who did not know better wrote nothing.
    expect(writes).toHaveLength(6)
  })

  it('does not know what became of a write that failed, and asks', async () => {
    const { another, written, answer } = open()
    const append = another()
    await append(0, 'a')
    answer(() => Promise.reject(engineError('connection_lost', 'gone', {}, { mayHaveCommitted: true })))
    await expect(append(1, 'b')).rejects.toMatchObject({ code: 'connection_lost' })
    answer(undefined)
    expect(await append(1, 'b')).toBe('appended')
    expect(written).toEqual(['a', 'b'])
  })

  it('gives each frame the refusal of its lease, and remembers nothing of it', async () => {
    const { another, answer, written } = open()
    const append = another()
    answer(async () => ({ outcome: 'stale_lease' }))
    expect(await Promise.all([append(0, 'a'), append(1, 'b')])).toEqual(['stale_lease', 'stale_lease'])
    answer(undefined)
    expect(await append(0, 'a')).toBe('appended')
    expect(written).toEqual(['a'])
  })

  it('gives up when others come between all the time', async () => {
    const { another, answer } = open()
    let moves = 0
    answer(async () => {
      moves += 1
      return { outcome: 'moved', head: { ...emptyStream, writtenAtMs: moves } }
    })
    await expect(another()(0, 'a')).rejects.toMatchObject({ code: 'contention' })
    expect(moves).toBe(10)
  })
})
