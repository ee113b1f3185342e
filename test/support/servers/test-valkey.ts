import type { Redis } from 'iovalkey'
import { inject } from 'vitest'
import { databaseCount } from './valkey.js'
import { withClient } from './valkey-client.js'

export interface TestValkey {
  /** Never 0, which keeps the books of who has which. */
  readonly database: number
  readonly url: string
  /** Cuts the connections that are still open, and empties it. */
  drop(): Promise<void>
}

const lastKey = 'databases:last'
const returnedKey = 'databases:returned'

/**
 * An empty database on the run's shared standalone server: one per store that a test opens. Functions and
 * channels belong to the server, and all databases share them.
 */
export async function createTestValkey(): Promise<TestValkey> {
  const server = inject('valkeyUrl')
  if (server === undefined) throw new Error(`this project has no Valkey: ${whereToNameIt}`)
  const port = Number(new URL(server).port)
  const database = await withClient(port, takeDatabase)
  await withClient(port, (client) => client.flushdb(), { database })
  return {
    database,
    url: `${server}/${database}`,
    drop: () => withClient(port, (books) => giveBack(books, database)),
  }
}

/** The nodes of the run's shared Cluster. Its one database is everybody's, and nobody may kill a node. */
export function testClusterAddresses(): readonly { host: string; port: number }[] {
  const addresses = inject('valkeyClusterAddresses')
  if (addresses === undefined) throw new Error(`this project has no Valkey Cluster: ${whereToNameIt}`)
  return addresses
}

const whereToNameIt = 'name it in support/servers/global-setup.ts'

/** One that nobody has had, while there are any: a client left behind may still write into its own. */
async function takeDatabase(books: Redis): Promise<number> {
  const fresh = await books.incr(lastKey)
  if (fresh < databaseCount) return fresh
  const returned = await books.lpop(returnedKey)
  if (returned === null) throw new Error(`all ${databaseCount - 1} databases of the test server are in use`)
  return Number(returned)
}

async function giveBack(books: Redis, database: number): Promise<void> {
  const clients = String(await books.client('LIST')).split('\n')
  const inside = clients.filter((client) => client.includes(` db=${database} `))
  for (const client of inside) await books.client('KILL', 'ID', Number(/^id=(\d+)/.exec(client)?.[1]))
  await books.select(database)
  await books.flushdb()
  await books.select(0)
  await books.rpush(returnedKey, database)
}
