import { createPostgresBackend } from '@flowfabric/backend-postgres'
import {
  type ClaimedExecution,
  defaultNamespace,
  type ExecutionSubmission,
  type FoundationBackend,
  mintClaimId,
  mintInstanceId,
  mintSoloExecutionId,
  parseKind,
  parseLaneId,
  parseWorkerId,
} from '@flowfabric/core'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase } from '../support/servers/test-database.js'

/** What was claimed since the snapshot, and so stays in the index in front of what waits. */
const passed = 20_000
/** For so long a session begins behind it: a millisecond for each 50. */
const floorMs = passed / 50
const namespace = defaultNamespace
const lane = parseLaneId('held')

describe.each([
  { routes: 'one route', kinds: ['task'] },
  { routes: 'several routes', kinds: ['task', 'other'] },
])('claims of $routes while somebody holds a snapshot', ({ kinds }) => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>
  let pool: pg.Pool
  let holder: pg.Client
  let store: FoundationBackend

  beforeAll(async () => {
    database = await createTestDatabase(18)
    // One session, so that all claims know the same.
    pool = new pg.Pool({ connectionString: database.url, max: 1 })
    pool.on('error', () => {})
    store = createPostgresBackend({ pool, dispatchInProcess: false, listen: false })
    await store.maintenance.prepare({ partitions: { flow: 1 } })
    holder = new pg.Client({ connectionString: database.url })
    await holder.connect()
    await holder.query('begin isolation level repeatable read')
    await holder.query('select count(*) from pg_class')
    for (let done = 0; done < passed; done += 1_000) {
      await submit(1_000)
      for (let left = 1_000; left > 0; left -= 200) await complete(await claim(200))
    }
  }, 120_000)

  afterAll(async () => {
    await store.maintenance.close()
    await holder.end()
    await pool.end()
    await database.drop()
  })

  it('read what was claimed before now and then, not each time', async () => {
    await submit(500)
    const before = await readEntries()
    const startedAt = performance.now()
    for (let nth = 0; nth < 40; nth += 1) expect(await claim(10)).toHaveLength(10)
    const wholeLooks = 2 + (performance.now() - startedAt) / floorMs
    // The others may read what this test has submitted.
    expect((await readEntries()) - before).toBeLessThan(wholeLooks * (passed + 2_000) + 40 * 500)
  })

  it('come to what is better within that time, though there is always something else', async () => {
    for (let nth = 0; nth < 2; nth += 1) await submit(1_000)
    expect(await claim(1)).toHaveLength(1)
    await submit(1, 5)
    const priority = async () => (await claim(1))[0]?.priority
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
    while ((await claim(200)).length > 0);
    await submit(1, 5)
    await expect.poll(() => claim(1), { timeout: 10 * floorMs }).toHaveLength(1)
  })

  it('go on after a transaction that was rolled back had remembered something', async () => {
    const { rows } = await pool.query<{ name: string }>(
      "select format('flowfabric.floor_%s_%s', 'flowfabric.execution'::regclass::oid, id) as name from flowfabric.route",
    )
    await pool.query('reset all')
    await pool.query('begin')
    for (const { name } of rows) await pool.query("select set_config($1, '(1,2,3)', false)", [name])
    await pool.query('rollback')
    await pool.query("select set_config('flowfabric.has_floors', 'yes', false)")
    await submit(10)
    expect(await claim(10)).toHaveLength(10)
  })

  async function readEntries(): Promise<number> {
    await pool.query('select pg_stat_force_next_flush()')
    const { rows } = await pool.query<{ n: string }>(
      "select idx_tup_read as n from pg_stat_user_indexes where indexrelname = 'execution_claim'",
    )
    return Number(rows[0]?.n)
  }

  async function submit(count: number, priority = 0): Promise<void> {
    const ids = kinds.map((kind) => ({ kind: parseKind(kind) }))
    const items = Array.from({ length: count }, (_, n): ExecutionSubmission => {
      const id = mintSoloExecutionId({ namespace, lane: 'held', shards: 1, count: 1 })
      return { id, lane, input: null, priority, ...(ids[n % ids.length] as (typeof ids)[number]) }
    })
    await store.executions.submit({ namespace, items })
  }

  async function claim(max: number): Promise<readonly ClaimedExecution[]> {
    const answer = await store.leases.claim({
      namespaces: [namespace],
      claimId: mintClaimId(),
      workerId: parseWorkerId('held'),
      instanceId: mintInstanceId(),
      lanes: [lane],
      kinds: kinds.map((kind) => parseKind(kind)),
      capabilities: [],
      max,
      leaseTtlMs: 30_000,
    })
    return answer.outcome === 'claimed' ? answer.leases : []
  }

  async function complete(leases: readonly ClaimedExecution[]): Promise<void> {
    const items = leases.map(({ handle }) => ({ handle, result: null }))
    await store.leases.complete({ namespaces: [namespace], items })
  }
})
