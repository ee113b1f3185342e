import {
  type ClaimedExecution,
  decodeHandle,
  type ExecutionId,
  type FlowId,
  type LeaseId,
  partitionIndexOf,
} from '@flowfabric/core'
import { until } from '../../support/until.js'

/** A lease as its holder saw it. Times are those of `performance.now()` throughout. */
export interface Seen {
  /** When the store gave it, by the machine's clock, which is the store's too. */
  readonly atMs: number
  readonly leaseId: LeaseId
  readonly attemptIndex: number
  readonly epoch: number
}

/**
 * What a call was answered. It may have taken a while: one that concerns several partitions is answered when the last of
 * them is, long after the first.
 */
export interface Answered {
  readonly beganAtMs: number
  readonly atMs: number
}

/** An end that the store has acknowledged. */
export interface SeenEnd extends Answered {
  readonly outcome: 'completed' | 'failed' | 'cancelled'
  /** Absent for a client's cancel, which needs none. */
  readonly by: Omit<Seen, 'atMs'> | undefined
}

/** A server was killed. */
export interface Kill {
  readonly atMs: number
  /** From when on it could acknowledge nothing that it would not keep; absent while it is down. */
  readonly backAtMs: number
  /** What was acknowledged so long before may be lost. */
  readonly windowMs: number
  /** Whether it served that flow partition. */
  readonly serves: (partition: number) => boolean
}

/** What the store told the load, and when: the measure of what must be there afterwards. */
export class Ledger {
  readonly executions = new Map<ExecutionId, Answered>()
  readonly flows = new Map<FlowId, Answered & { readonly partition: number }>()
  readonly claims = new Map<ExecutionId, Seen[]>()
  readonly ends = new Map<ExecutionId, SeenEnd[]>()
  /** What runs have returned, by execution. */
  readonly results = new Map<ExecutionId, Set<string>>()
  /** When the run under a lease was over, and its end was sent. A lost lease's end may be told after a later run's. */
  readonly #left = new Map<LeaseId, number>()
  /** What reached a caller that nothing may reach. */
  readonly errors: {
    readonly atMs: number
    readonly id: ExecutionId | undefined
    readonly error: unknown
  }[] = []
  readonly kills: Kill[] = []

  accepted(id: ExecutionId, beganAtMs: number): void {
    this.executions.set(id, { beganAtMs, atMs: performance.now() })
  }

  acceptedFlow(id: FlowId, partition: number, beganAtMs: number): void {
    this.flows.set(id, { beganAtMs, atMs: performance.now(), partition })
  }

  claimed(claimed: ClaimedExecution): void {
    const atMs = claimed.claimedAtMs - performance.timeOrigin
    add(this.claims, claimed.executionId, { atMs, ...leaseOf(claimed) })
  }

  /** The lease of the run that began last. */
  leaseOf(id: ExecutionId): LeaseId | undefined {
    return this.claims.get(id)?.at(-1)?.leaseId
  }

  left(lease: LeaseId): void {
    this.#left.set(lease, performance.now())
  }

  ended(id: ExecutionId, outcome: SeenEnd['outcome'], claimed: ClaimedExecution): void {
    const by = leaseOf(claimed)
    const beganAtMs = this.#left.get(by.leaseId) ?? 0
    add(this.ends, id, { beganAtMs, atMs: performance.now(), outcome, by })
  }

  cancelled(id: ExecutionId, beganAtMs: number): void {
    add(this.ends, id, { beganAtMs, atMs: performance.now(), outcome: 'cancelled', by: undefined })
  }

  returned(id: ExecutionId, result: string): void {
    const results = this.results.get(id) ?? new Set()
    this.results.set(id, results.add(result))
  }

  refused(error: unknown, id?: ExecutionId): void {
    this.errors.push({ atMs: performance.now(), id, error })
  }

  /** The kill by which what was answered about that partition may have been lost. */
  mayBeLostBy(partition: number, { beganAtMs, atMs }: Answered): Kill | undefined {
    return this.kills.find(
      (kill) => kill.serves(partition) && atMs >= kill.atMs - kill.windowMs && beganAtMs <= kill.backAtMs,
    )
  }

  /**
   * Resolves when something that was accepted after that time in one of those partitions has ended, so that all of the
   * way is open again. Answers after how many ms that was.
   */
  async workGoesOn(sinceMs: number, serves: Kill['serves'], withinMs: number): Promise<number> {
    const isFresh = (id: ExecutionId) =>
      serves(partitionIndexOf(id)) && (this.executions.get(id)?.atMs ?? 0) > sinceMs
    const endedAt = () => {
      for (const [id, ends] of this.ends) if (isFresh(id)) return ends[0]?.atMs
      return undefined
    }
    try {
      return (await until('work goes on by itself', endedAt, withinMs)) - sinceMs
    } catch (error) {
      const accepted = [...this.executions].filter(([, { atMs }]) => atMs > sinceMs)
      const errors = this.errors.slice(-5).map(({ error: last }) => String(last))
      throw new Error(
        `${String(error)}: since then ${accepted.length} were accepted, ` +
          `${accepted.filter(([id]) => isFresh(id)).length} of them there; last errors: ${errors.join('; ')}`,
      )
    }
  }
}

function leaseOf({ handle }: ClaimedExecution): Omit<Seen, 'atMs'> {
  const { leaseId, attemptIndex, epoch } = decodeHandle(handle)
  return { leaseId, attemptIndex, epoch }
}

function add<Key, Value>(lists: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}
