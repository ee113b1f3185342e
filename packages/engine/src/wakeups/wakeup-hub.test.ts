import { defaultLane, defaultNamespace, type Hint, makePartitionTag, mintFlowId } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { silentLogger } from '../logger.js'
import { HintBatch } from './hint-batch.js'
import { WakeupHub } from './wakeup-hub.js'

const ready = (count: number): Hint => ({
  type: 'ready',
  namespace: defaultNamespace,
  lane: defaultLane,
  count,
})
const due = (dueAtMs: number): Hint => ({ type: 'due', partition: makePartitionTag('flow', 1), dueAtMs })
const nothing = () => {}

describe('hints that come together', () => {
  it('add up counts, keep the earliest due time, and keep all else once', () => {
    const batch = new HintBatch()
    const ended: Hint = { type: 'ended', id: mintFlowId() }
    for (const hint of [ready(2), due(50), ended, ready(3), due(40), ended]) batch.add(hint)
    expect(batch.take()).toEqual([ready(5), due(40), ended])
    expect(batch.isEmpty).toBe(true)
  })

  it('an unknown amount stays unknown', () => {
    const batch = new HintBatch()
    batch.add(ready(0))
    batch.add(ready(7))
    expect(batch.take()).toEqual([ready(0)])
  })
})

describe('the hub', () => {
  function openHub() {
    let publish: (hint: Hint) => void = nothing
    let subscriptions = 0
    const hub = new WakeupHub(
      {
        listen({ onHint }) {
          subscriptions++
          publish = onHint
          return () => subscriptions--
        },
      },
      silentLogger,
    )
    return { hub, publish: (hint: Hint) => publish(hint), subscriptions: () => subscriptions }
  }

  it('listens to the store once, however many wait, and merges what comes in one step', async () => {
    const { hub, publish, subscriptions } = openHub()
    const seen: Hint[][] = [[], []]
    hub.listen((hint) => seen[0]?.push(hint))
    hub.listen((hint) => seen[1]?.push(hint))
    hub.start()
    hub.start()
    expect(subscriptions()).toBe(1)
    publish(ready(1))
    publish(ready(1))
    expect(seen).toEqual([[], []])
    await Promise.resolve()
    expect(seen).toEqual([[ready(2)], [ready(2)]])
    hub.stop()
    expect(subscriptions()).toBe(0)
  })

  it('a listener that throws keeps nothing from the others, and an ended one hears nothing', async () => {
    const { hub } = openHub()
    const seen: Hint[] = []
    hub.listen(() => {
      throw new Error('no')
    })
    const end = hub.listen((hint) => seen.push(hint))
    hub.publish(due(1))
    await Promise.resolve()
    expect(seen).toEqual([due(1)])
    end()
    hub.publish(due(2))
    await Promise.resolve()
    expect(seen).toHaveLength(1)
  })
})
