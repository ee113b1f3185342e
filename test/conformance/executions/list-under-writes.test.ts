import {
  type ExecutionId,
  type FlowId,
  type FoundationBackend,
  type Namespace,
  type Page,
  type PageRequest,
  parseLaneId,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { submitOne } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'

const WRITERS = 4
/** Times that the whole listing is read. */
const READINGS = 3

/** What existed for the whole time, and is not touched in a way that changes whether it matches, is shown exactly once. */
describe('a listing that is read while four writers write', () => {
  const store = useStore()

  /** Submits, cancels, replays, retags, moves, until it is told to stop: what the others leave behind and what it adds. */
  async function write(
    backend: FoundationBackend,
    namespace: Namespace,
    own: readonly ExecutionId[],
    isOver: () => boolean,
  ): Promise<number> {
    let written = 0
    for (let n = 0; !isOver(); n += 1) {
      const id = own[n % own.length] as ExecutionId
      // Each change moves it between states, and so between the indexes by which it is found.
      await backend.executions.cancel({ namespace, id })
      await submitOne(store(), { lane: parseLaneId(`lane-${n % 3}`) })
      await backend.executions.replay({ namespace, id })
      await backend.executions.setTags({ namespace, id, set: { 'round.n': String(n) } })
      await backend.executions.hold({ namespace, id })
      await backend.executions.changePriority({ namespace, id, priority: n % 9_000 })
      await backend.executions.release({ namespace, id })
      written += 7
      if (n % 5 === 0) await store().advance(1)
    }
    return written
  }

  async function readAll<Id>(read: (page: PageRequest) => Promise<Page<{ readonly id: Id }>>): Promise<Id[]> {
    const seen: Id[] = []
    let cursor: string | undefined
    do {
      const page = await read({ limit: 7, cursor })
      seen.push(...page.items.map(({ id }) => id))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    return seen
  }

  function expectEachOnce<Id>(seen: readonly Id[], there: readonly Id[]): void {
    expect(new Set(seen).size, 'one is repeated').toBe(seen.length)
    const shown = new Set(seen)
    expect(
      there.filter((id) => !shown.has(id)),
      'one is skipped',
    ).toEqual([])
  }

  it('skips and repeats nothing that was there all the time', { timeout: 60_000 }, async () => {
    const { backend, namespace, opened } = store()
    const there: ExecutionId[] = []
    const flows: FlowId[] = []
    for (let n = 0; n < 40; n += 1) {
      there.push(
        await submitOne(store(), { lane: parseLaneId(`lane-${n % 3}`), tags: { 'all.time': 'yes' } }),
      )
      // Some of the same millisecond, which only their ids tell apart.
      if (n % 4 === 0) await store().advance(1)
      if (n % 8 === 0) flows.push((await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] } })).flowId)
    }
    let isOver = false
    const writers = Array.from({ length: WRITERS }, (_, writer) => {
      const own = there.filter((_id, place) => place % WRITERS === writer)
      // An embedded store is one process's.
      const another = opened.name === 'pglite' ? backend : opened.reopen()
      return write(another, namespace, own, () => isOver)
    })
    try {
      for (let reading = 0; reading < READINGS; reading += 1) {
        expectEachOnce(await readAll((page) => backend.executions.list({ namespace, ...page })), there)
        const filter = { tags: { 'all.time': 'yes' } }
        const tagged = await readAll((page) => backend.executions.list({ namespace, filter, ...page }))
        expectEachOnce(tagged, there)
        expectEachOnce(await readAll((page) => backend.flows.list({ namespace, ...page })), flows)
      }
    } finally {
      isOver = true
    }
    const written = await Promise.all(writers)
    // They have written while it was read, each of them.
    expect(Math.min(...written)).toBeGreaterThan(0)
  })
})
