import type { EngineOperations, EngineView, InstanceId, PartitionTag } from '@flowfabric/core'
import type { Clock, Timer } from '../clock.js'
import { errorFields, type Logger } from '../logger.js'
import { jitter } from '../pause.js'
import { chooseOwner } from './rendezvous.js'

export interface OwnershipOptions {
  readonly engines: EngineOperations
  readonly engineId: InstanceId
  readonly label: string
  readonly partitions: readonly PartitionTag[]
  readonly heartbeatMs: number
  /** How long an engine that was not heard of still counts as alive. */
  readonly aliveMs: number
  /** Nobody else can be there. */
  readonly alone: boolean
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  readonly onChange: (owned: readonly PartitionTag[], engines: readonly EngineView[]) => void
}

/**
 * Shares the partitions among the living engines, so that scanners cost the same with one engine or ten. It is only an
 * optimisation: two owners at once are harmless, and no partition is without an owner for longer than `aliveMs`.
 */
export class PartitionOwnership {
  readonly #options: OwnershipOptions
  #owned: readonly PartitionTag[] = []
  #ownedSet: ReadonlySet<PartitionTag> = new Set()
  #engines: readonly EngineView[] = []
  #timer: Timer | undefined
  #lastHeardMs: number | undefined
  #stopped = false
  #beating: Promise<void> = Promise.resolve()

  constructor(options: OwnershipOptions) {
    this.#options = options
  }

  get owned(): readonly PartitionTag[] {
    return this.#owned
  }

  get engines(): readonly EngineView[] {
    return this.#engines
  }

  /** How long ago the registry last answered; `undefined` before it did. */
  get silentMs(): number | undefined {
    return this.#lastHeardMs === undefined ? undefined : this.#options.clock.nowMs() - this.#lastHeardMs
  }

  owns(partition: PartitionTag): boolean {
    return this.#ownedSet.has(partition)
  }

  /** The first heartbeat is awaited, so that an engine that has started knows its share; its failure is retried. */
  async start(): Promise<void> {
    await this.#beat()
  }

  /** Says goodbye, so that the others take over at once instead of after `aliveMs`. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    await this.#beating
    const { engines, engineId, label, aliveMs, logger } = this.#options
    try {
      await engines.heartbeat({ engineId, label, aliveMs, goodbye: true })
    } catch (error) {
      logger.log('warn', 'The goodbye was not heard; the others take over in a while', errorFields(error))
    }
    this.#own([])
  }

  #beat(): Promise<void> {
    this.#beating = this.#heartbeat().finally(() => {
      if (this.#stopped) return
      const { clock, heartbeatMs, random } = this.#options
      // After a failure it comes back sooner, since its share may be taken by others meanwhile.
      const pauseMs = this.#lastFailed ? heartbeatMs / 5 : heartbeatMs
      this.#timer = clock.setTimer(jitter(pauseMs, random), () => void this.#beat())
    })
    return this.#beating
  }

  #lastFailed = false

  async #heartbeat(): Promise<void> {
    const { engines, engineId, label, aliveMs, alone, clock, logger } = this.#options
    try {
      const answer = await engines.heartbeat({ engineId, label, aliveMs })
      if (this.#stopped) return
      this.#lastFailed = false
      this.#lastHeardMs = clock.nowMs()
      this.#engines = answer.engines.filter(
        (engine) => answer.nowMs - engine.lastSeenAtMs <= aliveMs && (!alone || engine.engineId === engineId),
      )
      this.#share()
    } catch (error) {
      this.#lastFailed = true
      // The share is kept: scanning what another may scan too does no harm, scanning nothing would.
      logger.log('warn', 'The registry of engines did not answer', errorFields(error))
    }
  }

  #share(): void {
    const { partitions, engineId } = this.#options
    const ids = new Set<InstanceId>(this.#engines.map((engine) => engine.engineId))
    // An answer that was written before our own beat may lack us.
    ids.add(engineId)
    const alive = [...ids]
    const owned = partitions.filter((partition) => chooseOwner(partition, alive) === engineId)
    const same =
      owned.length === this.#owned.length && owned.every((partition) => this.#ownedSet.has(partition))
    if (!same) this.#own(owned)
  }

  #own(owned: readonly PartitionTag[]): void {
    this.#owned = owned
    this.#ownedSet = new Set(owned)
    this.#options.onChange(owned, this.#engines)
  }
}
