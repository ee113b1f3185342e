import {
  type ExecutionId,
  type FlowId,
  isEngineError,
  type LeaseId,
  type PartitionTag,
  partitionTagOf,
} from '@flowfabric/core'
import { until } from '../../support/until.js'

/** By the machine's clock, which is the store's too. */
export const nowMs = (): number => Date.now()

/**
 * What a call was answered. It may have taken a while: one that concerns several partitions is answered when the last of
 * them is, long after the first.
 */
export interface Answered {
  readonly beganAtMs: number
  readonly atMs: number
}

/** A lease as its holder saw it. */
export interface Seen {
  /** When the store gave it. */
  readonly atMs: number
  readonly leaseId: LeaseId
  readonly attemptIndex: number
  readonly epoch: number
}

/** An end that the store has acknowledged. */
export interface SeenEnd extends Answered {
  readonly outcome: 'completed' | 'failed' | 'cancelled'
  readonly generation: number
  /** Absent for a client's cancel, which needs none. */
  readonly by?: Omit<Seen, 'atMs'> | undefined
}

/** An error that reached who called. */
export interface SeenError {
  readonly atMs: number
  readonly id?: ExecutionId | undefined
  readonly code?: string | undefined
  /** It says itself that the same call may simply be made again. */
  readonly isPassing: boolean
  readonly text: string
}

/** What is noted, by its name. Each role adds what only it asks for. All of it is plain, so that it crosses to another process. */
export interface Facts {
  readonly execution: Answered & { readonly id: ExecutionId }
  readonly flow: Answered & { readonly id: FlowId; readonly partition: number }
  readonly claim: Seen & { readonly id: ExecutionId }
  readonly end: SeenEnd & { readonly id: ExecutionId }
  /** What a run has returned. */
  readonly result: { readonly id: ExecutionId; readonly result: string }
  readonly error: SeenError
  /** Whatever happens, this may not. */
  readonly wrong: { readonly text: string }
}

/** A server was killed. */
export interface Kill {
  readonly atMs: number
  /** From when on it could acknowledge nothing that it would not keep. */
  readonly backAtMs: number
  /** What was acknowledged so long before may be lost. */
  readonly windowMs: number
  /** Whether it served that partition. */
  readonly serves: (partition: PartitionTag) => boolean
}

/** What the store told the load, and when: the measure of what must be there afterwards. */
export class Ledger {
  readonly executions = new Map<ExecutionId, Facts['execution']>()
  readonly flows = new Map<FlowId, Facts['flow']>()
  readonly claims = new Map<ExecutionId, Facts['claim'][]>()
  readonly ends = new Map<ExecutionId, Facts['end'][]>()
  readonly results = new Map<ExecutionId, Set<string>>()
  readonly kills: Kill[] = []
  readonly #all = new Map<keyof Facts, unknown[]>()
  readonly #copy: (line: string) => void

  /** `copy` is given each fact as a line, before whoever noted it goes on. */
  constructor(copy: (line: string) => void = () => {}) {
    this.#copy = copy
  }

  note<Name extends keyof Facts>(name: Name, fact: Facts[Name]): void {
    this.#copy(JSON.stringify([name, fact]))
    add(this.#all, name, fact)
    this.#index(name, fact)
  }

  /** Takes a line that another process's ledger has copied. */
  take(line: string): void {
    const [name, fact] = JSON.parse(line) as [keyof Facts, never]
    this.note(name, fact)
  }

  all<Name extends keyof Facts>(name: Name): readonly Facts[Name][] {
    return (this.#all.get(name) ?? []) as Facts[Name][]
  }

  refused(error: unknown, id?: ExecutionId): void {
    const isPassing = isEngineError(error) && error.retry === 'safe'
    const code = isEngineError(error) ? error.code : undefined
    this.note('error', { atMs: nowMs(), id, code, isPassing, text: String(error) })
  }

  /** The kill by which what was answered about that partition, or about several, may have been lost. */
  mayBeLostBy(partition: PartitionTag | 'any', { beganAtMs, atMs }: Answered): Kill | undefined {
    return this.kills.find(
      (kill) =>
        (partition === 'any' || kill.serves(partition)) &&
        atMs >= kill.atMs - kill.windowMs &&
        beganAtMs <= kill.backAtMs,
    )
  }

  /**
   * Resolves when something that was accepted after that time in one of those partitions has ended, so that all of the
   * way is open again. Answers after how many ms that was.
   */
  async workGoesOn(sinceMs: number, serves: Kill['serves'], withinMs: number): Promise<number> {
    const isFresh = (id: ExecutionId) =>
      serves(partitionTagOf(id)) && (this.executions.get(id)?.atMs ?? 0) > sinceMs
    const endedAt = () => {
      const ends = this.all('end')
      let first: number | undefined
      for (let at = ends.length - 1; (ends[at]?.atMs ?? 0) > sinceMs; at -= 1) {
        const end = ends[at]
        if (end !== undefined && isFresh(end.id)) first = end.atMs
      }
      return first
    }
    try {
      return (await until('work goes on by itself', endedAt, withinMs)) - sinceMs
    } catch (error) {
      const accepted = [...this.executions].filter(([, { atMs }]) => atMs > sinceMs)
      const errors = this.all('error').slice(-5)
      throw new Error(
        `${String(error)}: since then ${accepted.length} were accepted, ` +
          `${accepted.filter(([id]) => isFresh(id)).length} of them there; last errors: ${errors.map(({ text }) => text).join('; ')}`,
      )
    }
  }

  #index<Name extends keyof Facts>(name: Name, fact: Facts[Name]): void {
    const known = { name, fact } as unknown as {
      [Each in keyof Facts]: { name: Each; fact: Facts[Each] }
    }[keyof Facts]
    if (known.name === 'execution') this.executions.set(known.fact.id, known.fact)
    if (known.name === 'flow') this.flows.set(known.fact.id, known.fact)
    if (known.name === 'claim') add(this.claims, known.fact.id, known.fact)
    if (known.name === 'end') add(this.ends, known.fact.id, known.fact)
    if (known.name === 'result') {
      const results = this.results.get(known.fact.id) ?? new Set()
      this.results.set(known.fact.id, results.add(known.fact.result))
    }
  }
}

function add<Key, Value>(lists: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}

export function groupBy<Item, Key>(items: readonly Item[], keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>()
  for (const item of items) add(groups, keyOf(item), item)
  return groups
}

export function groupById<Fact extends { readonly id: ExecutionId }>(
  facts: readonly Fact[],
): Map<ExecutionId, Fact[]> {
  return groupBy(facts, ({ id }) => id)
}
