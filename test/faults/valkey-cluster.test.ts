import { existsSync } from 'node:fs'
import { Cluster } from 'iovalkey'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isAlive } from '../support/servers/processes.js'
import { withClient } from '../support/servers/valkey-client.js'
import { startValkeyCluster, type ValkeyCluster } from '../support/servers/valkey-cluster.js'
import { until } from '../support/until.js'

describe('the Valkey Cluster of the tests', () => {
  let cluster: ValkeyCluster
  let client: Cluster
  /** What `CLUSTER KEYSLOT` says of the tag. */
  let slot: number

  beforeAll(async () => {
    cluster = await startValkeyCluster()
    client = new Cluster([...cluster.addresses], { enableAutoPipelining: false })
    client.on('error', () => {})
    const [first] = cluster.nodes
    slot = Number(await withClient(first?.port ?? 0, (node) => node.cluster('KEYSLOT', '{tag}')))
  })

  afterAll(async () => {
    client?.disconnect()
    await cluster?.stop()
  })

  it('has three primaries with a replica each, and all know it', async () => {
    expect(cluster.nodes.map(({ roleAtStart }) => roleAtStart)).toEqual([
      ...['primary', 'primary', 'primary'],
      ...['replica', 'replica', 'replica'],
    ])
    for (const { port } of cluster.nodes) {
      const lines = String(await withClient(port, (node) => node.cluster('NODES')))
      expect(lines.match(/ slave |,slave /g)).toHaveLength(3)
    }
    expect(
      await Promise.all([0, 5_461, 5_462, 10_922, 10_923, 16_383].map((each) => cluster.holderOf(each))),
    ).toEqual([0, 0, 1, 1, 2, 2])
  })

  it('moves a slot with all its keys while a client goes on writing them', async () => {
    const keys = Array.from({ length: 250 }, (_, index) => `{tag}:${index}`)
    for (const key of keys) await client.set(key, '0')
    const from = await cluster.holderOf(slot)
    const to = (from + 1) % 3
    const written = new Map(keys.map((key) => [key, 0]))
    let isMoving = true
    const writing = (async () => {
      let round = 0
      // Once more after the move, so that each key has been written where it is now.
      for (let goOn = true; goOn; round += 1) {
        goOn = isMoving
        for (const key of keys) written.set(key, await client.incr(key))
      }
      return round
    })()
    await cluster.moveSlot(slot, to)
    isMoving = false
    expect(await writing).toBeGreaterThan(1)
    expect(await cluster.holderOf(slot)).toBe(to)
    const countIn = (index: number) =>
      withClient(cluster.nodes[index]?.port ?? 0, (node) => node.cluster('COUNTKEYSINSLOT', slot))
    expect(await countIn(to)).toBe(keys.length)
    expect(await countIn(from)).toBe(0)
    for (const key of keys) expect(await client.get(key)).toBe(String(written.get(key)))
    expect(new Set(written.values()).size).toBe(1)
    await cluster.untilWhole()
  })

  it('finds a key after its primary was killed, and takes the primary back', async () => {
    const lost = await cluster.holderOf(slot)
    const { port = 0, pid = 0 } = cluster.nodes[lost] ?? {}
    await client.set('{tag}:kept', 'yes')
    // Copies are made later than answers, and what no replica has is lost with its primary.
    expect(
      await withClient(port, async (node) => [
        await node.set('{tag}:copied', 'yes'),
        await node.wait(1, 1_000),
      ]),
    ).toEqual(['OK', 1])
    await cluster.kill(lost)
    expect(isAlive(pid)).toBe(false)
    await cluster.untilWhole()
    const heir = await cluster.holderOf(slot)
    expect(cluster.nodes[heir]?.roleAtStart).toBe('replica')
    const read = () => client.get('{tag}:copied').catch(() => undefined)
    expect(await until('the client has found the new primary', read)).toBe('yes')
    expect(await client.get('{tag}:kept')).toBe('yes')
    await cluster.restart(lost)
    await cluster.untilWhole()
    expect(await cluster.holderOf(slot)).toBe(heir)
    expect(await withClient(port, (node) => node.call('ROLE'))).toEqual(expect.arrayContaining(['slave']))
  })

  it('is stopped with all its nodes, a frozen one too, and leaves nothing behind', async () => {
    await cluster.kill(1, 'SIGSTOP')
    const left = cluster.nodes.map(({ pid, folder }) => ({ pid, folder }))
    await cluster.stop()
    for (const { pid, folder } of left) {
      expect(isAlive(pid)).toBe(false)
      expect(existsSync(folder)).toBe(false)
    }
  })
})
