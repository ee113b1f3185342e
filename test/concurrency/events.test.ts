import { type EngineEvent, type FoundationBackend, mintFlowId, partitionOfFlow } from '@flowfabric/core'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { submitOne } from '../support/builders.js'
import { FlowDriver } from '../support/flow-driver.js'
import { useStore } from '../support/use-store.js'

describe('the feed', () => {
  const store = useStore({ partitions: { flow: 2 } })

  async function number(): Promise<void> {
    for (const partition of store().partitions)
      await store().backend.maintenance.upkeep({ partition, max: 500 })
  }

  async function readOn(cursor: string | undefined, backend: FoundationBackend = store().backend) {
    await number()
    const events: EngineEvent[] = []
    let at = cursor
    for (;;) {
      const page = await backend.events.read({ namespace: store().namespace, cursor: at, limit: 7 })
      events.push(...page.events)
      if (page.events.length === 0 && page.cursor === at) return { events, cursor: page.cursor }
      at = page.cursor
    }
  }

  const keyOf = ({ partition, number: n }: EngineEvent) => `${partition}#${n}`

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
      const seen = (await reading).events.map(({ flowId }) => flowId)
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

  it('a statement of more events than a row holds, and pages that end within a row', async () => {
    const cursors = await readOn(undefined)
    const plan = Object.fromEntries(Array.from({ length: 150 }, (_, index) => [`n${index}`, {}]))
    const flow = await FlowDriver.submit(store(), plan)
    const { events } = await readOn(cursors.cursor)
    const names = events.flatMap((event) => (event.type === 'execution' ? [event.name] : []))
    expect(names).toEqual(Object.keys(plan))
    const numbers = events.map((event) => event.number)
    expect(numbers).toEqual(numbers.map((_, index) => (numbers[0] ?? 0) + index))
    expect(new Set(events.map(({ flowId }) => flowId))).toEqual(new Set([flow.flowId]))
  })

  it('feeds cover all partitions, and cursors survive a restart', async () => {
    for (const partition of [0, 1]) {
      let flowId = mintFlowId()
      while (partitionOfFlow(flowId, 2) !== partition) flowId = mintFlowId()
      await FlowDriver.submit(store(), { a: {} }, { flowId })
    }
    const first = await readOn(undefined)
    expect(new Set(first.events.map(({ partition }) => partition)).size).toBe(2)
    await FlowDriver.submit(store(), { a: {} })
    const restarted = store().opened.reopen()
    const second = await readOn(first.cursor, restarted)
    expect(second.events.length).toBeGreaterThan(0)
    const chain = [...first.events, ...second.events].map(keyOf)
    expect(chain.sort()).toEqual((await readOn(undefined)).events.map(keyOf).sort())
  })

  it('writers and a reader at once: each event once, in order per execution', async () => {
    const cursors = await readOn(undefined)
    const seen: EngineEvent[] = []
    let cursor = cursors.cursor
    let writing = true
    const writers = [store().backend, store().opened.reopen(), store().opened.reopen()].map(
      async (backend, w) => {
        const stage = { ...store(), backend }
        for (let i = 0; i < 8; i += 1) {
          const flow = await FlowDriver.submit(stage, { a: {}, b: { after: ['a'] } })
          await flow.startAmongOthers('a')
          await ((i + w) % 3 === 0 ? flow.fail('a') : flow.complete('a'))
          await flow.settle()
          await submitOne(store())
        }
      },
    )
    const reader = (async () => {
      while (writing) {
        const page = await readOn(cursor)
        seen.push(...page.events)
        cursor = page.cursor
      }
    })()
    await Promise.all(writers).finally(() => {
      writing = false
    })
    await reader
    seen.push(...(await readOn(cursor)).events)
    expect(new Set(seen.map(keyOf)).size).toBe(seen.length)
    const all = (await readOn(cursors.cursor)).events
    expect(seen.map(keyOf).sort()).toEqual(all.map(keyOf).sort())
    const last = new Map<string, number>()
    for (const event of seen) {
      const object = event.type === 'flow' ? event.flowId : event.executionId
      expect(event.number).toBeGreaterThan(last.get(object) ?? 0)
      last.set(object, event.number)
    }
  })
})
