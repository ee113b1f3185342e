/**
 * Runs the checks and the tests, and ends with one line that counts both: each check as one, each test
 * as one.
 */
import { chmod, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build, root, run, say, seconds, turbo } from './workspace.mjs'

/** After the build; cached by their inputs, see `turbo.json`. */
const cachedChecks = [
  'declarations',
  'check:types',
  'check:lint',
  'check:layers',
  'check:unused',
  'check:schema',
  'check:library',
  'check:operations',
  'check:tables',
  'check:docs',
  'check:packages',
]

/**
 * The build first: tests start what it makes. Then checks and tests side by side, since tests wait for servers and times, and
 * the checks end with few long ones. What asks for a build again comes last: Turborepo would write it again, under the tests.
 */
export async function runAll({ checks, tests }) {
  const started = Date.now()
  const total = { passed: 0, failed: 0, skipped: 0 }
  await build()
  if (checks) report(total, 'build', true)
  await Promise.all([
    checks && runChecks(total, { concurrency: tests ? 1 : 2 }),
    tests && runTests().then((counts) => add(total, counts)),
  ])
  if (checks) report(total, 'check:incremental', (await run('node', ['scripts/check-incremental.mjs'])) === 0)
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : ''
  say(`done in ${seconds(started)}`)
  console.log(`${total.passed} passed, ${total.failed} failed${skipped}`)
  return total.failed === 0 ? 0 : 1
}

function report(total, name, isGood) {
  say(`${isGood ? '✓' : '✗'} ${name}`)
  add(total, isGood ? { passed: 1 } : { failed: 1 })
}

function add(total, counts) {
  for (const key of Object.keys(total)) total[key] += counts[key] ?? 0
}

async function runChecks(total, { concurrency }) {
  say('checking …')
  const started = Date.now()
  const summaries = join(root, '.turbo', 'runs')
  await rm(summaries, { recursive: true, force: true })
  const bounds = ['--only', '--continue', `--concurrency=${concurrency}`]
  await turbo(['run', ...cachedChecks, ...bounds, '--summarize', ...quietLogs])
  const [summary] = await readdir(summaries)
  const { tasks } = JSON.parse(await readFile(join(summaries, summary), 'utf8'))
  for (const name of cachedChecks) {
    // A task that could not begin, because one that it needs has failed, has no exit code.
    const runs = tasks.filter(({ task }) => task === name)
    report(
      total,
      name,
      runs.every(({ execution }) => execution?.exitCode === 0),
    )
  }
  say(`checked in ${seconds(started)}`)
}

const quietLogs = ['--output-logs=errors-only', '--log-order=grouped', '--ui=stream']

/** All projects of vitest, in a temporary folder of their own that must be empty and unused afterwards. */
async function runTests() {
  say('testing …')
  const folder = await mkdtemp(join(tmpdir(), 'flowfabric-test-'))
  // PostgreSQL may have to run as another user below it.
  await chmod(folder, 0o755)
  const reportFolder = await mkdtemp(join(tmpdir(), 'flowfabric-report-'))
  const report = join(reportFolder, 'vitest.json')
  try {
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
    const code = await run('vitest', ['run', ...reporters], { env: { TMPDIR: folder } })
    const counts = countTests(JSON.parse(await readFile(report, 'utf8')))
    // An error outside any test, or a server that did not start.
    if (code !== 0 && counts.failed === 0) counts.failed = 1
    const left = await leftovers(folder)
    for (const each of left) say(`left behind: ${each}`)
    add(counts, left.length === 0 ? { passed: 1 } : { failed: 1 })
    return counts
  } catch (error) {
    console.error(error)
    return { passed: 0, failed: 1 }
  } finally {
    await rm(folder, { recursive: true, force: true })
    await rm(reportFolder, { recursive: true, force: true })
  }
}

function countTests({ numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults }) {
  // A file that cannot be loaded has no tests to count.
  const broken = testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && assertionResults.every((each) => each.status !== 'failed'),
  )
  return {
    passed: numPassedTests,
    failed: numFailedTests + broken.length,
    skipped: numPendingTests + numTodoTests,
  }
}

/** Files below the folder, and processes that still work in it (where /proc tells). */
async function leftovers(folder) {
  const files = (await readdir(folder)).map((name) => join(folder, name))
  const pids = await readdir('/proc').catch(() => [])
  const workplaces = await Promise.all(
    pids
      .filter((pid) => /^\d+$/.test(pid))
      .map(async (pid) => ({ pid, cwd: await readlink(`/proc/${pid}/cwd`).catch(() => '') })),
  )
  const processes = workplaces.filter(({ cwd }) => cwd.startsWith(folder)).map(({ pid }) => `process ${pid}`)
  return [...files, ...processes]
}
