import { type EngineError, engineError, isEngineError } from '@flowfabric/core'

/** What goes together in one call. */
export interface SubmitChannelOptions<Item, Reply> {
  /** Items of one key never share a call, nor run at the same time: the later one waits for the next. */
  keyOf(item: Item): string
  /** Nodes and payload bytes of an item. */
  sizeOf(item: Item): { readonly nodes: number; readonly bytes: number }
  /** One call; answers in the order of its items. */
  run(items: readonly Item[]): Promise<readonly Reply[]>
}

/** Nodes of one call, unless a single flow has more: that would keep others of the partition waiting. */
const NODES_MAX = 128
/** Payloads of one call. */
const BYTES_MAX = 1_048_576
/** While so many calls are under way, what comes meanwhile goes together in the next one. */
const CALLS_MAX = 2

interface Entry<Item, Reply> {
  readonly item: Item
  readonly key: string
  resolve(reply: Reply): void
  reject(error: unknown): void
}

/**
 * Group commit of flows of one partition: what comes in one tick goes in one call. A call that fails for a reason of its own
 * is tried again in halves, down to the flow that is the cause.
 */
export function createSubmitChannel<Item, Reply>({
  keyOf,
  sizeOf,
  run,
}: SubmitChannelOptions<Item, Reply>): (item: Item) => Promise<Reply> {
  let waiting: Entry<Item, Reply>[] = []
  const keysUnderWay = new Set<string>()
  let calls = 0
  let isScheduled = false

  /** From the first on, as many as fit. Order is kept: what has to wait holds back what came after it. */
  const take = (): readonly Entry<Item, Reply>[] => {
    const room = { nodes: NODES_MAX, bytes: BYTES_MAX }
    let count = 0
    for (const { item, key } of waiting) {
      const { nodes, bytes } = sizeOf(item)
      const isFull = count > 0 && (room.nodes < nodes || room.bytes < bytes)
      if (isFull || keysUnderWay.has(key)) break
      keysUnderWay.add(key)
      room.nodes -= nodes
      room.bytes -= bytes
      count += 1
    }
    const taken = waiting.slice(0, count)
    waiting = waiting.slice(count)
    return taken
  }

  const start = (): void => {
    while (calls < CALLS_MAX && waiting.length > 0) {
      const taken = take()
      if (taken.length === 0) return
      calls += 1
      void carryOut(taken).finally(() => {
        calls -= 1
        for (const { key } of taken) keysUnderWay.delete(key)
        start()
      })
    }
  }

  const carryOut = async (entries: readonly Entry<Item, Reply>[]): Promise<void> => {
    try {
      const replies = await run(entries.map(({ item }) => item))
      entries.forEach((entry, index) => {
        const reply = replies[index]
        if (reply !== undefined) entry.resolve(reply)
        else
          entry.reject(
            engineError('corruption', 'a call answered too few flows', { subject: 'flows_submit' }),
          )
      })
    } catch (error) {
      if (entries.length === 1 || isShared(error)) {
        for (const { reject } of entries) reject(error)
        return
      }
      const middle = Math.ceil(entries.length / 2)
      await carryOut(entries.slice(0, middle))
      await carryOut(entries.slice(middle))
    }
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, key: keyOf(item), resolve, reject })
      if (isScheduled || calls >= CALLS_MAX) return
      isScheduled = true
      process.nextTick(() => {
        isScheduled = false
        start()
      })
    })
}

const sharedKinds: readonly EngineError['kind'][] = ['transport', 'unavailable', 'resource_exhausted']

/** A store that isn't there is nobody's fault: half of the flows would fare no better. */
function isShared(error: unknown): boolean {
  return isEngineError(error) && error.code !== 'internal_error' && sharedKinds.includes(error.kind)
}
