/**
 * The hot path of the Postgres store without an SDK: submit, claim, complete.
 *
 *     npx tsx --conditions=flowfabric-source bench/src/hot-path.ts [postgres|pglite] [tasks of the backlog]
 *
 * A server is started with real durability (fsync on) and stopped again.
 */
import { PGlite } from '@electric-sql/pglite'
import { createPostgresBackend } from '@flowfabric/backend-postgres'
import {
  type ClaimedExecution,
  type ClaimRequest,
  defaultNamespace,
  type ExecutionSubmission,
  type FoundationBackend,
  mintClaimId,
  mintInstanceId,
  mintSoloExecutionId,
  parseKind,
  parseLaneId,
  parseWorkerId,
} from '@flowfabric/core'
import { startPostgres } from '@flowfabric/test/servers'

const namespace = defaultNamespace
const kind = parseKind('bench')
const payload = new Uint8Array(100).fill(7)
const flowPartitions = 32

const [store = 'postgres', tasks = '10000'] = process.argv.slice(2)
const { backend, close } = await openStore()
await backend.maintenance.prepare()
await live('warm up', 1_000, 16)
await live('live, 16-way', 3_000, 16)
await idle(200)
await backlog(Number(tasks), 64)
await close()

async function openStore(): Promise<{ readonly backend: FoundationBackend; close(): Promise<void> }> {
  if (store === 'pglite') {
    const pglite = await PGlite.create()
    const backend = createPostgresBackend({ pglite })
    return {
      backend,
      async close() {
        await backend.maintenance.close()
        await pglite.close()
      },
    }
  }
  const server = await startPostgres({ major: 18, durable: true })
  const backend = createPostgresBackend({ connectionString: server.url })
  return {
    backend,
    async close() {
      await backend.maintenance.close()
      await server.stop()
    },
  }
}

/** So many callers, each of whom submits one and waits until it is recorded, beside one worker with as many slots. */
async function live(name: string, durationMs: number, concurrency: number): Promise<void> {
  const lane = 'live'
  const waiting = new Map<string, () => void>()
  const stopping = new AbortController()
  let running = 0
  let roomFor: (() => void) | undefined
  const instanceId = mintInstanceId()
  const work = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      if (running >= concurrency) {
        await new Promise<void>((resolve) => {
          roomFor = resolve
        })
      }
      const request = {
        ...aClaim(lane, concurrency - running),
        instanceId,
        waitMs: 1_000,
        signal: stopping.signal,
      }
      const claim = await backend.leases.claim(request)
      for (const lease of claim.outcome === 'claimed' ? claim.leases : []) {
        running += 1
        void record(lease).then(() => {
          running -= 1
          roomFor?.()
          waiting.get(lease.executionId)?.()
          waiting.delete(lease.executionId)
        })
      }
    }
  }
  const worker = work()
  const begunAt = performance.now()
  let done = 0
  const call = async (): Promise<void> => {
    while (performance.now() - begunAt < durationMs) {
      const item = aTask(lane)
      const recorded = new Promise<void>((resolve) => waiting.set(item.id, resolve))
      await backend.executions.submit({ namespace, items: [item] })
      await recorded
      done += 1
    }
  }
  await Promise.all(Array.from({ length: concurrency }, call))
  tell(name, done, begunAt)
  stopping.abort()
  roomFor?.()
  await worker
}

/** From the call of submit to the claim's answer, on a store that does nothing else. */
async function idle(count: number): Promise<void> {
  const lane = 'idle'
  const times: number[] = []
  for (let round = 0; round < count; round += 1) {
    const claim = backend.leases.claim({ ...aClaim(lane, 1), waitMs: 5_000 })
    await new Promise((resolve) => setTimeout(resolve, 5))
    const begunAt = performance.now()
    void backend.executions.submit({ namespace, items: [aTask(lane)] })
    const answer = await claim
    times.push(performance.now() - begunAt)
    for (const lease of answer.outcome === 'claimed' ? answer.leases : []) await record(lease)
  }
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.floor(share * (count - 1))]?.toFixed(2)
  console.log(`idle, submit to claim   p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`)
}

/** Submits all first; then two loops complete and fetch in one call. */
async function backlog(count: number, batch: number): Promise<void> {
  const lane = 'backlog'
  let begunAt = performance.now()
  for (let left = count; left > 0; left -= 1_000) {
    const items = Array.from({ length: Math.min(left, 1_000) }, () => aTask(lane))
    await backend.executions.submit({ namespace, items })
  }
  tell('submit in batches', count, begunAt)
  begunAt = performance.now()
  let done = 0
  const drain = async (): Promise<void> => {
    const instanceId = mintInstanceId()
    const next = () => ({ ...aClaim(lane, batch), instanceId })
    const first = await backend.leases.claim(next())
    let leases = first.outcome === 'claimed' ? first.leases : []
    while (leases.length > 0) {
      const items = leases.map(({ handle }) => ({ handle, result: payload }))
      const answer = await backend.leases.complete({ namespaces: [namespace], items, next: next() })
      done += answer.items.length
      leases = answer.claimed
    }
  }
  await Promise.all([drain(), drain()])
  tell('backlog', done, begunAt)
}

async function record({ handle }: ClaimedExecution): Promise<void> {
  const { items } = await backend.leases.complete({
    namespaces: [namespace],
    items: [{ handle, result: payload }],
  })
  if (items[0]?.outcome !== 'completed') throw new Error(`not completed: ${JSON.stringify(items[0])}`)
}

function aTask(lane: string): ExecutionSubmission {
  const id = mintSoloExecutionId({ namespace, lane, shards: 1, count: flowPartitions })
  return { id, kind, lane: parseLaneId(lane), input: payload }
}

function aClaim(lane: string, max: number): ClaimRequest {
  return {
    namespaces: [namespace],
    claimId: mintClaimId(),
    workerId: parseWorkerId('bench'),
    instanceId: mintInstanceId(),
    lanes: [parseLaneId(lane)],
    kinds: [kind],
    capabilities: [],
    max,
    leaseTtlMs: 30_000,
  }
}

function tell(name: string, count: number, begunAt: number): void {
  const perSecond = (count / (performance.now() - begunAt)) * 1_000
  console.log(`${name.padEnd(24)}${perSecond.toFixed(0)}/s`)
}
