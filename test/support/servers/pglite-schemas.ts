import type { PGlite } from '@electric-sql/pglite'
import { createPgConfig } from '@electric-sql/pglite/node-postgres'
import pg from 'pg'
import { startTestPglite } from './test-pglite.js'

export interface SchemaPlace {
  readonly pglite: PGlite
  readonly schema: string
}

/** What a schema is to hold from its beginning. */
export interface SchemaContent {
  /** Says what it holds: those of one name are alike. */
  readonly holds: string
  fill(place: SchemaPlace): Promise<void>
}

export interface BorrowedSchema extends SchemaPlace {
  readonly pool: pg.Pool
  close(): Promise<void>
}

interface FilledSchema {
  readonly name: string
  /** Makes of what tests left what was filled in. */
  readonly restore: string
  readonly definitions: string
}

// One instance for all stores of the process, since its start costs more than most test files; and to make the tables and
// functions of a store anew, and to plan all queries again, costs more than most tests.
let shared: Promise<PGlite> | undefined
let schemaCount = 0
const idle = new Map<string, FilledSchema[]>()

/** A schema for one store at a time, as it was filled: an earlier one, emptied, where there is one. */
export async function borrowSchema({ holds, fill }: SchemaContent): Promise<BorrowedSchema> {
  shared ??= startTestPglite()
  const pglite = await shared
  // Never idle for too long: a client that ends would end the one session that all pools of the instance share.
  const pool = new pg.Pool(Object.assign(createPgConfig(pglite), { idleTimeoutMillis: 0 }))
  const filled = idle.get(holds)?.pop() ?? (await makeSchema(pool, (schema) => fill({ pglite, schema })))
  const close = async () => {
    if ((await readDefinitions(pool, filled.name)) === filled.definitions) {
      await pool.query(filled.restore)
      idle.set(holds, [...(idle.get(holds) ?? []), filled])
    } else {
      // A test has changed more than records.
      await pool.query(`drop schema if exists ${filled.name} cascade`)
    }
    await pool.end()
  }
  return { pglite, schema: filled.name, pool, close }
}

async function makeSchema(pool: pg.Pool, fill: (schema: string) => Promise<void>): Promise<FilledSchema> {
  schemaCount += 1
  const name = `test_${schemaCount}`
  await fill(name)
  const tables = await readNames(pool, name, 'r')
  const sequences = await readNames(pool, name, 'S')
  const kept: string[] = []
  await pool.query(`create schema ${name}_filled`)
  for (const table of tables) {
    const { rowCount } = await pool.query(`select from ${name}.${table} limit 1`)
    if (rowCount === 0) continue
    kept.push(table)
    await pool.query(`create table ${name}_filled.${table} as table ${name}.${table}`)
  }
  const restore = [
    'begin',
    'set local session_replication_role = replica',
    // Emptied by truncation they would be planned for anew.
    ...tables.map((table) => `delete from ${name}.${table}`),
    ...kept.map((table) => `insert into ${name}.${table} table ${name}_filled.${table}`),
    ...sequences.map((sequence) => `alter sequence ${name}.${sequence} restart`),
    'commit',
  ].join(';\n')
  return { name, restore, definitions: await readDefinitions(pool, name) }
}

async function readNames(pool: pg.Pool, schema: string, kind: string): Promise<string[]> {
  const { rows } = await pool.query(
    `select quote_ident(relname) as name from pg_class where relnamespace = to_regnamespace($1) and relkind = $2`,
    [schema, kind],
  )
  return rows.map((row) => row.name)
}

/** Says whether functions, columns, constraints, indexes or triggers are still the ones that were made. */
async function readDefinitions(pool: pg.Pool, schema: string): Promise<string> {
  const { rows } = await pool.query(
    `with own as (select oid from pg_class where relnamespace = to_regnamespace($1)), definition as (
       select oid, xmin from pg_proc where pronamespace = to_regnamespace($1)
       union all select attrelid, xmin from pg_attribute where attrelid in (select oid from own)
       union all select oid, xmin from pg_constraint where connamespace = to_regnamespace($1)
       union all select indexrelid, xmin from pg_index where indrelid in (select oid from own)
       union all select oid, xmin from pg_trigger where tgrelid in (select oid from own)
     )
     select md5(string_agg(format('%s %s', oid, xmin), ',' order by oid, xmin::text)) as digest from definition`,
    [schema],
  )
  return rows[0].digest
}
