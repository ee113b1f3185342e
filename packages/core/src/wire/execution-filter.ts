import { z } from 'zod'
import type { ExecutionFilter } from '../contract/executions.js'
import { limits } from '../limits.js'
import { invalidParam } from '../validation/fields.js'
import type { WireRequest } from './operation.js'
import { publicStateSchema } from './records.js'
import { asList, flowId, kindName, laneName, listText, wholeText } from './scalars.js'

/** Times as query parameters. */
export const timeFields = {
  createdFromMs: wholeText(0, limits.timeMsMax).optional(),
  createdBeforeMs: wholeText(0, limits.timeMsMax).optional(),
  endedFromMs: wholeText(0, limits.timeMsMax, 'Only what has ended.').optional(),
  endedBeforeMs: wholeText(0, limits.timeMsMax, 'Only what has ended.').optional(),
} as const

/** The filter of a listing as query parameters. */
export const filterFields = {
  lane: laneName.optional(),
  kind: kindName.optional(),
  state: listText(publicStateSchema, 'Public states; any of them.'),
  flowId: flowId.optional(),
  tag: listText(z.string(), '`key:value`; all of them.'),
  ...timeFields,
} as const

const filterSchema = z.strictObject(filterFields)

export function readFilter({ state, tag, ...rest }: z.infer<typeof filterSchema>): ExecutionFilter {
  return { ...rest, states: asList(state), tags: readTagPairs(asList(tag)) }
}

export function writeFilter(filter: ExecutionFilter | undefined): NonNullable<WireRequest['query']> {
  if (filter === undefined) return {}
  const { states, tags, ...rest } = filter
  return { ...rest, state: states, tag: writeTagPairs(tags) }
}

/** `key:value` pairs of a query; the key has no colon. */
export function readTagPairs(
  pairs: readonly string[] | undefined,
): Readonly<Record<string, string>> | undefined {
  if (pairs === undefined) return undefined
  return Object.fromEntries(
    pairs.map((pair) => {
      const colon = pair.indexOf(':')
      if (colon <= 0) throw invalidParam('tag', 'must be key:value')
      return [pair.slice(0, colon), pair.slice(colon + 1)] as const
    }),
  )
}

export function writeTagPairs(
  tags: Readonly<Record<string, string>> | undefined,
): readonly string[] | undefined {
  return tags && Object.entries(tags).map(([key, value]) => `${key}:${value}`)
}
