import { type EngineError, engineError, isEngineError } from '@flowfabric/core'

/** Both sides hold a statement's values several times over while it is under way. */
const BYTES_MAX = 4 * 1024 * 1024

/** How calls of one kind share statements. */
export interface GroupOptions<Item, Outcome> {
  /** Items of one statement. */
  readonly itemsMax: number
  /** Bytes of an item, of which a statement carries `BYTES_MAX` unless one item alone has more (default: not worth counting). */
  sizeOf?(item: Item): number
  /** Whether an item goes along with others without counting as one (default: none does). */
  isExtra?(item: Item): boolean
  /** Items with the same key never share a statement, nor run at the same time; the later one waits for the next. */
  keyOf(item: Item): string
  /** A second key of an item, which counts as the first does. */
  readonly otherKeyOf?: ((item: Item) => string | undefined) | undefined
  /**
   * So many waiting items don't wait for the statement under way, but begin a second one beside it. Default: never, since
   * a commit that they share costs less than two.
   */
  readonly secondAt?: number | undefined
  /** One statement: outcomes in the order of the items. */
  run(items: readonly Item[]): Promise<readonly Outcome[]>
}

/** Joins what is called at the same time into few statements, and gives each caller its own outcomes. */
export interface Group<Item, Outcome> {
  /** Rejects when the statement failed for a reason that is none of this item's. */
  add(item: Item): Promise<Outcome>
}

interface Entry<Item, Outcome> {
  readonly item: Item
  readonly key: string
  readonly otherKey: string | undefined
  resolve(outcome: Outcome): void
  reject(error: EngineError): void
}

/**
 * Group commit in the process: an item goes out at once when nothing of its kind is under way, otherwise it joins the
 * next statement. Under load a statement so carries what came during the one before it, and one commit pays for all.
 */
export function createGroup<Item, Outcome>({
  itemsMax,
  sizeOf = () => 0,
  isExtra = () => false,
  keyOf,
  otherKeyOf = () => undefined,
  secondAt = Number.POSITIVE_INFINITY,
  run,
}: GroupOptions<Item, Outcome>): Group<Item, Outcome> {
  let waiting: Entry<Item, Outcome>[] = []
  let isScheduled = false
  let statements = 0
  const keysUnderWay = new Set<string>()

  const isUnderWay = ({ key, otherKey }: Entry<Item, Outcome>): boolean =>
    keysUnderWay.has(key) || (otherKey !== undefined && keysUnderWay.has(otherKey))

  const take = (): Entry<Item, Outcome>[] => {
    const batch: Entry<Item, Outcome>[] = []
    let counted = 0
    let bytes = 0
    for (const entry of waiting) {
      const isCounted = !isExtra(entry.item)
      bytes += sizeOf(entry.item)
      const isFull = isCounted && (counted === itemsMax || (counted > 0 && bytes > BYTES_MAX))
      // Order is kept: what would have to wait holds back what came after it.
      if (isFull || isUnderWay(entry)) break
      if (isCounted) counted += 1
      keysUnderWay.add(entry.key)
      if (entry.otherKey !== undefined) keysUnderWay.add(entry.otherKey)
      batch.push(entry)
    }
    waiting = batch.length === waiting.length ? [] : waiting.slice(batch.length)
    return batch
  }

  const runNext = async (): Promise<void> => {
    const batch = take()
    if (batch.length === 0) return
    statements += 1
    await runHalving(batch, run)
    statements -= 1
    for (const { key, otherKey } of batch) {
      keysUnderWay.delete(key)
      if (otherKey !== undefined) keysUnderWay.delete(otherKey)
    }
    start()
  }

  const start = (): void => {
    while (waiting.length > 0 && (statements === 0 || (statements === 1 && waiting.length >= secondAt))) {
      const before = waiting.length
      void runNext()
      if (waiting.length === before) return
    }
  }

  return {
    add: (item) =>
      new Promise((resolve, reject) => {
        waiting.push({ item, key: keyOf(item), otherKey: otherKeyOf(item), resolve, reject })
        if (isScheduled || (statements > 0 && waiting.length < secondAt)) return
        isScheduled = true
        // After the callbacks of this turn, which may bring more of the same.
        setImmediate(() => {
          isScheduled = false
          start()
        })
      }),
  }
}

/** One group for each thing that a statement can be about, made when it is first needed. */
export function groupsByKey<Created>(create: (key: string) => Created): (key: string) => Created {
  const groups = new Map<string, Created>()
  return (key) => {
    let group = groups.get(key)
    if (group === undefined) {
      group = create(key)
      // A group without callers is worth nothing.
      if (groups.size >= GROUPS_MAX) groups.clear()
      groups.set(key, group)
    }
    return group
  }
}

const GROUPS_MAX = 256

/** The same by sets of namespaces: the fence of a statement is its callers'. Names hold no comma. */
export function groupsByNamespaces<Created>(
  create: (namespaces: readonly string[]) => Created,
): (namespaces: readonly string[]) => Created {
  const groupOf = groupsByKey((key) => create(key.split(',')))
  return (namespaces) => groupOf([...namespaces].sort().join(','))
}

/** A failing statement is tried again in halves, down to the item that is the cause. */
async function runHalving<Item, Outcome>(
  entries: readonly Entry<Item, Outcome>[],
  run: (items: readonly Item[]) => Promise<readonly Outcome[]>,
): Promise<void> {
  let outcomes: readonly Outcome[]
  try {
    outcomes = await run(entries.map(({ item }) => item))
  } catch (fault) {
    const error = isEngineError(fault) ? fault : internalError(fault)
    if (entries.length === 1 || !mayBeOneItems(error)) {
      for (const entry of entries) entry.reject(error)
      return
    }
    const middle = Math.ceil(entries.length / 2)
    await runHalving(entries.slice(0, middle), run)
    await runHalving(entries.slice(middle), run)
    return
  }
  entries.forEach((entry, index) => {
    const outcome = outcomes[index]
    if (outcome === undefined) entry.reject(internalError(new Error('A statement answered too few items')))
    else entry.resolve(outcome)
  })
}

/** A store that isn't there, or whose connection broke, is nobody's fault: half of the items would fare no better. */
function mayBeOneItems({ kind, code }: EngineError): boolean {
  return code === 'internal_error' || (kind !== 'transport' && kind !== 'unavailable')
}

function internalError(cause: unknown): EngineError {
  return engineError('internal_error', cause instanceof Error ? cause.message : String(cause), {}, { cause })
}
