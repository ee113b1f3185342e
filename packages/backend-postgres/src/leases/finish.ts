import {
  type ClaimRequest,
  type CompleteLeases,
  type CompleteOutcome,
  checkComplete,
  checkFail,
  type FailLease,
  type FailLeases,
  type FailOutcome,
  type FinishResult,
  type LeaseHandle,
  limits,
  must,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { SqlValue } from '../db/database.js'
import { groupsByNamespaces } from '../db/group-commit.js'
import { followHop } from '../resolution/dispatch.js'
import type { HopAnswer } from '../resolution/hop.js'
import { announceEnds } from './after-end.js'
import { type AnswerWithClaims, callWithClaims, type StoreFunction } from './call-with-claims.js'
import type { Claimer } from './claim.js'
import { type FinishedRow, finishedColumnNames, toOutcome } from './finished-row.js'
import { createGroupWithClaims, type GroupWithClaims } from './group-with-claims.js'
import { answerEach, handleColumns } from './handle-columns.js'

export interface Finisher {
  complete(params: CompleteLeases): Promise<FinishResult<CompleteOutcome>>
  fail(params: FailLeases): Promise<FinishResult<FailOutcome>>
}

interface End<Item> {
  readonly handle: LeaseHandle
  readonly item: Item
}

/** How one operation ends attempts. */
interface Ending<Item> {
  readonly fn: StoreFunction
  columnsOf(items: readonly Item[]): SqlValue[]
}

/** Its own parameters stand after the five of the handles and before the namespaces. */
function endFunction(name: string, own: readonly string[]): StoreFunction {
  const handles = ['integer[]', 'uuid[]', 'integer[]', 'uuid[]', 'bigint[]']
  return {
    name,
    types: [...handles, ...own, 'text[]', 'integer'],
    columns: finishedColumnNames,
  }
}

type EndGroup<Item> = GroupWithClaims<End<Item>, FinishedRow>

/** What a full call brings goes as one statement: most of what one costs is the same for few ends and for many. */
const itemsMax = limits.completeBatchMax
/** A backlog's ends: while the store works on some of them, this process reads and prepares others. */
const SECOND_AT = 16

export function createFinisher(ctx: PostgresContext, claimer: Claimer): Finisher {
  const completions = createEndGroups<CompleteLeases['items'][number]>(ctx, claimer, {
    fn: endFunction('complete_leases', ['bytea[]']),
    columnsOf: (items) => [items.map(({ result }) => result)],
  })
  const failures = createEndGroups<FailLease>(ctx, claimer, {
    fn: endFunction('fail_leases', ['jsonb[]', 'text[]', 'bigint[]']),
    columnsOf: (items) => [
      items.map(({ failure }) => JSON.stringify(failure)),
      items.map(({ retry }) => wishOf(retry).word),
      items.map(({ retry }) => wishOf(retry).ms),
    ],
  })
  return {
    async complete(params) {
      const { items, claimed } = await finish(completions(params.namespaces), params, checkComplete(params))
      return { items: items as readonly CompleteOutcome[], claimed }
    },
    async fail(params) {
      const { items, claimed } = await finish(failures(params.namespaces), params, checkFail(params))
      return { items: items as readonly FailOutcome[], claimed }
    },
  }
}

function createEndGroups<Item>(
  ctx: PostgresContext,
  claimer: Claimer,
  { fn, columnsOf }: Ending<Item>,
): (namespaces: readonly string[]) => EndGroup<Item> {
  return groupsByNamespaces((namespaces) =>
    createGroupWithClaims<End<Item>, FinishedRow>({
      itemsMax,
      secondAt: SECOND_AT,
      keyOf: ({ handle }) => handle.executionId,
      async run(ends, requests) {
        const values = () => [
          ...handleColumns(ends.map(({ handle }) => handle)),
          ...columnsOf(ends.map(({ item }) => item)),
          namespaces,
          inlineEdges(ctx),
        ]
        const call = ends.length === 0 ? undefined : { fn, values: values() }
        const answer = await callWithClaims<FinishedRow>(ctx, claimer, call, requests)
        return { rows: follow(ctx, answer), claims: answer.claims }
      },
    }),
  )
}

async function finish<Item>(
  group: EndGroup<Item>,
  params: { readonly items: readonly Item[]; readonly next?: ClaimRequest | undefined },
  handles: ReturnType<typeof checkComplete>,
) {
  const ends = answerEach(handles, async (handle, index) =>
    toOutcome(await group.add({ handle, item: must(params.items[index], 'an item') })),
  )
  // Behind its own ends in the queue, so that it sees what they freed.
  const next = params.next === undefined ? undefined : group.claim(params.next)
  const [items, claimed = []] = await Promise.all([ends, next])
  return { items, claimed }
}

/** Carries on what the ends led to, and answers them in the order of the items. */
function follow(
  ctx: PostgresContext,
  { rows, leftMessages, claimedByLane }: AnswerWithClaims<FinishedRow>,
): FinishedRow[] {
  const finished: FinishedRow[] = []
  let hop: HopAnswer | undefined
  for (const row of rows) {
    if (row.ord === 0) hop = (row.answer ?? {}) as HopAnswer
    else finished[row.ord - 1] = row
  }
  announceEnds(ctx, finished, { isDispatched: hop !== undefined, leftMessages })
  if (hop !== undefined) followHop(ctx, partitionsOf(finished), withoutClaimed(hop, claimedByLane))
  return finished
}

/** How many edges an end may resolve in its own transaction. */
function inlineEdges({ settings }: PostgresContext): number {
  return Math.min(settings.inlineResolveEdges ?? settings.hopMaxEdges, settings.hopMaxEdges)
}

function partitionsOf(finished: readonly FinishedRow[]): number[] {
  return [...new Set(finished.map(({ partition_key }) => partition_key))].sort((a, b) => a - b)
}

/** What was claimed in the same transaction need not be announced to others. */
function withoutClaimed(hop: HopAnswer, claimedByLane: ReadonlyMap<number, number>): HopAnswer {
  const taken = new Map(claimedByLane)
  const lanes = (hop.lanes ?? []).filter((lane) => {
    const left = taken.get(lane) ?? 0
    taken.set(lane, left - 1)
    return left <= 0
  })
  return { ...hop, lanes }
}

function wishOf(retry: FailLease['retry']): { readonly word: string; readonly ms: number | null } {
  if (typeof retry !== 'object') return { word: retry ?? 'policy', ms: null }
  return 'atMs' in retry ? { word: 'at', ms: retry.atMs } : { word: 'after', ms: retry.afterMs }
}
