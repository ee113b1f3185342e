import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase } from '../support/servers/test-database.js'
import { type ClaimSession, openClaimSession } from './claim-session.js'

/** What was claimed since the snapshot, and so stays in the index in front of what waits. */
const passed = 20_000
/** For so long a session begins behind it: a millisecond for each 50. */
const floorMs = passed / 50

describe.each([
  { routes: 'one route', kinds: ['task'] },
  { routes: 'several routes', kinds: Array.from({ length: 8 }, (_, n) => `task-${n}`) },
])('claims of $routes while somebody holds a snapshot', ({ kinds }) => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>
  let session: ClaimSession
  let holder: pg.Client
  let knewBefore: boolean

  beforeAll(async () => {
    database = await createTestDatabase(18)
    session = await openClaimSession(database.url, kinds)
    for (let nth = 0; nth < 2; nth += 1) await session.submit(1_000)
    await session.complete(await session.claim(200))
    knewBefore = await knowsFloors()
    await session.drain()
    holder = new pg.Client({ connectionString: database.url })
    await holder.connect()
    await holder.query('begin isolation level repeatable read')
    await holder.query('select count(*) from pg_class')
    for (let done = 0; done < passed; done += 1_000) {
      await session.submit(1_000)
      await session.drain()
    }
    // As the server does by itself now and then: its statistics say that nothing waits.
    await session.pool.query('analyze flowfabric.execution')
  }, 120_000)

  afterAll(async () => {
    await session.close()
    await holder.end()
    await database.drop()
  })

  it('remember nothing where nothing was claimed yet, though they read more than they hand out', () => {
    expect(knewBefore).toBe(false)
  })

  it('read what was claimed before now and then, not each time', async () => {
    await session.submit(500)
    const before = await session.readEntries()
    const startedAt = performance.now()
    for (let nth = 0; nth < 40; nth += 1) expect(await session.claim(10)).toHaveLength(10)
    const wholeLooks = 2 + (performance.now() - startedAt) / floorMs
    // The others may read what this test has submitted.
    expect((await session.readEntries()) - before).toBeLessThan(wholeLooks * (passed + 2_000) + 40 * 500)
  })

  it('come to what is better within that time, though there is always something else', async () => {
    for (let nth = 0; nth < 2; nth += 1) await session.submit(1_000)
    expect(await session.claim(1)).toHaveLength(1)
    await session.submit(1, { priority: 5 })
    const priority = async () => (await session.claim(1))[0]?.priority
    const seen = []
    const startedAt = performance.now()
    for (;;) {
      const next = await priority()
      seen.push(next)
      if (next === 5 || performance.now() - startedAt > 10 * floorMs) break
    }
    expect(seen.at(-1)).toBe(5)
  })

  it('come to what is better when there is nothing else', async () => {
    while ((await session.claim(200)).length > 0);
    await session.submit(1, { priority: 5 })
    await expect.poll(() => session.claim(1), { timeout: 10 * floorMs }).toHaveLength(1)
  })

  it('go on after a transaction that was rolled back had remembered something', async () => {
    const { rows } = await session.pool.query<{ name: string }>(
      "select format('flowfabric.floor_%s_%s', 'flowfabric.execution'::regclass::oid, id) as name from flowfabric.route",
    )
    await session.pool.query('reset all')
    await session.pool.query('begin')
    for (const { name } of rows) await session.pool.query("select set_config($1, '(1,2,3)', false)", [name])
    await session.pool.query('rollback')
    await session.pool.query("select set_config('flowfabric.has_floors', 'yes', false)")
    await session.submit(10)
    expect(await session.claim(10)).toHaveLength(10)
  })

  async function knowsFloors(): Promise<boolean> {
    const { rows } = await session.pool.query<{ known: string | null }>(
      "select current_setting('flowfabric.has_floors', true) as known",
    )
    return rows[0]?.known === 'yes'
  }
})
