import { mintFlowId } from '@flowfabric/core'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { FlowDriver } from '../support/flow-driver.js'
import { useStore } from '../support/use-store.js'
import { createFeedReader, keyOf } from './feed-reader.js'

describe('the feed, numbered after the commit', () => {
  const store = useStore({ partitions: { flow: 2 } })
  const { number, readOn } = createFeedReader(store)

  it('a change-feed cursor skips rows whose transaction committed late', async () => {
    const { inside } = store().opened
    if (!('url' in inside) || inside.url === null) throw new Error('this test needs a server')
    const flow = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] } })
    const before = await readOn(undefined)
    // Another process appends an event, and takes its time to commit.
    const late = new pg.Client({ connectionString: inside.url })
    await late.connect()
    try {
      await late.query('begin')
      const { rowCount } = await late.query(
        `insert into ${inside.schema}.event_batch (at, partitions, bodies)
         select (body -> 0 ->> 0)::bigint, array[partition_key], array[body -> 0 -> 1]
         from ${inside.schema}.event order by first_number limit 1`,
      )
      expect(rowCount).toBe(1)
      await flow.end('a', 'success')
      await flow.settle()
      const during = await readOn(before.cursor)
      // It delays only its own events.
      expect(during.events.length).toBeGreaterThan(0)
      await late.query('commit')
      const after = await readOn(during.cursor)
      expect(after.events.length).toBeGreaterThan(0)
      const chain = [...before.events, ...during.events, ...after.events].map(keyOf)
      expect(new Set(chain).size).toBe(chain.length)
      expect(chain.sort()).toEqual((await readOn(undefined)).events.map(keyOf).sort())
    } finally {
      await late.end()
    }
  })

  it('a reader waits for whoever gives the numbers, and sees what was committed before it came', async () => {
    const { inside } = store().opened
    if (!('url' in inside) || inside.url === null) throw new Error('this test needs a server')
    const before = await readOn(undefined)
    const other = new pg.Client({ connectionString: inside.url })
    await other.connect()
    try {
      const numbered = await FlowDriver.submit(store(), { a: {} })
      await other.query('begin')
      const { rows } = await other.query(
        `select numbered from ${inside.schema}.number_events(true, null, 1000)`,
      )
      expect(rows[0].numbered).toBeGreaterThan(0)
      const later = await FlowDriver.submit(store(), { a: {} })
      let isOver = false
      const reading = store()
        .backend.events.read({ namespace: store().namespace, cursor: before.cursor })
        .finally(() => {
          isOver = true
        })
      // Upkeep leaves the work to the holder instead of waiting for it.
      await number()
      await new Promise((resolve) => setTimeout(resolve, 100))
      expect(isOver).toBe(false)
      await other.query('commit')
      const seen = (await reading).events.map((event) => 'flowId' in event && event.flowId)
      expect(new Set(seen)).toEqual(new Set([numbered.flowId, later.flowId]))
    } finally {
      await other.end()
    }
  })

  it('more statements than one transaction numbers, and more events than one look reads', async () => {
    const { inside } = store().opened
    if (!('url' in inside) || inside.url === null) throw new Error('this test needs a server')
    const { flowId } = await FlowDriver.submit(store(), { a: {} })
    const cursors = await readOn(undefined)
    const sql = new pg.Client({ connectionString: inside.url })
    await sql.connect()
    try {
      await sql.query(
        `insert into ${inside.schema}.event_batch (at, partitions, bodies)
         select g, array[e.partition_key], array[e.body -> 0 -> 1]
         from ${inside.schema}.event e, generate_series(1, 2500) g where e.body::text like $1 order by g`,
        [`%${flowId}%`],
      )
      const { events } = await readOn(cursors.cursor)
      expect(events.map(({ atMs }) => atMs)).toEqual(Array.from({ length: 2_500 }, (_, index) => index + 1))
      // A filter lets nothing through, and the cursor passes all of it.
      const page = await store().backend.events.read({
        namespace: store().namespace,
        cursor: cursors.cursor,
        filter: { types: ['flow'], flowId: mintFlowId() },
        waitMs: 1,
      })
      expect((await readOn(page.cursor)).events.length).toBe(0)
    } finally {
      await sql.end()
    }
  })
})
