import type { DispatchItem } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { readDispatchItem } from './dispatch-items.js'
import { withTries } from './faults.js'

/** An entry that a hop only names: more than one step carries it out. */
export interface NamedEntry {
  readonly kind: 'settlement' | 'release' | 'replay' | 'message' | 'give_back' | 'cancel_holder'
  readonly id: string
  readonly flowId: string
  /** What is to be given back, of an entry of that kind. */
  readonly what: readonly unknown[]
}

/** What one call did with entries of a partition's outbox. */
export interface Hop {
  readonly items: readonly DispatchItem[]
  readonly named: readonly NamedEntry[]
  /** Entries are due after it. */
  readonly more: boolean
  /** Losers of races are to be cancelled. */
  readonly hasCancels: boolean
}

export interface HopRequest {
  readonly partition: number
  /** UUIDs of entries, also before they are due; empty: those that are due. */
  readonly entries: readonly string[]
  readonly max: number
  readonly edges: number
}

const kinds = {
  s: 'settlement',
  r: 'release',
  p: 'replay',
  l: 'message',
  v: 'message',
  e: 'message',
  t: 'message',
  g: 'give_back',
  k: 'cancel_holder',
} as const

/** One step: what it takes is carried on together. Throws `retry_exhausted`, and whatever is wrong with one of the entries. */
export async function runHop(ctx: ValkeyContext, request: HopRequest): Promise<Hop> {
  const { partition, entries, max, edges } = request
  const { reply } = await withTries(() =>
    ctx.invoke({ name: 'resolution_dispatch', tag: `fp:${partition}`, args: [[...entries], max, edges] }),
  )
  const [items, others, more, hasCancels] = reply
  return {
    items: asList(items).map((told) => readDispatchItem(partition, told)),
    named: asList(others).map(([kind, id, flowId, what]) => ({
      kind: kinds[kind as keyof typeof kinds],
      id,
      flowId,
      what: asList(what),
    })),
    more,
    hasCancels,
  }
}
