import { randomBytes } from 'node:crypto'
import type { TestProject } from 'vitest/node'
import { type PostgresMajor, startPostgres } from './postgres.js'
import { startValkey } from './valkey.js'
import { startValkeyCluster } from './valkey-cluster.js'
import { openValkeyClient, removeKeys } from './valkey-keys.js'

declare module 'vitest' {
  interface ProvidedContext {
    /** Address of the run's one server of that major; absent when no selected project needs it. */
    postgresUrls: Partial<Record<PostgresMajor, string>>
    /** Address of the run's one standalone Valkey, without a database; absent likewise. */
    valkeyUrl: string | undefined
    /** Where the nodes of the run's one Cluster listen; absent likewise. */
    valkeyClusterAddresses: readonly { host: string; port: number }[] | undefined
    /** What the keys of this run begin with on a Valkey that is not its own. */
    valkeyRunPrefix: string
  }
}

type SharedServer = PostgresMajor | 'valkey' | 'valkeyCluster'

/** Which projects use servers that a run shares beside that of the store that they test. */
const serversOf: Record<string, SharedServer[]> = {
  postgres: [15],
  valkey: ['valkey', 'valkeyCluster'],
  differential: [18, 'valkey', 'valkeyCluster'],
}

/** What a store that a project tests is on, see `backends.ts`. */
const serverOfStore: Record<string, SharedServer> = {
  postgres18: 18,
  postgres15: 15,
  valkey: 'valkey',
  valkeyCluster: 'valkeyCluster',
}

function serversOfProject({ name, config: { env } }: TestProject): SharedServer[] {
  const { FF_TEST_BACKEND, FF_TEST_URL } = env as Record<string, string | undefined>
  const server = FF_TEST_URL === undefined ? serverOfStore[FF_TEST_BACKEND ?? ''] : undefined
  return [...(serversOf[name] ?? []), ...(server === undefined ? [] : [server])]
}

/** One of each for the whole run: its start costs more than most test files. */
export default async function setup(root: TestProject): Promise<() => Promise<void>> {
  const needed = new Set(root.vitest.projects.flatMap(serversOfProject))
  const foreign = root.vitest.projects.map(foreignValkey).find((each) => each !== undefined)
  const runPrefix = `t${randomBytes(3).toString('hex')}`
  const started: { stop(): Promise<void> }[] = []
  const stop = async () => {
    await Promise.all(started.map((server) => server.stop()))
    if (foreign !== undefined) await leaveEmpty(foreign, runPrefix)
  }
  const start = async <Server extends { stop(): Promise<void> }>(
    server: Promise<Server>,
  ): Promise<Server> => {
    const running = await server
    started.push(running)
    return running
  }
  try {
    const postgresUrls: Partial<Record<PostgresMajor, string>> = {}
    for (const major of [15, 18] as const) {
      if (!needed.has(major)) continue
      postgresUrls[major] = (await start(startPostgres({ major, durable: false }))).url
    }
    root.provide('postgresUrls', postgresUrls)
    root.provide('valkeyRunPrefix', runPrefix)
    root.provide('valkeyUrl', needed.has('valkey') ? (await start(startValkey())).url : undefined)
    root.provide(
      'valkeyClusterAddresses',
      needed.has('valkeyCluster') ? (await start(startValkeyCluster())).addresses : undefined,
    )
  } catch (error) {
    await stop()
    throw error
  }
  return stop
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
