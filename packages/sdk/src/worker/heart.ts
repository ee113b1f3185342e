import { mintInstanceId } from '@flowfabric/core'
import { callSafely } from '../calls/call-safely.js'
import type { WorkerCore } from './worker-core.js'

const PATIENCE = { tries: Number.POSITIVE_INFINITY, initialMs: 100, maxMs: 5_000 }

export interface HeartEvents {
  readonly active: () => number
  /** An operator asked this instance to take no more work, or took that back. */
  readonly onDraining: (isDraining: boolean) => void
}

/** Keeps this instance in the registry, and says goodbye. It decides nothing about leases. */
export class Heart {
  readonly #core: WorkerCore
  readonly #events: HeartEvents
  #timer: NodeJS.Timeout | undefined

  constructor(core: WorkerCore, events: HeartEvents) {
    this.#core = core
    this.#events = events
  }

  /** Registers, however long that takes, and begins to beat. Throws what no repetition cures, such as bad credentials. */
  async start(beatMs: number): Promise<void> {
    await callSafely(() => this.#register(), PATIENCE, this.#core.stopped)
    // This timer keeps the process alive: a worker without work is still at work.
    this.#timer = setInterval(() => void this.#beat(), beatMs)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Takes the instance out of the registry; what it still holds is handed back by that. */
  async sayGoodbye(): Promise<void> {
    try {
      await callSafely(() => this.#heartbeat(true))
    } catch (error) {
      // Nothing is lost: its leases run out by themselves.
      this.#core.logger.log('warn', 'the goodbye did not arrive', { error: String(error) })
    }
  }

  async #beat(): Promise<void> {
    try {
      const { outcome, draining } = await this.#heartbeat(false)
      if (outcome === 'beating') return this.#events.onDraining(draining)
      // Silent for too long, and taken for dead. A new name, because registering the old one again would hand back
      // what is still running here.
      this.#core.instanceId = mintInstanceId()
      await this.#register()
    } catch (error) {
      this.#core.logger.log('warn', 'a heartbeat did not arrive', { error: String(error) })
    }
  }

  #heartbeat(goodbye: boolean) {
    const { backend, namespaces, instanceId } = this.#core
    return backend.workers.heartbeat({ namespaces, instanceId, active: this.#events.active(), goodbye })
  }

  #register() {
    const { backend, namespaces, workerId, instanceId, lanes, kinds, capabilities, concurrency } = this.#core
    return backend.workers.register({
      namespaces,
      workerId,
      instanceId,
      lanes,
      kinds,
      capabilities,
      concurrency,
    })
  }
}
