import type { ClaimedExecution, ClaimRequest } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { SqlValue } from '../db/database.js'
import { type Claimer, claimCall, claimParameters } from './claim.js'
import { type ClaimedRow, claimedColumnNames } from './claimed-row.js'

/** A function of the store. It answers rows of the composite type `row`. */
export interface StoreFunction {
  readonly name: string
  /** Types of its parameters. */
  readonly types: readonly string[]
  readonly row: string
  /** Of the row, in the order of its type. */
  readonly columns: readonly string[]
}

export interface AnswerWithClaims<Row> {
  readonly rows: readonly Row[]
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
    return { rows: [], claims: await Promise.all(requests.map(claimer.look)), claimedByLane: new Map() }
  }
  const begun = requests.slice(0, claimsMax).map((request) => claimer.begin(request))
  const answered = await ctx.db.call<Record<string, unknown> & { readonly part: number }>(
    statementOf(call.fn, begun.length),
    [...call.values, ...begun.flatMap(({ values }) => values)],
  )
  const rows: Row[] = []
  const claimedRows: ClaimedRow[][] = begun.map(() => [])
  const claimedByLane = new Map<number, number>()
  for (const row of answered) {
    if (row.part === 0) {
      rows.push(row as unknown as Row)
      continue
    }
    const claimed = claimedPart(row)
    claimedRows[row.part - 1]?.push(claimed)
    if (claimed.id !== null) claimedByLane.set(claimed.lane_id, (claimedByLane.get(claimed.lane_id) ?? 0) + 1)
  }
  const claims = await Promise.all(
    requests.map(async (request, index) => {
      const own = begun[index]
      const claimed = own === undefined ? undefined : await claimer.finish(own, claimedRows[index] ?? [])
      return claimed ?? claimer.look(request)
    }),
  )
  return { rows, claims, claimedByLane }
}

const statements = new Map<string, string>()

function statementOf(fn: StoreFunction, claimCount: number): string {
  const key = `${fn.name} ${claimCount}`
  let statement = statements.get(key)
  if (statement === undefined) {
    statement = buildStatement(fn, claimCount)
    statements.set(key, statement)
  }
  return statement
}

/** The function first, then the claims; the barrier before both, in the order in which all take it. */
function buildStatement({ name, types, row, columns }: StoreFunction, claimCount: number): string {
  const call = `ff.${name}(${types.map((type, index) => `$${index + 1}::${type}`).join(', ')})`
  if (claimCount === 0) return `select 0 as part, ${columns.join(', ')} from ${call}`
  const noRow = columns.map((column) => `(null::ff.${row}).${column} as ${column}`).join(', ')
  const noClaim = claimedColumnNames.map((column) => `(null::ff.claimed).${column} as c_${column}`).join(', ')
  const branches = [
    `select -1 as part, ${noRow}, ${noClaim} from ff.enter_barrier()`,
    `select 0, ${columns.join(', ')}, ${noClaim} from ${call}`,
  ]
  for (let index = 0; index < claimCount; index += 1) {
    const first = types.length + 1 + index * claimParameters
    branches.push(`select ${index + 1}, ${noRow}, ${claimedColumnNames.join(', ')} from ${claimCall(first)}`)
  }
  return branches.join('\nunion all\n')
}

const claimedColumns = claimedColumnNames.map((name) => [name, `c_${name}`] as const)

function claimedPart(row: Readonly<Record<string, unknown>>): ClaimedRow {
  const claimed: Record<string, unknown> = {}
  for (const [name, column] of claimedColumns) claimed[name] = row[column]
  return claimed as unknown as ClaimedRow
}
