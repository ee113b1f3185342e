import { engineError, parseSigningSecrets, type SigningSecret } from '@flowfabric/core'
import { createEmbedded, type Embedded, type EmbeddedOptions } from '@flowfabric/embedded'
import { collectDefaultMetrics, Registry } from 'prom-client'
import type { Settings } from './config/settings.js'
import { type RunningServer, startServer } from './start-server.js'
import { createLogger, toEngineLogger } from './telemetry/logger.js'
import { createPrometheusMeter } from './telemetry/prometheus-meter.js'

/** A process that runs: store, engine and, unless it is switched off, the API. */
export interface RunningProcess {
  readonly embedded: Embedded
  readonly server: RunningServer | undefined
  /** The API first, so that nothing new comes; then the engine; then the store. */
  stop(): Promise<void>
}

/** Opens the store, starts the engine and serves. What was opened is closed again when a later step fails. */
export async function runServer(
  settings: Settings,
  signingSecrets: readonly SigningSecret[] | undefined = secretsOf(settings),
): Promise<RunningProcess> {
  const logger = createLogger(settings.logLevel)
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const embedded = await createEmbedded({
    ...storeOptionsOf(settings),
    connectionsMax: settings.postgresConnectionsMax,
    scanners: settings.scanners ? {} : false,
    ...(signingSecrets === undefined ? {} : { signingSecrets }),
    engine: {
      logger: toEngineLogger(logger),
      meter: createPrometheusMeter(registry),
      webhooks: { allow: listOf(settings.webhookAllow), allowHttp: settings.webhookHttp },
    },
  })
  try {
    await embedded.start()
    const server = settings.api ? await serve() : undefined
    if (server !== undefined) embedded.announce(server.url)
    return {
      embedded,
      server,
      async stop() {
        await server?.stop()
        await embedded.stop({ graceMs: settings.shutdownGraceMs })
      },
    }
  } catch (error) {
    await embedded.stop({ graceMs: 0 })
    throw error
  }

  function serve(): Promise<RunningServer> {
    const { token, host, port, bodyBytesMax, requestsPerSecond } = settings
    if (token === undefined) throw engineError('invalid_configuration', 'The API needs a token')
    return startServer({
      engine: embedded.engine,
      token,
      host,
      port,
      logger,
      registry,
      bodyBytesMax,
      requestsPerSecond,
    })
  }
}

/** What commas or spaces separate. */
function listOf(text: string): readonly string[] {
  return text.split(/[\s,]+/).filter((entry) => entry !== '')
}

/** Those of the settings; without any an embedded store keeps its own. Throws `invalid_configuration`. */
function secretsOf({ signingKeys }: Settings): readonly SigningSecret[] | undefined {
  return signingKeys === undefined ? undefined : parseSigningSecrets(signingKeys)
}

/** Which store, and how it is used, as `createEmbedded` takes it. */
export function storeOptionsOf(settings: Settings) {
  return {
    store: storeOf(settings),
    schema: settings.postgresSchema,
    pooler: settings.postgresPooler,
    listenUrl: settings.postgresListenUrl,
    valkey: {
      cluster: settings.valkeyCluster,
      keyPrefix: settings.valkeyKeyPrefix,
      durability: valkeyDurabilityOf(settings),
    },
    durability: settings.durability,
    partitions: partitionsOf(settings),
  } satisfies Partial<EmbeddedOptions>
}

const waits = {
  nothing: undefined,
  replica: { replicas: 1 },
  disk: { aof: { local: 1, replicas: 0 } },
  'replica-disk': { aof: { local: 0, replicas: 1 } },
  'disk-and-replica-disk': { aof: { local: 1, replicas: 1 } },
} as const

function valkeyDurabilityOf({ valkeyWaitFor, valkeyWaitTimeoutMs }: Settings) {
  const wait = waits[valkeyWaitFor]
  return wait && { for: ['submit', 'terminal', 'record'] as const, ...wait, timeoutMs: valkeyWaitTimeoutMs }
}

function storeOf({ backend, folder, postgresUrl, valkeyUrl }: Settings): string {
  switch (backend) {
    case 'postgres':
      return postgresUrl ?? needs('postgres', 'postgresUrl')
    case 'valkey':
      return valkeyUrl ?? needs('valkey', 'valkeyUrl')
    default:
      return folder
  }
}

function needs(backend: string, setting: string): never {
  throw engineError('invalid_configuration', `The backend ${backend} needs ${setting}`)
}

function partitionsOf({ flowPartitions, budgetPartitions, quotaPartitions }: Settings) {
  return {
    ...(flowPartitions === undefined ? {} : { flow: flowPartitions }),
    ...(budgetPartitions === undefined ? {} : { budget: budgetPartitions }),
    ...(quotaPartitions === undefined ? {} : { quota: quotaPartitions }),
  }
}
