/**
 * Our own scenarios, on a real Postgres with real durability, on PGlite and on a real Valkey, in one run.
 *   npm run bench                          everything but what takes long
 *   npm run bench -- valkey live idle      some of it
 *   npm run bench -- postgres retained     1,000,000 ended executions in the store, others that wait, and flows
 *   npm run bench -- valkey all            everything on Valkey
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres, startValkey } from '@flowfabric/test/servers'
import pg from 'pg'
import type { Figure } from './measure.js'
import { postgresScenarioNames, runPostgresScenario } from './postgres.js'
import { measureRawPostgres } from './raw-postgres.js'
import { runRetained } from './retained.js'
import { runScenario, scenarioNames } from './scenarios.js'
import { runValkeyScenario, valkeyScenarioNames } from './valkey.js'

const storeNames = ['postgres', 'pglite', 'valkey']
const args = process.argv.slice(2)
const stores = storeNames.filter(
  (name) => args.includes(name) || !args.some((each) => storeNames.includes(each)),
)
const asked = args.filter((each) => !storeNames.includes(each))
const names = scenarioNames.filter((name) => isAsked(name))

console.log(`${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`)
if (stores.includes('postgres')) await benchPostgres()
if (stores.includes('pglite') && names.length > 0) await benchPglite()
if (stores.includes('valkey')) await benchValkey()

function isAsked(name: string): boolean {
  return asked.length === 0 || asked.includes('all') || asked.includes(name)
}

async function benchPostgres(): Promise<void> {
  const server = await startPostgres({
    major: 18,
    durable: true,
    settings: { shared_buffers: '256MB', max_wal_size: '2GB' },
  })
  try {
    const store = await server.createDatabase('bench')
    print('PostgreSQL 18, fsync on, synchronous_commit on', [
      {
        scenario: 'raw: rows taken and ended in batches of 64',
        value: await measureRawPostgres(store, 50_000),
        unit: 'rows/s',
      },
    ])
    for (const name of names) print(undefined, await runScenario(name, { store, schema: `bench_${name}` }))
    let databases = 0
    const nextStore = () => server.createDatabase(`bench_${++databases}`)
    for (const name of postgresScenarioNames) {
      if (isAsked(name)) print(undefined, await runPostgresScenario(name, nextStore))
    }
    if (isAsked('retained')) {
      // What autovacuum does within a minute: old work is older than that, only here it ended seconds ago.
      const vacuum = async () => {
        const client = new pg.Client({ connectionString: store })
        await client.connect()
        await client.query('vacuum analyze').finally(() => client.end())
      }
      const storeOf = (nth: number) => ({ store, schema: `bench_retained_${nth}` })
      print(undefined, await runRetained(storeOf, 1_000_000, vacuum))
    }
  } finally {
    await server.stop()
  }
}

async function benchPglite(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'flowfabric-bench-'))
  try {
    print('PGlite in a folder, default durability', [])
    for (const name of names) {
      print(undefined, await runScenario(name, { store: join(folder, name), schema: `bench_${name}` }, 0.2))
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function benchValkey(): Promise<void> {
  const server = await startValkey()
  let databases = 0
  const nextStore = () => `${server.url}/${databases++}`
  try {
    print('Valkey 8, append-only file, fsync each second', [])
    for (const name of names) print(undefined, await runScenario(name, { store: nextStore() }))
    const own = valkeyScenarioNames.filter(
      (name) => isAsked(name) && (name !== 'retained' || asked.length > 0),
    )
    for (const name of own) print(undefined, await runValkeyScenario(name, nextStore, server))
  } finally {
    await server.stop()
  }
}

function print(title: string | undefined, figures: readonly Figure[]): void {
  if (title !== undefined) console.log(`\n${title}`)
  for (const { scenario, value, unit, note } of figures) {
    console.log(
      `  ${scenario.padEnd(50)} ${String(value).padStart(9)} ${unit}${note === undefined ? '' : `  (${note})`}`,
    )
  }
}
