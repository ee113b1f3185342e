import { mintUuid, type PartitionConfig, type SigningSecret } from '@flowfabric/core'
import { createEngine, type Engine, type EngineOptions } from '@flowfabric/engine'
import { foundationScanners } from '@flowfabric/scanners'
import { type RunningServer, type ServerOptions, startServer } from '@flowfabric/server'
import { createTestBackend, type TestBackend } from '../../support/backends.js'

/** The real server over a real engine and the store that the project tests, on a port of its own. */
export interface TestServer extends TestBackend {
  readonly engine: Engine
  readonly server: RunningServer
  readonly url: string
  readonly token: string
  call(method: string, path: string, options?: CallOptions): Promise<Called>
  stop(): Promise<void>
}

export interface CallOptions {
  /** Sent as JSON, unless it is a text: that goes as it is. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined
  readonly signal?: AbortSignal
}

export interface Called {
  readonly status: number
  readonly headers: Headers
  readonly json: Record<string, unknown>
}

export async function startTestServer(
  options: {
    readonly partitions?: Partial<PartitionConfig>
    readonly bodyBytesMax?: number
    readonly requestsPerSecond?: number
    /** Off where a test carries on by hand. */
    readonly scans?: boolean
    readonly signingSecrets?: readonly SigningSecret[]
    readonly logger?: ServerOptions['logger']
    readonly webhooks?: EngineOptions['webhooks']
  } = {},
): Promise<TestServer> {
  const store = await createTestBackend({ partitions: options.partitions })
  const engine = createEngine({
    backend: store.backend,
    scanners: options.scans === false ? [] : foundationScanners(),
    pulseIntervalMs: 100,
    signingSecrets: options.signingSecrets,
    webhooks: options.webhooks,
  })
  await engine.start()
  const token = mintUuid()
  const { bodyBytesMax, requestsPerSecond, logger } = options
  const server = await startServer({ engine, token, port: 0, bodyBytesMax, requestsPerSecond, logger })
  return {
    ...store,
    engine,
    server,
    url: server.url,
    token,
    async call(method, path, { body, headers = {}, signal } = {}) {
      const response = await fetch(`${server.url}${path}`, {
        method,
        headers: given({
          authorization: `Bearer ${token}`,
          'content-type': body === undefined ? undefined : 'application/json',
          ...headers,
        }),
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal }),
      })
      const text = await response.text()
      return { status: response.status, headers: response.headers, json: text === '' ? {} : JSON.parse(text) }
    },
    async stop() {
      await server.stop()
      await engine.stop({ graceMs: 1_000 })
      await store.close()
    },
  }
}

function given(headers: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}
