import type { FoundationBackend } from '@flowfabric/core'
import { expect } from 'vitest'
import type { TestBackendOptions } from '../support/backends.js'
import { FlowDriver, type GraphPlan } from '../support/flow-driver.js'
import { rounds } from '../support/soak.js'
import { type TestStore, useStore } from '../support/use-store.js'

/** Two processes on one store: each call of the one may meet any call of the other. */
export interface Sessions {
  readonly store: TestStore
  readonly one: FoundationBackend
  readonly two: FoundationBackend
  /** A flow as the first session sees it, and as the second does. */
  twice(plan: GraphPlan): Promise<readonly [FlowDriver, FlowDriver]>
}

/** How often a race is run: all of it in a soak, a fortieth in `npm test`. */
export const raceRounds = rounds(400)

/** One store for the races of a `describe`, with a second backend on it. */
export function useSessions(options: TestBackendOptions = {}): () => Sessions {
  const store = useStore(options)
  let two: FoundationBackend | undefined
  let of: unknown
  return () => {
    const now = store()
    if (of !== now.opened) {
      of = now.opened
      two = now.opened.reopen()
    }
    const other = two as FoundationBackend
    return {
      store: now,
      one: now.backend,
      two: other,
      twice: async (plan) => {
        const first = await FlowDriver.submit(now, plan)
        return [first, first.through(other)]
      },
    }
  }
}

/** Runs both at once, in either order of starting, so that each comes first now and then. */
export async function race<A, B>(
  round: number,
  first: () => Promise<A>,
  second: () => Promise<B>,
): Promise<readonly [A, B]> {
  if (round % 2 === 0) return Promise.all([first(), second()])
  const later = second()
  const [a, b] = await Promise.all([first(), later])
  return [a, b]
}

/** A tally of how the rounds went: a race that always ends the same way was none. */
export class Ways {
  readonly #counts = new Map<string, number>()

  saw(way: string): void {
    this.#counts.set(way, (this.#counts.get(way) ?? 0) + 1)
  }

  /** Every way that was taken is one of these. */
  expectOnly(allowed: readonly string[]): void {
    for (const way of this.#counts.keys()) expect(allowed).toContain(way)
  }

  get all(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts)
  }
}
