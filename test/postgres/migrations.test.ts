import { createPostgresBackend, type PostgresBackend } from '@flowfabric/backend-postgres'
import {
  mintClaimId,
  mintInstanceId,
  mintSoloExecutionId,
  parseKind,
  parseLaneId,
  parseNamespace,
  parseWorkerId,
} from '@flowfabric/core'
import pg from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Migration, migrations } from '../../packages/backend-postgres/src/generated/migrations.js'
import { migrate } from '../../packages/backend-postgres/src/migrations/migrate.js'
import { createContext } from '../../packages/backend-postgres/src/postgres-backend.js'
import { FlowDriver } from '../support/flow-driver.js'
import { createTestDatabase } from '../support/servers/test-database.js'

const namespace = parseNamespace('default')
const lane = parseLaneId('busy')
const kind = parseKind('work')
const flowCount = 4

/** A table that every statement needs is changed twice: as long as the lock is had, nobody else is served. */
const ofTomorrow: Migration = {
  version: migrations.length + 1,
  name: 'of_tomorrow',
  sql: 'alter table execution add column tomorrow integer; alter table execution_info add column tomorrow integer;',
}

describe.each([18, 15] as const)('migrations while others are served, on PostgreSQL %s', (major) => {
  /** A database of an earlier version, as a process of that version left it. */
  async function openAt(
    version: number,
  ): Promise<{ readonly url: string; readonly open: () => PostgresBackend }> {
    const database = await createTestDatabase(major)
    const opened: PostgresBackend[] = []
    onTestFinished(async () => {
      await Promise.all(opened.map(({ maintenance }) => maintenance.close()))
      await database.drop()
    })
    await migrateTo(database.url, migrations.slice(0, version))
    const client = new pg.Client({ connectionString: database.url })
    await client.connect()
    await client.query(
      `insert into flowfabric.deployment (flow_partitions, budget_partitions, quota_partitions, layout_version)
       values (${flowCount}, 1, 1, ${version})`,
    )
    await client.end()
    const open = () => {
      const backend = createPostgresBackend({ connectionString: database.url })
      opened.push(backend)
      return backend
    }
    return { url: database.url, open }
  }

  async function migrateTo(url: string, list: readonly Migration[]): Promise<void> {
    const { ctx, close } = createContext({ connectionString: url, listen: false })
    try {
      await migrate(ctx.db, list)
    } finally {
      await close()
    }
  }

  /** Submits, claims, completes, and runs flows until it is told to stop; answers how long each step took. */
  function startLoad(backend: PostgresBackend) {
    let isOver = false
    const tookMs: number[] = []
    const timed = async <T>(work: Promise<T>): Promise<T> => {
      const begunAt = performance.now()
      const answer = await work
      tookMs.push(performance.now() - begunAt)
      return answer
    }
    let accepted = 0
    let completed = 0
    const submitter = async () => {
      while (!isOver) {
        const items = Array.from({ length: 5 }, (_, n) => ({
          id: mintSoloExecutionId({ namespace, lane, shards: 1, count: flowCount }),
          kind,
          lane,
          input: null,
          ...(n === 0 ? { idempotencyKey: `k ${Math.random()}` } : {}),
        }))
        const answer = await timed(backend.executions.submit({ namespace, items }))
        for (const { outcome } of answer.items) {
          expect(outcome).toBe('accepted')
          accepted += 1
        }
      }
    }
    const worker = async () => {
      const instanceId = mintInstanceId()
      for (;;) {
        const claim = {
          claimId: mintClaimId(),
          workerId: parseWorkerId('loaded'),
          instanceId,
          namespaces: [namespace],
          lanes: [lane],
          kinds: [kind],
          capabilities: [],
          max: 20,
          leaseTtlMs: 30_000,
        }
        const answer = await timed(backend.leases.claim(claim))
        const leases = answer.outcome === 'claimed' ? answer.leases : []
        // A claim may find nothing while a neighbour holds what is left, or before the last submit is seen.
        if (leases.length === 0 && isSubmitted && (completed === accepted || performance.now() > lookUntil))
          return
        const items = leases.map(({ handle }) => ({ handle, result: null }))
        const ends = await timed(backend.leases.complete({ namespaces: [namespace], items }))
        for (const { outcome } of ends.items) {
          expect(outcome).toBe('completed')
          completed += 1
        }
      }
    }
    const flows = async () => {
      const partitions = Array.from({ length: flowCount }, (_, n) => `{fp:${n}}`) as never
      while (!isOver) {
        const flow = await timed(
          FlowDriver.submit({ backend, namespace, partitions }, { a: {}, b: { after: ['a'] } }),
        )
        await timed(flow.end('a', 'success'))
      }
    }
    let isSubmitted = false
    let lookUntil = Number.POSITIVE_INFINITY
    const submitters = async () => {
      await Promise.all([submitter(), submitter()])
      isSubmitted = true
      lookUntil = performance.now() + 10_000
    }
    const done = Promise.all([submitters(), worker(), worker(), flows()])
    // It fails when it is awaited; until then it only ends.
    done.catch(() => {
      isOver = true
    })
    return {
      tookMs,
      async stop() {
        isOver = true
        await done
        expect(completed).toBe(accepted)
        return accepted
      },
    }
  }

  it('the last two come under load, and no caller sees an error or waits for long', async () => {
    const { url, open } = await openAt(migrations.length - 2)
    const [old, young] = [open(), open()]
    const load = startLoad(old)
    await new Promise((resolve) => setTimeout(resolve, 400))
    await young.maintenance.prepare()
    await new Promise((resolve) => setTimeout(resolve, 400))
    expect(await load.stop()).toBeGreaterThan(50)
    expect(Math.max(...load.tookMs)).toBeLessThan(2_000)
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    const { rows } = await client.query('select max(version) as version from flowfabric.migration')
    await client.end()
    expect(rows).toEqual([{ version: migrations.length }])
  })

  it('one that needs a lock that somebody holds for long lets the others go first', async () => {
    const { url, open } = await openAt(migrations.length)
    const backend = open()
    const holder = new pg.Client({ connectionString: url })
    await holder.connect()
    onTestFinished(() => holder.end())
    const load = startLoad(backend)
    await holder.query('begin; select count(*) from flowfabric.execution_info')
    let isMigrated = false
    const migrating = migrateTo(url, [...migrations, ofTomorrow]).catch((error) => {
      // The package does not know that version, which is what it says after it has made it.
      expect(error).toMatchObject({ code: 'schema_mismatch' })
      isMigrated = true
    })
    await new Promise((resolve) => setTimeout(resolve, 2_500))
    expect(isMigrated).toBe(false)
    await holder.query('commit')
    await migrating
    expect(isMigrated).toBe(true)
    await load.stop()
    // It holds the first table while it waits for the second, half a second at a time.
    expect(Math.max(...load.tookMs)).toBeLessThan(2_000)
  })
})
