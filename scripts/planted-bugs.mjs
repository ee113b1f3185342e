/**
 * Plants bugs one at a time and shows which test finds each. A bug that nothing finds is a hole in the suite: then this
 * command fails. `--only <part of a name>`, as often as wanted, chooses; `--in <folder>` asks the conformance tests of a folder
 * alone, where it is known who finds them. `--write` puts what was found into
 * `docs/planted-bugs.md`, and leaves there what was not hunted.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { outputOf, root, seconds } from './workspace.mjs'

const folder = process.argv.includes('--in') ? `/${process.argv[process.argv.indexOf('--in') + 1]}` : ''

/** Tried in this order; the first that fails has found it. */
const suitesOn = (store) => [
  { title: 'conformance', project: `conformance:${store}`, file: `test/conformance${folder}` },
  ...(folder === '' ? restOn(store) : []),
]

const restOn = (store) => [
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

const only = process.argv.flatMap((word, place) => (word === '--only' ? [process.argv[place + 1]] : []))
const page = join(root, 'docs/planted-bugs.md')
const text = readFileSync(join(root, 'test/planted/bugs.ts'), 'utf8')
const allNames = [...text.matchAll(/^ {2}\{\n {4}name: '([^']+)',$/gm)].map(([, name]) => name)
const names = allNames.filter((name) => only.length === 0 || only.some((part) => name.includes(part)))

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
if (process.argv.includes('--write') && missed === 0) writePage()

/** What the page says of those that were not hunted now: by name, with the store's. */
function knownFindings() {
  const [ofPostgres, ofValkey] = readFileSync(page, 'utf8').split('\n## On Valkey')
  const read = (part, prefix) =>
    [...part.matchAll(/^\| (.+?) \| (.+) \|$/gm)].map(([, name, by]) => [`${prefix}${name}`, by])
  return new Map([...read(ofPostgres ?? '', ''), ...read(ofValkey ?? '', 'Valkey: ')])
}

function writePage() {
  const known = knownFindings()
  for (const { name, found } of findings) known.set(name, found.by)
  const rows = allNames.filter((name) => known.has(name))
  const table = (those) =>
    `| bug | found by |\n|---|---|\n${those.map((name) => `| ${name.replace('Valkey: ', '')} | ${known.get(name)} |\n`).join('')}`
  writeFileSync(
    page,
    `# Planted bugs

A suite is worth what it finds. Each of these bugs was planted alone, by putting one piece of source text in place of another (\`test/planted/bugs.ts\`), and beside it stands a test that failed with it. Tried are the conformance suite, then random DAGs against the oracle, then the differential against the model; for Valkey at last the tests that only it has.

Made by \`npm run planted -- --write\`, which takes an hour or two; \`npm run planted -- --only "a part of a name"\` hunts some of them again, and with \`--write\` too changes what is said of these. That each still has its place in the source is checked with the unit tests.

## On PostgreSQL, hunted on PGlite

${table(rows.filter((name) => !isOfValkey(name)))}
## On Valkey

${table(rows.filter(isOfValkey))}`,
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
