import { randomBytes } from 'node:crypto'
import { must } from '@flowfabric/core'
import type { TestProject } from 'vitest/node'
import { startPgBouncer } from './pgbouncer.js'
import { makePgliteData, type PgliteData } from './pglite-data.js'
import { type PostgresMajor, startPostgres } from './postgres.js'
import { startValkey } from './valkey.js'
import { startValkeyCluster } from './valkey-cluster.js'
import { openValkeyClient, removeKeys } from './valkey-keys.js'

declare module 'vitest' {
  interface ProvidedContext {
    /** Absent when no selected project needs it. */
    pgliteData: PgliteData | undefined
    /** Address of the run's one server of that major; absent likewise. */
    postgresUrls: Partial<Record<PostgresMajor, string>>
    /** Where the run's PgBouncer listens, in front of PostgreSQL 18; absent likewise. */
    pgbouncerPort: number | undefined
    /** Address of the run's one standalone Valkey, without a database; absent likewise. */
    valkeyUrl: string | undefined
    /** Where the nodes of the run's one Cluster listen; absent likewise. */
    valkeyClusterAddresses: readonly { host: string; port: number }[] | undefined
    /** What the keys of this run begin with on a Valkey that is not its own. */
    valkeyRunPrefix: string
  }
}

type Shared = 'pglite' | PostgresMajor | 'pgbouncer' | 'valkey' | 'valkeyCluster'

/** What projects use of what a run shares, beside that of the store that they test. */
const sharedOf: Record<string, Shared[]> = {
  postgres: [15, 'pglite', 'pgbouncer'],
  'conformance:pgbouncer': [18],
  valkey: ['valkey', 'valkeyCluster'],
  faults: ['pglite'],
  differential: ['pglite', 18, 'valkey', 'valkeyCluster'],
}

/** What a store that a project tests is on, see `backends.ts`. */
const sharedOfStore: Record<string, Shared> = {
  pglite: 'pglite',
  postgres18: 18,
  postgres15: 15,
  pgbouncer: 'pgbouncer',
  valkey: 'valkey',
  valkeyCluster: 'valkeyCluster',
}

function sharedOfProject({ name, config: { env } }: TestProject): Shared[] {
  const { FF_TEST_BACKEND, FF_TEST_URL } = env as Record<string, string | undefined>
  const shared = FF_TEST_URL === undefined ? sharedOfStore[FF_TEST_BACKEND ?? ''] : undefined
  return [...(sharedOf[name] ?? []), ...(shared === undefined ? [] : [shared])]
}

/** One of each for the whole run: its start costs more than most test files. */
export default async function setup(root: TestProject): Promise<() => Promise<void>> {
  const needed = new Set(root.vitest.projects.flatMap(sharedOfProject))
  const foreign = root.vitest.projects.map(foreignValkey).find((each) => each !== undefined)
  const runPrefix = `t${randomBytes(3).toString('hex')}`
  const started: { stop(): Promise<void> }[] = []
  const stop = async () => {
    await Promise.all(started.map((server) => server.stop()))
    if (foreign !== undefined) await leaveEmpty(foreign, runPrefix)
  }
  const start = async <Server extends { stop(): Promise<void> }>(
    what: Shared,
    begin: () => Promise<Server>,
  ): Promise<Server | undefined> => {
    if (!needed.has(what)) return undefined
    const running = await begin()
    started.push(running)
    return running
  }
  // All at once: each waits more than it computes.
  const starting = [
    start('pglite', makePgliteData).then((data) =>
      root.provide('pgliteData', data && { folder: data.folder, file: data.file }),
    ),
    startPostgresMajors().then(async (urls) => {
      root.provide('postgresUrls', urls)
      const pooler = await start('pgbouncer', () => startPgBouncer(must(urls[18], 'a PostgreSQL 18')))
      root.provide('pgbouncerPort', pooler?.port)
    }),
    start('valkey', startValkey).then((server) => root.provide('valkeyUrl', server?.url)),
    start('valkeyCluster', startValkeyCluster).then((cluster) =>
      root.provide('valkeyClusterAddresses', cluster?.addresses),
    ),
  ]
  root.provide('valkeyRunPrefix', runPrefix)
  try {
    await Promise.all(starting)
  } catch (error) {
    // What is still starting would be missed.
    await Promise.allSettled(starting)
    await stop()
    throw error
  }
  return stop

  async function startPostgresMajors(): Promise<Partial<Record<PostgresMajor, string>>> {
    const majors = [15, 18] as const
    const servers = await Promise.all(
      majors.map(async (major) => {
        const server = await start(major, () => startPostgres({ major, durable: false }))
        return server === undefined ? [] : [[major, server.url] as const]
      }),
    )
    return Object.fromEntries(servers.flat())
  }
}

interface ForeignValkey {
  readonly url: string
  readonly isCluster: boolean
}

function foreignValkey({ config: { env } }: TestProject): ForeignValkey | undefined {
  const { FF_TEST_BACKEND: store, FF_TEST_URL: url } = env as Record<string, string | undefined>
  if (url === undefined || (store !== 'valkey' && store !== 'valkeyCluster')) return undefined
  return { url, isCluster: store === 'valkeyCluster' }
}

/** Whatever a test that was ended from outside has left. */
async function leaveEmpty({ url, isCluster }: ForeignValkey, runPrefix: string): Promise<void> {
  const client = openValkeyClient(url, isCluster)
  try {
    await removeKeys(client, runPrefix)
  } finally {
    client.disconnect()
  }
}
