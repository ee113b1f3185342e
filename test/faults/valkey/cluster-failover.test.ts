import { setTimeout as pause } from 'node:timers/promises'
import type { ValkeyBackendOptions } from '@flowfabric/backend-valkey'
import { expect, it } from 'vitest'
import { withClient } from '../../support/servers/valkey-client.js'
import { isSoak } from '../../support/soak.js'
import { expectAsTold, expectNoDefects } from '../load/judge.js'
import { type Kill, nowMs } from '../load/ledger.js'
import { partitions } from '../load/prepare.js'
import { median, openChances, reportOutcome } from '../load/report.js'
import { everyRole, firstRoles } from '../load/roles/index.js'
import { untilAllEnded } from '../load/settle.js'
import { openOnCluster, placeOf, slots, startOwnCluster } from './cluster.js'
import { expectRest } from './rest.js'

const kills = Number(process.env.FF_KILLS ?? (isSoak ? 30 : 1))
/** Every role takes minutes to come to its rest on a machine that does other things too. */
const isLong = isSoak || process.env.FF_KILLS !== undefined

/** What a replica has not received is lost. On one machine it receives all within this, as long as its link is there. */
const lagMs = 200

const nodeTimeoutMs = 1_500

/** Deployments on one Cluster that differ in what they wait for: one replica's memory, or both disks, or nothing. */
const waits: Readonly<Record<string, ValkeyBackendOptions['durability']>> = {
  nothing: undefined,
  wait: { for: ['submit', 'terminal', 'record'], replicas: 1, timeoutMs: 4_000 },
  waitaof: { for: ['submit', 'terminal', 'record'], aof: { local: 1, replicas: 1 }, timeoutMs: 4_000 },
}

/** From now on the primary sends its replica nothing more, as if the network between them were gone. */
function cutOff(port: number): Promise<unknown> {
  return withClient(
    port,
    async (client) => {
      await client.acl('SETUSER', 'default', '-psync', '-sync')
      await client.client('KILL', 'TYPE', 'REPLICA')
    },
    { answerWithinMs: 10_000 },
  )
}

it(`a Cluster whose primaries are killed ${kills} times under load loses only what no replica had, and nothing that waited for one`, {
  timeout: 1_500_000,
}, async () => {
  const name = 'Valkey Cluster, primaries killed'
  const { random, seed } = openChances(name)
  // One fsync a second, and each end waits for two of them: too long for a short run.
  // And a busy machine must not fail over by itself.
  const settings = { 'cluster-node-timeout': nodeTimeoutMs }
  const cluster = await startOwnCluster({ durable: !isSoak, settings })
  const deployments = await Promise.all(
    Object.entries(waits).map(async ([keyPrefix, durability]) => {
      const submitters = durability === undefined ? 1 : 3
      const scene = await openOnCluster(cluster, random, {
        keyPrefix,
        durability,
        submitters,
        roles: isLong ? everyRole : firstRoles,
      })
      return { ...scene, keyPrefix, recoveriesMs: [] as number[] }
    }),
  )
  const failoversMs: number[] = []
  const workGoesOn = (sinceMs: number, serves: Kill['serves'], isAwaited: boolean) =>
    Promise.all(
      deployments.map(async ({ keyPrefix, ledger, recoveriesMs }) => {
        if ((waits[keyPrefix] !== undefined) !== isAwaited) return
        recoveriesMs.push(await ledger.workGoesOn(sinceMs, serves, 30_000))
      }),
    )
  const holders = () => Promise.all(slots.map((slot) => cluster.holderOf(slot)))
  let unplanned = 0
  /** On a machine that is too busy a replica may take over from a primary that only seems to be gone. */
  const noteUnplanned = (before: readonly number[], now: readonly number[], sinceMs: number) => {
    const hasMoved = (place: number) => before[place] !== now[place]
    if (!slots.some((_, place) => hasMoved(place))) return
    const serves: Kill['serves'] = (partition) => hasMoved(placeOf(partition))
    unplanned += 1
    const kill = { atMs: sinceMs, backAtMs: nowMs(), windowMs: 2 * nodeTimeoutMs, serves }
    for (const { ledger } of deployments) ledger.kills.push(kill)
  }
  let known = await holders()
  let knownAtMs = nowMs()
  for (let made = 0; made < kills; made += 1) {
    await pause(500 + random.next() * 1_000)
    const held = await holders()
    noteUnplanned(known, held, knownAtMs)
    const victim = held[Math.floor(random.next() * partitions.flow)] ?? 0
    const serves: Kill['serves'] = (partition) => held[placeOf(partition)] === victim
    const cutAtMs = nowMs()
    if (made % 3 !== 2) {
      await cutOff(cluster.nodes[victim]?.port ?? 0)
      await pause(random.next() * 1_000)
    }
    const atMs = nowMs()
    await cluster.kill(victim)
    await cluster.untilWhole()
    const backAtMs = nowMs()
    failoversMs.push(backAtMs - atMs)
    for (const { ledger } of deployments) {
      ledger.kills.push({ atMs, backAtMs, windowMs: lagMs + atMs - cutAtMs, serves })
    }
    // Who waits for a replica goes on when the killed one is back, as such.
    await workGoesOn(backAtMs, serves, false)
    await cluster.restart(victim)
    await cluster.untilWhole()
    await workGoesOn(nowMs(), serves, true)
    known = await holders()
    knownAtMs = nowMs()
    expect(known).not.toContain(victim)
    const heirs = held.map((holder, place) => (holder === victim ? (known[place] ?? 0) : holder))
    noteUnplanned(heirs, known, cutAtMs)
  }
  await Promise.all(deployments.map(({ load }) => load.stop()))
  await Promise.all(deployments.map(({ nodes, roles, ledger }) => untilAllEnded(nodes[0], roles, ledger)))
  await expectRest(
    cluster.nodes.map(({ port }) => port),
    deployments.length,
  )
  await Promise.all(deployments.flatMap(({ nodes }) => nodes.map((node) => node.stop())))
  for (const { keyPrefix, backend, ledger, roles, lines, recoveriesMs } of deployments) {
    const durable = waits[keyPrefix] === undefined ? 'outside the window' : 'acknowledged'
    const losses = await expectAsTold(backend, ledger, roles, durable, `waiting for ${keyPrefix}`)
    expectNoDefects(lines, ledger)
    const more = {
      kills,
      unplanned,
      failoverMedianMs: median(failoversMs),
      failoverMaxMs: Math.round(Math.max(...failoversMs)),
    }
    reportOutcome({ name: `${name}, waiting for ${keyPrefix}`, seed, ledger, losses, recoveriesMs, more })
  }
})
