import { partitionIndexOf, uuidOf } from '@flowfabric/core'
import pg from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import { FlowDriver, type GraphPlan } from '../support/flow-driver.js'
import { until } from '../support/until.js'
import { useStore } from '../support/use-store.js'

describe('contention of two sessions', () => {
  const store = useStore({ inlineResolveEdges: 0 })
  const open: pg.Client[] = []
  afterEach(async () => {
    for (const client of open.splice(0)) await client.end()
  })

  /** A session of another process, which holds what a test tells it to. */
  async function otherSession(): Promise<{ readonly client: pg.Client; readonly schema: string }> {
    const { inside } = store().opened
    if (!('url' in inside) || inside.url === null) throw new Error('this test needs a server')
    const client = new pg.Client({ connectionString: inside.url })
    client.on('error', () => {})
    await client.connect()
    open.push(client)
    return { client, schema: inside.schema }
  }

  async function lockGroup(flow: FlowDriver, node: string): Promise<() => Promise<unknown>> {
    const { client, schema } = await otherSession()
    const id = flow.id(node)
    await client.query('begin')
    await client.query(
      `select 1 from ${schema}.edge_group where partition_key = $1 and downstream_id = $2 for update`,
      [partitionIndexOf(id), uuidOf(id)],
    )
    return () => client.query('rollback')
  }

  it('three attempts, 5 and 10 ms', async () => {
    const flow = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] } })
    await flow.end('a', 'success')
    const entryId = await store().entryOf(flow.id('a'))
    const release = await lockGroup(flow, 'b')
    const startedAt = performance.now()
    await expect(store().backend.resolution.dispatchCompletion({ entryId })).rejects.toMatchObject({
      code: 'retry_exhausted',
      kind: 'contention',
      retry: 'safe',
    })
    // Three waits of 100 ms for the lock, with 5 and 10 ms between.
    expect(performance.now() - startedAt).toBeGreaterThan(300)
    expect(await store().entryOf(flow.id('a'))).toBe(entryId)
    expect((await flow.group('b')).counters.succeeded).toBe(0)
    await release()
    expect(await store().backend.resolution.dispatchCompletion({ entryId })).toMatchObject({
      edges: 1,
      satisfied: 1,
    })
    expect(await flow.tryStart('b')).toEqual(['b'])
  })

  it('an entry that contention stopped stays in the outbox, is counted, and does not stop its neighbours', async () => {
    const stuck = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] } })
    const free = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] } })
    await stuck.end('a', 'success')
    await free.end('a', 'success')
    const release = await lockGroup(stuck, 'b')
    const items = []
    for (const partition of store().partitions)
      items.push(...(await store().backend.resolution.dispatchCompletions({ partition, max: 10 })).items)
    expect(items.map(({ outcome }) => outcome)).toContain('retry_exhausted')
    expect(await free.tryStart('b')).toEqual(['b'])
    await store().entryOf(stuck.id('a'))
    await release()
    await store().advance(60_000)
    await stuck.settle()
    expect(await stuck.tryStart('b')).toEqual(['b'])
  })

  it('no lock across hops', async () => {
    const children = 300
    const plan: GraphPlan = Object.fromEntries([
      ['a', {}],
      ...Array.from({ length: children }, (_, i) => [`c${i}`, { after: ['a'] }] as const),
    ])
    const flow = await FlowDriver.submit(store(), plan)
    await flow.end('a', 'success')
    const { client, schema } = await otherSession()
    await client.query(`set lock_timeout = '2s'`)
    let done = false
    let locked = 0
    const dispatching = flow.settle().finally(() => {
      done = true
    })
    while (!done) {
      const id = flow.id(`c${(locked * 37) % children}`)
      // It gets each child's group within the lock time-out, all the while.
      await client.query(
        `select 1 from ${schema}.edge_group where partition_key = $1 and downstream_id = $2 for update`,
        [partitionIndexOf(id), uuidOf(id)],
      )
      locked += 1
    }
    await dispatching
    expect(locked).toBeGreaterThan(3)
    const { backend, namespace } = store()
    const filter = { flowId: flow.flowId, states: ['waiting'] as const }
    expect((await backend.executions.count({ namespace, filter })).count).toBe(children)
  })

  it('dispatcher killed half-way', async () => {
    const children = 200
    const names = Array.from({ length: children }, (_, i) => `c${i}`)
    const plan: GraphPlan = {
      a: {},
      ...Object.fromEntries(names.map((name) => [name, { after: ['a'] }] as const)),
    }
    for (const hops of [0, 1, 2]) {
      const flow = await FlowDriver.submit(store(), plan)
      await flow.end('a', 'success')
      const entryId = await store().entryOf(flow.id('a'))
      for (let hop = 0; hop < hops; hop += 1) await store().backend.resolution.dispatchCompletion({ entryId })
      // The next hop hangs on a lock of what is left, and its session is cut as a SIGKILL would cut it.
      const { client: holder, schema } = await otherSession()
      await holder.query('begin')
      await holder.query(
        `select 1 from ${schema}.edge_group where flow_id = $1 and state = 'pending' for update`,
        [flow.flowId],
      )
      const release = () => holder.query('rollback')
      const dying = store().opened.reopen()
      const hung = dying.resolution.dispatchCompletion({ entryId }).catch(() => undefined)
      const { client } = await otherSession()
      await until('its session waits for the lock, and is cut', async () => {
        const { rowCount } = await client.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
            where datname = current_database() and wait_event_type = 'Lock'`,
        )
        return (rowCount ?? 0) > 0
      })
      await release()
      await hung
      await store().advance(60_000)
      await flow.settle()
      for (const { group } of (await flow.graph()).slice(1))
        expect(group?.counters).toEqual({ n: 1, succeeded: 1, failed: 0, skipped: 0 })
      expect((await flow.tryStart(...names)).sort()).toEqual([...names].sort())
    }
  })
})
