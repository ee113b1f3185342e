/**
 * Plants bugs one at a time and shows which test finds each. A bug that nothing finds is a hole in the suite: then this
 * command fails. `--only <part of a name>` chooses; without it `--write` puts what was found into `docs/planted-bugs.md`.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { outputOf, root, seconds } from './workspace.mjs'

/** Tried in this order; the first that fails has found it. */
const suitesOn = (store) => [
  { title: 'conformance', project: `conformance:${store}`, file: 'test/conformance' },
  {
    title: 'random DAGs against the oracle',
    project: 'differential',
    file: `test/differential/random-dags/${store}`,
  },
  {
    title: 'differential',
    project: 'differential',
    file: 'test/differential/differential',
    pattern: `\\b${store}\\b`,
  },
  // What only that store has.
  ...(store === 'valkey' ? [{ title: 'Valkey', project: 'valkey', file: 'test/valkey' }] : []),
]

const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : ''
const text = readFileSync(join(root, 'test/planted/bugs.ts'), 'utf8')
const names = [...text.matchAll(/^ {2}\{\n {4}name: '([^']+)',$/gm)]
  .map(([, name]) => name)
  .filter((name) => name.includes(only))

const isOfValkey = (name) => name.startsWith('Valkey: ')

const findings = []
for (const name of names) {
  const startedAt = Date.now()
  const found = await hunt(name)
  findings.push({ name, found })
  const told = found === undefined ? 'found by nothing' : `${found.by}: ${found.why}`
  console.log(`${found === undefined ? '✗' : '✓'} ${name}: ${told} (${seconds(startedAt)})`)
}
const missed = findings.filter(({ found }) => found === undefined).length
console.log(`${names.length - missed} of ${names.length} planted bugs found`)
process.exitCode = missed === 0 ? 0 : 1
if (process.argv.includes('--write') && only === '' && missed === 0) writePage()

function writePage() {
  const table = (rows) =>
    `| bug | found by |\n|---|---|\n${rows.map(({ name, found }) => `| ${name.replace('Valkey: ', '')} | ${found.by} |\n`).join('')}`
  writeFileSync(
    join(root, 'docs/planted-bugs.md'),
    `# Planted bugs

A suite is worth what it finds. Each of these bugs was planted alone, by putting one piece of source text in place of another (\`test/planted/bugs.ts\`), and beside it stands a test that failed with it. Tried are the conformance suite, then random DAGs against the oracle, then the differential against the model; for Valkey at last the tests that only it has.

Made by \`npm run planted -- --write\`, which takes an hour or two; \`npm run planted -- --only "a part of a name"\` hunts some of them again. That each still has its place in the source is checked with the unit tests.

## On PostgreSQL, hunted on PGlite

${table(findings.filter(({ name }) => !isOfValkey(name)))}
## On Valkey

${table(findings.filter(({ name }) => isOfValkey(name)))}`,
  )
}

/** Runs suite after suite with the bug planted, and names the first test that fails, and how. */
async function hunt(name) {
  const folder = await mkdtemp(join(tmpdir(), 'flowfabric-planted-'))
  try {
    for (const { title, project, file, pattern } of suitesOn(isOfValkey(name) ? 'valkey' : 'pglite')) {
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
      if (failed !== undefined) {
        const [why = ''] = failed.failureMessages
        return { by: `${title}, “${failed.fullName}”`, why: why.split('\n')[0] }
      }
    }
    return undefined
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
