import { PGlite } from '@electric-sql/pglite'
import { createPgConfig } from '@electric-sql/pglite/node-postgres'
import { createPostgresBackend } from '@flowfabric/backend-postgres'
import { createEngine, createManualClock } from '@flowfabric/engine'
import { foundationScanners } from '@flowfabric/scanners'
import pg from 'pg'
import { afterAll, expect, it } from 'vitest'
import { runIdleWorker } from './idle-worker.js'

const pglite = await PGlite.create()
const pool = new pg.Pool(createPgConfig(pglite))
let statements = 0
/** What was sent, by its first words, for the message of a failure. */
const sent = new Map<string, number>()

pool.on('connect', (client) => {
  const query = client.query.bind(client) as (...params: unknown[]) => unknown
  Object.assign(client, {
    query(...params: unknown[]) {
      const [first] = params
      const text = typeof first === 'string' ? first : (first as { text?: string } | undefined)?.text
      const words = (text ?? '').trim().split(/\s+/).slice(0, 6).join(' ')
      statements++
      sent.set(words, (sent.get(words) ?? 0) + 1)
      return query(...params)
    },
  })
})

afterAll(async () => {
  await pool.end()
  await pglite.close()
})

it('an idle system with 16 workers sends Postgres at most 10 statements a second', {
  timeout: 60_000,
}, async () => {
  const backend = createPostgresBackend({ pool, listen: false })
  await backend.maintenance.prepare()
  const clock = createManualClock()
  const engine = createEngine({ backend, scanners: foundationScanners(), clock, random: () => 0.5 })
  await engine.start()
  let over = false
  for (let worker = 0; worker < 16; worker++) runIdleWorker(clock, engine, () => over)
  await advance(60_000)
  statements = 0
  sent.clear()
  await advance(60_000)
  expect(statements / 60, JSON.stringify(Object.fromEntries(sent), null, 1)).toBeLessThanOrEqual(10)
  expect(statements / 60).toBeGreaterThan(1)
  over = true
  const stopped = engine.stop({ graceMs: 1_000 })
  await advance(2_000)
  await stopped
  await backend.maintenance.close()

  /** In steps, since the store answers in its own time: what one step began is given a moment to come back. */
  async function advance(byMs: number): Promise<void> {
    for (let left = byMs; left > 0; left -= STEP_MS) {
      await clock.advance(Math.min(STEP_MS, left))
      await backend.maintenance.ping()
      await clock.settle()
    }
  }
})

const STEP_MS = 500
