import { defaultNamespace, type ExecutionSubmission, mintQuotaId } from '@flowfabric/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase } from '../support/servers/test-database.js'
import { type ClaimSession, openClaimSession } from './claim-session.js'

const quotaId = mintQuotaId()

describe.each<{ what: string; kinds: string[]; quotas: ExecutionSubmission['quotas'] }>([
  { what: 'one route', kinds: ['task'], quotas: [] },
  { what: 'several routes', kinds: ['task', 'other'], quotas: [] },
  { what: 'work that names a quota', kinds: ['task'], quotas: [{ quotaId, key: 'all' }] },
])('a store whose tables were analysed while nothing waited, with $what,', ({ kinds, quotas }) => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>
  let session: ClaimSession

  beforeAll(async () => {
    database = await createTestDatabase(18)
    session = await openClaimSession(database.url, kinds)
    await session.store.quotas.create({
      namespace: defaultNamespace,
      quotaId,
      label: 'slots',
      rate: null,
      concurrency: 10_000,
      strategy: 'queue',
    })
    for (let nth = 0; nth < 5; nth += 1) await session.submit(1_000, { quotas })
    await session.drain()
    await session.pool.query('vacuum analyze')
    for (let nth = 0; nth < 5; nth += 1) await session.submit(1_000, { quotas })
  }, 60_000)

  afterAll(async () => {
    await session.close()
    await database.drop()
  })

  it('reads for a claim what each route could hand out', async () => {
    const before = await session.readEntries()
    expect(await session.claim(10)).toHaveLength(10)
    expect((await session.readEntries()) - before).toBeLessThan(100)
  })

  it('looks by its key for what was locked and left', async () => {
    const { rows: some } = await session.pool.query<{ partition_key: number; id: string }>(
      `select partition_key, id from flowfabric.execution where public_state = 'waiting' offset 1000 limit 10`,
    )
    const before = await session.readEntries()
    const { rows } = await session.pool.query<{ lanes: number }>(
      `select count(flowfabric.claimable_lane(e.partition_key, e.id))::integer as lanes
       from unnest($1::smallint[], $2::uuid[]) e (partition_key, id)`,
      [some.map(({ partition_key }) => partition_key), some.map(({ id }) => id)],
    )
    expect(rows[0]?.lanes).toBe(10)
    expect((await session.readEntries()) - before).toBeLessThan(100)
  })
})
