import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startValkeyCluster, type ValkeyCluster } from '../../support/servers/valkey-cluster.js'
import { again, callOnKey, connect, once, openConnection } from './connect.js'

let cluster: ValkeyCluster
beforeAll(async () => {
  cluster = await startValkeyCluster()
})
afterAll(() => cluster.stop())

const connectToCluster = (retryForMs = 10_000) =>
  connect({ nodes: cluster.addresses, cluster: true, retryForMs })

describe('a Cluster', () => {
  it('is found from any of its nodes, and each call goes to the primary of its slot', async () => {
    const replica = cluster.nodes.find(({ roleAtStart }) => roleAtStart === 'replica')
    const connection = await connect({ url: `valkey://127.0.0.1:${replica?.port}`, cluster: true })
    expect(connection.primaries()).toHaveLength(3)
    const keys = Array.from({ length: 60 }, (_, index) => `found:{fp:${index}}`)
    await Promise.all(keys.map((key) => callOnKey(connection, ['SET', key, key])))
    const values = await Promise.all(keys.map((key) => callOnKey(connection, ['GET', key])))
    expect(values.map(String)).toEqual(keys)
    const sizes = await connection.callAll(['DBSIZE'], again)
    expect(sizes.map(({ node }) => node).sort()).toEqual(
      connection
        .primaries()
        .map(({ name }) => name)
        .sort(),
    )
    expect(Math.min(...sizes.map(({ reply }) => Number(reply)))).toBeGreaterThan(0)
  })

  it('is refused by who did not say that it is one', async () => {
    const [first] = cluster.nodes
    const opening = openConnection({ url: `valkey://127.0.0.1:${first?.port}` })
    await expect(opening).rejects.toMatchObject({ code: 'invalid_configuration' })
  })

  it('moves a slot under load: every call is answered, and none is carried out twice', async () => {
    const connection = await connectToCluster()
    const key = 'moved:{fp:3}'
    const slot = connection.slotOf(key)
    let isOver = false
    const counts = Array.from({ length: 16 }, async (_, caller) => {
      let sent = 0
      for (; !isOver; sent += 1) {
        await connection.call(slot, ['INCR', `${key}:${caller}`], once)
        // Two keys of a slot on its way may lie on two nodes: those are waited for.
        await connection.call(slot, ['MGET', `${key}:${caller}`, key], again)
      }
      return sent
    })
    const home = await cluster.holderOf(slot)
    for (const to of [(home + 1) % 3, (home + 2) % 3, home]) {
      await delay(200)
      await cluster.moveSlot(slot, to)
    }
    await delay(200)
    isOver = true
    const sent = await Promise.all(counts)
    const kept = await Promise.all(
      sent.map((_, caller) => connection.call(slot, ['GET', `${key}:${caller}`], again)),
    )
    expect(kept.map(Number)).toEqual(sent)
    expect(Math.min(...sent)).toBeGreaterThan(10)
  })

  it('asks where a slot is being moved to for a key that is there already', async () => {
    const connection = await connectToCluster()
    const key = 'asked:{fp:1005}'
    const slot = connection.slotOf(key)
    const from = await cluster.holderOf(slot)
    const to = (from + 1) % 3
    const [source, target] = [cluster.nodes[from], cluster.nodes[to]].map((node) => `127.0.0.1:${node?.port}`)
    const idOf = async (name: string) => String(await connection.callOn(name, ['CLUSTER', 'MYID'], again))
    const [sourceId, targetId] = [await idOf(source ?? ''), await idOf(target ?? '')]
    await connection.callOn(target ?? '', ['CLUSTER', 'SETSLOT', slot, 'IMPORTING', sourceId], again)
    await connection.callOn(source ?? '', ['CLUSTER', 'SETSLOT', slot, 'MIGRATING', targetId], again)
    // Not at home, so it is asked for, and made, at the target.
    expect(await connection.call(slot, ['INCR', key], once)).toBe(1)
    expect(await connection.callOn(source ?? '', ['CLUSTER', 'COUNTKEYSINSLOT', slot], again)).toBe(0)
    expect(await connection.callOn(target ?? '', ['CLUSTER', 'COUNTKEYSINSLOT', slot], again)).toBe(1)
    await cluster.moveSlot(slot, to)
    expect(await connection.call(slot, ['INCR', key], once)).toBe(2)
  })

  it('loses a primary under load: every call that may be repeated is answered', async () => {
    const connection = await connectToCluster(20_000)
    const keys = Array.from({ length: 32 }, (_, index) => `lost:{fp:${index}}`)
    let isOver = false
    let answered = 0
    const callers = keys.map(async (key) => {
      while (!isOver) {
        await callOnKey(connection, ['SET', key, answered])
        answered += 1
      }
    })
    await delay(200)
    const victim = await cluster.holderOf(connection.slotOf('lost:{fp:0}'))
    await cluster.kill(victim)
    await callOnKey(connection, ['SET', 'lost:{fp:0}', 'after'])
    const before = answered
    await expect.poll(() => answered).toBeGreaterThan(before + 100)
    isOver = true
    await Promise.all(callers)
    expect(await cluster.holderOf(connection.slotOf('lost:{fp:0}'))).not.toBe(victim)
    await cluster.restart(victim)
    await cluster.untilWhole()
    await expect.poll(() => connection.primaries().every(({ isConnected }) => isConnected)).toBe(true)
    expect(connection.primaries()).toHaveLength(3)
  })
})
