import { setTimeout as pause } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { Random } from '../../model/random.js'
import { withClient } from '../../support/servers/valkey-client.js'
import { isSoak } from '../../support/soak.js'
import { expectAsTold, expectNobodyNoticed, expectNoDefects } from '../load/judge.js'
import { openChances, reportOutcome } from '../load/report.js'
import type { Scene } from '../load/scene.js'
import { untilAllEnded } from '../load/settle.js'
import { openCluster } from './cluster.js'
import { openServer } from './server.js'

const flushes = isSoak ? 400 : 25
const timeout = 300_000

/**
 * Flushes the functions of one of these servers after the other, now and then twice while they are just being loaded. In
 * the server's main thread, since Valkey 8.0.1 dies of loading functions while another thread frees the old ones
 * (valkey-io/valkey#1826).
 */
async function flushUnderLoad(
  name: string,
  open: (random: Random) => Promise<Scene & { readonly ports: readonly number[] }>,
): Promise<void> {
  const { random, seed } = openChances(name)
  const { ports, backend, nodes, ledger, roles, lines, load } = await open(random)
  for (let made = 0; made < flushes; made += 1) {
    await pause(random.next() < 0.3 ? random.next() * 5 : random.next() * 150)
    const port = ports[Math.floor(random.next() * ports.length)] ?? 0
    await withClient(port, (client) => client.call('FUNCTION', 'FLUSH', 'SYNC'), { answerWithinMs: 10_000 })
  }
  await load.stop()
  await untilAllEnded(nodes[0], roles, ledger)
  await Promise.all(nodes.map((node) => node.stop()))
  expectNobodyNoticed(lines, ledger)
  const losses = await expectAsTold(backend, ledger, roles, 'acknowledged')
  expectNoDefects(lines, ledger)
  expect(ledger.ends.size).toBeGreaterThan(flushes)
  reportOutcome({ name, seed, ledger, losses, more: { flushes } })
}

it(`nobody notices that the functions of a server are flushed ${flushes} times`, { timeout }, () =>
  flushUnderLoad('Valkey, functions flushed', async (random) => {
    const { server, ...scene } = await openServer(random, { submitters: 2 })
    return { ...scene, ports: [server.port] }
  }),
)

it(`nobody notices that the functions of a Cluster are flushed ${flushes} times`, { timeout }, () =>
  flushUnderLoad('Valkey Cluster, functions flushed', async (random) => {
    const { cluster, ...scene } = await openCluster(random, { submitters: 2 })
    const primaries = cluster.nodes.filter(({ roleAtStart }) => roleAtStart === 'primary')
    return { ...scene, ports: primaries.map(({ port }) => port) }
  }),
)
