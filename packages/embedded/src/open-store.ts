import { engineError, type FoundationBackend, type PartitionConfig } from '@flowfabric/core'
import type { StoreAddress } from './store-address.js'

/** An open store, prepared for use. */
export interface OpenStore {
  readonly backend: FoundationBackend
  /** Tells a second process that wants the folder where this one can be reached. */
  announce(url: string): void
  close(): Promise<void>
}

export interface OpenStoreOptions {
  readonly partitions?: Partial<PartitionConfig> | undefined
  readonly schema?: string | undefined
  readonly connectionsMax?: number | undefined
  readonly pooler?: boolean | undefined
  readonly durability?: 'process-death' | 'power-loss' | undefined
}

/**
 * Opens a store with the backend that its address needs. Backends are optional peers, loaded when they are needed: who
 * embeds one store installs that one's driver alone.
 */
export async function openStore(address: StoreAddress, options: OpenStoreOptions): Promise<OpenStore> {
  const { createPostgresBackend, openPglite } = await loadPostgres(address)
  const { schema, partitions, connectionsMax, pooler, durability } = options
  if (address.kind === 'postgres') {
    const { connectionString } = address
    const backend = createPostgresBackend({ connectionString, schema, partitions, connectionsMax, pooler })
    return prepared({ backend, announce() {}, close: () => backend.maintenance.close() }, partitions)
  }
  const opened = await openPglite(address.kind === 'memory' ? ':memory:' : address.folder, { durability })
  const backend = createPostgresBackend({ pglite: opened.pglite, schema, partitions })
  return prepared(
    {
      backend,
      announce: (url) => opened.announce(url),
      async close() {
        await backend.maintenance.close()
        await opened.close()
      },
    },
    partitions,
  )
}

/** A store that cannot be prepared is closed again, so that its folder isn't held by who cannot use it. */
async function prepared(
  store: OpenStore,
  partitions: Partial<PartitionConfig> | undefined,
): Promise<OpenStore> {
  try {
    await store.backend.maintenance.prepare({ partitions })
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}

async function loadPostgres(address: StoreAddress): Promise<typeof import('@flowfabric/backend-postgres')> {
  try {
    if (address.kind !== 'postgres') await import('@electric-sql/pglite')
    return await import('@flowfabric/backend-postgres')
  } catch (cause) {
    const missing = missingPackage(cause)
    if (missing === undefined) throw cause
    const needed = missing.startsWith('@electric-sql/pglite')
      ? '@electric-sql/pglite'
      : '@flowfabric/backend-postgres'
    throw engineError(
      'invalid_configuration',
      `This store needs the package ${needed}, which is not installed: npm install ${needed}`,
      {},
      { cause },
    )
  }
}

function missingPackage(error: unknown): string | undefined {
  const { code, message } = error as { readonly code?: string; readonly message?: string }
  if (code !== 'ERR_MODULE_NOT_FOUND') return undefined
  const name = /'((?:@flowfabric\/backend-postgres|@electric-sql\/pglite)[^']*)'/.exec(message ?? '')?.[1]
  return name
}
