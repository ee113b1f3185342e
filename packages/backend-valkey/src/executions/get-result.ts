import {
  checkGetResults,
  type ExecutionId,
  engineError,
  type GetResults,
  must,
  type Namespace,
  partitionIndexOf,
  type ResultOutcome,
  uuidOf,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { readStored, toExecution } from '../records/stored-execution.js'
import { routeOf } from '../routes/route-of.js'
import { executionNotFound } from './get.js'

/** One call for the ids of each partition, all sent together; several where results are long. */
export async function getResults(
  ctx: ValkeyContext,
  params: GetResults,
): Promise<{ readonly items: readonly ResultOutcome[] }> {
  const errors = checkGetResults(params, await ctx.partitions())
  const { ids, namespace } = params
  const items: ResultOutcome[] = []
  const byPartition = new Map<number, number[]>()
  ids.forEach((id, index) => {
    const error = errors[index]
    if (error !== undefined) items[index] = { outcome: 'error', error }
    else byPartition.set(partitionIndexOf(id), [...(byPartition.get(partitionIndexOf(id)) ?? []), index])
  })
  await Promise.all(
    [...byPartition].map(async ([partition, indexes]) => {
      const asked = indexes.map((index) => must(ids[index], 'an id'))
      const found = await readResults(ctx, partition, namespace, asked)
      found.forEach((outcome, place) => {
        items[must(indexes[place], 'the place of an id')] = outcome
      })
    }),
  )
  return { items }
}

/** Ids of one call: their records are decoded in it. */
const IDS_MAX = 200

async function readResults(
  ctx: ValkeyContext,
  partition: number,
  namespace: Namespace,
  ids: readonly ExecutionId[],
): Promise<readonly ResultOutcome[]> {
  const outcomes: ResultOutcome[] = []
  while (outcomes.length < ids.length) {
    const asked = ids.slice(outcomes.length, outcomes.length + IDS_MAX)
    const { reply, bytes } = await ctx.invoke({
      name: 'executions_get_results',
      tag: `fp:${partition}`,
      args: [asked.map(uuidOf)],
    })
    const answers = asList(reply)
    if (answers.length === 0)
      throw engineError('corruption', 'no result was answered', { subject: 'get-results' })
    for (const [place, [recordPlace, resultPlace, isUnreadable]] of answers.entries()) {
      const id = must(asked[place], 'an id')
      const record = bytes[recordPlace - 1]
      const result = bytes[resultPlace - 1] ?? null
      outcomes.push(
        isUnreadable || record === undefined
          ? missing(id, isUnreadable)
          : await toResult(ctx, { partition, namespace, id, record, result }),
      )
    }
  }
  return outcomes
}

function missing(id: ExecutionId, isUnreadable: boolean): ResultOutcome {
  const error = isUnreadable
    ? engineError('corruption', `The record of ${id} does not decode`, { subject: id })
    : executionNotFound(id)
  return { outcome: 'error', error }
}

interface FoundResult {
  readonly partition: number
  readonly namespace: Namespace
  readonly id: ExecutionId
  readonly record: Uint8Array
  /** Where it isn't in the record. */
  readonly result: Uint8Array | null
}

async function toResult(
  ctx: ValkeyContext,
  { partition, namespace, id, record, result }: FoundResult,
): Promise<ResultOutcome> {
  const stored = readStored(record, id)
  const route = await routeOf(ctx, partition, stored)
  if (route.namespace !== namespace) return missing(id, false)
  const { state, publicState, failure, cancelCause } = toExecution(id, stored, route)
  switch (state.terminalOutcome) {
    case 'none':
      return { outcome: 'pending', id, publicState }
    case 'success':
      return { outcome: 'success', id, result: stored.result === 'outside' ? result : stored.result }
    default:
      return { outcome: state.terminalOutcome, id, failure, cancelCause }
  }
}
