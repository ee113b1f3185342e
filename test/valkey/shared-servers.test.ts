import { Cluster, Redis } from 'iovalkey'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createTestValkey, testClusterAddresses } from '../support/servers/test-valkey.js'

function connect(url: string): Redis {
  const client = new Redis(url, { retryStrategy: () => null })
  client.on('error', () => {})
  onTestFinished(() => client.disconnect())
  return client
}

describe('the Valkey servers that a run shares', () => {
  it('give each store a database of its own, which begins empty', async () => {
    const [one, other] = await Promise.all([createTestValkey(), createTestValkey()])
    onTestFinished(async () => {
      await Promise.all([one.drop(), other.drop()])
    })
    expect(one.database).toBeGreaterThan(0)
    expect(other.database).not.toBe(one.database)
    await connect(one.url).set('whose', 'one')
    expect(await connect(one.url).get('whose')).toBe('one')
    expect(await connect(other.url).dbsize()).toBe(0)
  })

  it('cut who is still connected to a database that is dropped, and empty it', async () => {
    const [dropped, kept] = [await createTestValkey(), await createTestValkey()]
    onTestFinished(() => kept.drop())
    const [late, bystander] = [connect(dropped.url), connect(kept.url)]
    await late.set('left', 'behind')
    await bystander.set('left', 'alone')
    await dropped.drop()
    await expect(late.set('too', 'late')).rejects.toThrow()
    expect(await bystander.get('left')).toBe('alone')
    expect(await connect(dropped.url).dbsize()).toBe(0)
  })

  it('have a Cluster that takes keys of every node', async () => {
    const addresses = testClusterAddresses()
    expect(addresses).toHaveLength(6)
    const client = new Cluster([...addresses], { enableAutoPipelining: false })
    onTestFinished(() => client.disconnect())
    const keys = Array.from({ length: 30 }, (_, index) => `shared-servers:${index}`)
    for (const key of keys) await client.set(key, key, 'EX', 60)
    for (const key of keys) expect(await client.get(key)).toBe(key)
    expect(client.nodes('master')).toHaveLength(3)
    const sizes = await Promise.all(client.nodes('master').map((node) => node.dbsize()))
    expect(Math.min(...sizes)).toBeGreaterThan(0)
  })
})
