/**
 * What a soak came to: for each random test its runs, seed and time, whether there was a difference, and how often each
 * operation was accepted and refused. Read from the files that the tests leave in the folder of reports.
 */
import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export async function summarizeSoak(folder) {
  const names = (await readdir(folder).catch(() => [])).filter(
    (name) => name.endsWith('.json') && name !== 'soak.json',
  )
  const reports = []
  for (const name of names.sort()) reports.push(JSON.parse(await readFile(join(folder, name), 'utf8')))
  for (const { name, runs, seed, seconds, failed } of reports)
    console.log(
      `${failed ? '✗' : '✓'} ${name}: ${runs} runs, seed ${seed}, ${seconds} s, ${failed ? 'a difference' : 'no difference'}`,
    )
  const operations = {}
  for (const report of reports)
    for (const [operation, counts] of Object.entries(report.operations))
      for (const [outcome, count] of Object.entries(counts)) {
        operations[operation] ??= {}
        operations[operation][outcome] = (operations[operation][outcome] ?? 0) + count
      }
  for (const [operation, counts] of Object.entries(operations).sort())
    console.log(
      `  ${operation}: ${Object.entries(counts)
        .map(([outcome, count]) => `${outcome} ${count}`)
        .join(', ')}`,
    )
  await writeFile(join(folder, 'soak.json'), `${JSON.stringify({ reports, operations }, null, 2)}\n`)
  console.log(`the whole report is in ${join(folder, 'soak.json')}`)
  // Written by the tests that ask all stores at once.
  const page = join(folder, 'equivalence.md')
  if (existsSync(page)) console.log(`what was compared of all stores is in ${page}`)
}
