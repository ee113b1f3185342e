import { setTimeout as pause } from 'node:timers/promises'
import { it } from 'vitest'
import { isSoak } from '../../support/soak.js'
import { expectAsTold, expectNobodyNoticed, expectNoDefects } from '../load/judge.js'
import { openChances, reportOutcome } from '../load/report.js'
import { untilAllEnded } from '../load/settle.js'
import { openCluster, slots } from './cluster.js'
import { expectRest } from './rest.js'

const moves = isSoak ? 100 : 8

it(`slots that move ${moves} times under load are nobody's concern`, { timeout: 900_000 }, async () => {
  const name = 'Valkey Cluster, slots moved'
  const { random, seed } = openChances(name)
  const scene = await openCluster(random, { submitters: 2 })
  const { cluster, backend, nodes, ledger, roles, lines, load } = scene
  const tookMs: number[] = []
  for (let made = 0; made < moves; made += 1) {
    await pause(random.next() * 300)
    const slot = slots[Math.floor(random.next() * slots.length)] ?? 0
    const from = await cluster.holderOf(slot)
    const beganAtMs = performance.now()
    await cluster.moveSlot(slot, (from + 1 + Math.floor(random.next() * 2)) % 3)
    tookMs.push(performance.now() - beganAtMs)
  }
  await load.stop()
  await untilAllEnded(nodes[0], roles, ledger)
  await expectRest(cluster.nodes.map(({ port }) => port))
  await Promise.all(nodes.map((node) => node.stop()))
  expectNobodyNoticed(lines, ledger)
  const losses = await expectAsTold(backend, ledger, roles, 'acknowledged')
  expectNoDefects(lines, ledger)
  const moveMaxMs = Math.round(Math.max(...tookMs))
  reportOutcome({ name, seed, ledger, losses, more: { moves, moveMaxMs } })
})
