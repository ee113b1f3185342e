// Makes src/generated/migrations.ts from sql/NNNN_name.sql. With --check it only compares.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const target = join(root, 'src/generated/migrations.ts')

const files = readdirSync(join(root, 'sql'))
  .filter((file) => /^\d{4}_[a-z_]+\.sql$/.test(file))
  .sort()

files.forEach((file, index) => {
  if (Number(file.slice(0, 4)) !== index + 1)
    throw new Error(`sql/${file}: migrations are numbered without gaps`)
})

const entries = files.map((file) => {
  const sql = readFileSync(join(root, 'sql', file), 'utf8')
  return `  {\n    version: ${Number(file.slice(0, 4))},\n    name: '${file.slice(5, -4)}',\n    sql: ${JSON.stringify(sql)},\n  },\n`
})

const text = `// Made by scripts/build-migrations.mjs from the files in sql/. Do not edit.

export interface Migration {
  readonly version: number
  readonly name: string
  readonly sql: string
}

export const migrations: readonly Migration[] = [
${entries.join('')}]
`

const isCurrent = (() => {
  try {
    return readFileSync(target, 'utf8') === text
  } catch {
    return false
  }
})()

if (process.argv.includes('--check')) {
  if (!isCurrent) {
    console.error('src/generated/migrations.ts is not what sql/ makes: run node scripts/build-migrations.mjs')
    process.exit(1)
  }
} else if (!isCurrent) {
  writeFileSync(target, text)
}
