import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { moduleOf, plant, plantedBugs } from '../planted/bugs.js'

const root = join(import.meta.dirname, '../..')
const migrations = join(root, 'packages/backend-postgres/sql')
const sql = readdirSync(migrations)
  .sort()
  .map((file) => readFileSync(join(migrations, file), 'utf8'))
  .join('\n')

// Hunting them takes an hour; whether there is anything to hunt is seen at once.
it.each(plantedBugs)('$name: its place is found', (bug) => {
  const code = readFileSync(join(root, moduleOf(bug)), 'utf8')
  expect(plant(bug, code)).not.toBe(code)
})

// A later migration may define the function anew, and then the bug would be planted in what nobody calls.
it.each(plantedBugs.filter(({ file }) => file === 'sql'))('$name: its function is the present one', (bug) => {
  const at = sql.lastIndexOf(bug.find)
  const [, name] = [...sql.slice(0, at).matchAll(/^create (?:or replace )?function (\w+)\(/gm)].at(-1) ?? []
  expect(sql.slice(at)).not.toMatch(new RegExp(`^create (or replace )?function ${name}\\(`, 'm'))
})

it('each bug has a name of its own', () => {
  const names = plantedBugs.map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
})
