import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { inheritedEnv } from '../support/inherited-env.js'
import { createStorePlace, type StorePlace } from '../support/store-place.js'

const program = fileURLToPath(new URL('../../examples/dist/census/main.js', import.meta.url))
const filesCount = 50
const linesPerFile = 7

let folder: string
let tree: string
let storeFolder: string
let place: StorePlace
let started: Run[]

beforeEach(async () => {
  place = await createStorePlace()
  folder = await mkdtemp(join(tmpdir(), 'flowfabric-census-'))
  tree = join(folder, 'tree')
  storeFolder = join(folder, 'store')
  started = []
  await plantTree()
})

afterEach(async () => {
  for (const run of started) run.process.kill('SIGKILL')
  await Promise.all(started.map((run) => run.ended))
  await rm(folder, { recursive: true, force: true })
  await place.remove()
})

/** A small repository, its files alike but for one with a long line. */
async function plantTree(): Promise<void> {
  await mkdir(tree)
  const text = `import { a } from 'alpha'\n${'x\n'.repeat(linesPerFile - 2)}end`
  await Promise.all(
    Array.from({ length: filesCount }, (_, index) => writeFile(join(tree, `file-${index}.ts`), text)),
  )
  await writeFile(join(tree, 'long.txt'), 'y'.repeat(300))
  const git = (...args: string[]) => execFileSync('git', ['-C', tree, ...args], { stdio: 'ignore' })
  git('init')
  git('add', '.')
  git('-c', 'user.name=Test', '-c', 'user.email=test@example.com', 'commit', '-m', 'Plant')
}

interface Run {
  readonly process: ChildProcess
  /** What it has printed so far. */
  readonly output: () => string
  readonly ended: Promise<number | null>
}

function start(args: readonly string[] = [], { paceMs = 20, env = place.env } = {}): Run {
  const child = spawn(
    process.execPath,
    [program, '--store', storeFolder, '--tree', tree, '--port', '0', ...args],
    {
      env: { ...inheritedEnv, ...env, CENSUS_PACE_MS: String(paceMs), FF_TOKEN: 'census-token' },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed += text
    })
  }
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const run = { process: child, output: () => printed, ended }
  started.push(run)
  return run
}

async function printed(run: Run, pattern: RegExp, timeoutMs = 60_000): Promise<void> {
  await expect.poll(run.output, { timeout: timeoutMs, interval: 20 }).toMatch(pattern)
}

describe('the census', () => {
  test('with --once runs every shape of flow, reports, and ends with 0', async () => {
    const run = start(['--once'])
    expect(await run.ended, run.output()).toBe(0)
    const output = run.output()
    expect(output).toContain('The census has completed.')
    // A map of computed width.
    expect(new Set(output.match(/✔ measure\[\d+\]/g)).size).toBeGreaterThanOrEqual(20)
    // A race with a visible loser, a quorum with a wrong counter, a third attempt, a skipped branch and its fallback.
    expect(output).toMatch(/⊘ digest-by-hand +cancelled.*lost the race/)
    expect(output).toMatch(/✖ count-badly +failed.*counts 3 lines in a text of 4/)
    expect(output).toMatch(/✔ agree-on-lines +completed/)
    expect(output).toMatch(/✔ weigh +completed +attempt 3/)
    expect(output).toMatch(/↷ compare +skipped/)
    expect(output).toMatch(/✔ start-afresh +completed/)
    expect(output).not.toContain('Run more than once')

    const report = await readFile(join(tree, 'census.md'), 'utf8')
    expect(report).toContain(`| files | ${filesCount + 1}, ${filesCount + 1} of them text |`)
    expect(report).toContain(`| lines | ${filesCount * linesPerFile + 1} (git and hand agree) |`)
    expect(report).toContain('| longest line | long.txt:1, 300 characters |')
    expect(report).toContain(`| alpha | ${filesCount} |`)
    expect(report).toMatch(/\| digest \| [0-9a-f]{64} \(by git, who won\) \|/)
  })

  test('killed half-way goes on where it was, says so, and lists what ran twice', async () => {
    await place.furnish(storeFolder)
    const first = start(['--once'], { paceMs: 250 })
    await printed(first, /▶ measure\[8\]/)
    first.process.kill('SIGKILL')
    await first.ended

    const second = start(['--once'])
    expect(await second.ended, second.output()).toBe(0)
    const output = second.output()
    expect(output).toMatch(/Going on with the census \S+, which was interrupted: \d+ of \d+ nodes had ended/)
    expect(output).toContain('The census has completed.')
    expect(output).toMatch(/\n {2}measure\[\d+\]: attempt 1 lost with its process, then attempt 2 success/)
    // What had ended did not run again.
    expect(output).not.toMatch(/list-files +active|✔ list-files/)
    expect(await readFile(join(tree, 'census.md'), 'utf8')).toContain(`| files | ${filesCount + 1},`)
  })

  test('serves on after the report, and stops in order', async () => {
    await place.furnish(storeFolder)
    const run = start()
    await printed(run, /until you stop it/)
    const url = /answers at (\S+)\/v1/.exec(run.output())?.[1]
    const response = await fetch(`${url}/v1/flows`, { headers: { authorization: 'Bearer census-token' } })
    expect(await response.json()).toMatchObject({ items: [{ name: 'census', state: 'completed' }] })

    run.process.kill('SIGINT')
    expect(await run.ended).toBe(130)
  })

  test('keeps others from its folder', async () => {
    await place.furnish(storeFolder)
    const env = { FF_BACKEND: 'pglite' }
    const run = start([], { env })
    await printed(run, /until you stop it/)
    const url = /answers at (\S+)\/v1/.exec(run.output())?.[1]
    const other = start(['--once'], { env })
    expect(await other.ended).toBe(1)
    expect(other.output()).toContain(`the store is in use by ${url}`)
  })
})
