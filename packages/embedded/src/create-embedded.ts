import { hostname } from 'node:os'
import type { ExecutionId, FoundationBackend, PartitionConfig, SigningSecret } from '@flowfabric/core'
import { createEngine, type Engine, type EngineOptions } from '@flowfabric/engine'
import { type FoundationScannerOptions, foundationScanners } from '@flowfabric/scanners'
import { addFirstSigningKey } from './first-signing-key.js'
import { type OpenStore, openStore, type Transactions, type ValkeyStoreOptions } from './open-store.js'
import { keepSigningSecrets, randomSigningSecrets } from './signing-file.js'
import { describeAddress, readStoreAddress, type StoreAddress } from './store-address.js'

export interface EmbeddedOptions {
  /** A folder (an embedded store, locked to this process), `:memory:`, `postgres://…` or `valkey://…`. */
  readonly store: string
  /** Counts at the first boot; later they must agree when given. */
  readonly partitions?: Partial<PartitionConfig> | undefined
  /** Schema of the tables (default `flowfabric`). */
  readonly schema?: string | undefined
  /** Connections to a Postgres server (default 10). */
  readonly connectionsMax?: number | undefined
  /** Behind a transaction pooler. */
  readonly pooler?: boolean | undefined
  /** Where the connection that listens to other processes goes, past the pooler. */
  readonly listenUrl?: string | undefined
  /** What of an embedded store survives: a killed process (default), or a power failure too, more slowly. */
  readonly durability?: 'process-death' | 'power-loss' | undefined
  /** Of a Valkey store. */
  readonly valkey?: ValkeyStoreOptions | undefined
  /**
   * Secrets of the keys that sign waitpoints' tokens. Default: a folder keeps them in its file `signing-keys`, a store in
   * memory has a random one, and a store on a server none. Where no key signs yet, the first of them begins to.
   */
  readonly signingSecrets?: readonly SigningSecret[] | undefined
  /** Settings of the background scanners; `false` runs none, for a process that leaves them to others. */
  readonly scanners?: FoundationScannerOptions | false | undefined
  /** Settings of the engine. */
  readonly engine?: Omit<EngineOptions, 'backend' | 'scanners' | 'signingSecrets'> | undefined
}

/** Everything in one process: a store, and the engine that makes it go. */
export interface Embedded {
  /** The contract's roles: what clients and workers of this process are given. */
  readonly backend: FoundationBackend
  readonly engine: Engine
  /** Why an execution does not run, or that it does. */
  readonly explain: Engine['explain']
  /** Tokens of waitpoints, and signals of whoever bears one. */
  readonly waitpoints: Engine['waitpoints']
  /** Webhooks, with their secrets. */
  readonly webhooks: Engine['webhooks']
  /**
   * All that the store holds of an execution, whatever its namespace, for people: the form is the store's own and no part of
   * any promise. Throws `execution_not_found`.
   */
  inspect(id: ExecutionId): Promise<object>
  /** Transactions of your own, with submits that are part of them; `undefined` on Valkey, which has none. */
  readonly transactions: Transactions | undefined
  readonly info: EmbeddedInfo
  /** Tells a second process that wants the same folder where this one can be reached. */
  announce(url: string): void
  /** Starts the engine. Idempotent. */
  start(): Promise<void>
  /** Stops the engine, closes the store and gives the folder up. Idempotent. */
  stop(params?: { readonly graceMs?: number | undefined }): Promise<void>
}

export interface EmbeddedInfo {
  readonly kind: StoreAddress['kind']
  /** For people; without a password. */
  readonly store: string
}

/**
 * Opens the store, prepares it, and puts an engine over it. Throws `store_in_use` when another process has the folder,
 * `invalid_configuration` when a package is missing, and what `maintenance.prepare` throws.
 */
export async function createEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const address = readStoreAddress(options.store)
  // Settings are judged before the folder is locked.
  const scanners = options.scanners === false ? [] : foundationScanners(options.scanners)
  const store = await openStore(address, options)
  const signingSecrets = await secretsOf(address, store, options)
  const engine = createEngine({
    label: `${hostname()}:${process.pid}`,
    // An embedded store carries out one statement at a time: background passes must not queue up before workers. And it is
    // locked to this process, so that what a killed one was doing goes on at once.
    ...(isEmbedded(address) ? { passesMax: 2, alone: true } : {}),
    ...options.engine,
    backend: store.backend,
    scanners,
    signingSecrets,
  })
  const start = async () => {
    await addFirstSigningKey(store.backend.keyring, signingSecrets)
    await engine.start()
  }
  let starting: Promise<void> | undefined
  let stopping: Promise<void> | undefined
  return {
    backend: engine.backend,
    engine,
    explain: (params) => engine.explain(params),
    waitpoints: engine.waitpoints,
    webhooks: engine.webhooks,
    inspect: (id) => store.backend.inspect(id),
    transactions: store.transactions,
    info: { kind: address.kind, store: describeAddress(address) },
    announce: (url) => store.announce(url),
    start() {
      starting ??= start().catch((error: unknown) => {
        starting = undefined
        throw error
      })
      return starting
    },
    stop: ({ graceMs } = {}) => {
      stopping ??= engine.stop({ graceMs }).finally(() => store.close())
      return stopping
    },
  }
}

/** A store whose secrets cannot be had is closed again. */
async function secretsOf(
  address: StoreAddress,
  store: OpenStore,
  { signingSecrets }: EmbeddedOptions,
): Promise<readonly SigningSecret[]> {
  if (signingSecrets !== undefined) return signingSecrets
  if (address.kind === 'memory') return randomSigningSecrets()
  if (address.kind !== 'folder') return []
  try {
    return keepSigningSecrets(address.folder)
  } catch (error) {
    await store.close()
    throw error
  }
}

function isEmbedded({ kind }: StoreAddress): boolean {
  return kind === 'folder' || kind === 'memory'
}
