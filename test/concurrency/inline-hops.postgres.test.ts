import { partitionIndexOf, uuidOf } from '@flowfabric/core'
import pg from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import { FlowDriver } from '../support/flow-driver.js'
import { until } from '../support/until.js'
import { useStore } from '../support/use-store.js'

describe('a hop in the transaction of the end that led to it, beside other sessions', () => {
  const store = useStore()
  let other: pg.Client | undefined
  afterEach(() => other?.end())

  /** Another process holds these rows until the answer is called. */
  async function hold(table: 'flow' | 'edge_group' | 'execution', where: string, values: unknown[]) {
    const { inside } = store().opened
    if (!('url' in inside) || inside.url === null) throw new Error('this test needs a server')
    const client = new pg.Client({ connectionString: inside.url })
    other = client
    await client.connect()
    await client.query('begin')
    const { rowCount } = await client.query(
      `select 1 from ${inside.schema}.${table} where ${where} for update`,
      values,
    )
    expect(rowCount).toBe(1)
    return () => client.query('rollback')
  }

  it.each(['complete', 'fail'] as const)(
    'never waits for a flow that others hold: %s stands, and the hop comes later',
    async (operation) => {
      const names = Array.from({ length: 20 }, (_, i) => `a${i}`)
      const flow = await FlowDriver.submit(store(), {
        ...Object.fromEntries(names.map((name) => [name, {}])),
        b: { after: names, join: { policy: { kind: 'all_of' }, runOn: 'always' } },
      })
      for (const name of names) await flow.startAmongOthers(name)
      const release = await hold('flow', 'id = $1', [flow.flowId])
      const beganAt = performance.now()
      for (const name of names) await flow[operation](name)
      // Who waits gives up after 100 ms each time; so many leave room for a machine that stalls.
      expect(performance.now() - beganAt).toBeLessThan(names.length * 100)
      const ended = operation === 'complete' ? 'completed' : 'failed'
      for (const name of names) expect(await flow.state(name)).toBe(ended)
      expect(await flow.state('b')).toBe('waiting_children')
      await release()
      await flow.settle()
      expect(await flow.tryStart('b')).toEqual(['b'])
    },
  )

  it('gives up soon on a row that others hold: the end stands, and the hop comes later', async () => {
    for (const table of ['edge_group', 'execution'] as const) {
      const flow = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] } })
      await flow.start('a')
      const id = flow.id('b')
      const column = table === 'execution' ? 'id' : 'downstream_id'
      const release = await hold(table, `partition_key = $1 and ${column} = $2`, [
        partitionIndexOf(id),
        uuidOf(id),
      ])
      expect(await flow.complete('a')).toBe('completed')
      expect(await flow.state('a')).toBe('completed')
      await release()
      await other?.end()
      other = undefined
      await store().advance(60_000)
      await until('the hop was made', async () => {
        await flow.settle()
        return (await flow.tryStart('b')).length > 0
      })
    }
  })
})
