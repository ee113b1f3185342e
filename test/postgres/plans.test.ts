import { createPostgresBackend } from '@flowfabric/backend-postgres'
import {
  type ClaimedExecution,
  type ClaimRequest,
  defaultNamespace,
  type ExecutionSubmission,
  type FoundationBackend,
  makePartitionTag,
  mintClaimId,
  mintInstanceId,
  mintQuotaId,
  mintSoloExecutionId,
  parseKind,
  parseLaneId,
  parseWorkerId,
} from '@flowfabric/core'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase } from '../support/servers/test-database.js'

/** A node of a plan as the server logs it, with what it really read. */
interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Actual Rows'?: number
  readonly 'Actual Loops'?: number
  readonly 'Rows Removed by Filter'?: number
  readonly Plans?: readonly PlanNode[]
}

const batch = 20
const namespace = defaultNamespace
const lane = 'plans'
const partition = makePartitionTag('flow', 0)
/** Tables that stay small whatever is stored: one row, or one for each lane and route. */
const smallTables = new Set(['deployment', 'lane', 'route', 'lane_depth'])

let database: Awaited<ReturnType<typeof createTestDatabase>>
let pool: pg.Pool
let store: FoundationBackend
let logged: PlanNode[] = []

beforeAll(async () => {
  database = await createTestDatabase(18)
  // Each statement's plan comes back as a notice, those inside of functions too.
  const settings = {
    session_preload_libraries: 'auto_explain',
    'auto_explain.log_min_duration': '0',
    'auto_explain.log_nested_statements': 'on',
    'auto_explain.log_analyze': 'on',
    'auto_explain.log_format': 'json',
    client_min_messages: 'log',
  }
  const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`)
  pool = new pg.Pool({ connectionString: database.url, options: options.join(' '), max: 2 })
  // The database goes with the tests, and cuts what is still connected.
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('notice', ({ message }) => keepPlan(message ?? '')))
  // Without what runs by itself now and then: only the statements of a test are looked at.
  store = createPostgresBackend({ pool, dispatchInProcess: false, listen: false })
  await store.maintenance.prepare({ partitions: { flow: 1 } })
  // The worst that statistics can say: a plan made from them would suit empty tables, and is kept.
  await pool.query('vacuum analyze')
  for (const ended of await claimAfter(3_000)) await complete([ended])
})

afterAll(async () => {
  await store.maintenance.close()
  await pool.end()
  await database.drop()
})

function keepPlan(message: string): void {
  const json = /^duration: .*?plan:\n(\{.*\})$/s.exec(message)?.[1]
  if (json !== undefined) logged.push((JSON.parse(json) as { Plan: PlanNode }).Plan)
}

describe('plans of the hot statements', () => {
  it('of a claim read what they hand out, in the order of the index', async () => {
    await expectLean(async () => {
      expect(await claim(batch)).toHaveLength(batch)
    })
  })

  it('of a completion read what it names', async () => {
    const leases = await claim(batch)
    await expectLean(() => complete(leases))
  })

  it('of a failure read what it names', async () => {
    const leases = await claim(batch)
    await expectLean(async () => {
      const failure = { category: 'error', message: 'no' }
      const items = leases.map(({ handle }) => ({ handle, failure }))
      await store.leases.fail({ namespaces: [namespace], items })
    })
  })

  it('of a renewal read what it names', async () => {
    const leases = await claim(batch)
    await expectLean(async () => {
      const items = leases.map(({ handle }) => ({ handle, leaseTtlMs: 60_000 }))
      await store.leases.renew({ namespaces: [namespace], items })
    })
  })

  it('of frames read what they name, and of a reader what it asks for', async () => {
    const leases = await claim(batch)
    const append = (from: number, count: number, mode: 'durable' | 'best_effort') =>
      Promise.all(
        leases.map(({ handle }) =>
          store.streams.append({
            namespaces: [namespace],
            items: Array.from({ length: count }, (_, n) => ({
              handle,
              mode,
              frameNumber: from + n,
              frame: new Uint8Array(10),
            })),
          }),
        ),
      )
    // Long streams, of which the next call sees little.
    await append(0, 200, 'durable')
    await append(200, 200, 'best_effort')
    const id = leases[0]?.executionId as ClaimedExecution['executionId']
    await expectLean(async () => {
      await append(400, 1, 'durable')
      await append(401, 1, 'best_effort')
      for (const acrossAttempts of [false, true]) {
        const { frames } = await store.streams.tail({
          namespace,
          executionId: id,
          acrossAttempts,
          limit: batch,
        })
        expect(frames).toHaveLength(batch)
      }
      await store.streams.readSummary({ namespace, executionId: id })
    })
    await complete(leases)
  })

  it('of a submission read what it names', async () => {
    await expectLean(async () => {
      await store.executions.submit({ namespace, items: Array.from({ length: batch }, () => aTask()) })
    })
  })

  it('of the timers read what is due', async () => {
    const late = Array.from({ length: batch }, () => ({ ...aTask(), delayMs: 1 }))
    await store.executions.submit({ namespace, items: late })
    await pool.query('select pg_sleep(0.01)')
    await expectLean(async () => {
      const { items } = await store.maintenance.drainTimers({ partition, max: batch })
      expect(items).toHaveLength(batch)
    })
  })

  it('of a listing and of a count by state read a page', async () => {
    // Chosen at each call, by statistics that the server keeps up by itself.
    await pool.query('analyze')
    await expectLean(async () => {
      await store.executions.list({ namespace, limit: batch })
      await store.executions.list({ namespace, limit: batch, filter: { states: ['failed'] } })
      await store.executions.count({ namespace, filter: { states: ['waiting'] } })
    })
  })

  it('of a claim past a line that is parked read nothing of what it holds back', async () => {
    const quotaId = mintQuotaId()
    await store.quotas.create({
      namespace,
      quotaId,
      label: 'slots',
      rate: null,
      concurrency: 1,
      strategy: 'queue',
    })
    const submit = (key: string, count: number) =>
      store.executions.submit({
        namespace,
        items: Array.from({ length: count }, () => ({
          ...aTask('throttled'),
          quotas: [{ quotaId, key }],
        })),
      })
    await submit('greedy', 1_000)
    await claim(batch, 'throttled')
    await submit('modest', batch)
    await expectLean(async () => {
      expect(await claim(batch, 'throttled')).toHaveLength(1)
    }, countFiltered)
  })
})

/** No table is read whole, no node reads many times what was asked for, no sort holds more than the batch. */
async function expectLean(act: () => Promise<unknown>, count = countRows): Promise<void> {
  // The plans that are kept, not those of the first calls.
  logged = []
  await act()
  expect(logged.length).toBeGreaterThan(0)
  const findings = logged.flatMap(nodesOf).flatMap((node) => {
    const rows = count(node) * (node['Actual Loops'] ?? 0)
    const table = node['Relation Name']
    const what = `${node['Node Type']} on ${table ?? '-'}: ${rows} rows`
    if (table !== undefined && smallTables.has(table)) return []
    if (node['Node Type'] === 'Seq Scan' && table !== undefined && rows > 0) return [what]
    if (node['Node Type'] === 'Sort' && rows > 2 * batch) return [what]
    return rows > 4 * batch ? [what] : []
  })
  expect(findings).toEqual([])
}

function countRows(node: PlanNode): number {
  return node['Actual Rows'] ?? 0
}

/** With what was read for nothing. */
function countFiltered(node: PlanNode): number {
  return countRows(node) + (node['Rows Removed by Filter'] ?? 0)
}

function nodesOf(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)]
}

async function claimAfter(count: number): Promise<readonly ClaimedExecution[]> {
  const items = () => Array.from({ length: 500 }, () => aTask())
  for (let left = count; left > 0; left -= 500) await store.executions.submit({ namespace, items: items() })
  return claim(200)
}

async function claim(max: number, from = lane): Promise<readonly ClaimedExecution[]> {
  const answer = await store.leases.claim(aClaim(max, from))
  return answer.outcome === 'claimed' ? answer.leases : []
}

async function complete(leases: readonly ClaimedExecution[]): Promise<void> {
  const items = leases.map(({ handle }) => ({ handle, result: null }))
  const answer = await store.leases.complete({ namespaces: [namespace], items })
  expect(answer.items).toEqual(items.map(() => ({ outcome: 'completed', late: false })))
}

function aTask(of = lane): ExecutionSubmission {
  const id = mintSoloExecutionId({ namespace, lane: of, shards: 1, count: 1 })
  return { id, kind: parseKind('task'), lane: parseLaneId(of), input: null }
}

function aClaim(max: number, from: string): ClaimRequest {
  return {
    namespaces: [namespace],
    claimId: mintClaimId(),
    workerId: parseWorkerId('plans'),
    instanceId: mintInstanceId(),
    lanes: [parseLaneId(from)],
    kinds: [parseKind('task')],
    capabilities: [],
    max,
    leaseTtlMs: 30_000,
  }
}
