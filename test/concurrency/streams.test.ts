import {
  type AppendFrameOutcome,
  type FoundationBackend,
  type FramesTail,
  limits,
  must,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { bytesOf, submitOne } from '../support/builders.js'
import { textOf, textsOf } from '../support/frames.js'
import { allFrames } from '../support/listing.js'
import { WorkerDriver } from '../support/worker-driver.js'
import { race, raceRounds, useSessions, Ways } from './use-sessions.js'

describe('races over streams', () => {
  const sessions = useSessions()

  async function start() {
    const { store } = sessions()
    const id = await submitOne(store)
    const worker = new WorkerDriver(store)
    const { handle } = await worker.claimOne()
    const { namespace } = store
    const append = async (
      backend: FoundationBackend,
      from: number,
      frames: readonly string[],
      mode: 'durable' | 'summary' = 'durable',
    ): Promise<readonly AppendFrameOutcome[]> => {
      const items = frames.map((frame, place) => ({
        handle,
        mode,
        frameNumber: from + place,
        frame: bytesOf(frame),
      }))
      return (await backend.streams.append({ namespaces: [namespace], items })).items
    }
    return { id, worker, handle, namespace, append }
  }

  it('append/append: the same frames by two processes are appended once', async () => {
    const { one, two } = sessions()
    for (let round = 0; round < raceRounds; round += 1) {
      const { id, worker, handle, namespace, append } = await start()
      const patches = ['{"a":1}', '{"b":{"c":2}}', '{"a":null}']
      const answers = await race(
        round,
        () => append(one, 0, patches, 'summary'),
        () => append(two, 0, patches, 'summary'),
      )
      patches.forEach((_, place) => {
        const both = answers.map((items) => must(items[place], 'an outcome').outcome)
        expect(both.sort(), `round ${round}`).toEqual(['already_appended', 'appended'])
      })
      const { document, patchCount } = await one.streams.readSummary({ namespace, executionId: id })
      expect([textOf(document), patchCount]).toEqual(['{"b":{"c":2}}', 3])
      await worker.complete(handle)
    }
  })

  it('append/append: each process goes on behind what the other has appended', async () => {
    const { one, two } = sessions()
    for (let round = 0; round < raceRounds; round += 1) {
      const { id, worker, handle, namespace, append } = await start()
      for (let from = 0; from < 6; from += 2) {
        const [first, second] = await race(
          round + from,
          () => append(from % 4 === 0 ? one : two, from, [`${from}`]),
          () => append(from % 4 === 0 ? two : one, from + 1, [`${from + 1}`]),
        )
        expect(first).toMatchObject([{ outcome: 'appended' }])
        // It came first, and is sent again.
        if (second[0]?.outcome === 'frame_out_of_order') await append(two, from + 1, [`${from + 1}`])
      }
      expect(textsOf(await allFrames(two, namespace, id)).join('')).toBe('012345')
      await worker.complete(handle)
    }
  })

  it('append/complete: a frame is either recorded or refused, and nothing comes behind the end', async () => {
    const { one, two } = sessions()
    const ways = new Ways()
    for (let round = 0; round < raceRounds; round += 1) {
      const { id, namespace, worker, handle, append } = await start()
      const [items] = await race(
        round,
        () => append(two, 0, ['x']),
        () => worker.complete(handle),
      )
      const outcome = must(items[0], 'an outcome').outcome
      ways.saw(outcome)
      const tail = await one.streams.tail({ namespace, executionId: id })
      expect(tail.closed).toBe('attempt_ended')
      expect(textsOf(tail.frames)).toEqual(outcome === 'appended' ? ['x'] : [])
    }
    ways.expectOnly(['appended', 'execution_not_active'])
  })

  it('append/tail: a reader in another process sees each frame once, and how it ends', async () => {
    const { one, two } = sessions()
    const { id, worker, handle, namespace, append } = await start()
    const count = 40
    const follow = async (): Promise<readonly string[]> => {
      const seen: string[] = []
      let tail: FramesTail | undefined
      while (tail?.closed == null) {
        tail = await two.streams.tail({ namespace, executionId: id, cursor: tail?.cursor, waitMs: 10_000 })
        seen.push(...textsOf(tail.frames))
      }
      return [...seen, tail.closed]
    }
    const emit = async () => {
      for (let n = 0; n < count; n += 1) await append(one, n, [`${n}`])
      await worker.complete(handle)
    }
    const [seen] = await Promise.all([follow(), emit()])
    expect(seen).toEqual([...Array.from({ length: count }, (_, n) => `${n}`), 'attempt_ended'])
  })

  it('trim/read: what goes under a reader is a jump, and only the oldest of what may go', async () => {
    const { one, two } = sessions()
    const most = limits.cappedBytesMax / limits.frameBytesMax
    const stays = (n: number) => n % 5 === 0
    const ways = new Ways()
    for (let round = 0; round < raceRounds; round += 1) {
      const { id, worker, handle, namespace } = await start()
      let begun = 0
      const emit = async () => {
        while (begun < 4 * most) {
          const numbers = Array.from({ length: 8 }, (_, place) => begun + place)
          begun += numbers.length
          const items = numbers.map((n) => ({
            handle,
            mode: stays(n) ? ('durable' as const) : ('best_effort' as const),
            frameNumber: n,
            frame: bytesOf(stays(n) ? `${n}` : `${n}`.padEnd(limits.frameBytesMax, ' ')),
          }))
          await one.streams.append({ namespaces: [namespace], items })
        }
        await worker.complete(handle)
      }
      const follow = async () => {
        let next = 0
        let tail: FramesTail | undefined
        while (tail?.closed == null) {
          const { cursor } = tail ?? {}
          tail = await two.streams.tail({ namespace, executionId: id, cursor, waitMs: 10_000, limit: 1 })
          for (const { frameNumber, frame } of tail.frames) {
            expect(Number(textOf(frame))).toBe(frameNumber)
            expect(frameNumber).toBeGreaterThanOrEqual(next)
            ways.saw(frameNumber > next ? 'a jump' : 'the next')
            for (let gone = next; gone < frameNumber; gone += 1) {
              const after = Array.from({ length: begun - gone - 1 }, (_, place) => gone + 1 + place)
              expect(stays(gone), `round ${round}, frame ${gone}`).toBe(false)
              expect(after.filter((n) => !stays(n)).length).toBeGreaterThanOrEqual(most)
            }
            next = frameNumber + 1
          }
        }
        expect(next).toBe(begun)
      }
      await Promise.all([emit(), follow()])
    }
    expect(Object.keys(ways.all).sort()).toEqual(['a jump', 'the next'])
  })
})
