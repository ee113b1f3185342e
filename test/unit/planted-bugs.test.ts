import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { moduleOf, plant, plantedBugs } from '../planted/bugs.js'

const root = join(import.meta.dirname, '../..')

// Hunting them takes an hour; whether there is anything to hunt is seen at once.
it.each(plantedBugs)('$name: its place is found', (bug) => {
  const code = readFileSync(join(root, moduleOf(bug)), 'utf8')
  expect(plant(bug, code)).not.toBe(code)
})

it('each bug has a name of its own', () => {
  const names = plantedBugs.map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
})
