import { createEmbedded } from '@flowfabric/embedded'
import { createClient, createWorker, defineFlow, defineTask, type } from '@flowfabric/sdk'
import pg from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import { codeOf } from '../support/builders.js'
import { createTestDatabase } from '../support/servers/test-database.js'

const mail = defineTask({
  kind: 'mail',
  input: type<{ order: number }>(),
  handler: async (ctx) => `sent ${ctx.input.order}`,
})
const order = defineFlow('order', (f, input: { order: number }) => {
  const first = f.node(mail, input, { name: 'first' })
  f.after(first).node(mail, input, { name: 'second' })
})

async function open(store: string) {
  const embedded = await createEmbedded({ store, partitions: { flow: 2, budget: 1, quota: 1 } })
  await embedded.start()
  const worker = createWorker({ connect: embedded, tasks: [mail] })
  await worker.start()
  const client = createClient({ connect: embedded })
  onTestFinished(async () => {
    await worker.drain()
    client.close()
    await embedded.stop()
  })
  const { transactions } = embedded
  if (transactions === undefined) throw new Error('a store with SQL has transactions')
  return { client, transactions }
}

describe('a client bound to a transaction', () => {
  it('submits tasks and flows with the commit, on PGlite, as its first call too', async () => {
    const { client, transactions } = await open(':memory:')
    const [task, many, flow] = await transactions.transaction(async (tx) => {
      const bound = client.inTransaction(tx)
      await tx.query('create table orders (id integer)')
      return [
        await bound.submit(mail, { order: 1 }),
        await bound.submitMany(mail, [{ order: 2 }, { order: 3 }]),
        await bound.submit(order, { order: 4 }),
      ] as const
    })
    expect(await task.result()).toBe('sent 1')
    expect(many.map(({ outcome }) => outcome)).toEqual(['accepted', 'accepted'])
    await flow.result()
    const lost = transactions.transaction(async (tx) => {
      await client.inTransaction(tx).submit(mail, { order: 5 })
      throw new Error('not this one')
    })
    await expect(lost).rejects.toThrow('not this one')
    expect(await client.count()).toBe(5)
    const unbound = transactions.transaction(() => client.submit(mail, { order: 6 }))
    expect(await codeOf(unbound)).toBe('inside_transaction')
  })

  it('and on a server, in a transaction of pg, whose commit wakes the worker', async () => {
    const database = await createTestDatabase(18)
    onTestFinished(() => database.drop())
    const { client, transactions } = await open(database.url)
    const connection = new pg.Client({ connectionString: database.url })
    await connection.connect()
    onTestFinished(() => connection.end())
    // The route is known, and somebody waits for work.
    await (await client.submit(mail, { order: 0 })).result()
    await connection.query('begin')
    const handle = await client
      .inTransaction(transactions.inTransaction(connection))
      .submit(mail, { order: 1 })
    expect(await client.count()).toBe(1)
    await new Promise((resolve) => setTimeout(resolve, 300))
    const committedAt = performance.now()
    await connection.query('commit')
    expect(await handle.result()).toBe('sent 1')
    expect(performance.now() - committedAt).toBeLessThan(500)
  })
})
