import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import {
  type EngineEvent,
  type ExecutionEvent,
  type ExecutionId,
  type FlowId,
  type FoundationBackend,
  makePartitionTag,
  mintExecutionIdInFlow,
  mintFlowId,
  mintSoloExecutionId,
  parseKind,
  parseLaneId,
  parseNamespace,
} from '@flowfabric/core'
import { createEmbedded } from '@flowfabric/embedded'
import { expect, it, onTestFinished } from 'vitest'
import { freePort } from '../support/servers/processes.js'
import { isSoak } from '../support/soak.js'
import { createStorePlace } from '../support/store-place.js'
import { until } from '../support/until.js'
import { isReady, startVictim, type Victim } from './victims.js'

const namespace = parseNamespace('default')
const lane = parseLaneId('default')
const count = 8
const partitions = { flow: count, budget: 1, quota: 1 }
const token = 'a-token-of-the-fault-tests'
const kills = Number(process.env.FF_KILLS ?? (isSoak ? 200 : 12))
const tellAll = { namespace, lane, settings: { eventLevel: 'all' as const } }

interface Scene {
  readonly backend: FoundationBackend
  readonly servers: readonly Victim[]
  readonly workers: readonly Victim[]
  readonly runsFile: string
}

/** A durable store, two servers with engines, three workers over HTTP, each of them to be killed. */
async function openScene(): Promise<Scene> {
  const place = await createStorePlace({ durable: true })
  onTestFinished(() => place.remove())
  const folder = mkdtempSync(path.join(tmpdir(), 'flowfabric-faults-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  // Never started: it only submits and looks.
  const { backend, stop } = await createEmbedded({ ...place.embedded, partitions, scanners: false })
  onTestFinished(() => stop())
  await backend.lanes.configure(tellAll)

  const ports = [await freePort(), await freePort()]
  const servers = ports.map((port, index) =>
    startVictim(`server ${index}`, ['apps/server/bin/flowfabric.js', 'serve'], {
      ...place.env,
      FF_TOKEN: token,
      FF_PORT: String(port),
      FF_LOG_LEVEL: 'silent',
    }),
  )
  onTestFinished(() => endAll(servers))
  const urls = ports.map((port) => `http://127.0.0.1:${port}`)
  await Promise.all(urls.map(isReady))
  const runsFile = path.join(folder, 'runs')
  const workers = [0, 1, 2].map((index) =>
    startVictim(`worker ${index}`, ['test/faults/programs/worker.mjs'], {
      FF_URL: urls[index % 2] as string,
      FF_TOKEN: token,
      FF_RUNS_FILE: runsFile,
    }),
  )
  onTestFinished(() => endAll(workers))
  return { backend, servers, workers, runsFile }
}

async function endAll(victims: readonly Victim[]): Promise<void> {
  await Promise.all(victims.map((victim) => victim.end()))
}

interface Accepted {
  readonly executions: ExecutionId[]
  readonly flows: FlowId[]
}

/** Solo work, and diamonds of five members; only what was acknowledged counts as accepted. */
async function submitSome(backend: FoundationBackend, accepted: Accepted): Promise<void> {
  const solo = { kind: parseKind('solo'), lane, input: null }
  const items = Array.from({ length: 10 }, () => ({
    ...solo,
    id: mintSoloExecutionId({ namespace, lane, shards: 1, count }),
  }))
  const submitted = await backend.executions.submit({ namespace, items })
  for (const item of submitted.items) if (item.outcome === 'accepted') accepted.executions.push(item.id)

  const flowId = mintFlowId()
  const [first, a, b, c, last] = Array.from({ length: 5 }, () => mintExecutionIdInFlow(flowId, count)) as [
    ExecutionId,
    ExecutionId,
    ExecutionId,
    ExecutionId,
    ExecutionId,
  ]
  const nodes = [first, a, b, c, last].map((id) => ({ id, kind: parseKind('member'), lane, input: null }))
  const edges = [a, b, c].flatMap((id) => [
    { from: first, to: id },
    { from: id, to: last },
  ])
  const outcome = await backend.flows.submit({ namespace, flowId, nodes, edges })
  if (outcome.outcome === 'accepted') {
    accepted.flows.push(flowId)
    accepted.executions.push(...nodes.map(({ id }) => id))
  }
}

/** Kills the victims at random moments, one after the other, under a load that goes on meanwhile. */
async function killUnderLoad(scene: Scene, victims: readonly Victim[]): Promise<Accepted> {
  const accepted: Accepted = { executions: [], flows: [] }
  let isOver = false
  const load = (async () => {
    while (!isOver) {
      await submitSome(scene.backend, accepted)
      await pause(60)
    }
  })()
  for (let made = 0; made < kills; made = victims.reduce((sum, victim) => sum + victim.kills, 0)) {
    await pause(50 + Math.random() * 400)
    await victims[Math.floor(Math.random() * victims.length)]?.killAndReplace()
  }
  isOver = true
  await load
  return accepted
}

async function readAllEvents(backend: FoundationBackend): Promise<EngineEvent[]> {
  const all: EngineEvent[] = []
  for (let cursor: string | undefined; ; ) {
    const page = await backend.events.read({
      namespace,
      limit: 1_000,
      ...(cursor === undefined ? {} : { cursor }),
    })
    all.push(...page.events)
    if (page.cursor === cursor || page.events.length === 0) return all
    cursor = page.cursor
  }
}

const terminal = new Set(['completed', 'failed', 'cancelled', 'expired', 'skipped'])

async function expectNothingLost(
  { backend, runsFile }: Scene,
  { executions, flows }: Accepted,
): Promise<void> {
  await until(
    'everything that was accepted has ended',
    async () => {
      const open = await backend.executions.count({
        namespace,
        filter: {
          states: [
            'waiting',
            'resumable',
            'delayed',
            'waiting_children',
            'rate_limited',
            'active',
            'suspended',
          ],
        },
      })
      if (open.count > 0) return false
      const live = await backend.flows.list({ namespace, states: ['open', 'cancelling'], limit: 1 })
      return live.items.length === 0
    },
    120_000,
  )
  for (let at = 0; at < executions.length; at += 100) {
    const { items } = await backend.executions.getResult({ namespace, ids: executions.slice(at, at + 100) })
    for (const item of items) expect(item.outcome).toBe('success')
  }
  for (const flowId of flows)
    expect((await backend.flows.get({ namespace, flowId })).flow.state).toBe('completed')

  // Nothing terminal twice: neither by its attempts nor by the feed.
  const ends = new Map<string, number>()
  for (const event of await readAllEvents(backend)) {
    if (event.type === 'execution' && terminal.has(event.publicState)) {
      ends.set((event as ExecutionEvent).executionId, (ends.get(event.executionId) ?? 0) + 1)
    }
  }
  for (const id of executions) expect([id, ends.get(id)]).toEqual([id, 1])
  const runs = readFileSync(runsFile, 'utf8').trim().split('\n')
  const ran = new Map<string, number>()
  for (const line of runs)
    ran.set(line.split(' ')[0] as string, (ran.get(line.split(' ')[0] as string) ?? 0) + 1)
  const twice = executions.filter((id) => (ran.get(id) ?? 0) > 1)
  for (const id of executions) expect(ran.get(id) ?? 0).toBeGreaterThanOrEqual(1)
  // Whoever ran more than once lost a lease to a kill, and its history says so.
  let explained = 0
  for (const executionId of twice) {
    const { items } = await backend.attempts.list({ namespace, executionId })
    expect(items.filter(({ state }) => state === 'ended_success')).toHaveLength(1)
    if (items.length > 1) explained += 1
  }
  expect(explained).toBe(twice.length)

  // No lease, slot or entry is left over.
  const { lanes } = await backend.lanes.list({ namespace })
  expect(lanes.map(({ depth }) => depth.active + depth.waiting)).toEqual(lanes.map(() => 0))
  expect((await backend.maintenance.describe()).counts.outbox).toBe(0)
  for (let index = 0; index < count; index += 1) {
    const found = await backend.maintenance.reconcileIndexes({
      partition: makePartitionTag('flow', index),
      max: 500,
    })
    expect(found.items).toEqual([])
  }
  console.info(
    `${executions.length} executions in ${flows.length} flows and alone; ${runs.length} runs; ` +
      `${twice.length} ran more than once, of which ${explained} by a recorded loss of their lease`,
  )
}

it(`loses nothing when workers are killed ${kills} times`, { timeout: 1_500_000 }, async () => {
  const scene = await openScene()
  const accepted = await killUnderLoad(scene, scene.workers)
  await expectNothingLost(scene, accepted)
})

it(`loses nothing when servers are killed ${kills} times`, { timeout: 1_500_000 }, async () => {
  const scene = await openScene()
  const accepted = await killUnderLoad(scene, scene.servers)
  await expectNothingLost(scene, accepted)
})
