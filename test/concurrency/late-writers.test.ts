import type { PostgresBackend } from '@flowfabric/backend-postgres'
import { type EngineEvent, type PublicState, parseLaneId, type SubmitExecutions } from '@flowfabric/core'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { createRandom } from '../model/random.js'
import { rounds } from '../support/soak.js'
import { type TestStore, useStore } from '../support/use-store.js'
import { WorkerDriver } from '../support/worker-driver.js'
import { createFeedReader, keyOf } from './feed-reader.js'

const lane = parseLaneId('late')
const writerCount = 8
const turns = rounds(400)

describe('the feed, read by who stops and starts again', () => {
  const store = useStore({ partitions: { flow: 2 } })
  const { readOn } = createFeedReader(store)

  it('has each event once per cursor, while eight writers commit late', { timeout: 600_000 }, async () => {
    const random = createRandom(20_261_122)
    const below = (bound: number) => Math.floor(random.next() * bound)
    const { namespace } = store()
    await store().backend.lanes.configure({ namespace, lane, settings: { eventLevel: 'all' } })
    const begin = (await readOn(undefined)).cursor

    let writing = true
    const writers = Array.from({ length: writerCount }, async () => {
      const backend = store().opened.reopen()
      const worker = new WorkerDriver({ ...store(), backend })
      for (let turn = 0; turn < turns; turn += 1) {
        const items = Array.from({ length: 1 + below(3) }, () => store().aSolo({ lane }))
        await submitLate(store(), backend as PostgresBackend, { namespace, items }, below(60))
        const leases = await worker.claim({ lanes: [lane], max: 2 })
        for (const { handle } of leases) await worker.complete(handle)
      }
    })

    // Of what it read in a life, only what came with a cursor that it kept counts.
    const kept: EngineEvent[] = []
    let cursor = begin
    let lives = 0
    const reader = async () => {
      while (writing) {
        const backend = store().opened.reopen()
        lives += 1
        for (let page = below(6); page >= 0; page -= 1) {
          const request = { namespace, cursor, limit: 1 + below(20), waitMs: below(30) }
          const found = await backend.events.read(request)
          if (below(4) === 0) break
          kept.push(...found.events)
          cursor = found.cursor
        }
        await backend.maintenance.close()
      }
    }
    const writes = Promise.all(writers).finally(() => {
      writing = false
    })
    await Promise.all([writes, reader()])
    kept.push(...(await readOn(cursor)).events)

    expect(lives).toBeGreaterThan(2)
    expect(new Set(kept.map(keyOf)).size).toBe(kept.length)
    const whole = (await readOn(begin)).events
    expect(kept.map(keyOf).toSorted()).toEqual(whole.map(keyOf).toSorted())
    const last = new Map<string, PublicState>()
    for (const event of kept) {
      if (event.type !== 'execution') continue
      expect(event.previousState).toBe(last.get(event.executionId) ?? null)
      last.set(event.executionId, event.publicState)
    }
    expect(last.size).toBeGreaterThanOrEqual(writerCount * turns)
  })
})

/** In a transaction that commits so much later, where the store has such; else by a call that is made so much later. */
async function submitLate(
  { opened: { inside } }: TestStore,
  backend: PostgresBackend,
  params: SubmitExecutions,
  byMs: number,
): Promise<void> {
  const pause = () => new Promise((resolve) => setTimeout(resolve, byMs))
  if (!('url' in inside) || inside.url === null) {
    await pause()
    await backend.executions.submit(params)
    return
  }
  const client = new pg.Client({ connectionString: inside.url })
  await client.connect()
  try {
    await client.query('begin')
    await backend.inTransaction(client).executions.submit(params)
    await pause()
    await client.query('commit')
  } finally {
    await client.end()
  }
}
