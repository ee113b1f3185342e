import { setTimeout as pause } from 'node:timers/promises'
import { createPostgresBackend } from '@flowfabric/backend-postgres'
import { expect, it, onTestFinished } from 'vitest'
import { startPostgres } from '../support/servers/postgres.js'
import { isSoak } from '../support/soak.js'
import { expectAsTold, expectNoDefects } from './load/judge.js'
import { nowMs } from './load/ledger.js'
import { partitions } from './load/prepare.js'
import { openChances, reportOutcome } from './load/report.js'
import { everyRole } from './load/roles/index.js'
import { openScene } from './load/scene.js'
import { untilAllEnded } from './load/settle.js'

const kills = Number(process.env.FF_KILLS ?? (isSoak ? 50 : 2))

it(`a PostgreSQL that is killed ${kills} times under load of every role loses nothing that it acknowledged`, {
  timeout: 1_500_000,
}, async () => {
  const name = 'PostgreSQL killed'
  const { random, seed } = openChances(name)
  const server = await startPostgres({ major: 18, durable: isSoak })
  onTestFinished(() => server.stop())
  const connectionString = await server.createDatabase('chaos')
  const open = () => createPostgresBackend({ connectionString, partitions })
  const scene = await openScene(open, random, { roles: everyRole, submitters: 3 })
  const { backend, nodes, ledger, roles, lines, load } = scene

  const recoveriesMs: number[] = []
  for (let made = 0; made < kills; made += 1) {
    await pause(500 + random.next() * 1_500)
    const atMs = nowMs()
    await server.kill()
    await pause(random.next() * 300)
    await server.restart()
    const backAtMs = nowMs()
    ledger.kills.push({ atMs, backAtMs, windowMs: 0, serves: () => true })
    recoveriesMs.push(await ledger.workGoesOn(backAtMs, () => true, 30_000))
  }
  await load.stop()
  const beganAtMs = nowMs()
  await untilAllEnded(nodes[0], roles, ledger)
  const settledMs = nowMs() - beganAtMs
  await Promise.all(nodes.map((node) => node.stop()))
  const losses = await expectAsTold(backend, ledger, roles, 'acknowledged')
  expectNoDefects(lines, ledger)
  expect(losses).toEqual({ lost: {}, oldestMs: 0 })
  reportOutcome({ name, seed, ledger, losses, recoveriesMs, more: { kills, settledMs } })
})
