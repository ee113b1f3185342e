import { setTimeout as pause } from 'node:timers/promises'
import { engineError, type Hint, type SubmitterBackend } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { UserExecutor } from '../db/database.js'
import { contextOver, createSubmits } from './submits.js'
import { askBegun, askThrough, notATransaction, type TransactionClient } from './transaction-client.js'

/** A transaction of the user's on the backend's own connections: statements, and submits that are part of it. */
export interface Transaction extends SubmitterBackend {
  /** A statement of the user's, as a client of `pg` carries it out. */
  query<Row extends object = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
  ): Promise<{ readonly rows: readonly Row[]; readonly rowCount: number | null }>
}

export interface TransactionOptions {
  /** After so long it is rolled back (default: 5 s on PGlite, where all others wait for it; else never). */
  readonly timeoutMs?: number | undefined
}

/** What this package offers beyond the contract: submits inside a transaction of the user's. */
export interface TransactionOperations {
  /**
   * The submits, bound to a transaction that the user began: what they accept exists once that commits, and is claimed at
   * once; after a rollback nothing of it was ever there. A refusal, and a failure of the submit itself, leave the
   * transaction usable. Throws `invalid_params` for what is no transaction; on PGlite for any but those of `transaction`.
   */
  inTransaction(transaction: TransactionClient | Transaction): SubmitterBackend
  /**
   * Runs a function in a transaction on a connection of the backend's, and commits it unless it throws. On PGlite, which is
   * one session, this is the only way: whatever the function calls besides `transaction` is refused there as
   * `inside_transaction`. Throws `timed_out`.
   */
  transaction<T>(run: (transaction: Transaction) => Promise<T>, options?: TransactionOptions): Promise<T>
}

const PGLITE_TIMEOUT_MS = 5_000

export function createTransactions(ctx: PostgresContext): TransactionOperations {
  const own = new WeakSet<object>()
  return {
    inTransaction(transaction) {
      if (own.has(transaction)) return transaction as Transaction
      if (ctx.isPglite) {
        throw notATransaction(
          'on PGlite only those of `transaction` can be had: it has one session, which is in use',
        )
      }
      return createSubmits(ctx, askThrough(transaction as TransactionClient))
    },
    async transaction(run, { timeoutMs = ctx.isPglite ? PGLITE_TIMEOUT_MS : undefined } = {}) {
      const hints: Hint[] = []
      const answer = await ctx.db.userTransaction(async (tx) => {
        const within = open(ctx, tx, hints)
        own.add(within.transaction)
        try {
          return await inTime(run(within.transaction), timeoutMs)
        } finally {
          within.end()
        }
      })
      // To others the commit has sent them.
      for (const hint of hints) ctx.hints.receive(hint)
      return answer
    },
  }
}

/** After `end` its statements are refused: the connection is somebody else's. */
function open(ctx: PostgresContext, tx: UserExecutor, hints: Hint[]) {
  let isOver = false
  const query: UserExecutor['plain'] = async (text, values) => {
    if (isOver) throw engineError('closed', 'The transaction has ended')
    return tx.plain(text, values)
  }
  const look = ctx.isPglite ? contextOver(ctx, tx) : ctx
  const ask = askBegun({ query: (text, values) => query(text, values) })
  const submits = createSubmits(look, ask, (foretold) => hints.push(...foretold))
  const transaction: Transaction = {
    ...submits,
    query: query as Transaction['query'],
  }
  return {
    transaction,
    end() {
      isOver = true
    },
  }
}

async function inTime<T>(work: Promise<T>, timeoutMs: number | undefined): Promise<T> {
  if (timeoutMs === undefined) return work
  const stop = new AbortController()
  const late = pause(timeoutMs, undefined, { signal: stop.signal }).then(() => {
    throw engineError('timed_out', `The transaction was not over after ${timeoutMs} ms, and was rolled back`)
  })
  late.catch(() => {})
  try {
    return await Promise.race([work, late])
  } finally {
    stop.abort()
  }
}
