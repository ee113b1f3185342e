import { createValkeyBackend } from '@flowfabric/backend-valkey'
import { Redis } from 'iovalkey'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startMs } from '../support/backends.js'
import { codeOf } from '../support/builders.js'
import { createTestValkey } from '../support/servers/test-valkey.js'

const counts = { flow: 3, budget: 2, quota: 2 }

async function openStore() {
  const { url, drop } = await createTestValkey()
  onTestFinished(() => drop())
  const client = new Redis(url)
  onTestFinished(() => client.disconnect())
  const open = () => {
    const { maintenance } = createValkeyBackend({ url })
    onTestFinished(() => maintenance.close())
    return maintenance
  }
  return { client, open }
}

describe('prepare', () => {
  it('many processes at once agree on the first counts', async () => {
    const { open } = await openStore()
    const answers = await Promise.all(
      [counts, counts, counts, counts].map((partitions) => open().prepare({ partitions })),
    )
    for (const { partitions } of answers) expect(partitions).toEqual(counts)
    expect((await open().describe()).partitions).toEqual(counts)
  })

  it('of those that ask for different counts, one is right and the others are told which', async () => {
    const { open } = await openStore()
    const settled = await Promise.allSettled(
      [1, 2, 3, 4].map((flow) => open().prepare({ partitions: { ...counts, flow } })),
    )
    const refused = settled.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []))
    expect(refused).toHaveLength(3)
    const { flow } = (await open().describe()).partitions
    for (const error of refused)
      expect(error).toMatchObject({ code: 'partition_count_mismatch', details: { stored: flow } })
  })

  it('goes on where one that died had come to', async () => {
    const { open, client } = await openStore()
    await open().prepare({ partitions: counts })
    await client.del('ff:idx:{fp:2}:meta', 'ff:idx:{b:1}:meta')
    await open().prepare()
    expect(await client.hget('ff:idx:{fp:2}:meta', 'layout')).toBe('1')
    expect(await client.hget('ff:idx:{b:1}:meta', 'layout')).toBe('1')
  })

  it('refuses partitions of another layout, and changes nothing', async () => {
    const { open, client } = await openStore()
    await open().prepare({ partitions: counts })
    await client.hset('ff:idx:{fp:1}:meta', 'layout', '9')
    expect(await codeOf(open().prepare())).toBe('schema_mismatch')
    expect(await codeOf(open().pulse({ partitions: ['{fp:1}' as never] }))).toBe('schema_mismatch')
    expect(await client.hget('ff:idx:{fp:1}:meta', 'layout')).toBe('9')
  })

  it('without it nothing can be done', async () => {
    const { open } = await openStore()
    expect(await codeOf(open().describe())).toBe('migrations_pending')
  })
})

describe('virtual time', () => {
  it('can be given to an empty store whose clock runs', async () => {
    const { open } = await openStore()
    const maintenance = open()
    expect((await maintenance.prepare({ partitions: counts })).virtualTime).toBe(false)
    expect((await maintenance.prepare({ virtualTime: { startMs } })).virtualTime).toBe(true)
    expect(await open().serverTimeMs()).toBe(startMs)
    expect(await maintenance.advanceTime({ byMs: 5 })).toEqual({ nowMs: startMs + 5 })
    const { nowMs } = await open().pulse({ partitions: ['{fp:2}' as never] })
    expect(nowMs).toBe(startMs + 5)
    expect((await open().prepare()).virtualTime).toBe(true)
  })
})
