/**
 * Plants bugs one at a time and shows which test finds each. A bug that nothing finds is a hole in the suite: then this
 * command fails. Whoever found it the last time, as `docs/planted-bugs.md` says, is asked first, then suite after suite.
 * `--only <part of a name>`, as often as wanted, chooses; `--in <folder>` asks the conformance tests of a folder alone.
 * `--write` puts what was found into the page, and leaves there what was not hunted.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { outputOf, root, seconds } from './workspace.mjs'

const folder = process.argv.includes('--in') ? `/${process.argv[process.argv.indexOf('--in') + 1]}` : ''

/** Tried in this order; the first that fails has found it. */
const suitesOn = (store) => [
  { project: `conformance:${store}`, file: `test/conformance${folder}` },
  ...(folder === '' ? restOn(store) : []),
]

const restOn = (store) => [
  {
    project: 'differential',
    file: `test/differential/random-dags/${store}`,
  },
  {
    project: 'differential',
    file: 'test/differential/differential',
    pattern: `\\b${store}\\b`,
  },
  // What only that store has.
  ...(store === 'valkey' ? [{ project: 'valkey', file: 'test/valkey' }] : []),
]

const only = process.argv.flatMap((word, place) => (word === '--only' ? [process.argv[place + 1]] : []))
const page = join(root, 'docs/planted-bugs.md')
const text = readFileSync(join(root, 'test/planted/bugs.ts'), 'utf8')
const allNames = [...text.matchAll(/^ {2}\{\n {4}name: '([^']+)',$/gm)].map(([, name]) => name)
const names = allNames.filter((name) => only.length === 0 || only.some((part) => name.includes(part)))

const isOfValkey = (name) => name.startsWith('Valkey: ')
const known = knownFindings()

const findings = []
for (const name of names) {
  const startedAt = Date.now()
  const found = await hunt(name)
  findings.push({ name, found })
  const told = found === undefined ? 'found by nothing' : `${finderOf(found)}: ${found.why}`
  console.log(`${found === undefined ? '✗' : '✓'} ${name}: ${told} (${seconds(startedAt)})`)
}
const missed = findings.filter(({ found }) => found === undefined).length
console.log(`${names.length - missed} of ${names.length} planted bugs found`)
process.exitCode = missed === 0 ? 0 : 1
if (process.argv.includes('--write') && missed === 0) writePage()

/** How the page names a test, and reads it back. */
function finderOf({ file, test }) {
  return `\`${file}\`: ${test}`
}

/** What the page says: for each bug by name, with the store's, the test that found it. */
function knownFindings() {
  const [ofPostgres, ofValkey] = readFileSync(page, 'utf8').split('\n## On Valkey')
  const read = (part, prefix) =>
    [...part.matchAll(/^\| (.+?) \| `(.+?)`: (.+) \|$/gm)].map(([, name, file, test]) => [
      `${prefix}${name}`,
      { file, test },
    ])
  return new Map([...read(ofPostgres ?? '', ''), ...read(ofValkey ?? '', 'Valkey: ')])
}

function writePage() {
  for (const { name, found } of findings) known.set(name, found)
  const rows = allNames.filter((name) => known.has(name))
  const table = (those) =>
    `| bug | found by |\n|---|---|\n${those.map((name) => `| ${name.replace('Valkey: ', '')} | ${finderOf(known.get(name))} |\n`).join('')}`
  writeFileSync(
    page,
    `# Planted bugs

A suite is worth what it finds. Each of these bugs was planted alone, by putting one piece of source text in place of another (\`test/planted/bugs.ts\`), and beside it stands a test that failed with it. Tried are the conformance suite, then random DAGs against the oracle, then the differential against the model; for Valkey at last the tests that only it has.

Made by \`npm run planted -- --write\`, which takes half an hour where each is found by whoever found it before; \`npm run planted -- --only "a part of a name"\` hunts some of them again, and with \`--write\` too changes what is said of these. That each still has its place in the source is checked with the unit tests.

## On PostgreSQL, hunted on PGlite

${table(rows.filter((name) => !isOfValkey(name)))}
## On Valkey

${table(rows.filter(isOfValkey))}`,
  )
}

/** Runs suite after suite with the bug planted, and names the first test that fails, and how. */
async function hunt(name) {
  const folder = await mkdtemp(join(tmpdir(), 'flowfabric-planted-'))
  const report = join(folder, 'report.json')
  try {
    const suites = suitesOn(isOfValkey(name) ? 'valkey' : 'pglite')
    for (const suite of [...againOf(known.get(name), suites), ...suites]) {
      const failed = await firstFailure(name, suite, report)
      if (failed !== undefined) return failed
    }
    return undefined
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Only the test that found it the last time. */
function againOf(finding, suites) {
  const suite = suites.find(({ file }) => finding?.file.startsWith(file))
  if (suite === undefined) return []
  return [{ ...suite, file: finding.file, pattern: finding.test.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&') }]
}

async function firstFailure(name, { project, file, pattern }, report) {
  const args = ['run', '--project', project, file, '--bail=1', '--reporter=json', `--outputFile=${report}`]
  if (pattern !== undefined) args.push('-t', pattern)
  await outputOf(join(root, 'node_modules/.bin/vitest'), args, {
    cwd: root,
    env: { ...process.env, FF_PLANT: name },
  }).catch(() => undefined)
  const { testResults } = JSON.parse(await readFile(report, 'utf8'))
  for (const { name: path, assertionResults } of testResults) {
    const failed = assertionResults.find(({ status }) => status === 'failed')
    if (failed === undefined) continue
    const [why = ''] = failed.failureMessages
    return { file: relative(root, path), test: failed.fullName, why: why.split('\n')[0] }
  }
  return undefined
}
