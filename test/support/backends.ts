import {
  type FoundationBackend,
  type OperationParts,
  type PartitionConfig,
  type PartitionTag,
  readPartitionConfig,
} from '@flowfabric/core'
import { createModel, type ModelBackend } from '../model/index.js'
import { flowPartitions } from './drive.js'
import type { DyingClaimers } from './dying-claimers.js'
import type { PostgresMajor } from './servers/postgres.js'
import { createTestDatabase } from './servers/test-database.js'

const backendNames = [
  'model',
  'pglite',
  'postgres18',
  'postgres15',
  'pgbouncer',
  'valkey',
  'valkeyCluster',
] as const
export type BackendName = (typeof backendNames)[number]

/** The store that the running project tests; the model where a project names none. */
export function backendName(): BackendName {
  const name = process.env.FF_TEST_BACKEND ?? 'model'
  if ((backendNames as readonly string[]).includes(name)) return name as BackendName
  throw new Error(`FF_TEST_BACKEND is ${name}, not one of ${backendNames.join(', ')}`)
}

export interface TestBackendOptions {
  readonly name?: BackendName | undefined
  readonly partitions?: Partial<PartitionConfig> | undefined
  readonly inlineResolveEdges?: number | undefined
  readonly hopMaxEdges?: number | undefined
  /** `false`: its clock runs, as in any store that is not made for tests. */
  readonly virtualTime?: false | undefined
}

/** A store of its own, empty, with its clock standing still until it is moved. */
export interface TestBackend {
  readonly name: BackendName
  readonly backend: FoundationBackend
  readonly partitionCounts: PartitionConfig
  /** All partitions of the flow family. */
  readonly partitions: readonly PartitionTag[]
  /** The model's records, or how to reach the tables or keys: for the fault hooks of single tests. */
  readonly inside: { readonly model: ModelBackend } | SqlInside | ValkeyInside
  /** What its bulk operations are made of, for tests that let a part of them fail; not of the model. Closed with this one. */
  operationParts(): Promise<OperationParts>
  /** Processes on the same store that die as they claim; of stores that several processes can be on. Closed with this one. */
  dyingClaimers(): Promise<DyingClaimers>
  /** Another backend on the same store, as another process would have it; closed with this one. */
  reopen(): FoundationBackend
  close(): Promise<void>
}

export interface SqlInside {
  readonly pool: SqlPool
  readonly schema: string
  /** Where another session connects to; `null` where there can be only one. */
  readonly url: string | null
}

export interface ValkeyInside {
  /** How another process would connect to it. */
  readonly options: { readonly url: string; readonly cluster: boolean; readonly keyPrefix: string }
  /** A plain command, whose first argument is its key, to whoever serves that; bulk strings come as buffers. */
  readonly send: (command: string, ...args: (string | number | Buffer)[]) => Promise<unknown>
  /** What all keys of the store begin with. */
  readonly keyPrefix: string
  /** All of its keys. */
  readonly keys: () => Promise<readonly string[]>
}

/** What a fault hook needs of a pool. */
export interface SqlPool {
  query(
    text: string,
    values?: readonly unknown[],
  ): Promise<{ readonly rows: readonly Record<string, unknown>[] }>
}

/** Where virtual time begins: 2026-01-01. */
export const startMs = 1_767_225_600_000

export async function createTestBackend(options: TestBackendOptions = {}): Promise<TestBackend> {
  const name = options.name ?? backendName()
  // Few partitions keep the drives short; more than one, so that what is looked for in the wrong one is missed.
  const partitionCounts = readPartitionConfig({ flow: 2, budget: 1, quota: 1, ...options.partitions })
  const opened = await open(name, options, partitionCounts)
  const virtualTime = options.virtualTime === false ? undefined : { startMs }
  await opened.backend.maintenance.prepare({ partitions: partitionCounts, virtualTime })
  return { name, partitionCounts, partitions: flowPartitions(partitionCounts.flow), ...opened }
}

function open(
  name: BackendName,
  options: TestBackendOptions,
  partitions: PartitionConfig,
): Promise<Opened> | Opened {
  switch (name) {
    case 'model':
      return openModel(options, partitions)
    case 'valkey':
    case 'valkeyCluster':
      return openValkey(name, options, partitions)
    default:
      return openPostgres(name, options, partitions)
  }
}

type Opened = Pick<
  TestBackend,
  'backend' | 'inside' | 'operationParts' | 'dyingClaimers' | 'reopen' | 'close'
>

function openModel(options: TestBackendOptions, partitions: PartitionConfig): Opened {
  const { inlineResolveEdges, hopMaxEdges } = options
  const model = createModel({ partitions, inlineResolveEdges, hopMaxEdges })
  const operationParts = () => Promise.reject(new Error('the model decides in one step'))
  const dyingClaimers = () => Promise.reject(new Error('the model has one process'))
  const close = () => model.maintenance.close()
  return { backend: model, inside: { model }, operationParts, dyingClaimers, reopen: () => model, close }
}

async function openPostgres(
  name: 'pglite' | 'postgres18' | 'postgres15' | 'pgbouncer',
  options: TestBackendOptions,
  partitions: PartitionConfig,
): Promise<Opened> {
  const { createPostgresBackend } = await import('@flowfabric/backend-postgres')
  const { inlineResolveEdges, hopMaxEdges } = options
  const place =
    name === 'pglite'
      ? await openPglite(partitions, options.virtualTime !== false)
      : await openServer(name === 'postgres15' ? 15 : 18, partitions, name === 'pgbouncer')
  const opened: FoundationBackend[] = []
  const settings = {
    ...place.options,
    partitions,
    inlineResolveEdges,
    hopMaxEdges,
    // Tests carry out the outbox by hand, to see what is in it.
    dispatchInProcess: false,
  }
  const reopen = () => {
    const backend = createPostgresBackend(settings)
    opened.push(backend)
    return backend
  }
  const backend = reopen()
  const contexts: { close(): Promise<void> }[] = []
  const operationParts = async () => {
    const { openPostgresParts } = await import('./operation-parts.js')
    const { parts, close: closeParts } = openPostgresParts(settings, backend.executions)
    contexts.push({ close: closeParts })
    return parts
  }
  const dyingClaimers = async () => {
    if (place.url === null) throw new Error('nobody else is on an embedded store')
    const { openDyingOnPostgres } = await import('./dying-claimers.js')
    const claimers = openDyingOnPostgres({ ...settings, connectionString: place.url }, place.pool)
    contexts.push(claimers)
    return claimers
  }
  const close = async () => {
    await Promise.all(opened.map((each) => each.maintenance.close()))
    await Promise.all(contexts.map((each) => each.close()))
    await place.close()
  }
  return {
    backend,
    inside: { pool: place.pool, schema: place.schema, url: place.url },
    operationParts,
    dyingClaimers,
    reopen,
    close,
  }
}

/** Keys of its own for each store: a prefix on the Cluster, which has one database, and a database on the standalone server. */
async function openValkey(
  name: 'valkey' | 'valkeyCluster',
  options: TestBackendOptions,
  partitions: PartitionConfig,
): Promise<Opened> {
  const [{ createValkeyBackend }, { openValkeyStore }] = await Promise.all([
    import('@flowfabric/backend-valkey'),
    import('./servers/valkey-store.js'),
  ])
  const { inlineResolveEdges, hopMaxEdges } = options
  const place = await openValkeyStore(name)
  const opened: FoundationBackend[] = []
  const settings = {
    ...place.options,
    partitions,
    inlineResolveEdges,
    hopMaxEdges,
    // Tests carry out the outbox by hand, to see what is in it.
    dispatchInProcess: false,
  }
  const reopen = () => {
    const backend = createValkeyBackend(settings)
    opened.push(backend)
    return backend
  }
  const backend = reopen()
  const contexts: { close(): Promise<void> }[] = []
  const operationParts = async () => {
    const { openValkeyParts } = await import('./operation-parts.js')
    const { parts, close: closeParts } = openValkeyParts(settings, backend.executions)
    contexts.push({ close: closeParts })
    return parts
  }
  const dyingClaimers = async () => {
    const { openDyingOnValkey } = await import('./dying-claimers.js')
    const claimers = openDyingOnValkey(settings)
    contexts.push(claimers)
    return claimers
  }
  const close = async () => {
    await Promise.all(opened.map((each) => each.maintenance.close()))
    await Promise.all(contexts.map((each) => each.close()))
    await place.close()
  }
  return { backend, inside: place.inside, operationParts, dyingClaimers, reopen, close }
}

/** A schema of the process's one PGlite. */
async function openPglite(partitions: PartitionConfig, hasVirtualTime: boolean) {
  const [{ borrowSchema }, { createPostgresBackend }] = await Promise.all([
    import('./servers/pglite-schemas.js'),
    import('@flowfabric/backend-postgres'),
  ])
  const virtualTime = hasVirtualTime ? { startMs } : undefined
  const { pglite, schema, pool, close } = await borrowSchema({
    holds: JSON.stringify({ partitions, virtualTime }),
    fill: async (place) => {
      const { maintenance } = createPostgresBackend({ ...place, partitions })
      await maintenance.prepare({ partitions, virtualTime })
      await maintenance.close()
    },
  })
  return { options: { pglite, schema }, pool: toSqlPool(pool), schema, url: null, close }
}

/** A database for each store, on the run's shared server. */
async function openServer(major: PostgresMajor, partitions: PartitionConfig, isPooled: boolean) {
  const { default: pg } = await import('pg')
  const schema = 'flowfabric'
  const database = await createTestDatabase(major, {
    name: `prepared_${partitions.flow}_${partitions.budget}_${partitions.quota}`,
    fill: (url) => prepareStore(url, schema, partitions),
  })
  const pool = new pg.Pool({ connectionString: database.url, max: 2 })
  // The database goes with its test, and cuts what is still connected.
  pool.on('error', () => {})
  const close = async () => {
    await pool.end()
    await database.drop()
  }
  const { url } = database
  const access = isPooled ? await throughPooler(url) : { connectionString: url }
  return { options: { ...access, schema }, pool: toSqlPool(pool), schema, url, close }
}

/** What is listened to goes past the pooler, as it has to. */
async function throughPooler(url: string) {
  const [{ inject }, { urlThrough }] = await Promise.all([import('vitest'), import('./servers/pgbouncer.js')])
  const port = inject('pgbouncerPort')
  if (port === undefined)
    throw new Error('this project has no PgBouncer: name it in support/servers/global-setup.ts')
  return { connectionString: urlThrough(port, url), pooler: true, listenConnectionString: url }
}

async function prepareStore(url: string, schema: string, partitions: PartitionConfig): Promise<void> {
  const { createPostgresBackend } = await import('@flowfabric/backend-postgres')
  const { maintenance } = createPostgresBackend({ connectionString: url, schema, partitions })
  try {
    await maintenance.prepare()
  } finally {
    await maintenance.close()
  }
}

function toSqlPool(pool: import('pg').Pool): SqlPool {
  return { query: (text, values) => pool.query(text, values === undefined ? [] : [...values]) }
}
