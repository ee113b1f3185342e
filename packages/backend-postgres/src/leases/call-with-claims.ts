import type { ClaimedExecution, ClaimRequest } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { SqlValue } from '../db/database.js'
import { type BegunClaim, type Claimer, claimCall, claimParameters } from './claim.js'
import { type ClaimedRow, claimedColumnNames } from './claimed-row.js'

/** A function of the store that answers rows. */
export interface StoreFunction {
  readonly name: string
  /** Types of its parameters. */
  readonly types: readonly string[]
  /** Of its rows, in the order in which they are read. */
  readonly columns: readonly string[]
}

export interface AnswerWithClaims<Row> {
  readonly rows: readonly Row[]
  /** The call has left messages in the outboxes of its rows' partitions. */
  readonly leftMessages: boolean
  /** For each request what it was handed. */
  readonly claims: readonly (readonly ClaimedExecution[])[]
  /** How many executions of a lane were claimed in the same transaction. */
  readonly claimedByLane: ReadonlyMap<number, number>
}

/** Claims that share a statement; more go in statements of their own. */
const claimsMax = 4

/**
 * Calls a function and then, in the same transaction, carries out the claims that came with it. Without a call there is
 * nothing to be one with: each claim is a statement of its own.
 */
export async function callWithClaims<Row extends object>(
  ctx: PostgresContext,
  claimer: Claimer,
  call: { readonly fn: StoreFunction; readonly values: readonly SqlValue[] } | undefined,
  requests: readonly ClaimRequest[],
): Promise<AnswerWithClaims<Row>> {
  if (call === undefined) {
    return {
      rows: [],
      leftMessages: false,
      claims: await Promise.all(requests.map(claimer.look)),
      claimedByLane: new Map(),
    }
  }
  const begun = claimsOf(requests, claimer)
  const answered = await ctx.db.call<PartRow>(
    statementOf(
      call.fn,
      begun.map(({ served }) => served.hasLines),
    ),
    [...call.values, ...begun.flatMap(({ values }) => values)],
  )
  let rows: readonly Row[] = []
  let leftMessages = false
  const claimedRows: ClaimedRow[][] = begun.map(() => [])
  const claimedByLane = new Map<number, number>()
  for (const row of answered) {
    if (row.part === 0) {
      const [answers, messages] = row.answers ?? [[], null]
      rows = (answers ?? []).map((values) => toRow<Row>(call.fn.columns, values))
      leftMessages = messages === 'left'
      continue
    }
    claimedRows[row.part - 1]?.push(row)
    if (row.id !== null) claimedByLane.set(row.lane_id, (claimedByLane.get(row.lane_id) ?? 0) + 1)
  }
  const claims = await Promise.all(
    requests.map(async (request, index) => {
      const own = begun[index]
      const claimed = own === undefined ? undefined : await claimer.finish(own, claimedRows[index] ?? [])
      return claimed ?? claimer.look(request)
    }),
  )
  return { rows, leftMessages, claims, claimedByLane }
}

/** One that locks quotas and budgets goes alone: each takes its locks in their order, two after each other would not. */
function claimsOf(requests: readonly ClaimRequest[], claimer: Claimer): readonly BegunClaim[] {
  const begun = requests.slice(0, claimsMax).map((request) => claimer.begin(request))
  return begun.some(({ served }) => served.hasLines) ? begun.slice(0, 1) : begun
}

/** `left` once a transaction has left a message, which is told to whoever reads its answer. */
export const messagesSetting = "current_setting('flowfabric.messages', true)"

const statements = new Map<string, string>()

function statementOf(fn: StoreFunction, claims: readonly boolean[]): string {
  const key = `${fn.name} ${claims}`
  let statement = statements.get(key)
  if (statement === undefined) {
    statement = buildStatement(fn, claims)
    statements.set(key, statement)
  }
  return statement
}

/** Part 0 is the function's answers, all in one row; from 1 on, what each of the claims was handed. */
interface PartRow extends ClaimedRow {
  readonly part: number
  readonly answers: readonly [rows: readonly (readonly unknown[])[] | null, messages: string | null] | null
}

/**
 * The barrier first, then the function, then the claims, in the order in which all take them. The answers are packed into
 * one value: as rows they would have to have the columns of the claims too, and every one costs both sides.
 */
function buildStatement({ name, types, columns }: StoreFunction, claims: readonly boolean[]): string {
  const call = `ff.${name}(${types.map((type, index) => `$${index + 1}::${type}`).join(', ')})`
  const answers = `json_build_array(json_agg(json_build_array(${columns.join(', ')})), ${messagesSetting})`
  if (claims.length === 0) return `select 0 as part, ${answers} as answers from ${call}`
  const noClaim = claimedColumnNames.map((column) => `(null::ff.claimed).${column} as ${column}`).join(', ')
  const branches = [
    `select -1 as part, null::json as answers, ${noClaim} from ff.enter_barrier()`,
    `select 0, ${answers}, ${noClaim} from ${call}`,
  ]
  for (const [index, hasLines] of claims.entries()) {
    const first = types.length + 1 + index * claimParameters
    branches.push(
      `select ${index + 1}, null, ${claimedColumnNames.join(', ')} from ${claimCall(first, hasLines)}`,
    )
  }
  return branches.join('\nunion all\n')
}

function toRow<Row>(columns: readonly string[], values: readonly unknown[]): Row {
  const row: Record<string, unknown> = {}
  for (const [index, column] of columns.entries()) row[column] = values[index]
  return row as Row
}
