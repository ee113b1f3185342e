import { engineError } from '@flowfabric/core'
import { sqlStateOf } from '../db/fault.js'

/** A connection in a transaction: a client of `pg`, or whatever takes a statement and its parameters like one. */
export interface SqlTransaction {
  query(text: string, values: unknown[]): Promise<{ readonly rows: readonly unknown[] }>
}

/** A transaction of Kysely. */
export interface KyselyTransaction {
  readonly isTransaction: true
  executeQuery(query: never): Promise<{ readonly rows: readonly unknown[] }>
}

export type TransactionClient = SqlTransaction | KyselyTransaction

/** Statements of the user's transaction that answer one text: so it does not matter how their client reads values. */
export type AskTransaction = (text: string, values: readonly unknown[]) => Promise<string>

/** Throws `invalid_params` for what cannot be a transaction. */
export function askThrough(client: TransactionClient): AskTransaction {
  const { executeQuery, isTransaction } = client as Partial<KyselyTransaction>
  if (typeof executeQuery === 'function') {
    if (isTransaction !== true) {
      throw notATransaction(
        'give what `transaction().execute` hands to your function, not the database itself',
      )
    }
    const execute = executeQuery.bind(client) as (query: object) => ReturnType<SqlTransaction['query']>
    return async (text, values) => readAnswer(await execute(rawQuery(text, values)))
  }
  const sql = client as SqlTransaction
  if (typeof sql?.query !== 'function' || 'totalCount' in sql) {
    throw notATransaction('a pool is none: give the client on which the transaction was begun')
  }
  let begun: Promise<void> | undefined
  return async (text, values) => {
    begun ??= requireBegun(sql)
    await begun
    return askBegun(sql)(text, values)
  }
}

/** Of a transaction that is known to be one. */
export function askBegun(sql: SqlTransaction): AskTransaction {
  return async (text, values) => readAnswer(await sql.query(text, [...values]))
}

/** Outside of a transaction our statements would commit by themselves, and nobody would notice. There a savepoint is refused. */
async function requireBegun(sql: SqlTransaction): Promise<void> {
  try {
    await sql.query('savepoint flowfabric; release savepoint flowfabric', [])
  } catch (fault) {
    if (sqlStateOf(fault) !== NO_TRANSACTION) throw fault
    throw notATransaction('begin it first, or its statements would commit by themselves')
  }
}

const NO_TRANSACTION = '25P01'

export function notATransaction(message: string) {
  return engineError('invalid_params', `Not a transaction: ${message}`, {
    issues: [{ path: 'transaction', message }],
  })
}

/** What Kysely's `CompiledQuery.raw` makes, without depending on it. */
function rawQuery(sql: string, parameters: readonly unknown[]): object {
  const query = { kind: 'RawNode', sqlFragments: [sql], parameters: [] }
  return { sql, parameters, query, queryId: { queryId: 'flowfabric' } }
}

function readAnswer({ rows }: { readonly rows: readonly unknown[] }): string {
  const [row] = rows as readonly { readonly answer?: unknown }[]
  if (typeof row?.answer === 'string') return row.answer
  throw notATransaction('its statements answer no rows')
}
