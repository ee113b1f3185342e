import { execFileSync } from 'node:child_process'
import { PGlite } from '@electric-sql/pglite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createContext } from '../postgres-backend.js'
import { layoutVersion, migrate } from './migrate.js'

let pglite: PGlite

beforeAll(async () => {
  pglite = await PGlite.create()
})
afterAll(() => pglite.close())

async function withContext<T>(
  schema: string,
  use: (ctx: ReturnType<typeof createContext>['ctx']) => Promise<T>,
): Promise<T> {
  const { ctx, close } = createContext({ pglite, schema })
  try {
    return await use(ctx)
  } finally {
    await close()
  }
}

describe('migrations', () => {
  it('are what is in sql/', () => {
    const script = new URL('../../scripts/build-migrations.mjs', import.meta.url).pathname
    expect(() => execFileSync(process.execPath, [script, '--check'], { stdio: 'pipe' })).not.toThrow()
  })

  it('make the schema once, however many ask for it', async () => {
    await withContext('many', async (ctx) => {
      const versions = await Promise.all(Array.from({ length: 5 }, () => migrate(ctx.db)))
      expect(versions).toEqual(Array(5).fill(layoutVersion))
      const rows = await ctx.db.query('select version from ff.migration')
      expect(rows).toHaveLength(layoutVersion)
    })
  })

  it('leave what is outside of the schema alone', async () => {
    const outside = "select count(*)::integer as n from pg_class where relnamespace = 'public'::regnamespace"
    await withContext('apart', async (ctx) => {
      const before = await ctx.db.query(outside)
      await migrate(ctx.db)
      expect(await ctx.db.query(outside)).toEqual(before)
    })
  })

  it('refuse a schema of a newer version', async () => {
    await withContext('newer', async (ctx) => {
      await migrate(ctx.db)
      await ctx.db.query(
        `insert into ff.migration (version, name) values (${layoutVersion + 1}, 'of_tomorrow')`,
      )
      await expect(migrate(ctx.db)).rejects.toMatchObject({
        code: 'schema_mismatch',
        details: { stored: layoutVersion + 1, supported: layoutVersion },
      })
    })
  })
})
