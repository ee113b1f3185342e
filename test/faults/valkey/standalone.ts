import { setTimeout as pause } from 'node:timers/promises'
import type { ValkeyBackendOptions } from '@flowfabric/backend-valkey'
import { onTestFinished } from 'vitest'
import type { ValkeyServer } from '../../support/servers/valkey.js'
import { expectAsTold, expectNoDefects, type Losses } from '../load/judge.js'
import { nowMs } from '../load/ledger.js'
import { openChances, reportOutcome } from '../load/report.js'
import { untilAllEnded } from '../load/settle.js'
import { PowerFailure } from './power-failure.js'
import { expectRest } from './rest.js'
import { openServer } from './server.js'
import { SlowDisk } from './slow-disk.js'

/** An fsync a second, and one that is under way may hold up writes for one more. */
const windowMs = 2_000

interface Kills {
  readonly name: string
  readonly kills: number
  readonly durability?: ValkeyBackendOptions['durability']
}

/**
 * Kills a server under load again and again, two times of three together with its machine, and lets the engines and
 * workers go on without being touched. Answers what was lost of what had been acknowledged.
 */
export async function killStandalone({ name, kills, durability }: Kills): Promise<Losses> {
  const { random, seed } = openChances(name)
  let power: PowerFailure | undefined
  let disk: SlowDisk | undefined
  const through = async (server: ValkeyServer) => {
    power = new PowerFailure(server)
    onTestFinished(() => power?.close())
    if (durability === undefined) return server.url
    disk = await SlowDisk.inFrontOf(server.port, power)
    onTestFinished(() => disk?.close())
    return disk.url
  }
  const submitters = durability === undefined ? 1 : 8
  const scene = await openServer(random, { durability, submitters, through })
  const { server, backend, nodes, ledger, roles, lines, load } = scene

  // What a power failure takes may not be the deployment itself: that is its operator's to prepare again.
  await pause(windowMs)
  const recoveriesMs: number[] = []
  let cutBytes = 0
  for (let made = 0; made < kills; made += 1) {
    await pause(500 + random.next() * 1_000)
    const atMs = nowMs()
    await server.kill()
    if (made % 3 !== 2) cutBytes += (await power?.cut(atMs, random.next(), disk?.has)) ?? 0
    await pause(random.next() * 300)
    await server.restart()
    const backAtMs = nowMs()
    ledger.kills.push({ atMs, backAtMs, windowMs, serves: () => true })
    recoveriesMs.push(await ledger.workGoesOn(backAtMs, () => true, 30_000))
  }
  await load.stop()
  await untilAllEnded(nodes[0], roles, ledger)
  await expectRest([server.port])
  await Promise.all(nodes.map((node) => node.stop()))
  const durable = durability === undefined ? 'outside the window' : 'acknowledged'
  const losses = await expectAsTold(backend, ledger, roles, durable)
  expectNoDefects(lines, ledger)
  reportOutcome({ name, seed, ledger, losses, recoveriesMs, more: { kills, cutBytes } })
  return losses
}
