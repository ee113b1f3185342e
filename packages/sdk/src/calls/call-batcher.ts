import { callSafely, clientRetryBounds, type RetryBounds } from './call-safely.js'

export interface BatchSpec<Item, Outcome> {
  /** One call for several items; one outcome for each, in their order. */
  readonly send: (items: readonly Item[]) => Promise<readonly Outcome[]>
  /** Items of one call at most. */
  readonly itemsMax: number
  /** Bytes of one call at most, by `sizeOf`. */
  readonly bytesMax?: number | undefined
  readonly sizeOf?: ((item: Item) => number) | undefined
  readonly bounds?: RetryBounds | undefined
  readonly signal?: AbortSignal | undefined
}

interface Pending<Item, Outcome> {
  readonly item: Item
  readonly resolve: (outcome: Outcome) => void
  readonly reject: (error: unknown) => void
}

/**
 * Merges what is asked for in one turn of the event loop into one call. It waits for nothing: a lone item leaves at
 * the end of the turn in which it came.
 */
export class CallBatcher<Item, Outcome> {
  readonly #spec: BatchSpec<Item, Outcome>
  #pending: Pending<Item, Outcome>[] = []

  constructor(spec: BatchSpec<Item, Outcome>) {
    this.#spec = spec
  }

  add(item: Item): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      // After the tick's microtasks: everyone who was released by the same answer is in by then.
      if (this.#pending.push({ item, resolve, reject }) === 1) process.nextTick(() => this.#flush())
    })
  }

  /** As many calls as the limits ask for, one after the other. The answer has the order of the items. */
  async addAll(items: readonly Item[]): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = []
    for (const batch of splitBatches(items, this.#spec, (item) => item))
      outcomes.push(...(await this.#send(batch)))
    return outcomes
  }

  #flush(): void {
    const pending = this.#pending
    this.#pending = []
    for (const batch of splitBatches(pending, this.#spec, ({ item }) => item)) void this.#settle(batch)
  }

  async #settle(batch: readonly Pending<Item, Outcome>[]): Promise<void> {
    try {
      const outcomes = await this.#send(batch.map(({ item }) => item))
      batch.forEach(({ resolve }, index) => {
        resolve(outcomes[index] as Outcome)
      })
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }

  async #send(items: readonly Item[]): Promise<readonly Outcome[]> {
    const { send, bounds = clientRetryBounds, signal } = this.#spec
    const outcomes = await callSafely(() => send(items), bounds, signal)
    if (outcomes.length !== items.length)
      throw new Error(`${items.length} items were answered by ${outcomes.length}`)
    return outcomes
  }
}

/** Cuts a list so that each part is within the limits of one call. */
export function splitBatches<Each, Item>(
  list: readonly Each[],
  {
    itemsMax,
    bytesMax = Number.POSITIVE_INFINITY,
    sizeOf,
  }: Pick<BatchSpec<Item, unknown>, 'itemsMax' | 'bytesMax' | 'sizeOf'>,
  itemOf: (each: Each) => Item,
): readonly (readonly Each[])[] {
  const batches: Each[][] = []
  let batch: Each[] = []
  let bytes = 0
  for (const each of list) {
    const size = sizeOf?.(itemOf(each)) ?? 0
    if (batch.length === itemsMax || (batch.length > 0 && bytes + size > bytesMax)) {
      batches.push(batch)
      batch = []
      bytes = 0
    }
    batch.push(each)
    bytes += size
  }
  if (batch.length > 0) batches.push(batch)
  return batches
}
