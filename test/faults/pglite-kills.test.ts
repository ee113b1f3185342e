import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { createEmbedded } from '@flowfabric/embedded'
import { expect, it, onTestFinished } from 'vitest'
import { inheritedEnv } from '../support/inherited-env.js'
import { startReceiver } from '../support/receiver.js'
import { furnishFolder } from '../support/servers/test-pglite.js'
import { isSoak } from '../support/soak.js'
import { expectAsTold } from './load/judge.js'
import { nowMs } from './load/ledger.js'
import { createRoles, partitions } from './load/prepare.js'
import { openChances, reportOutcome } from './load/report.js'
import { everyRole } from './load/roles/index.js'
import { LedgerFile } from './pglite/ledger-file.js'

const kills = Number(process.env.FF_KILLS ?? (isSoak ? 200 : 1))
/** It starts, and something that it accepts ends. */
const startWithinMs = 60_000
const settleWithinMs = 120_000

const root = fileURLToPath(new URL('../..', import.meta.url))
const program = fileURLToPath(new URL('pglite/child.ts', import.meta.url))
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href

it(`an embedded store whose process is killed ${kills} times under load of every role loses nothing that it acknowledged`, {
  timeout: 3_000_000,
}, async () => {
  const name = 'PGlite killed'
  const { random, seed } = openChances(name)
  const folder = mkdtempSync(join(tmpdir(), 'flowfabric-chaos-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const store = join(folder, 'store')
  await furnishFolder(store)
  const receiver = await startReceiver()
  onTestFinished(() => receiver.close())
  const told = new LedgerFile(join(folder, 'ledger'))
  const { ledger } = told
  const start = () => {
    // What tsx compiled is kept for the next start, and goes with the folder.
    const env = { TMPDIR: folder, FF_FOLDER: store, FF_LEDGER: told.path, FF_HOOK: receiver.url }
    const child = spawn(process.execPath, ['--import', tsx, program], {
      cwd: root,
      env: { ...inheritedEnv, ...env, FF_SEED: String(Math.floor(random.next() * 2 ** 31)) },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    return child
  }

  const recoveriesMs: number[] = []
  let child = start()
  let startedAtMs = nowMs()
  const recovered = async () => {
    const recovering = () => ledger.workGoesOn(startedAtMs, () => true, startWithinMs)
    recoveriesMs.push(await told.whileFollowed(recovering))
  }
  await recovered()
  for (let made = 0; made < kills; made += 1) {
    await pause(random.next() * (made % 3 === 0 ? 800 : 3_000))
    const atMs = nowMs()
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
    told.read()
    startedAtMs = nowMs()
    child = start()
    ledger.kills.push({ atMs, backAtMs: startedAtMs, windowMs: 0, serves: () => true })
    // Two of three die while they start, or soon after.
    if (made % 3 === 2 || made === kills - 1) await recovered()
  }
  const beganAtMs = nowMs()
  const [code] = await Promise.race([
    once(child, 'exit', { signal: AbortSignal.timeout(settleWithinMs) }),
    Promise.resolve(child.kill('SIGTERM')).then(() => new Promise<never>(() => {})),
  ])
  expect(code).toBe(0)
  const settledMs = nowMs() - beganAtMs
  told.read()
  const embedded = await createEmbedded({ store, partitions, scanners: false })
  onTestFinished(() => embedded.stop())
  const roles = createRoles(everyRole, ledger, receiver)
  const losses = await expectAsTold(embedded.backend, ledger, roles, 'acknowledged')
  expect(losses).toEqual({ lost: {}, oldestMs: 0 })
  reportOutcome({ name, seed, ledger, losses, recoveriesMs, more: { kills, settledMs } })
})
