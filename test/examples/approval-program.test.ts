import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { inheritedEnv } from '../support/inherited-env.js'
import { createStorePlace, type StorePlace } from '../support/store-place.js'
import { until } from '../support/until.js'

const program = fileURLToPath(new URL('../../examples/dist/approval/main.js', import.meta.url))

const token = 'the-token-of-this-test'

let folder: string
let place: StorePlace
let started: Run[]

beforeEach(async () => {
  place = await createStorePlace()
  folder = await mkdtemp(join(tmpdir(), 'flowfabric-approval-'))
  await place.furnish(folder)
  started = []
})

afterEach(async () => {
  for (const run of started) run.process.kill('SIGKILL')
  await Promise.all(started.map((run) => run.ended))
  await rm(folder, { recursive: true, force: true })
  await place.remove()
})

interface Run {
  readonly process: ChildProcess
  readonly output: () => string
  readonly ended: Promise<number | null>
}

function start(): Run {
  const args = [program, '--store', folder, '--order', 'an-order', '--port', '0']
  const child = spawn(process.execPath, args, {
    env: { ...inheritedEnv, ...place.env, FF_TOKEN: token, APPROVAL_PAUSE_MS: '5' },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
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

const shows = ({ output }: Run, pattern: RegExp) =>
  until(`it shows ${pattern}`, () => pattern.test(output()), 60_000)

async function isSuspended({ output }: Run): Promise<boolean> {
  const server = /curl -X POST (http:\/\/[^/]+)/.exec(output())?.[1]
  const headers = { authorization: `Bearer ${token}` }
  const response = await fetch(`${server}/v1/executions:count?state=suspended`, { headers })
  return ((await response.json()) as { readonly count: number }).count === 1
}

test('killed while it waits goes on when it is started again, and nobody is written to twice', async () => {
  const first = start()
  await shows(first, /✉ to cleo.*\n.*curl/)
  // Before that, its letters might not be recorded as written.
  await until('it waits', () => isSuspended(first))
  first.process.stdin?.write('ann approve\n')
  await shows(first, /ann: approve \(accepted\)/)
  first.process.kill('SIGKILL')
  await first.ended

  const second = start()
  await shows(second, /Going on with an-order/)
  expect(second.output()).not.toContain('✉')
  second.process.stdin?.write('bob approve\n')
  expect(await second.ended, second.output()).toBe(0)
  expect(second.output()).toContain('The order is approved; approved by ann and bob.')
  expect(second.output()).toMatch(/The model has cost 0\.000285 \$ today: 19 of 1000 tokens, 0 reserved\./)
})
