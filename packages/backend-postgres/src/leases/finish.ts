import {
  type ClaimedExecution,
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
  must,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { SqlValue } from '../db/database.js'
import { createGroup, type Group } from '../db/group-commit.js'
import { followHop } from '../resolution/dispatch.js'
import type { HopAnswer } from '../resolution/hop.js'
import { announceEnds } from './after-end.js'
import { type Claimer, claimCall, claimParameters } from './claim.js'
import { type ClaimedRow, claimedColumnNames } from './claimed-row.js'
import { type FinishedRow, finishedColumnNames, toOutcome } from './finished-row.js'
import { answerEach, handleColumns } from './handle-columns.js'

export interface Finisher {
  complete(params: CompleteLeases): Promise<FinishResult<CompleteOutcome>>
  fail(params: FailLeases): Promise<FinishResult<FailOutcome>>
}

/** What one statement carries: ends of attempts, and claims of those who fetch their next work with them. */
type Part<Item> =
  | { readonly kind: 'end'; readonly handle: LeaseHandle; readonly item: Item }
  | { readonly kind: 'claim'; readonly request: ClaimRequest }

type PartOutcome =
  | { readonly kind: 'end'; readonly row: FinishedRow }
  | { readonly kind: 'claim'; readonly claimed: readonly ClaimedExecution[] }

/** How one operation ends attempts. */
interface Ending<Item> {
  /** Types of its parameters after the five of the handles and before the namespaces. */
  readonly types: readonly string[]
  readonly name: 'complete_leases' | 'fail_leases'
  columnsOf(items: readonly Item[]): SqlValue[]
}

type EndGroup<Item> = Group<Part<Item>, PartOutcome>

const itemsMax = 64
/** A backlog's ends: while the store works on some of them, this process reads and prepares others. */
const SECOND_AT = 16
/** Claims that share a statement with ends; more go in statements of their own. */
const claimsMax = 4

export function createFinisher(ctx: PostgresContext, claimer: Claimer): Finisher {
  const completions = createEndGroups<CompleteLeases['items'][number]>(ctx, claimer, {
    name: 'complete_leases',
    types: ['bytea[]'],
    columnsOf: (items) => [items.map(({ result }) => result)],
  })
  const failures = createEndGroups<FailLease>(ctx, claimer, {
    name: 'fail_leases',
    types: ['jsonb[]', 'text[]', 'bigint[]'],
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

/** A group for each set of namespaces: the fence of a statement is its callers'. */
function createEndGroups<Item>(
  ctx: PostgresContext,
  claimer: Claimer,
  ending: Ending<Item>,
): (namespaces: readonly string[]) => EndGroup<Item> {
  const groups = new Map<string, EndGroup<Item>>()
  let claims = 0
  return (namespaces) => {
    const key = [...namespaces].sort().join(',')
    let group = groups.get(key)
    if (group === undefined) {
      group = createGroup<Part<Item>, PartOutcome>({
        itemsMax,
        secondAt: SECOND_AT,
        keyOf(part) {
          if (part.kind === 'end') return part.handle.executionId
          claims += 1
          return `claim ${claims}`
        },
        run: (parts) => runParts(ctx, claimer, ending, namespaces, parts),
      })
      if (groups.size >= 256) groups.clear()
      groups.set(key, group)
    }
    return group
  }
}

async function finish<Item>(
  group: EndGroup<Item>,
  params: { readonly items: readonly Item[]; readonly next?: ClaimRequest | undefined },
  handles: ReturnType<typeof checkComplete>,
) {
  const ends = answerEach(handles, async (handle, index) => {
    const part = await group.add({ kind: 'end', handle, item: must(params.items[index], 'an item') })
    return part.kind === 'end' ? toOutcome(part.row) : must(undefined, 'the answer to an end')
  })
  // Behind its own ends in the queue, so that it sees what they freed.
  const next = params.next === undefined ? undefined : group.add({ kind: 'claim', request: params.next })
  const [items, claim] = await Promise.all([ends, next])
  return { items, claimed: claim?.kind === 'claim' ? claim.claimed : [] }
}

type EndAndClaimRow = FinishedRow & Readonly<Record<string, unknown>> & { readonly part: number }

async function runParts<Item>(
  ctx: PostgresContext,
  claimer: Claimer,
  ending: Ending<Item>,
  namespaces: readonly string[],
  parts: readonly Part<Item>[],
): Promise<readonly PartOutcome[]> {
  const ends = parts.filter((part) => part.kind === 'end')
  const requests = parts.flatMap((part) => (part.kind === 'claim' ? [part.request] : []))
  // Without ends there is nothing to be one with.
  const joined = ends.length === 0 ? [] : requests.slice(0, claimsMax)
  const begun = joined.map((request) => claimer.begin(request))
  const values = [
    ...handleColumns(ends.map(({ handle }) => handle)),
    ...ending.columnsOf(ends.map(({ item }) => item)),
    namespaces,
    inlineEdges(ctx),
    ...begun.flatMap((each) => each.values),
  ]
  const rows =
    ends.length === 0 ? [] : await ctx.db.call<EndAndClaimRow>(statementOf(ending, joined.length), values)
  const finished: FinishedRow[] = []
  let hop: HopAnswer | undefined
  const claimedRows: ClaimedRow[][] = joined.map(() => [])
  for (const row of rows) {
    if (row.part === 0 && row.ord === 0) hop = (row.answer ?? {}) as HopAnswer
    else if (row.part === 0) finished[row.ord - 1] = row
    else claimedRows[row.part - 1]?.push(claimedPart(row))
  }
  announceEnds(ctx, finished, { isDispatched: hop !== undefined })
  if (hop !== undefined) followHop(ctx, partitionsOf(finished), withoutClaimed(hop, claimedRows.flat()))

  const claims = await Promise.all(
    requests.map(async (request, index) => {
      const own = begun[index]
      const claimed = own === undefined ? undefined : await claimer.finish(own, claimedRows[index] ?? [])
      return claimed ?? claimer.look(request)
    }),
  )
  const nextEnd = finished.values()
  const nextClaim = claims.values()
  return parts.map(({ kind }) =>
    kind === 'end'
      ? { kind, row: must(nextEnd.next().value, 'the answer to an end') }
      : { kind, claimed: must(nextClaim.next().value, 'the answer to a claim') },
  )
}

const statements = new Map<string, string>()

function statementOf<Item>(ending: Ending<Item>, claimCount: number): string {
  const key = `${ending.name} ${claimCount}`
  let statement = statements.get(key)
  if (statement === undefined) {
    statement = buildStatement(ending, claimCount)
    statements.set(key, statement)
  }
  return statement
}

/** Ends first, then the claims, in one transaction; the barrier before both, in the order in which all take it. */
function buildStatement<Item>({ name, types }: Ending<Item>, claimCount: number): string {
  const all = ['integer[]', 'uuid[]', 'integer[]', 'uuid[]', 'bigint[]', ...types, 'text[]', 'integer']
  const call = `ff.${name}(${all.map((type, index) => `$${index + 1}::${type}`).join(', ')})`
  if (claimCount === 0) return `select 0 as part, ${finishedColumnNames.join(', ')} from ${call}`
  const noEnd = finishedColumnNames.map((column) => `(null::ff.finished).${column}`).join(', ')
  const noClaim = claimedColumnNames.map((column) => `(null::ff.claimed).${column} as c_${column}`).join(', ')
  const branches = [
    `select -1 as part, ${finishedColumnNames.map((column) => `(null::ff.finished).${column} as ${column}`).join(', ')}, ${noClaim} from ff.enter_barrier()`,
    `select 0, ${finishedColumnNames.join(', ')}, ${claimedColumnNames.map((column) => `(null::ff.claimed).${column}`).join(', ')} from ${call}`,
  ]
  for (let index = 0; index < claimCount; index += 1) {
    const first = all.length + 1 + index * claimParameters
    branches.push(`select ${index + 1}, ${noEnd}, ${claimedColumnNames.join(', ')} from ${claimCall(first)}`)
  }
  return branches.join('\nunion all\n')
}

/** How many edges an end may resolve in its own transaction. */
function inlineEdges({ settings }: PostgresContext): number {
  return Math.min(settings.inlineResolveEdges ?? settings.hopMaxEdges, settings.hopMaxEdges)
}

function partitionsOf(finished: readonly FinishedRow[]): number[] {
  return [...new Set(finished.map(({ partition_key }) => partition_key))].sort((a, b) => a - b)
}

/** What was claimed in the same transaction need not be announced to others. */
function withoutClaimed(hop: HopAnswer, claimed: readonly ClaimedRow[]): HopAnswer {
  const taken = new Map<number, number>()
  for (const { lane_id } of claimed) taken.set(lane_id, (taken.get(lane_id) ?? 0) + 1)
  const lanes = (hop.lanes ?? []).filter((lane) => {
    const left = taken.get(lane) ?? 0
    taken.set(lane, left - 1)
    return left <= 0
  })
  return { ...hop, lanes }
}

function claimedPart(row: EndAndClaimRow): ClaimedRow {
  return Object.fromEntries(
    claimedColumnNames.map((column) => [column, row[`c_${column}`]]),
  ) as unknown as ClaimedRow
}

function wishOf(retry: FailLease['retry']): { readonly word: string; readonly ms: number | null } {
  if (typeof retry !== 'object') return { word: retry ?? 'policy', ms: null }
  return 'atMs' in retry ? { word: 'at', ms: retry.atMs } : { word: 'after', ms: retry.afterMs }
}
