import { createdBefore, type ExecutionFilter, type PublicState } from '@flowfabric/core'
import type { SqlValue } from '../db/database.js'

/** Conditions over `execution e` and `execution_info i`, with their values. */
export class Conditions {
  readonly values: SqlValue[]
  readonly #texts: string[] = []

  constructor(values: SqlValue[] = []) {
    this.values = values
  }

  /** `text` holds one `$` for each value. */
  add(text: string, ...values: SqlValue[]): void {
    let next = this.values.length
    this.values.push(...values)
    this.#texts.push(
      text.replace(/\$/g, () => {
        next += 1
        return `$${next}`
      }),
    )
  }

  /** The conditions, each after an `and`. */
  get text(): string {
    return this.#texts.map((each) => ` and ${each}`).join('')
  }
}

const badEnds: ReadonlySet<PublicState> = new Set(['failed', 'cancelled', 'expired'])

/** Whether the rare ends are asked for, which have an index of their own. */
export function asksForBadEnds({ states }: ExecutionFilter): boolean {
  return states !== undefined && states.length > 0 && states.every((state) => badEnds.has(state))
}

/**
 * Puts the filter, but for the lane, into conditions. Redundant ones name the partial indexes. `key` is the table whose index
 * is walked: the times of creation are in both.
 */
export function addFilter(conditions: Conditions, filter: ExecutionFilter, key: 'e' | 'i'): void {
  const { kind, states, flowId, tags, createdFromMs, endedFromMs, endedBeforeMs } = filter
  const createdBeforeMs = createdBefore(filter)
  if (kind !== undefined) conditions.add('i.kind = $', kind)
  if (states !== undefined)
    conditions.add('e.public_state = any (array(select unnest($::text[])::ff.public_state))', states)
  if (asksForBadEnds(filter)) conditions.add(`e.terminal_outcome in ('failed', 'cancelled', 'expired')`)
  if (states?.length === 1 && states[0] === 'active') conditions.add(`e.lifecycle_phase = 'active'`)
  if (flowId !== undefined) conditions.add('e.flow_id = $::uuid', flowId)
  // An empty object would be contained in none of the rows that the index holds.
  if (tags !== undefined && Object.keys(tags).length > 0) {
    conditions.add(`i.tags @> $::jsonb and i.tags <> '{}'`, JSON.stringify(tags))
  }
  if (createdFromMs !== undefined) conditions.add(`${key}.created_at >= $::bigint`, createdFromMs)
  if (createdBeforeMs !== undefined) conditions.add(`${key}.created_at < $::bigint`, createdBeforeMs)
  if (endedFromMs !== undefined) conditions.add('e.terminal_at >= $::bigint', endedFromMs)
  if (endedBeforeMs !== undefined) conditions.add('e.terminal_at < $::bigint', endedBeforeMs)
}
