/**
 * The committed schema must be what the migrations make, so that a review shows what a migration does to
 * the whole. With `--write` it is written instead of compared.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describeSchema } from './schema.mjs'
import { outputOf, root } from './workspace.mjs'

const schema = 'flowfabric'
const header = `-- The whole schema after all migrations, read from the catalogs of a migrated database.
-- Made by \`node scripts/check-schema.mjs --write\`. Do not edit.
`

const home = join(root, 'packages/backend-postgres')
const committed = join(home, 'schema.sql')
const isWriting = process.argv.includes('--write')

// The package ships its migrations as a module made from the SQL files.
await outputOf(process.execPath, ['scripts/build-migrations.mjs', ...(isWriting ? [] : ['--check'])], {
  cwd: home,
})

const text = `${header}\n${await migrated()}`
if (isWriting) {
  await writeFile(committed, text)
} else if ((await readFile(committed, 'utf8').catch(() => '')) !== text) {
  console.error(
    `packages/backend-postgres/schema.sql is not what the migrations make: run node scripts/check-schema.mjs --write`,
  )
  process.exitCode = 1
}

async function migrated() {
  const entry = createRequire(join(home, 'package.json')).resolve('@electric-sql/pglite')
  const { PGlite } = await import(pathToFileURL(entry).href)
  const database = new PGlite()
  try {
    await database.exec(`create schema ${schema}`)
    for (const file of (await readdir(join(home, 'sql'))).filter((name) => name.endsWith('.sql')).sort()) {
      const sql = await readFile(join(home, 'sql', file), 'utf8')
      await database.exec(`begin; set local search_path to ${schema}, pg_temp;\n${sql};\ncommit;`)
    }
    // Names of this schema are written without it.
    await database.exec(`set search_path to ${schema}, pg_catalog`)
    return await describeSchema(async (sql, values) => (await database.query(sql, values)).rows, schema)
  } finally {
    await database.close()
  }
}
