/**
 * What every command needs before it can begin: dependencies installed, packages built.
 * Node builtins only, because it runs before anything is installed.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
const bin = join(root, 'node_modules', '.bin')
const stampPath = join(root, 'node_modules', '.flowfabric-installed.json')

const { packageManager: pnpm } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** What each scope installs: `start` is the root's tools and the example, `all` is everything. */
const filters = {
  start: ['--filter', 'flowfabric', '--filter', '@flowfabric/examples...'],
  all: [],
}

export function say(line) {
  process.stdout.write(`flowfabric: ${line}\n`)
}

/** Runs a program and answers its exit code; `quiet` shows its output only if it fails. */
export async function run(command, args, { quiet = false, ...options } = {}) {
  const { code, stdout, stderr } = await spawned(command, args, {
    ...options,
    stdio: quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit',
  })
  if (code !== 0) process.stderr.write(stdout + stderr)
  return code
}

/** Runs a program that must succeed and answers what it prints. */
export async function outputOf(command, args, options = {}) {
  const { code, stdout, stderr } = await spawned(command, args, {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit code ${code}\n${stdout}${stderr}`)
  return stdout
}

function spawned(command, args, { env = {}, cwd = root, stdio, timeout }) {
  return new Promise((resolve, reject) => {
    const path = `${bin}${delimiter}${process.env.PATH}`
    const child = spawn(command, args, { cwd, stdio, timeout, env: { ...process.env, ...env, PATH: path } })
    const output = { stdout: '', stderr: '' }
    for (const name of Object.keys(output)) {
      child[name]?.setEncoding('utf8').on('data', (text) => {
        output[name] += text
      })
    }
    child.once('error', reject)
    child.once('close', (code) => resolve({ code: code ?? 1, ...output }))
  })
}

/** Installs exactly what the lockfile says, if that has changed since the last time. */
export async function install(scope) {
  const lock = createHash('sha256')
    .update(await readFile(join(root, 'pnpm-lock.yaml')))
    .digest('hex')
  const stamp = await readFile(stampPath, 'utf8').then(JSON.parse, () => ({}))
  if (stamp.lock === lock && (stamp.scope === scope || stamp.scope === 'all')) return
  say(`installing dependencies with ${pnpm} (the first time takes a minute) …`)
  const started = Date.now()
  const args = ['install', '--frozen-lockfile', '--prefer-offline', ...filters[scope]]
  // CI: pnpm asks no questions.
  if ((await run('npx', ['--yes', pnpm, ...args], { quiet: true, env: { CI: 'true' } })) !== 0) {
    throw new Error('the dependencies could not be installed (pnpm’s output is above)')
  }
  await mkdir(dirname(stampPath), { recursive: true })
  await writeFile(stampPath, JSON.stringify({ lock, scope }))
  say(`installed in ${seconds(started)}`)
}

const withPnpm = ['--yes', '--package', pnpm, '--']
const turboEnv = { TURBO_TELEMETRY_DISABLED: '1', TURBO_PRINT_VERSION_DISABLED: '1' }

/** Turborepo over the workspace. It needs pnpm on the PATH, and `npx` puts it there for this one call. */
export function turbo(args, options = {}) {
  return run('npx', [...withPnpm, 'turbo', ...args], { ...options, env: turboEnv })
}

/** What Turborepo would do in a copy of this tree, with this tree's cache. */
export async function turboPlan(folder, args) {
  const flags = ['--skip-infer', '--cwd', folder, '--cache-dir', join(root, '.turbo', 'cache'), '--dry=json']
  const text = await outputOf('npx', [...withPnpm, 'turbo', ...args, ...flags], { env: turboEnv })
  return JSON.parse(text.slice(text.indexOf('{')))
}

/** pnpm, for programs that call it themselves. Those that it runs itself need not have it looked for again. */
export function pnpmOutput(args, options = {}) {
  const { npm_execpath: path = '', npm_config_user_agent: agent = '' } = process.env
  const isIt = agent.startsWith(`${pnpm.replace('@', '/')} `) && /\.[cm]?js$/.test(path)
  return isIt
    ? outputOf(process.execPath, [path, ...args], options)
    : outputOf('npx', [...withPnpm, 'pnpm', ...args], options)
}

export async function build(...packages) {
  say('building …')
  const started = Date.now()
  const only = packages.map((name) => `--filter=${name}...`)
  const code = await turbo(['run', 'build', '--concurrency=2', '--output-logs=errors-only', ...only], {
    quiet: true,
  })
  if (code !== 0) throw new Error('the build failed (its output is above)')
  say(`built in ${seconds(started)}`)
}

export function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`
}
