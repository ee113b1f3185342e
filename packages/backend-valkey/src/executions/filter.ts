import {
  asksForEnded,
  type BudgetId,
  createdBefore,
  type ExecutionFilter,
  engineError,
  isUuid,
  type PublicState,
  terminalPublicStates,
} from '@flowfabric/core'
import { publicStateLetters } from '../records/letters.js'

/** A filter as the library takes it: each part empty for any. */
export type PackedFilter = [
  lane: string,
  kind: string,
  states: string,
  flow: string,
  tags: [key: string, value: string][],
  endedFromMs: number,
  endedBeforeMs: number,
  budget: string,
]

export function packFilter(filter: ExecutionFilter, budgetId: BudgetId | null = null): PackedFilter {
  const { lane, kind, states, flowId, tags, endedFromMs, endedBeforeMs } = filter
  const letters = (states ?? []).map((state) => publicStateLetters.write(state)).join('')
  const pairs = Object.entries(tags ?? {})
  return [
    lane ?? '',
    kind ?? '',
    letters,
    flowId ?? '',
    pairs,
    endedFromMs ?? ANY_TIME,
    endedBeforeMs ?? ANY_TIME,
    budgetId ?? '',
  ]
}

/** Where no bound is stated: of a time of an end, 0 is one that has not come. */
export const ANY_TIME = -1

/** No state at all was asked for: nothing can match. */
export function matchesNothing({ states }: ExecutionFilter): boolean {
  return states !== undefined && states.length === 0
}

/** Listings are apart by how executions fare: those that ended well are many, those that ended badly are few. */
const classOf = (state: PublicState): string => {
  if (!(terminalPublicStates as readonly string[]).includes(state)) return 'open'
  return state === 'completed' || state === 'skipped' ? 'ended' : 'bad'
}

/** The listings in which something can match. */
export function classesOf(filter: ExecutionFilter): string[] {
  const { states } = filter
  const classes = states === undefined ? ['open', 'ended', 'bad'] : [...new Set(states.map(classOf))]
  return asksForEnded(filter) ? classes.filter((each) => each !== 'open') : classes
}

/** A place in a listing: behind the execution of that time and UUID; without one before all of that time. */
export interface Position {
  readonly beforeMs: number
  readonly beforeId: string
}

/** Where a listing begins; where it is bounded not at the newest. */
export function firstPosition(filter: ExecutionFilter): Position {
  return { beforeMs: createdBefore(filter) ?? Number.MAX_SAFE_INTEGER, beforeId: '' }
}

/** Where the page before ended, or where the filter begins, whichever comes later in the listing. */
export function positionOf(cursor: string | undefined, filter: ExecutionFilter): Position {
  const first = firstPosition(filter)
  if (cursor === undefined) return first
  const after = readCursor(cursor)
  return after.beforeMs < first.beforeMs ? after : first
}

export function writeCursor({ beforeMs, beforeId }: Position): string {
  return `${beforeMs}.${beforeId}`
}

function readCursor(cursor: string): Position {
  const [beforeMs = '', beforeId = '', ...rest] = cursor.split('.')
  if (rest.length > 0 || !/^\d{1,15}$/.test(beforeMs) || !isUuid(beforeId)) {
    throw engineError('invalid_cursor', 'The cursor is malformed, or belongs to another listing')
  }
  return { beforeMs: Number(beforeMs), beforeId }
}
