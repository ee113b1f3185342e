import type { LaneOperations, Namespace } from '@flowfabric/core'
import type { Clock } from '../clock.js'
import { errorFields, type Logger } from '../logger.js'
import { laneKey } from './claim-group.js'

/**
 * The lanes' weights as of a while ago. They are read only when lanes compete for a try, at most every 30 s per namespace,
 * and a stale weight makes a share unfair for that long and nothing wrong.
 */
export class LaneWeights {
  readonly #lanes: Pick<LaneOperations, 'list'>
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #weights = new Map<string, number>()
  readonly #askedAtMs = new Map<Namespace, number>()

  constructor(lanes: Pick<LaneOperations, 'list'>, clock: Clock, logger: Logger) {
    this.#lanes = lanes
    this.#clock = clock
    this.#logger = logger
  }

  of(lane: string): number {
    return this.#weights.get(lane) ?? 1
  }

  /** Has the weights of a namespace read again if they are old. Nobody waits for it. */
  refresh(namespace: Namespace): void {
    const nowMs = this.#clock.nowMs()
    const askedAtMs = this.#askedAtMs.get(namespace)
    if (askedAtMs !== undefined && nowMs - askedAtMs < REFRESH_MS) return
    this.#askedAtMs.set(namespace, nowMs)
    void this.#read(namespace)
  }

  async #read(namespace: Namespace): Promise<void> {
    try {
      const { lanes } = await this.#lanes.list({ namespace })
      for (const { lane, weight } of lanes) this.#weights.set(laneKey(namespace, lane), weight)
    } catch (error) {
      this.#logger.log('debug', 'The weights of lanes could not be read', {
        namespace,
        ...errorFields(error),
      })
    }
  }
}

const REFRESH_MS = 30_000
