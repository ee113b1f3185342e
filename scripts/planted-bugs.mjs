/**
 * Plants bugs one at a time and shows which test finds each. A bug that nothing finds is a hole in the suite: then this
 * command fails. `--only <part of a name>` chooses.
 */
import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { outputOf, root, seconds } from './workspace.mjs'

/** Tried in this order; the first that fails has found it. */
const suites = [
  {
    title: 'random DAGs against the oracle',
    project: 'differential',
    file: 'test/differential/random-dags',
    pattern: 'on pglite',
  },
  {
    title: 'differential',
    project: 'differential',
    file: 'test/differential/differential',
    pattern: 'pglite',
  },
  ...['cases', 'hazards', 'flows', 'leases', 'maintenance', 'executions'].map((folder) => ({
    title: 'conformance',
    project: 'conformance:pglite',
    file: `test/conformance/${folder}`,
  })),
]

const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : ''
const text = readFileSync(join(root, 'test/planted/bugs.ts'), 'utf8')
const names = [...text.matchAll(/^ {2}\{\n {4}name: '([^']+)',$/gm)]
  .map(([, name]) => name)
  .filter((name) => name.includes(only))

let missed = 0
for (const name of names) {
  const startedAt = Date.now()
  const found = await hunt(name)
  if (found === undefined) missed += 1
  console.log(
    `${found === undefined ? '✗' : '✓'} ${name}: ${found ?? 'found by nothing'} (${seconds(startedAt)})`,
  )
}
console.log(`${names.length - missed} of ${names.length} planted bugs found`)
process.exitCode = missed === 0 ? 0 : 1

/** Runs suite after suite with the bug planted, and names the first test that fails. */
async function hunt(name) {
  const folder = await mkdtemp(join(tmpdir(), 'flowfabric-planted-'))
  try {
    for (const { title, project, file, pattern } of suites) {
      const report = join(folder, 'report.json')
      const args = [
        'run',
        '--project',
        project,
        file,
        '--bail=1',
        '--reporter=json',
        `--outputFile=${report}`,
      ]
      if (pattern !== undefined) args.push('-t', pattern)
      await outputOf(join(root, 'node_modules/.bin/vitest'), args, {
        cwd: root,
        env: { ...process.env, FF_PLANT: name },
      }).catch(() => undefined)
      const { testResults } = JSON.parse(await readFile(report, 'utf8'))
      const failed = testResults
        .flatMap(({ assertionResults }) => assertionResults)
        .find(({ status }) => status === 'failed')
      if (failed !== undefined) return `${title}, “${failed.fullName}”`
    }
    return undefined
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
