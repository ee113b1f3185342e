import { defineTask, listOf } from '@flowfabric/sdk'
import { type Change, type LongestLine, type Measured, measureFiles } from './measure-files.js'

/** Adds up what the chunks came to: the join behind the map. */
export const summarise = defineTask({
  kind: 'summarise',
  upstream: { parts: listOf(measureFiles) },
  handler: ({ resultsOf }): Measured => resultsOf('parts').reduce(add, nothing),
})

const nothing: Measured = {
  files: 0,
  textFiles: 0,
  lines: 0,
  longest: null,
  imports: {},
  newest: null,
  oldest: null,
}

function add(a: Measured, b: Measured): Measured {
  const imports = { ...a.imports }
  for (const [module, count] of Object.entries(b.imports)) imports[module] = (imports[module] ?? 0) + count
  return {
    files: a.files + b.files,
    textFiles: a.textFiles + b.textFiles,
    lines: a.lines + b.lines,
    longest: pick(a.longest, b.longest, (line: LongestLine) => line.characters),
    imports,
    newest: pick(a.newest, b.newest, (change: Change) => change.atSeconds),
    oldest: pick(a.oldest, b.oldest, (change: Change) => -change.atSeconds),
  }
}

function pick<T>(a: T | null, b: T | null, rank: (value: T) => number): T | null {
  if (a === null || b === null) return a ?? b
  return rank(b) > rank(a) ? b : a
}
