import { mintInstanceId } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { useStore } from '../../support/use-store.js'

describe('engines', () => {
  const store = useStore({})

  it('a heartbeat says that it lives, and tells who else does', async () => {
    const { engines } = store().backend
    const [one, two] = [mintInstanceId(), mintInstanceId()]
    const startedAtMs = await store().nowMs()
    await engines.heartbeat({ engineId: one, label: 'one:1' })
    await store().advance(5_000)
    const answer = await engines.heartbeat({ engineId: two, label: 'two:2' })
    expect(answer).toMatchObject({ outcome: 'beating', nowMs: startedAtMs + 5_000 })
    const mine = answer.engines.filter(({ engineId }) => engineId === one || engineId === two)
    expect(new Set(mine)).toEqual(
      new Set([
        { engineId: one, label: 'one:1', startedAtMs, lastSeenAtMs: startedAtMs },
        {
          engineId: two,
          label: 'two:2',
          startedAtMs: startedAtMs + 5_000,
          lastSeenAtMs: startedAtMs + 5_000,
        },
      ]),
    )
  })

  it('who was silent for 15 s is not told of any more; who beats again keeps its start', async () => {
    const { engines } = store().backend
    const [one, two] = [mintInstanceId(), mintInstanceId()]
    const startedAtMs = await store().nowMs()
    await engines.heartbeat({ engineId: one, label: 'one' })
    await store().advance(14_999)
    const told = async () =>
      (await engines.heartbeat({ engineId: two, label: 'two' })).engines.map((e) => e.engineId)
    expect(await told()).toContain(one)
    await store().advance(1)
    expect(await told()).not.toContain(one)
    const again = await engines.heartbeat({ engineId: one, label: 'one' })
    expect(again.engines.find(({ engineId }) => engineId === one)).toMatchObject({ startedAtMs })
  })

  it('aliveMs narrows who counts as living', async () => {
    const { engines } = store().backend
    const [one, two] = [mintInstanceId(), mintInstanceId()]
    await engines.heartbeat({ engineId: one, label: 'one' })
    await store().advance(4_000)
    const answer = await engines.heartbeat({ engineId: two, label: 'two', aliveMs: 3_000 })
    expect(answer.engines.map(({ engineId }) => engineId)).not.toContain(one)
  })

  it('a goodbye removes it at once', async () => {
    const { engines } = store().backend
    const [one, two] = [mintInstanceId(), mintInstanceId()]
    await engines.heartbeat({ engineId: one, label: 'one' })
    const answer = await engines.heartbeat({ engineId: one, label: 'one', goodbye: true })
    expect(answer.engines.map(({ engineId }) => engineId)).not.toContain(one)
    await engines.heartbeat({ engineId: two, label: 'two' })
    const { engines: listed } = await engines.list()
    expect(listed.map(({ engineId }) => engineId)).toContain(two)
    expect(listed.map(({ engineId }) => engineId)).not.toContain(one)
  })

  it('refuses an id that is none', async () => {
    const { engines } = store().backend
    const before = await engines.list()
    await expect(engines.heartbeat({ engineId: 'no engine' as never, label: 'x' })).rejects.toMatchObject({
      code: 'invalid_instance_id',
    })
    expect(await engines.list()).toEqual(before)
  })
})
