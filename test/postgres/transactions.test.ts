import type { PostgresBackend, Transaction } from '@flowfabric/backend-postgres'
import {
  type ExecutionId,
  type ExecutionSubmission,
  type Hint,
  mintExecutionIdInFlow,
  mintFlowId,
  must,
  parseKind,
  parseLaneId,
  type SubmitterBackend,
} from '@flowfabric/core'
import { CompiledQuery, Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import type { SqlInside } from '../support/backends.js'
import { codeOf, itemCodeOf } from '../support/builders.js'
import { until } from '../support/until.js'
import { type TestStore, useStore } from '../support/use-store.js'
import { WorkerDriver } from '../support/worker-driver.js'

const lane = parseLaneId('orders')

/** What a test does in a transaction that it ends itself. */
interface Hands {
  readonly submits: SubmitterBackend
  query(text: string): Promise<{ readonly rows: readonly unknown[] }>
  commit(): Promise<void>
  rollback(): Promise<void>
}

type Begin = (store: TestStore) => Promise<Hands>

const opened: { end(): Promise<unknown> }[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((each) => each.end()))
})

const backendOf = (store: TestStore) => store.backend as PostgresBackend
const insideOf = (store: TestStore) => store.opened.inside as SqlInside

async function connect(store: TestStore): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: must(insideOf(store).url, 'a server') })
  await client.connect()
  opened.push(client)
  return client
}

const beginPg: Begin = async (store) => {
  const client = await connect(store)
  await client.query('begin')
  return {
    submits: backendOf(store).inTransaction(client),
    query: (text) => client.query(text),
    commit: async () => void (await client.query('commit')),
    rollback: async () => void (await client.query('rollback')),
  }
}

function createLatch<Value>() {
  let resolve: (value: Value) => void = () => {}
  let reject: (error: unknown) => void = () => {}
  const promise = new Promise<Value>((onValue, onError) => {
    resolve = onValue
    reject = onError
  })
  return { promise, resolve, reject }
}

class RolledBack extends Error {}

/** A transaction that lasts as long as a function, ended by hand. */
async function beginCallback(
  run: (body: (own: Pick<Hands, 'submits' | 'query'>) => Promise<void>) => Promise<unknown>,
): Promise<Hands> {
  const over = createLatch<void>()
  const begun = createLatch<Pick<Hands, 'submits' | 'query'>>()
  const ended = run(async (own) => {
    begun.resolve(own)
    await over.promise
  })
  ended.catch((error) => begun.reject(error))
  return {
    ...(await begun.promise),
    async commit() {
      over.resolve()
      await ended
    },
    async rollback() {
      over.reject(new RolledBack('rolled back'))
      await expect(ended).rejects.toThrow(RolledBack)
    },
  }
}

function openPool(store: TestStore, config: pg.PoolConfig): pg.Pool {
  const pool = new pg.Pool({ ...config, connectionString: must(insideOf(store).url, 'a server') })
  // The database goes with its test, and cuts what is still connected.
  pool.on('error', () => {})
  return pool
}

const beginKysely: Begin = async (store) => {
  const pool = openPool(store, { max: 1 })
  const db = new Kysely<Record<never, never>>({ dialect: new PostgresDialect({ pool }) })
  opened.push({ end: () => db.destroy() })
  return beginCallback((body) =>
    db.transaction().execute((trx) =>
      body({
        submits: backendOf(store).inTransaction(trx),
        query: (text) => trx.executeQuery(CompiledQuery.raw(text)),
      }),
    ),
  )
}

const beginOwn: Begin = (store) =>
  beginCallback((body) =>
    backendOf(store).transaction((own: Transaction) => body({ submits: own, query: own.query })),
  )

const doors: readonly (readonly [string, 'postgres18' | 'postgres15' | 'pglite', Begin])[] = [
  ['pg on PostgreSQL 18', 'postgres18', beginPg],
  ['pg on PostgreSQL 15', 'postgres15', beginPg],
  ['Kysely on PostgreSQL 18', 'postgres18', beginKysely],
  ['the own connections on PostgreSQL 18', 'postgres18', beginOwn],
  ['PGlite', 'pglite', beginOwn],
]

describe.each(doors)('a submit inside a transaction, by %s', (_, name, begin) => {
  const store = useStore({ name })
  const worker = () => new WorkerDriver(store(), { lanes: [lane] })
  const anOrder = (more: Partial<ExecutionSubmission> = {}) => store().aSolo({ lane, ...more })
  const submit = async (hands: Hands, items: readonly ExecutionSubmission[]) =>
    (await hands.submits.executions.submit({ namespace: store().namespace, items })).items
  const count = () => store().backend.executions.count({ namespace: store().namespace })
  const feed = async () =>
    (await store().backend.events.read({ namespace: store().namespace })).events.map((event) => event.type)

  it('is there with the commit, and claimed at once', async () => {
    const hands = await begin(store())
    const order = anOrder()
    expect(await submit(hands, [order])).toEqual([{ outcome: 'accepted', id: order.id }])
    if (name !== 'pglite') expect(await worker().claim()).toEqual([])
    await hands.commit()
    expect((await worker().claimOne()).executionId).toBe(order.id)
  })

  it('leaves nothing after a rollback: no work, no key, no event, no count', async () => {
    await store().backend.lanes.configure({
      namespace: store().namespace,
      lane,
      settings: { eventLevel: 'all' },
    })
    const hands = await begin(store())
    const order = anOrder({ idempotencyKey: 'once' })
    expect(await submit(hands, [order, anOrder()])).toMatchObject([
      { outcome: 'accepted' },
      { outcome: 'accepted' },
    ])
    await hands.rollback()
    expect(await count()).toEqual({ outcome: 'counted', count: 0 })
    expect(await worker().claim()).toEqual([])
    expect(await feed()).toEqual([])
    const [depths] = (await store().backend.lanes.list({ namespace: store().namespace })).lanes
    expect(depths?.depth.waiting).toBe(0)
    // The key is free for something else.
    const other = anOrder({ idempotencyKey: 'once', input: new Uint8Array([1]) })
    const { items } = await store().backend.executions.submit({
      namespace: store().namespace,
      items: [other],
    })
    expect(items).toEqual([{ outcome: 'accepted', id: other.id }])
  })

  it('answers refusals as ever, and the transaction goes on', async () => {
    const { namespace, backend } = store()
    await backend.lanes.configure({ namespace, lane: parseLaneId('shut'), settings: {} })
    await backend.lanes.setState({ namespace, lane: parseLaneId('shut'), state: 'disabled' })
    const known = anOrder({ idempotencyKey: 'known' })
    await backend.executions.submit({ namespace, items: [known] })
    const hands = await begin(store())
    const fresh = anOrder()
    const items = await submit(hands, [
      known,
      anOrder({ idempotencyKey: 'known', input: new Uint8Array([1]) }),
      { ...known, idempotencyKey: undefined, input: new Uint8Array([1]) },
      anOrder({ lane: parseLaneId('shut') }),
      anOrder({ priority: -1 }),
      anOrder({ quotas: [{ quotaId: '0190a5f0-7a4c-7cc3-98c4-dc0c0c07398f' as never }] }),
      fresh,
      fresh,
    ])
    expect(items.map(({ outcome }) => outcome)).toEqual([
      'duplicate',
      'idempotency_conflict',
      'execution_conflict',
      'lane_not_accepting',
      'error',
      'error',
      'accepted',
      'duplicate',
    ])
    expect(itemCodeOf(items[4] as never)).toBe('invalid_priority')
    expect(itemCodeOf(items[5] as never)).toBe('quota_not_found')
    const { submits } = hands
    const next = worker().request()
    expect(await codeOf(submits.executions.submit({ namespace, items: [], next }))).toBe('invalid_params')
    const child = anOrder({ parent: { id: known.id, detached: false } })
    expect(await codeOf(submits.executions.submit({ namespace, items: [child] }))).toBe('invalid_params')
    expect((await hands.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    await hands.commit()
    expect(await count()).toEqual({ outcome: 'counted', count: 2 })
  })

  it('takes keys and many items along, each once', async () => {
    const hands = await begin(store())
    const orders = Array.from({ length: 600 }, (_, n) =>
      anOrder(n % 2 === 0 ? { idempotencyKey: `order ${n % 400}` } : {}),
    )
    const items = await submit(hands, orders)
    await hands.commit()
    expect(items.filter(({ outcome }) => outcome === 'accepted')).toHaveLength(500)
    expect(await count()).toEqual({ outcome: 'counted', count: 500 })
  })

  it('takes a whole flow, or nothing of it', async () => {
    const { namespace, partitions } = store()
    const flowId = mintFlowId()
    const [first, second] = [1, 2].map(() => mintExecutionIdInFlow(flowId, partitions.length)) as [
      ExecutionId,
      ExecutionId,
    ]
    const kind = parseKind('work')
    const flow = {
      namespace,
      flowId,
      nodes: [
        { id: first, name: 'first', kind, lane, input: null },
        { id: second, name: 'second', kind, lane, input: null },
      ],
      edges: [{ from: first, to: second }],
    }
    const lost = await begin(store())
    expect(await lost.submits.flows.submit(flow)).toMatchObject({ outcome: 'accepted', flowId })
    await lost.rollback()
    expect(await codeOf(store().backend.flows.get({ namespace, flowId }))).toBe('flow_not_found')
    expect(await feed()).toEqual([])

    const kept = await begin(store())
    expect(await kept.submits.flows.submit(flow)).toMatchObject({ outcome: 'accepted', flowId })
    expect(await kept.submits.flows.submit(flow)).toEqual({ outcome: 'duplicate', flowId })
    // A member's id is taken: the statement itself fails, and the transaction does not.
    const other = { ...flow, flowId: mintFlowId() }
    while (mintExecutionIdInFlow(other.flowId, partitions.length).slice(0, 6) !== first.slice(0, 6))
      other.flowId = mintFlowId()
    expect(await kept.submits.flows.submit(other)).toEqual({ outcome: 'flow_conflict' })
    const cyclic = { ...flow, flowId: mintFlowId(), edges: [...flow.edges, { from: second, to: first }] }
    expect(await codeOf(kept.submits.flows.submit(cyclic))).toMatch(/cycle|not_in_partition|partition/)
    await kept.commit()
    const lease = await worker().claimOne()
    expect(lease.executionId).toBe(first)
    await worker().complete(lease.handle)
    await store().settle()
    expect((await worker().claimOne()).executionId).toBe(second)
    expect(new Set(await feed())).toEqual(new Set(['flow', 'execution']))
  })
})

describe.each(['postgres18', 'postgres15'] as const)('a transaction that stays open, on %s', (name) => {
  const store = useStore({ name })
  const worker = () => new WorkerDriver(store(), { lanes: [lane] })

  it('holds up no reader of the feed, no claim, no other submit and no operator, and loses no event', async () => {
    const { namespace, backend } = store()
    const runOne = async () => {
      const solo = store().aSolo({ lane })
      await backend.executions.submit({ namespace, items: [solo] })
      await store().end(solo)
      return solo.id
    }
    await backend.lanes.configure({ namespace, lane, settings: { eventLevel: 'all' } })
    // The route is known by now, as that of a lane that is in use.
    await runOne()
    const start = await backend.events.read({ namespace })
    const hands = await beginPg(store())
    const late = store().aSolo({ lane })
    await hands.submits.executions.submit({ namespace, items: [late] })
    const begunAt = performance.now()
    const told: string[] = []
    let { cursor } = start
    const read = async () => {
      const page = await backend.events.read({ namespace, cursor, limit: 1_000 })
      cursor = page.cursor
      for (const event of page.events) if (event.type === 'execution') told.push(event.executionId)
    }
    const others: string[] = []
    while (performance.now() - begunAt < 1_500) {
      others.push(await runOne())
      await read()
      expect(new Set(told)).toEqual(new Set(others))
    }
    expect(others.length).toBeGreaterThan(10)
    await backend.lanes.setState({ namespace, lane, state: 'draining' })
    await backend.lanes.setState({ namespace, lane, state: 'active' })
    expect(performance.now() - begunAt).toBeLessThan(3_000)
    await hands.commit()
    await read()
    expect(told.filter((id) => id === late.id)).toHaveLength(1)
    expect((await worker().claimOne()).executionId).toBe(late.id)
  })

  it('makes who submits under the same id or key wait, two seconds at most, and goes on itself', async () => {
    const { namespace } = store()
    const [one, two] = [await beginPg(store()), await beginPg(store())]
    const order = store().aSolo({ lane, idempotencyKey: 'k' })
    await one.submits.executions.submit({ namespace, items: [order] })
    expect(await codeOf(two.submits.executions.submit({ namespace, items: [order] }))).toBe('contention')
    const another = store().aSolo({ lane })
    expect((await two.submits.executions.submit({ namespace, items: [another] })).items).toMatchObject([
      { outcome: 'accepted' },
    ])
    await one.commit()
    expect((await two.submits.executions.submit({ namespace, items: [order] })).items).toMatchObject([
      { outcome: 'duplicate' },
    ])
    await two.commit()
  })

  it('wakes with its commit whoever listens, and not before', async () => {
    const { namespace } = store()
    const other = store().opened.reopen()
    const hints: Hint[] = []
    const stop = other.events.listen({ onHint: (hint) => void hints.push(hint) })
    const hasListener = async () =>
      (
        await insideOf(store()).pool.query(
          "select 1 from pg_stat_activity where application_name = 'flowfabric hints' and state = 'idle' and query like '%advisory%'",
        )
      ).rows.length > 1
    await until('both listen', hasListener)
    const hands = await beginPg(store())
    await hands.submits.executions.submit({ namespace, items: [store().aSolo({ lane })] })
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(hints.filter(({ type }) => type === 'ready')).toEqual([])
    const committedAt = performance.now()
    await hands.commit()
    await until('the hint comes', () => hints.some((hint) => hint.type === 'ready' && hint.lane === lane))
    expect(performance.now() - committedAt).toBeLessThan(1_000)
    stop()
  })

  it('sees a route that is younger than its snapshot as contention, and not as nothing', async () => {
    const { namespace } = store()
    const client = await connect(store())
    await client.query('begin isolation level repeatable read; select 1')
    await client.query(`select count(*) from ${insideOf(store()).schema}.route`)
    const submits = backendOf(store()).inTransaction(client)
    const item = store().aSolo({ lane: parseLaneId('younger') })
    expect(await codeOf(submits.executions.submit({ namespace, items: [item] }))).toBe('contention')
    await client.query('rollback; begin isolation level repeatable read')
    expect((await submits.executions.submit({ namespace, items: [item] })).items).toMatchObject([
      { outcome: 'accepted' },
    ])
    await client.query('commit')
  })

  it('refuses what is no transaction', async () => {
    const { namespace } = store()
    const items = [store().aSolo({ lane })]
    const client = await connect(store())
    const alone = backendOf(store()).inTransaction(client)
    expect(await codeOf(alone.executions.submit({ namespace, items }))).toBe('invalid_params')
    const pool = openPool(store(), {})
    opened.push(pool)
    const onPool = async () => backendOf(store()).inTransaction(pool)
    expect(await codeOf(onPool())).toBe('invalid_params')
    const db = new Kysely<never>({ dialect: new PostgresDialect({ pool }) })
    const onDb = async () => backendOf(store()).inTransaction(db as never)
    expect(await codeOf(onDb())).toBe('invalid_params')
  })
})

describe('the door to PGlite', () => {
  const store = useStore({ name: 'pglite' })

  it('is the only one, refuses calls past it, and closes after its time', async () => {
    const { namespace } = store()
    const backend = backendOf(store())
    const foreign = async () => backend.inTransaction({ query: async () => ({ rows: [] }) })
    expect(await codeOf(foreign())).toBe('invalid_params')
    const unbound = backend.transaction(async () => {
      await backend.executions.submit({ namespace, items: [store().aSolo({ lane })] })
    })
    expect(await codeOf(unbound)).toBe('inside_transaction')
    let kept: Transaction | undefined
    const slow = backend.transaction(
      async (own) => {
        kept = own
        await own.query('create table slow (n integer)')
        await new Promise(() => {})
      },
      { timeoutMs: 100 },
    )
    expect(await codeOf(slow)).toBe('timed_out')
    expect(await codeOf(must(kept, 'a transaction').query('select 1'))).toBe('closed')
    await backend.transaction(async ({ query }) => {
      expect((await query("select to_regclass('slow') as slow")).rows).toEqual([{ slow: null }])
    })
  })

  it('says so when a failed statement turned the commit into a rollback', async () => {
    const swallowed = backendOf(store()).transaction(async ({ query }) => {
      await query('select 1 / 0').catch(() => {})
    })
    expect(await codeOf(swallowed)).toBe('internal_error')
  })

  it('lets others wait, and no longer than it lasts', async () => {
    const { namespace, backend } = store()
    const order = store().aSolo({ lane })
    const own = backendOf(store()).transaction(async (tx) => {
      await tx.executions.submit({ namespace, items: [order] })
      await new Promise((resolve) => setTimeout(resolve, 50))
    })
    const waiting = backend.executions.get({ namespace, id: order.id })
    await own
    expect((await waiting).execution.id).toBe(order.id)
  })
})
