import {
  checkSubmitExecutions,
  type ErrorCode,
  mintSoloExecutionId,
  must,
  parseLaneId,
  soloPartition,
} from '@flowfabric/core'
import pg from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import type { SqlInside } from '../support/backends.js'
import { readOne } from '../support/builders.js'
import { type TestStore, useStore } from '../support/use-store.js'
import { WorkerDriver } from '../support/worker-driver.js'

interface Answer {
  readonly outcome: string
  readonly id: string | null
  readonly error: ErrorCode | null
  readonly message: string | null
}

const opened: { end(): Promise<unknown> }[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((each) => each.end()))
})

const lane = parseLaneId('mail')
const insideOf = (store: TestStore) => store.opened.inside as SqlInside

describe.each(['postgres18', 'postgres15', 'pglite'] as const)('`submit` in plain SQL, on %s', (name) => {
  const store = useStore({ name })
  const worker = () => new WorkerDriver(store(), { lanes: [lane] })

  async function connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: must(insideOf(store()).url, 'a server') })
    await client.connect()
    opened.push(client)
    return client
  }

  async function submit(
    kind: string | null,
    input: unknown = null,
    options: unknown = {},
    {
      through = insideOf(store()).pool,
      into = lane as string | null,
      namespace = store().namespace as string | null,
    } = {},
  ): Promise<Answer> {
    const { rows } = await through.query(
      `select * from ${insideOf(store()).schema}.submit($1, $2, $3, $4::jsonb, $5::jsonb)`,
      [namespace, into, kind, input === null ? null : JSON.stringify(input), JSON.stringify(options)],
    )
    return rows[0] as unknown as Answer
  }

  it('is an execution like any other', async () => {
    const answer = await submit(
      'work',
      { to: 'you' },
      { priority: 7, tags: { 'app.order': '1' }, timeouts: { deadlineMs: 60_000 } },
    )
    expect(answer).toEqual({ outcome: 'accepted', id: expect.any(String), error: null, message: null })
    const lease = await worker().claimOne()
    expect(lease.executionId).toBe(answer.id)
    expect(JSON.parse(new TextDecoder().decode(must(lease.input, 'an input')))).toEqual({ to: 'you' })
    const execution = await readOne(store(), lease.executionId)
    expect(execution).toMatchObject({ priority: 7, tags: { 'app.order': '1' } })
    expect(execution.deadlineAtMs).toBe((await store().nowMs()) + 60_000)
    await worker().complete(lease.handle)
  })

  it('is placed as one of the SDK would be', async () => {
    const count = store().partitions.length
    for (const shards of [1, 3]) {
      await store().backend.lanes.configure({ namespace: store().namespace, lane, settings: { shards } })
      for (let n = 0; n < 10; n += 1) {
        const { id } = await submit('work')
        const uuid = must(id, 'an id').slice(-36)
        expect(uuid[14]).toBe('7')
        const index = soloPartition({ namespace: store().namespace, lane, uuid, shards, count })
        expect(id).toBe(`{fp:${index}}:${uuid}`)
      }
    }
    await store().backend.lanes.configure({ namespace: store().namespace, lane, settings: { shards: 1 } })
    while ((await worker().claim()).length > 0);
  })

  it('knows ids, keys and closed lanes', async () => {
    const first = await submit('work', 1, { idempotencyKey: 'k' })
    expect(await submit('work', 1, { idempotencyKey: 'k' })).toMatchObject({
      outcome: 'duplicate',
      id: first.id,
    })
    expect(await submit('work', 2, { idempotencyKey: 'k' })).toMatchObject({
      outcome: 'idempotency_conflict',
    })
    expect(await submit('work', 1, { id: first.id })).toMatchObject({ outcome: 'duplicate' })
    expect(await submit('work', 2, { id: first.id })).toMatchObject({
      outcome: 'execution_conflict',
      id: null,
    })
    await store().backend.lanes.setState({ namespace: store().namespace, lane, state: 'disabled' })
    expect(await submit('work')).toMatchObject({ outcome: 'lane_not_accepting', id: null })
  })

  it('refuses what core refuses, with its codes', async () => {
    const counts = store().opened.partitionCounts
    const retry = {
      maxAttempts: 3,
      backoff: { kind: 'fixed', initialMs: 1, maxMs: 1, multiplier: 1, jitter: false },
      nonRetryable: [],
    }
    const cases: readonly Record<string, unknown>[] = [
      {},
      { kind: '' },
      { kind: 'resize@2' },
      { kind: 'resize@' },
      { kind: 'a@b@c' },
      { kind: 'ä' },
      { kind: 'k'.repeat(129) },
      { lane: 'a lane' },
      { lane: '-a' },
      { lane: 'x'.repeat(128) },
      { namespace: '' },
      { id: 'none' },
      { id: '{fp:99}:0190a5f0-7a4c-7cc3-98c4-dc0c0c07398f' },
      { inputHash: 'no hash' },
      { inputHash: 'abc' },
      { priority: -1 },
      { priority: 1.5 },
      { priority: 9_001 },
      { priority: '1' },
      { priority: 9_000 },
      { capabilities: 'gpu' },
      { capabilities: ['gpu', 'gpu'] },
      { capabilities: ['a b'] },
      { capabilities: [''] },
      { capabilities: Array.from({ length: 257 }, (_, n) => `c${n}`) },
      { tags: [] },
      { tags: { plain: '1' } },
      { tags: { 'ff.own': '1' } },
      { tags: { 'app.x': 1 } },
      { tags: { 'app.x': 'é'.repeat(129) } },
      { tags: { [`app.${'x'.repeat(130)}`]: '1' } },
      { tags: Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`app.x${n}`, ''])) },
      { retry: {} },
      { retry },
      { retry: { ...retry, maxAttempts: 0 } },
      { retry: { ...retry, backoff: { ...retry.backoff, kind: 'none' } } },
      { retry: { ...retry, backoff: { ...retry.backoff, maxMs: 0 } } },
      { retry: { ...retry, backoff: { ...retry.backoff, multiplier: 0 } } },
      { retry: { ...retry, backoff: { ...retry.backoff, jitter: 1 } } },
      { retry: { ...retry, nonRetryable: [''] } },
      { timeouts: { deadlineMs: 0 } },
      { timeouts: { attemptTimeoutMs: 1.5 } },
      { timeouts: { queueTtlMs: 1 } },
      { timeouts: 5 },
      { startAtMs: -1 },
      { startAtMs: 1, delayMs: 1 },
      { delayMs: 315_576_000_001 },
      { retentionMs: 0 },
      { retentionMs: 'long' },
      { maxReclaims: 1_001 },
      { traceContext: 'x'.repeat(1_025) },
      { traceContext: 5 },
      { idempotencyKey: '' },
      { idempotencyKey: 'x'.repeat(513) },
      { idempotencyTtlMs: 0 },
    ]
    for (const each of cases) {
      const { kind = 'work', lane: into = lane, namespace = store().namespace, ...options } = each
      const expected = ((): ErrorCode | null => {
        try {
          const id = mintSoloExecutionId({ namespace: 'n', lane: 'l', shards: 1, count: counts.flow })
          const item = { id, kind, lane: into, input: null, ...options }
          const [error] = checkSubmitExecutions({ namespace, items: [item] } as never, counts)
          return error?.code ?? null
        } catch (error) {
          return (error as { code: ErrorCode }).code
        }
      })()
      const answer = await submit(kind as string, null, options, {
        into: into as string,
        namespace: namespace as string,
      })
      expect(answer.error, JSON.stringify(each).slice(0, 120)).toBe(expected)
      expect(answer.outcome).toBe(expected === null ? 'accepted' : 'error')
    }
    const big = await submit('work', 'x'.repeat(1_048_576))
    expect(big).toMatchObject({ outcome: 'error', error: 'payload_too_large' })
    expect(await submit(null)).toMatchObject({ error: 'invalid_kind' })
    expect(await submit('work', null, {}, { into: null })).toMatchObject({ error: 'invalid_lane_id' })
    expect(await submit('work', null, { quotas: [] })).toMatchObject({ error: 'unknown_field' })
    expect(await submit("'; drop table flowfabric.execution; --")).toMatchObject({ error: 'invalid_kind' })
  })

  if (name === 'pglite') return

  it('is of the transaction that it is called in, and needs no right but to use the schema', async () => {
    const { schema, pool } = insideOf(store())
    const role = `app_${store().namespace.replace('-', '_')}_${name}`
    await pool.query(`create role ${role}`)
    await pool.query(`grant usage on schema ${schema} to ${role}`)
    const client = await connect()
    try {
      await client.query(`set role ${role}`)
      await client.query('begin')
      expect(await submit('work', 1, { idempotencyKey: 'k' }, { through: client })).toMatchObject({
        outcome: 'accepted',
      })
      expect(await submit('', 1, {}, { through: client })).toMatchObject({ error: 'invalid_kind' })
      await client.query('rollback; begin')
      expect(await worker().claim()).toEqual([])
      const kept = await submit('work', 2, { idempotencyKey: 'k' }, { through: client })
      expect(kept).toMatchObject({ outcome: 'accepted' })
      await client.query('commit')
      expect((await worker().claimOne()).executionId).toBe(kept.id)
    } finally {
      await client.query('rollback; reset role')
      await client.query(`drop owned by ${role}; drop role ${role}`)
    }
  })

  it('answers contention where others hold the key', async () => {
    const [one, two] = [await connect(), await connect()]
    await submit('work')
    await one.query('begin')
    await two.query('begin')
    await submit('work', 1, { idempotencyKey: 'k' }, { through: one })
    expect(await submit('work', 1, { idempotencyKey: 'k' }, { through: two })).toMatchObject({
      outcome: 'error',
      error: 'contention',
    })
    expect((await two.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    await one.query('rollback')
    await two.query('rollback')
  })
})
