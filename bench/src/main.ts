/**
 * Our own scenarios, on a real Postgres with real durability and on PGlite, in one run.
 *   npm run bench                      everything
 *   npm run bench -- live idle         some of it
 *   npm run bench -- retained          200,000 ended executions in the store
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '@flowfabric/test/servers'
import type { Figure } from './measure.js'
import { measureRawPostgres } from './raw-postgres.js'
import { runRetained, runScenario, scenarioNames } from './scenarios.js'

const asked = process.argv.slice(2)
const names = scenarioNames.filter((name) => asked.length === 0 || asked.includes(name))
const withRetained = asked.length === 0 || asked.includes('retained')

const server = await startPostgres({
  major: 18,
  durable: true,
  settings: { shared_buffers: '256MB', max_wal_size: '2GB' },
})
const folder = await mkdtemp(join(tmpdir(), 'flowfabric-bench-'))
try {
  console.log(`${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`)
  const url = await server.createDatabase('bench')
  print('PostgreSQL 18, fsync on, synchronous_commit on', [
    {
      scenario: 'raw: rows taken and ended in batches of 64',
      value: await measureRawPostgres(url, 50_000),
      unit: 'rows/s',
    },
  ])
  for (const name of names) print(undefined, await runScenario(name, url))
  if (withRetained) print(undefined, await runRetained(url, 200_000))
  if (names.length > 0) print('PGlite in a folder, default durability', [])
  for (const name of names) print(undefined, await runScenario(name, join(folder, name), 0.2))
} finally {
  await rm(folder, { recursive: true, force: true })
  await server.stop()
}

function print(title: string | undefined, figures: readonly Figure[]): void {
  if (title !== undefined) console.log(`\n${title}`)
  for (const { scenario, value, unit, note } of figures) {
    console.log(
      `  ${scenario.padEnd(44)} ${String(value).padStart(9)} ${unit}${note === undefined ? '' : `  (${note})`}`,
    )
  }
}
