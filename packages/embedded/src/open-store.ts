import { type ExecutionId, engineError, type FoundationBackend, type PartitionConfig } from '@flowfabric/core'
import type { StoreAddress } from './store-address.js'

/** Every backend lets people look at what it has stored; in which form is its own. */
export interface InspectableBackend extends FoundationBackend {
  inspect(id: ExecutionId): Promise<object>
}

/** An open store, prepared for use. */
export interface OpenStore {
  readonly backend: InspectableBackend
  /** Tells a second process that wants the folder where this one can be reached. */
  announce(url: string): void
  close(): Promise<void>
}

/** How a Valkey store is used. */
export interface ValkeyStoreOptions {
  /** Whether the server is a node of a Cluster (default: no). */
  readonly cluster?: boolean | undefined
  /** What all keys begin with (default `ff`). */
  readonly keyPrefix?: string | undefined
  /** Answers that wait until what they tell cannot be lost with one server, see the package's README. */
  readonly durability?:
    | {
        readonly for: readonly ('submit' | 'terminal')[]
        readonly aof?: { readonly local: 0 | 1; readonly replicas: number } | undefined
        readonly replicas?: number | undefined
        readonly timeoutMs: number
      }
    | undefined
}

export interface OpenStoreOptions {
  readonly partitions?: Partial<PartitionConfig> | undefined
  readonly schema?: string | undefined
  readonly connectionsMax?: number | undefined
  readonly pooler?: boolean | undefined
  readonly durability?: 'process-death' | 'power-loss' | undefined
  readonly valkey?: ValkeyStoreOptions | undefined
}

/**
 * Opens a store with the backend that its address needs. Backends are optional peers, loaded when they are needed: who
 * embeds one store installs that one's driver alone.
 */
export async function openStore(address: StoreAddress, options: OpenStoreOptions): Promise<OpenStore> {
  const { partitions } = options
  if (address.kind === 'valkey') {
    const { createValkeyBackend } = await load(() => import('@flowfabric/backend-valkey'))
    const backend = createValkeyBackend({ url: address.url, partitions, ...options.valkey })
    return prepared(standing(backend), partitions)
  }
  const { schema, connectionsMax, pooler, durability } = options
  if (address.kind === 'postgres') {
    const { createPostgresBackend } = await load(() => import('@flowfabric/backend-postgres'))
    const { connectionString } = address
    const backend = createPostgresBackend({ connectionString, schema, partitions, connectionsMax, pooler })
    return prepared(standing(backend), partitions)
  }
  await load(() => import('@electric-sql/pglite'))
  const { createPostgresBackend, openPglite } = await load(() => import('@flowfabric/backend-postgres'))
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

/** A store on a server: any process may have it too. */
function standing(backend: InspectableBackend): OpenStore {
  return { backend, announce() {}, close: () => backend.maintenance.close() }
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

const optionalPackages = [
  '@flowfabric/backend-postgres',
  '@flowfabric/backend-valkey',
  '@electric-sql/pglite',
]

async function load<Module>(module: () => Promise<Module>): Promise<Module> {
  try {
    return await module()
  } catch (cause) {
    const needed = missingPackage(cause)
    if (needed === undefined) throw cause
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
  return optionalPackages.find((name) => message?.includes(`'${name}`))
}
