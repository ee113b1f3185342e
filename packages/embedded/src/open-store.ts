import type { TransactionClient, TransactionOperations } from '@flowfabric/backend-postgres'
import {
  type ExecutionId,
  engineError,
  type FoundationBackend,
  type PartitionConfig,
  type SubmitterBackend,
} from '@flowfabric/core'
import type { StoreAddress } from './store-address.js'

/** Every backend lets people look at what it has stored; in which form is its own. */
export interface InspectableBackend extends FoundationBackend {
  inspect(id: ExecutionId): Promise<object>
}

/** A transaction of the user's: its own statements, and submits that are part of it. */
export interface EmbeddedTransaction extends SubmitterBackend {
  query<Row extends object = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
  ): Promise<{ readonly rows: readonly Row[]; readonly rowCount: number | null }>
}

/** What a store with SQL has beyond the contract, see `@flowfabric/backend-postgres`. */
export interface Transactions {
  /** Runs a function in a transaction, and commits it unless it throws. */
  transaction<T>(
    run: (transaction: EmbeddedTransaction) => Promise<T>,
    options?: { readonly timeoutMs?: number | undefined },
  ): Promise<T>
  /** The submits, bound to a transaction that was begun elsewhere: of `pg`, of Kysely. On PGlite there is no elsewhere. */
  inTransaction(transaction: object): SubmitterBackend
}

/** An open store, prepared for use. */
export interface OpenStore {
  readonly backend: InspectableBackend
  /** `undefined` on Valkey. */
  readonly transactions: Transactions | undefined
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
        readonly for: readonly ('submit' | 'terminal' | 'record')[]
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
  readonly listenUrl?: string | undefined
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
    return prepared(standing(backend, undefined), partitions)
  }
  const { schema, connectionsMax, pooler, listenUrl, durability } = options
  if (address.kind === 'postgres') {
    const { createPostgresBackend } = await load(() => import('@flowfabric/backend-postgres'))
    const { connectionString } = address
    const backend = createPostgresBackend({
      connectionString,
      schema,
      partitions,
      connectionsMax,
      pooler,
      listenConnectionString: listenUrl,
    })
    return prepared(standing(backend, toTransactions(backend)), partitions)
  }
  await load(() => import('@electric-sql/pglite'))
  const { createPostgresBackend, openPglite } = await load(() => import('@flowfabric/backend-postgres'))
  const opened = await openPglite(address.kind === 'memory' ? ':memory:' : address.folder, { durability })
  const backend = createPostgresBackend({ pglite: opened.pglite, schema, partitions })
  return prepared(
    {
      backend,
      transactions: toTransactions(backend),
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
function standing(backend: InspectableBackend, transactions: Transactions | undefined): OpenStore {
  return { backend, transactions, announce() {}, close: () => backend.maintenance.close() }
}

function toTransactions({ transaction, inTransaction }: TransactionOperations): Transactions {
  return { transaction, inTransaction: (theirs) => inTransaction(theirs as TransactionClient) }
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
