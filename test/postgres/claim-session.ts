import { createPostgresBackend } from '@flowfabric/backend-postgres'
import {
  type ClaimedExecution,
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
import pg from 'pg'

/** A lane's work, submitted and claimed over one session of the server, so that all claims know the same. */
export interface ClaimSession {
  readonly pool: pg.Pool
  readonly store: FoundationBackend
  submit(count: number, more?: Partial<ExecutionSubmission>): Promise<void>
  claim(max: number): Promise<readonly ClaimedExecution[]>
  complete(leases: readonly ClaimedExecution[]): Promise<void>
  /** Claims and completes until nothing is left. */
  drain(): Promise<void>
  /** How many entries of the indexes of waiting work were read so far, by whomever. */
  readEntries(): Promise<number>
  close(): Promise<void>
}

const namespace = defaultNamespace
const lane = parseLaneId('session')

export async function openClaimSession(url: string, kindNames: readonly string[]): Promise<ClaimSession> {
  const kinds = kindNames.map((kind) => parseKind(kind))
  const pool = new pg.Pool({ connectionString: url, max: 1 })
  // The database goes with the tests, and cuts what is still connected.
  pool.on('error', () => {})
  const store = createPostgresBackend({ pool, dispatchInProcess: false, listen: false })
  await store.maintenance.prepare({ partitions: { flow: 1 } })

  async function submit(count: number, more: Partial<ExecutionSubmission> = {}): Promise<void> {
    const items = Array.from({ length: count }, (_, n): ExecutionSubmission => {
      const id = mintSoloExecutionId({ namespace, lane, shards: 1, count: 1 })
      return { id, lane, kind: kinds[n % kinds.length] as (typeof kinds)[number], input: null, ...more }
    })
    await store.executions.submit({ namespace, items })
  }

  async function claim(max: number): Promise<readonly ClaimedExecution[]> {
    const answer = await store.leases.claim({
      namespaces: [namespace],
      claimId: mintClaimId(),
      workerId: parseWorkerId('session'),
      instanceId: mintInstanceId(),
      lanes: [lane],
      kinds,
      capabilities: [],
      max,
      leaseTtlMs: 30_000,
    })
    return answer.outcome === 'claimed' ? answer.leases : []
  }

  async function complete(leases: readonly ClaimedExecution[]): Promise<void> {
    const items = leases.map(({ handle }) => ({ handle, result: null }))
    await store.leases.complete({ namespaces: [namespace], items })
  }

  async function drain(): Promise<void> {
    for (;;) {
      const leases = await claim(200)
      if (leases.length === 0) return
      await complete(leases)
    }
  }

  async function readEntries(): Promise<number> {
    await pool.query('select pg_stat_force_next_flush()')
    const { rows } = await pool.query<{ n: string }>(
      "select sum(idx_tup_read) as n from pg_stat_user_indexes where indexrelname in ('execution_claim', 'execution_line')",
    )
    return Number(rows[0]?.n)
  }

  async function close(): Promise<void> {
    await store.maintenance.close()
    await pool.end()
  }

  return { pool, store, submit, claim, complete, drain, readEntries, close }
}
