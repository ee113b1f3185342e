import { setTimeout as pause } from 'node:timers/promises'
import { engineError, isEngineError } from '@flowfabric/core'
import pg from 'pg'
import type { Database } from '../db/database.js'
import { type Migration, migrations } from '../generated/migrations.js'

/** The schema version that this package works with. */
export const layoutVersion: number = migrations.length

/**
 * Brings the schema up to this package's version: numbered, forward only, each in a transaction of its own that first
 * takes a lock and then looks whether someone else was faster. Safe from many processes at once, also behind a pooler:
 * the lock is the transaction's, never the session's. Others are served meanwhile: a statement that waits for a lock holds up
 * all that come after it, so it gives up soon, before a deadlock would be looked for, and tries again. Throws `schema_mismatch` on
 * a schema that is newer, and `retry_exhausted` where something held a lock all the time.
 */
export async function migrate(db: Database, list: readonly Migration[] = migrations): Promise<number> {
  for (const migration of list) await applyPatiently(db, migration)
  const [stored] = await db.query<{ version: number }>(
    'select max(version)::integer as version from ff.migration',
  )
  const version = stored?.version ?? 0
  if (version > layoutVersion) {
    throw engineError(
      'schema_mismatch',
      `The schema is of version ${version}, this package knows ${layoutVersion}`,
      {
        stored: version,
        supported: layoutVersion,
      },
    )
  }
  return version
}

/** Less than what callers wait for a lock, and than the second after which the server looks for deadlocks. */
const LOCK_TIMEOUT_MS = 500
/** For so long the callers that had to wait are served. */
const PAUSE_MS = 500
const TRIES_MAX = 120

async function applyPatiently(db: Database, migration: Migration): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await apply(db, migration)
    } catch (fault) {
      if (!isEngineError(fault, 'retry_exhausted') || tries >= TRIES_MAX) throw fault
      await pause(PAUSE_MS)
    }
  }
}

async function apply(db: Database, migration: Migration): Promise<void> {
  const schema = pg.escapeIdentifier(db.schema)
  await db.transaction(
    async (tx) => {
      await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [
        `flowfabric/migrate/${db.schema}`,
      ])
      // Without these two looks an ordinary start would need the right to create.
      const [known] = await tx.query<{ found: boolean }>('select to_regclass($1) is not null as found', [
        `${schema}.migration`,
      ])
      if (known?.found !== true) {
        await tx.query(`create schema if not exists ${schema}`)
        await tx.query(
          'create table ff.migration (version integer primary key, name text not null, applied_at timestamptz not null default now())',
        )
      }
      const [done] = await tx.query<{ version: number }>(
        'select version from ff.migration where version = $1',
        [migration.version],
      )
      if (done !== undefined) return
      await tx.script(
        `set local lock_timeout = ${LOCK_TIMEOUT_MS}; set local search_path to ${schema}, pg_temp;\n${migration.sql}`,
      )
      await tx.query('insert into ff.migration (version, name) values ($1, $2)', [
        migration.version,
        migration.name,
      ])
    },
    { lockTimeoutMs: 60_000 },
  )
}
