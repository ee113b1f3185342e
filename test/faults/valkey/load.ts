import { setTimeout as pause } from 'node:timers/promises'
import {
  type FoundationBackend,
  isEngineError,
  mintClaimId,
  mintInstanceId,
  mintUuid,
  parseKind,
  parseLaneId,
  parseNamespace,
  parseWorkerId,
  partitionOfFlow,
} from '@flowfabric/core'
import { createEngine, type Engine } from '@flowfabric/engine'
import { foundationScanners } from '@flowfabric/scanners'
import { type Client, createClient, createWorker, type Worker } from '@flowfabric/sdk'
import type { Random } from '../../model/random.js'
import type { Ledger } from './ledger.js'
import { cappedLane, defineGraph, defineTasks, lane, leftKind, type Tasks } from './tasks.js'

export const namespace = parseNamespace('chaos')
export const cap = 4

export interface Line {
  readonly atMs: number
  readonly level: string
  readonly message: string
  readonly fields: unknown
}

/** What engines and workers have logged from `warn` on. */
export type Lines = Line[]

/** An engine with a worker, as a process would have them: over a backend of their own. */
export interface Node {
  readonly backend: FoundationBackend
  readonly engine: Engine
  readonly worker: Worker
  /** How many ends its worker has had recorded. */
  recorded(): number
  /** Lets both come to their end, and says goodbye for them. */
  stop(): Promise<void>
}

export async function startNode(backend: FoundationBackend, ledger: Ledger, lines: Lines): Promise<Node> {
  const logger = {
    log(level: string, message: string, fields?: unknown) {
      if (level === 'warn' || level === 'error')
        lines.push({ atMs: performance.now(), level, message, fields })
    },
  }
  const engine = createEngine({ backend, scanners: foundationScanners(), logger })
  await engine.start()
  let recorded = 0
  const worker = createWorker({
    connect: { backend: engine.backend, namespace },
    tasks: Object.values(defineTasks(ledger)),
    lanes: [lane, cappedLane],
    workerId: 'chaos',
    concurrency: 24,
    leaseTtlMs: 2_000,
    logger,
    middleware: [
      async ({ execution }, next) => {
        const lease = ledger.leaseOf(execution.id)
        try {
          return await next()
        } finally {
          if (lease !== undefined) ledger.left(lease)
        }
      },
    ],
    observer: {
      started: (claimed) => ledger.claimed(claimed),
      recorded(claimed, { outcome }) {
        recorded += 1
        if (outcome === 'completed' || outcome === 'failed' || outcome === 'cancelled')
          ledger.ended(claimed.executionId, outcome, claimed)
      },
    },
  })
  await worker.start()
  let stopping: Promise<void> | undefined
  return {
    backend,
    engine,
    worker,
    recorded: () => recorded,
    stop() {
      stopping ??= worker
        .drain({ graceMs: 5_000 })
        .then(() => engine.stop({ graceMs: 2_000 }))
        .then(() => backend.maintenance.close())
      return stopping
    },
  }
}

export async function configureLanes({ lanes }: FoundationBackend): Promise<void> {
  await lanes.configure({
    namespace,
    lane: parseLaneId(lane),
    settings: { shards: 8, eventLevel: 'all' },
  })
  await lanes.configure({
    namespace,
    lane: parseLaneId(cappedLane),
    settings: { shards: 8, concurrency: cap, eventLevel: 'all' },
  })
}

export interface Load {
  readonly client: Client
  readonly tasks: Tasks
  /** Submits nothing more; resolves when what is under way was answered. */
  stop(): Promise<void>
}

interface LoadOptions {
  /** Of each node, how many submit at once: more where every answer takes its time. */
  readonly submitters?: number
  /** Between what one of them submits, on average. */
  readonly pauseMs?: number
}

/** Submits solo work of all kinds and flows, cancels some, and claims work that it never ends. */
export function startLoad(
  nodes: readonly Node[],
  ledger: Ledger,
  random: Random,
  { submitters = 1, pauseMs = 25 }: LoadOptions = {},
): Load {
  const [first, last] = [nodes[0], nodes.at(-1)]
  if (first === undefined || last === undefined) throw new Error('a load needs a node')
  const tasks = defineTasks(ledger)
  const graph = defineGraph(tasks)
  const clients = nodes.map(({ engine }) => createClient({ connect: { backend: engine.backend, namespace } }))
  const below = (bound: number) => Math.floor(random.next() * bound)
  let isOver = false

  const solo = async (client: Client) => {
    const lot = below(20)
    const key = lot % 5 === 0 ? { idempotencyKey: mintUuid() } : {}
    const beganAtMs = performance.now()
    const handle = await (lot < 8
      ? client.submit(tasks.quick, { ms: below(20) }, key)
      : lot < 10
        ? client.submit(tasks.quick, { ms: 300 + below(300) }, key)
        : lot < 12
          ? client.submit(tasks.slots, { ms: below(20) }, key)
          : lot < 14
            ? client.submit(tasks.flaky, { failures: 1 + below(2) }, key)
            : lot < 15
              ? client.submit(tasks.hopeless, undefined, key)
              : lot < 16
                ? client.submit(tasks.stepping, undefined, key)
                : lot < 18
                  ? client.submit(tasks.left, { ms: 0 }, key)
                  : client.submit(tasks.quick, { ms: 0 }, { ...key, delayMs: lot === 18 ? 200 : 3_000 }))
    ledger.accepted(handle.id, beganAtMs)
    if (lot !== 19) return
    // Well before it is due.
    const cancelledAtMs = performance.now()
    await handle.cancel().then(
      ({ outcome }) => outcome === 'cancelled' && ledger.cancelled(handle.id, cancelledAtMs),
      (error: unknown) => ledger.refused(error, handle.id),
    )
  }
  const flow = async (client: Client, { backend }: Node) => {
    const { partitions } = await backend.maintenance.describe()
    const beganAtMs = performance.now()
    const handle = await client.submit(graph, { width: 1 + below(12) })
    ledger.acceptedFlow(handle.id, partitionOfFlow(handle.id, partitions.flow), beganAtMs)
  }
  const submit = async (node: Node, place: number) => {
    const client = clients[place] as Client
    while (!isOver) {
      const turn =
        below(6) === 0 ? [flow(client, node)] : Array.from({ length: 1 + below(4) }, () => solo(client))
      await Promise.all(turn.map((each) => each.catch((error: unknown) => ledger.refused(error))))
      await pause(below(2 * pauseMs))
    }
  }
  const submitting = nodes.flatMap((node, place) =>
    Array.from({ length: submitters }, () => submit(node, place)),
  )
  const deserting = desert(last.backend, () => isOver, ledger)

  return {
    client: clients[0] as Client,
    tasks,
    async stop() {
      isOver = true
      await Promise.all([...submitting, deserting])
    },
  }
}

/** Claims and never ends: the leases run out. */
async function desert({ leases }: FoundationBackend, isOver: () => boolean, ledger: Ledger): Promise<void> {
  const instanceId = mintInstanceId()
  while (!isOver()) {
    const claim = leases.claim({
      namespaces: [namespace],
      claimId: mintClaimId(),
      workerId: parseWorkerId('deserter'),
      instanceId,
      lanes: [parseLaneId(lane)],
      kinds: [parseKind(leftKind)],
      capabilities: [],
      max: 2,
      leaseTtlMs: 1_000,
      waitMs: 50,
    })
    await claim.then(
      (answer) => {
        if (answer.outcome === 'claimed') for (const each of answer.leases) ledger.claimed(each)
      },
      (error: unknown) => ledger.refused(error),
    )
    await pause(100)
  }
}

/** Errors that say themselves that the same call may simply be made again. */
export function isPassing(error: unknown): boolean {
  return isEngineError(error) && error.retry === 'safe'
}
