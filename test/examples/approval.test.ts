import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { inheritedEnv } from '../support/inherited-env.js'
import { createStorePlace, type StorePlace } from '../support/store-place.js'

const program = fileURLToPath(new URL('../../examples/dist/approval/main.js', import.meta.url))

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

function start({ dayMs }: { readonly dayMs?: number } = {}): Run {
  const args = [program, '--store', folder, '--order', 'an-order', '--port', '0']
  const child = spawn(process.execPath, args, {
    env: {
      ...inheritedEnv,
      ...place.env,
      APPROVAL_PAUSE_MS: '20',
      ...(dayMs === undefined ? {} : { APPROVAL_DAY_MS: String(dayMs) }),
    },
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

async function printed(run: Run, pattern: RegExp): Promise<void> {
  await expect.poll(run.output, { timeout: 60_000, interval: 20 }).toMatch(pattern)
}

/** What somebody was written to, and answers with. */
function letterOf(run: Run, person: string): { readonly path: string; readonly token: string } {
  const found = new RegExp(
    `✉ to ${person}: Please.*\\n +curl -X POST (\\S+) -H 'FF-Waitpoint-Token: (\\S+)'`,
  ).exec(run.output())
  return { path: new URL(found?.[1] ?? '').pathname, token: found?.[2] ?? '' }
}

const serverOf = (run: Run) => /curl -X POST (http:\/\/[^/]+)/.exec(run.output())?.[1] ?? ''

async function answer(
  letter: { readonly path: string; readonly token: string },
  server: string,
  body: object = { name: 'approve' },
): Promise<unknown> {
  const response = await fetch(`${server}${letter.path}`, {
    method: 'POST',
    headers: { 'ff-waitpoint-token': letter.token, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const { outcome, code } = (await response.json()) as { readonly outcome?: string; readonly code?: string }
  return outcome ?? code
}

describe('the approval', () => {
  test('streams the model’s words, and takes two different people, by their links alone', async () => {
    const run = start()
    // Live: the first words are there before the last.
    await printed(run, /✎ An order/)
    expect(run.output()).not.toContain('should look at it.')
    await printed(run, /✉ to cleo.*\n.*curl/)
    expect(run.output()).toMatch(/✎ An order of a printing press for 12000 euros: .* should look at it\./)
    const server = serverOf(run)
    const [ann, bob] = [letterOf(run, 'ann'), letterOf(run, 'bob')]
    await expect.poll(() => answer(ann, server)).toBe('accepted')
    expect(await answer(ann, server)).toBe('buffered')
    expect(await answer({ ...bob, token: `${bob.token}x` }, server)).toBe('waitpoint_not_found')
    expect(await answer(bob, server, { name: 'approve', source: 'cleo' })).toBe('unknown_field')
    expect(await answer(bob, server)).toBe('satisfied')
    expect(await run.ended, run.output()).toBe(0)
    expect(run.output()).toContain('● a printing press, on its way')
    expect(run.output()).toContain('The order is approved; approved by ann and bob.')
  })

  test('killed while it waits goes on when it is started again, and nobody is written to twice', async () => {
    const first = start()
    await printed(first, /✉ to cleo.*\n.*curl/)
    const ann = letterOf(first, 'ann')
    await expect.poll(() => answer(ann, serverOf(first))).toMatch(/accepted|buffered/)
    first.process.kill('SIGKILL')
    await first.ended

    const second = start()
    await printed(second, /Going on with an-order/)
    expect(second.output()).not.toContain('✉')
    second.process.stdin?.write('bob approve\n')
    expect(await second.ended, second.output()).toBe(0)
    expect(second.output()).toContain('The order is approved; approved by ann and bob.')
  })

  test('reminds after a day, takes answers typed in the terminal, and ends with a refusal', async () => {
    const run = start({ dayMs: 1_500 })
    await printed(run, /✉ to ann, bob, cleo: the order still waits/)
    run.process.stdin?.write('bob reject too dear\n')
    expect(await run.ended, run.output()).toBe(0)
    expect(run.output()).toContain('The order is rejected; approved by nobody; too dear.')
  })

  test('counts what came on an earlier day, escalates, and gives up when its days are over', async () => {
    const run = start({ dayMs: 1_000 })
    await printed(run, /✉ to ann.*\n.*curl/)
    await answer(letterOf(run, 'ann'), serverOf(run))
    expect(await run.ended, run.output()).toBe(0)
    expect(run.output()).toMatch(/✉ to ann, bob, cleo: the order still waits[\s\S]*✉ to dora: Please/)
    expect(run.output()).toContain('● Day 2 is over, 1 of 2 have approved')
    expect(run.output()).toContain('The order is expired; approved by ann.')
  })
})
