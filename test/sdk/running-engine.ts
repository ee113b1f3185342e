import type { FoundationBackend } from '@flowfabric/core'
import { createEngine, type Engine } from '@flowfabric/engine'
import { foundationScanners } from '@flowfabric/scanners'
import { type Client, createClient, createWorker, type Worker, type WorkerOptions } from '@flowfabric/sdk'
import { createModel } from '../model/index.js'

/** An engine over the reference model, in real time, with a client: what a program has that runs everything in process. */
export interface RunningEngine {
  readonly engine: Engine
  readonly store: FoundationBackend
  readonly client: Client
  /** A worker that is drained with the engine. */
  startWorker(options: Omit<WorkerOptions, 'connect'>): Promise<Worker>
  close(): Promise<void>
}

export async function startEngine(
  wrap: (backend: FoundationBackend) => FoundationBackend = (backend) => backend,
): Promise<RunningEngine> {
  const store = createModel({ partitions: { flow: 4 } })
  const engine = createEngine({ backend: store, scanners: foundationScanners() })
  await engine.start()
  const backend = wrap(engine.backend)
  const client = createClient({
    connect: { backend, explain: engine.explain },
  })
  const workers: Worker[] = []
  return {
    engine,
    store,
    client,
    async startWorker(options) {
      const worker = createWorker({ workerId: 'test', ...options, connect: { backend } })
      workers.push(worker)
      await worker.start()
      return worker
    },
    async close() {
      client.close()
      await Promise.all(workers.map((worker) => worker.drain({ graceMs: 0 })))
      await engine.stop({ graceMs: 1_000 })
      await store.maintenance.close()
    },
  }
}
