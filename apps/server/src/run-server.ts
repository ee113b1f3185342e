import { engineError } from '@flowfabric/core'
import { createEmbedded, type Embedded } from '@flowfabric/embedded'
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
export async function runServer(settings: Settings): Promise<RunningProcess> {
  const logger = createLogger(settings.logLevel)
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const embedded = await createEmbedded({
    store: storeOf(settings),
    schema: settings.postgresSchema,
    connectionsMax: settings.postgresConnectionsMax,
    pooler: settings.postgresPooler,
    durability: settings.durability,
    partitions: partitionsOf(settings),
    scanners: settings.scanners ? {} : false,
    engine: { logger: toEngineLogger(logger), meter: createPrometheusMeter(registry) },
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
    const { token, host, port, bodyBytesMax } = settings
    if (token === undefined) throw engineError('invalid_configuration', 'The API needs a token')
    return startServer({ engine: embedded.engine, token, host, port, logger, registry, bodyBytesMax })
  }
}

/** The store as `createEmbedded` takes it. */
export function storeOf({ backend, folder, postgresUrl }: Settings): string {
  if (backend !== 'postgres') return folder
  if (postgresUrl === undefined)
    throw engineError('invalid_configuration', 'The backend postgres needs postgresUrl')
  return postgresUrl
}

function partitionsOf({ flowPartitions, budgetPartitions, quotaPartitions }: Settings) {
  return {
    ...(flowPartitions === undefined ? {} : { flow: flowPartitions }),
    ...(budgetPartitions === undefined ? {} : { budget: budgetPartitions }),
    ...(quotaPartitions === undefined ? {} : { quota: quotaPartitions }),
  }
}
