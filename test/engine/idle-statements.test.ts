import { PGlite } from '@electric-sql/pglite'
import { createPostgresBackend } from '@flowfabric/backend-postgres'
import { createEngine, createManualClock } from '@flowfabric/engine'
import { foundationScanners } from '@flowfabric/scanners'
import pg from 'pg'
import { afterAll, expect, it } from 'vitest'
import { runIdleWorker } from './idle-worker.js'

const measuredMs = 30_000
let statements = 0
/** What was sent, by its first words, for the message of a failure. */
const sent = new Map<string, number>()

// Every statement of the backend goes through a client of the driver, whoever made its pool.
const query = pg.Client.prototype.query as (...params: unknown[]) => unknown
pg.Client.prototype.query = function countedQuery(this: pg.Client, ...params: unknown[]) {
  const [first] = params
  const text = typeof first === 'string' ? first : (first as { text?: string } | undefined)?.text
  const words = (text ?? '').trim().split(/\s+/).slice(0, 6).join(' ')
  statements++
  sent.set(words, (sent.get(words) ?? 0) + 1)
  return query.apply(this, params)
} as typeof pg.Client.prototype.query

afterAll(() => {
  pg.Client.prototype.query = query as typeof pg.Client.prototype.query
})

it('an idle system with 16 workers sends Postgres at most 10 statements a second', {
  timeout: 120_000,
}, async () => {
  const pglite = await PGlite.create()
  const backend = createPostgresBackend({ pglite })
  await backend.maintenance.prepare()
  const clock = createManualClock()
  const engine = createEngine({ backend, scanners: foundationScanners(), clock, random: () => 0.5 })
  await engine.start()
  let over = false
  for (let worker = 0; worker < 16; worker++) runIdleWorker(clock, engine, () => over)
  await advance(25_000)
  statements = 0
  sent.clear()
  await advance(measuredMs)
  const perSecond = statements / (measuredMs / 1_000)
  expect(perSecond, JSON.stringify(Object.fromEntries(sent), null, 1)).toBeLessThanOrEqual(10)
  expect(perSecond).toBeGreaterThan(1)
  over = true
  const stopped = engine.stop({ graceMs: 1_000 })
  await advance(2_000)
  await stopped
  await backend.maintenance.close()
  await pglite.close()

  /** In steps, since the store answers in its own time: what one step began is waited for behind it, by a query that is not counted. */
  async function advance(byMs: number): Promise<void> {
    for (let left = byMs; left > 0; left -= STEP_MS) {
      await clock.advance(Math.min(STEP_MS, left))
      await pglite.query('select 1')
      await clock.settle()
    }
  }
})

const STEP_MS = 1_000
