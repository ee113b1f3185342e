import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EmbeddedOptions } from '@flowfabric/embedded'
import { backendName } from './backends.js'
import { startPostgres } from './servers/postgres.js'
import { createTestDatabase } from './servers/test-database.js'
import { furnishFolder } from './servers/test-pglite.js'
import { startValkey } from './servers/valkey.js'
import { openValkeyStore } from './servers/valkey-store.js'

/** An empty store of the kind that the project tests, as a user names it: for what opens its store by itself. */
export interface StorePlace {
  readonly embedded: Pick<EmbeddedOptions, 'store' | 'valkey'>
  /** The same as settings of a program. The folder of an embedded store is the program's own. */
  readonly env: Readonly<Record<string, string>>
  /** Where the store is embedded, makes in a program's folder what takes its first start five seconds. */
  furnish(folder: string): Promise<void>
  /** Removes the store, and all that is in it. */
  remove(): Promise<void>
}

export interface StorePlaceOptions {
  /** On a server that writes to the disk before it acknowledges; a server that was chosen is as it is. */
  readonly durable?: boolean
  /** Found again by whoever opens it later: an embedded store is in a folder then, and not in memory. */
  readonly lasting?: boolean
}

export async function createStorePlace({
  durable = false,
  lasting = false,
}: StorePlaceOptions = {}): Promise<StorePlace> {
  const name = backendName()
  const isOwnServer = durable && process.env.FF_TEST_URL === undefined
  switch (name) {
    case 'pglite':
      if (!lasting) return placeOfPglite(':memory:', async () => {})
      return placeInFolder(await mkdtemp(join(tmpdir(), 'flowfabric-store-')))
    case 'postgres18': {
      if (!isOwnServer) {
        const { url, drop } = await createTestDatabase(18)
        return placeOfPostgres(url, drop)
      }
      const server = await startPostgres({ major: 18, durable })
      return placeOfPostgres(await server.createDatabase('place'), () => server.stop())
    }
    case 'valkey':
      if (isOwnServer) {
        const server = await startValkey({ durable })
        return placeOfValkey({ url: server.url, cluster: false, keyPrefix: 'ff' }, () => server.stop())
      }
      return placeOfStore('valkey')
    case 'valkeyCluster':
      return placeOfStore('valkeyCluster')
    default:
      throw new Error(`a store of ${name} has no place that a user could name`)
  }
}

async function placeInFolder(folder: string): Promise<StorePlace> {
  await furnishFolder(folder)
  return placeOfPglite(folder, () => rm(folder, { recursive: true, force: true }))
}

function placeOfPglite(store: string, remove: () => Promise<void>): StorePlace {
  return { embedded: { store }, env: { FF_BACKEND: 'pglite' }, furnish: furnishFolder, remove }
}

function placeOfPostgres(url: string, remove: () => Promise<void>): StorePlace {
  return {
    embedded: { store: url },
    env: { FF_BACKEND: 'postgres', FF_POSTGRES_URL: url },
    furnish: async () => {},
    remove,
  }
}

async function placeOfStore(name: 'valkey' | 'valkeyCluster'): Promise<StorePlace> {
  const { options, close } = await openValkeyStore(name)
  return placeOfValkey(options, close)
}

function placeOfValkey(
  {
    url,
    cluster,
    keyPrefix,
  }: { readonly url: string; readonly cluster: boolean; readonly keyPrefix: string },
  remove: () => Promise<void>,
): StorePlace {
  return {
    embedded: { store: url, valkey: { cluster, keyPrefix } },
    env: {
      FF_BACKEND: 'valkey',
      FF_VALKEY_URL: url,
      FF_VALKEY_CLUSTER: String(cluster),
      FF_VALKEY_KEY_PREFIX: keyPrefix,
    },
    furnish: async () => {},
    remove,
  }
}
