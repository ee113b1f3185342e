import {
  type ExecutionId,
  type FlowId,
  type LaneId,
  mintFlowIdIn,
  mintSoloExecutionId,
  type Namespace,
  partitionOfFlow,
  type SubmitterBackend,
} from '@flowfabric/core'

/** After this a lane's number of shards is looked up again; until then new work goes where it did. */
const LANES_FRESH_MS = 60_000
/** How long new flows are placed in the same partition. */
const TURN_MS = 5

/**
 * Where new work is placed. Ids are minted here, whole, which takes the deployment's partition count (fixed for life)
 * and the number of shards of a lane (a setting; an old value costs balance, never correctness).
 */
export class Placement {
  readonly #backend: Pick<SubmitterBackend, 'maintenance' | 'lanes'>
  readonly #namespace: Namespace
  #count: number | undefined
  #shards: ReadonlyMap<LaneId, number> = new Map()
  #freshUntil = 0
  #loading: Promise<void> | undefined
  /** Where flows are placed until then. */
  #turn: number | undefined
  #turnEndsAt = 0

  constructor(backend: Pick<SubmitterBackend, 'maintenance' | 'lanes'>, namespace: Namespace) {
    this.#backend = backend
    this.#namespace = namespace
  }

  /** Resolves when ids can be minted; nothing to wait for after the first time. */
  prepare(): Promise<void> | undefined {
    if (this.#count !== undefined && performance.now() < this.#freshUntil) return undefined
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined
    })
    if (this.#count === undefined) return this.#loading
    this.#loading.catch(() => undefined)
    return undefined
  }

  /** A new id for work of that lane. */
  readonly mint = (lane: LaneId): ExecutionId =>
    mintSoloExecutionId({
      namespace: this.#namespace,
      lane,
      shards: this.#shards.get(lane) ?? 1,
      count: this.count,
    })

  /**
   * A new id for a flow. What is submitted within a few ms lies together, so that stores which work partition by partition
   * carry out the steps of many flows at once; partitions take turns, from one drawn by lot.
   */
  mintFlowId(): FlowId {
    const now = performance.now()
    if (now >= this.#turnEndsAt) {
      this.#turn = this.#turn === undefined ? Math.floor(Math.random() * this.count) : this.#turn + 1
      this.#turnEndsAt = now + TURN_MS
    }
    return mintFlowIdIn((this.#turn ?? 0) % this.count, this.count)
  }

  partitionOfFlow(flowId: FlowId): number {
    return partitionOfFlow(flowId, this.count)
  }

  /** Whether ids can be minted without asking the store for anything. */
  get isKnown(): boolean {
    return this.#count !== undefined && performance.now() < this.#freshUntil
  }

  /** How many flow partitions there are. */
  get count(): number {
    if (this.#count === undefined) throw new Error('prepare() comes before the first id')
    return this.#count
  }

  async #load(): Promise<void> {
    const [description, { lanes }] = await Promise.all([
      this.#count === undefined ? this.#backend.maintenance.describe() : undefined,
      this.#backend.lanes.list({ namespace: this.#namespace }),
    ])
    this.#shards = new Map(lanes.map(({ lane, shards }) => [lane, shards]))
    this.#freshUntil = performance.now() + LANES_FRESH_MS
    this.#count ??= description?.partitions.flow
  }
}
