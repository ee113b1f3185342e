import { AsyncLocalStorage } from 'node:async_hooks'
import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { engineError, isEngineError, limits } from '@flowfabric/core'
import pg from 'pg'
import { type Connections, createConnections } from './connections.js'
import { contentionStates, sqlStateOf, toEngineError } from './fault.js'

/** One parameter of a statement. Arrays become SQL arrays. */
export type SqlValue =
  | string
  | number
  | bigint
  | boolean
  | Uint8Array
  | null
  | undefined
  | readonly SqlValue[]

/**
 * Runs statements. In a text, `ff.` stands for the schema: no statement relies on a search path, so that a pool of the
 * caller's and a transaction pooler both do.
 */
export interface Executor {
  query<Row extends object>(text: string, values?: readonly SqlValue[]): Promise<readonly Row[]>
  /** Several statements in one round trip, without parameters or answer. */
  script(text: string): Promise<void>
}

/** A transaction of a user's own: its statements are theirs, and nothing is put into their texts. */
export interface UserExecutor extends Executor {
  plain(text: string, values?: readonly unknown[]): Promise<pg.QueryResult>
}

export interface TransactionOptions {
  /** How long to wait for a lock before it counts as contention (default 2 s); `null`: as the role has it. */
  readonly lockTimeoutMs?: number | null | undefined
  /** Snapshot over all statements, for reads that must agree with each other. */
  readonly isolation?: 'read committed' | 'repeatable read' | undefined
}

/** The one door to the store. */
export interface Database extends Executor {
  readonly schema: string
  /** Read committed; contention is tried three times in all, then it is `retry_exhausted`. */
  transaction<T>(run: (tx: Executor) => Promise<T>, options?: TransactionOptions): Promise<T>
  /**
   * A user's own code, carried out once, with the lock timeout that its role has. While it runs on PGlite, whose only
   * session it holds, other calls made by it are refused as `inside_transaction`: they would wait for it for ever.
   */
  userTransaction<T>(run: (tx: UserExecutor) => Promise<T>): Promise<T>
  /** Throws `inside_transaction` where a call would wait for the caller's own transaction. */
  refuseInside(): void
  /** As `query` outside a transaction, tried again on contention: for functions that carry their own lock timeout. */
  call<Row extends object>(text: string, values?: readonly SqlValue[]): Promise<readonly Row[]>
  close(): Promise<void>
}

export interface DatabaseOptions {
  readonly schema: string
  readonly pooler: boolean
  readonly pool: Promise<pg.Pool>
  /** Whether `close` ends the pool. */
  readonly isOwner: boolean
  /** PGlite: whoever holds the session holds up all others. */
  readonly isOneSession: boolean
}

export function createDatabase({ schema, pooler, pool, isOwner, isOneSession }: DatabaseOptions): Database {
  const statements = new StatementTexts(schema, pooler)
  // An unused failed pool must not end the process; whoever uses it sees the failure.
  pool.catch(() => {})
  let closing: Promise<void> | undefined
  let connections: Promise<Connections> | undefined
  const inside = new AsyncLocalStorage<true>()

  const refuseInside = (): void => {
    if (inside.getStore() !== true) return
    throw engineError(
      'inside_transaction',
      'This call is not bound to the transaction that it was made in, and would wait for it for ever',
    )
  }

  const open = async (): Promise<Connections> => {
    if (closing !== undefined) throw engineError('closed', 'The backend was closed')
    refuseInside()
    connections ??= pool.then((opened) => createConnections(opened))
    return connections.catch((fault) => {
      throw toEngineError(fault, false)
    })
  }

  const database: Database = {
    schema,
    async query<Row extends object>(text: string, values: readonly SqlValue[] = []) {
      return runOnPool<Row>(await open(), statements.configOf(text, values))
    },
    call: <Row extends object>(text: string, values?: readonly SqlValue[]) =>
      withTries(() => database.query<Row>(text, values)),
    async script(text) {
      await runOnPool(await open(), { text: statements.resolve(text) })
    },
    async userTransaction(body) {
      const opened = await open()
      return runTransaction(
        opened,
        statements,
        (tx) => (isOneSession ? inside.run(true, () => body(tx)) : body(tx)),
        { lockTimeoutMs: null },
      )
    },
    refuseInside,
    transaction: (body, options) =>
      withTries(async () => runTransaction(await open(), statements, body, options ?? {})),
    close() {
      closing ??= pool.then(
        async (opened) => {
          ;(await connections)?.close()
          if (isOwner) await opened.end()
        },
        () => {},
      )
      return closing
    },
  }
  return database
}

async function runTransaction<T>(
  connections: Connections,
  statements: StatementTexts,
  body: (tx: UserExecutor) => Promise<T>,
  { lockTimeoutMs = 2_000, isolation = 'read committed' }: TransactionOptions,
): Promise<T> {
  const client = await connections.lend().catch((fault) => {
    throw toEngineError(fault, false)
  })
  let broken: Error | undefined
  try {
    await run(
      client,
      {
        text:
          lockTimeoutMs === null
            ? 'begin'
            : `begin isolation level ${isolation}; set local lock_timeout = ${lockTimeoutMs}`,
      },
      false,
    )
    const answer = await body({
      query: (text, values = []) => run(client, statements.configOf(text, values), false),
      async script(text) {
        await run(client, { text: statements.resolve(text) }, false)
      },
      plain: (text, values) => client.query({ text, values: [...(values ?? [])] }),
    })
    await commit(client)
    return answer
  } catch (fault) {
    // After a lost connection there is nothing to roll back; the pool drops the client.
    await client.query('rollback').catch((failure: Error) => {
      broken ??= failure
    })
    throw fault
  } finally {
    connections.giveBack(client, broken)
  }
}

/** After a failed statement a commit is carried out as a rollback, and does not say so but by its name. */
async function commit(client: pg.PoolClient): Promise<void> {
  const { command } = await client.query('commit').catch((fault) => {
    throw toEngineError(fault, true)
  })
  if (command !== 'ROLLBACK') return
  throw engineError(
    'internal_error',
    'A statement of the transaction failed, so that all of it was rolled back',
  )
}

interface StatementConfig {
  readonly text: string
  readonly name?: string
  readonly values?: unknown[]
}

/**
 * A statement of its own. Not by the pool's `query`, which throws a connection away with every failed statement: on a
 * server that costs a new one, and PGlite's only one does not survive it.
 */
async function runOnPool<Row extends object>(
  connections: Connections,
  config: StatementConfig,
): Promise<readonly Row[]> {
  const client = await connections.lend().catch((fault) => {
    throw toEngineError(fault, false)
  })
  let broken: Error | undefined
  try {
    const result = await client.query<Row>(config as pg.QueryConfig)
    return result.rows
  } catch (fault) {
    if (!isStatementFault(fault)) broken = fault instanceof Error ? fault : new Error(String(fault))
    throw toEngineError(fault, true)
  } finally {
    connections.giveBack(client, broken)
  }
}

/** The server refused the statement, and serves the next one. By shape: PGlite's faults are of a class of its own. */
function isStatementFault(fault: unknown): boolean {
  const { severity } = (typeof fault === 'object' && fault !== null ? fault : {}) as { severity?: unknown }
  return severity === 'ERROR'
}

async function run<Row extends object>(
  target: pg.PoolClient,
  config: StatementConfig,
  mayHaveCommitted: boolean,
): Promise<readonly Row[]> {
  try {
    const result = await target.query<Row>(config as pg.QueryConfig)
    return result.rows
  } catch (fault) {
    throw toEngineError(fault, mayHaveCommitted)
  }
}

/** Contention is tried three times in all, with 5 and 10 ms between; nothing else is tried again. */
async function withTries<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt()
    } catch (fault) {
      if (!isEngineError(fault) || !contentionStates.has(sqlStateOf(fault))) throw fault
      if (tries >= limits.hopTriesMax) {
        throw engineError(
          'retry_exhausted',
          `Contention outlasted ${tries} tries: ${fault.message}`,
          { tries },
          { cause: fault },
        )
      }
      await pause(limits.hopBackoffInitialMs * 2 ** (tries - 1))
    }
  }
}

/** Texts with the schema put in, and the names under which they stay prepared. */
class StatementTexts {
  readonly #prefix: string
  readonly #isNamed: boolean
  /** PGlite is one session for all pools that were ever opened on it, and keeps the statements of those before. */
  readonly #session = randomBytes(4).toString('hex')
  readonly #known = new Map<string, { readonly text: string; readonly name?: string }>()

  constructor(schema: string, pooler: boolean) {
    this.#prefix = `${pg.escapeIdentifier(schema)}.`
    this.#isNamed = !pooler
  }

  resolve(text: string): string {
    return text.replace(/\bff\./g, this.#prefix)
  }

  configOf(text: string, values: readonly SqlValue[]): StatementConfig {
    let known = this.#known.get(text)
    if (known === undefined) {
      const resolved = this.resolve(text)
      // A name per text: two texts never share one, and the schema is part of what is hashed.
      const name = `ff_${this.#session}_${createHash('sha1').update(resolved).digest('hex').slice(0, 24)}`
      known = this.#isNamed ? { text: resolved, name } : { text: resolved }
      // Texts are constants of this package; the bound only guards against a mistake.
      if (this.#known.size < 2_000) this.#known.set(text, known)
    }
    return { ...known, values: values.map(toParameter) }
  }
}

/** As `pg` takes it. */
export function toParameter(value: SqlValue): unknown {
  if (value instanceof Uint8Array) return asBuffer(value)
  if (Array.isArray(value)) return value.map(toParameter)
  return value
}

/** The same bytes as a Buffer, which is what `pg` sends as bytea; never a copy. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
