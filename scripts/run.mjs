/**
 * The commands of the workspace, for a machine with nothing but Node and git:
 * `npm start`, `npm test`, and what `package.json` lists beside them.
 */
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build, install, root, run, turbo } from './workspace.mjs'

const [command, ...args] = process.argv.slice(2)

/** Where long tests leave their seeds and counts. */
const reports = process.env.FF_REPORT_DIR ?? join(root, 'reports')

const commands = {
  /** The census of this repository, on the embedded engine. */
  async start() {
    followNpm()
    await install('start')
    await build('@flowfabric/examples')
    await become(join(root, 'examples/dist/census/main.js'))
  },

  /** Everything: checks, then all tests against real servers. */
  async test() {
    await install('all')
    const { runAll } = await import('./run-tests.mjs')
    process.exitCode = await runAll({ checks: true, tests: true })
  },

  /** The checks alone. */
  async check() {
    await install('all')
    const { runAll } = await import('./run-tests.mjs')
    process.exitCode = await runAll({ checks: true, tests: false })
  },

  /** The long form of the random and racing tests: full rounds instead of a fortieth. */
  async soak() {
    await install('all')
    // A folder of the caller's choice is not ours to empty.
    if (process.env.FF_REPORT_DIR === undefined) await rm(reports, { recursive: true, force: true })
    process.exitCode = await longTests(['conformance:*', 'concurrency*', 'differential', 'valkey'])
    const { summarizeSoak } = await import('./soak-report.mjs')
    await summarizeSoak(reports)
  },

  /** Plants bugs one at a time, and shows which test finds each. */
  async planted() {
    await install('all')
    await import('./planted-bugs.mjs')
  },

  /** The long form of the fault tests. */
  async chaos() {
    await install('all')
    await build()
    process.exitCode = await longTests(['faults'])
  },

  async bench() {
    await install('all')
    await build()
    process.exitCode = await run(process.execPath, ['--import', 'tsx', 'src/main.ts', ...args], {
      cwd: join(root, 'bench'),
    })
  },

  async build() {
    await install('all')
    await build()
  },

  async typecheck() {
    await install('all')
    process.exitCode = await turbo(['run', 'check:types', '--output-logs=errors-only'])
  },
}

/** Their reports, with seeds and counts, go to `reports`. */
function longTests(projects) {
  const selected = projects.flatMap((name) => ['--project', name])
  const env = { FF_SOAK: '1', FF_REPORT_DIR: reports }
  return run('vitest', ['run', ...selected, ...args], { env })
}

/** Goes on as that program, in this process: what stops or kills this process stops the program. */
async function become(entry) {
  process.argv = [process.execPath, entry, ...args]
  await import(pathToFileURL(entry).href)
}

/**
 * SIGKILL on `npm start` reaches npm and not us, and we would go on unseen and keep the store's folder.
 * So we die as it died.
 */
function followNpm() {
  if (process.env.npm_lifecycle_event === undefined) return
  const shell = process.ppid
  // Some shells stay between npm and us; then the one to watch is theirs. Elsewhere than on Linux only
  // our own parent is known.
  const isShell = readProc(shell, 'cmdline').includes('run.mjs')
  const npm = isShell ? parentOf(shell) : shell
  setInterval(() => {
    if (process.ppid !== shell || (isShell && parentOf(shell) !== npm)) process.kill(process.pid, 'SIGKILL')
  }, 100).unref()
}

function parentOf(pid) {
  return /^PPid:\s*(\d+)/m.exec(readProc(pid, 'status'))?.[1]
}

function readProc(pid, name) {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8')
  } catch {
    return ''
  }
}

if (!Object.hasOwn(commands, command)) {
  console.error(`usage: node scripts/run.mjs <${Object.keys(commands).join('|')}>`)
  process.exit(2)
}
try {
  await commands[command]()
} catch (error) {
  console.error(`flowfabric: ${error.message}`)
  // The last line is always the counts.
  if (command === 'test' || command === 'check') console.log('0 passed, 1 failed')
  process.exitCode = 1
}
