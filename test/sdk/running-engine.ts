import {
  type FoundationBackend,
  mintUuid,
  type Namespace,
  parseNamespace,
  SigningSecret,
} from '@flowfabric/core'
import { createEmbedded } from '@flowfabric/embedded'
import { createEngine, type Engine } from '@flowfabric/engine'
import { foundationScanners } from '@flowfabric/scanners'
import { type Client, createClient, createWorker, type Worker, type WorkerOptions } from '@flowfabric/sdk'
import { afterAll } from 'vitest'
import { createModel } from '../model/index.js'
import { backendName } from '../support/backends.js'
import { createStorePlace } from '../support/store-place.js'

/** An engine in real time, with a client: what a program has that runs everything in process. */
export interface RunningEngine {
  readonly engine: Engine
  /** The contract's roles, for looking at what was recorded. */
  readonly store: FoundationBackend
  /** Of this test alone. */
  readonly namespace: Namespace
  readonly client: Client
  /** A worker that is drained at the end. */
  startWorker(options: Omit<WorkerOptions, 'connect'>): Promise<Worker>
  close(): Promise<void>
}

interface OpenEngine {
  readonly engine: Engine
  readonly store: FoundationBackend
  stop(): Promise<void>
}

type StartEngine = (wrap?: (backend: FoundationBackend) => FoundationBackend) => Promise<RunningEngine>

/** For the tests of one file: over the model, or over what the running project names. */
export function useEngine(): StartEngine {
  let shared: Promise<OpenEngine> | undefined
  afterAll(async () => (await shared)?.stop())
  return async (wrap = (backend) => backend) => {
    shared ??= backendName() === 'model' ? openModel() : openEmbedded()
    return runOn(await shared, wrap)
  }
}

function runOn(
  { engine, store }: OpenEngine,
  wrap: (backend: FoundationBackend) => FoundationBackend,
): RunningEngine {
  const namespace = parseNamespace(`test-${mintUuid()}`)
  const backend = wrap(engine.backend)
  const { explain, waitpoints } = engine
  const connect = { backend, explain, waitpoints, namespace, publicUrl: 'https://flows.example.org' }
  const client = createClient({ connect: { ...connect, subject: 'the-tests' } })
  const workers: Worker[] = []
  return {
    engine,
    store,
    namespace,
    client,
    async startWorker(options) {
      const worker = createWorker({ workerId: 'test', ...options, connect })
      workers.push(worker)
      await worker.start()
      return worker
    },
    async close() {
      client.close()
      await Promise.all(workers.map((worker) => worker.drain({ graceMs: 0 })))
    },
  }
}

const secret = new SigningSecret('k1', mintUuid())

async function openModel(): Promise<OpenEngine> {
  const store = createModel({ partitions: { flow: 4 } })
  await store.keyring.add(secret)
  const engine = createEngine({ backend: store, scanners: foundationScanners(), signingSecrets: [secret] })
  await engine.start()
  const stop = async () => {
    await engine.stop({ graceMs: 1_000 })
    await store.maintenance.close()
  }
  return { engine, store, stop }
}

async function openEmbedded(): Promise<OpenEngine> {
  // A folder is there sooner than one in memory.
  const place = await createStorePlace({ lasting: true })
  const embedded = await createEmbedded({
    ...place.embedded,
    partitions: { flow: 4 },
    signingSecrets: [secret],
  })
  await embedded.start()
  const stop = async () => {
    await embedded.stop({ graceMs: 1_000 })
    await place.remove()
  }
  return { engine: embedded.engine, store: embedded.backend, stop }
}
