import {
  type EngineEvent,
  isEngineError,
  limits,
  makePartitionTag,
  mintExecutionId,
  mintFlowId,
  partitionOfFlow,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { submitOne } from '../support/builders.js'
import { FlowDriver } from '../support/flow-driver.js'
import { useStore } from '../support/use-store.js'
import { createFeedReader, keyOf } from './feed-reader.js'
import { race, raceRounds, Ways } from './use-sessions.js'

describe('the feed', () => {
  const store = useStore({ partitions: { flow: 2 } })
  const { number, readOn } = createFeedReader(store)

  it('a statement of more events than a row holds, and pages that end within a row', async () => {
    const cursors = await readOn(undefined)
    const plan = Object.fromEntries(Array.from({ length: 150 }, (_, index) => [`n${index}`, {}]))
    const flow = await FlowDriver.submit(store(), plan)
    const { events } = await readOn(cursors.cursor)
    const names = events.flatMap((event) => (event.type === 'execution' ? [event.name] : []))
    expect(names).toEqual(Object.keys(plan))
    const numbers = events.map((event) => event.number)
    expect(numbers).toEqual(numbers.map((_, index) => (numbers[0] ?? 0) + index))
    expect(new Set(events.map((event) => 'flowId' in event && event.flowId))).toEqual(new Set([flow.flowId]))
  })

  it('feeds cover all partitions, and cursors survive a restart', async () => {
    for (const partition of [0, 1]) {
      let flowId = mintFlowId()
      while (partitionOfFlow(flowId, 2) !== partition) flowId = mintFlowId()
      await FlowDriver.submit(store(), { a: {} }, { flowId })
    }
    const first = await readOn(undefined)
    expect(new Set(first.events.map(({ partition }) => partition)).size).toBe(2)
    await FlowDriver.submit(store(), { a: {} })
    const restarted = store().opened.reopen()
    const second = await readOn(first.cursor, restarted)
    expect(second.events.length).toBeGreaterThan(0)
    const chain = [...first.events, ...second.events].map(keyOf)
    expect(chain.sort()).toEqual((await readOn(undefined)).events.map(keyOf).sort())
  })

  it('trim/read: who reads on gets all that the cursor has not read, or is told that some of it went', async () => {
    const { backend, namespace, opened } = store()
    const other = opened.reopen()
    const ways = new Ways()
    const submit = () => submitOne(store(), { id: mintExecutionId(0) })
    const partition = makePartitionTag('flow', 0)
    await backend.lanes.configure({
      namespace,
      lane: store().aSolo().lane,
      settings: { eventLevel: 'all' },
    })
    for (let round = 0; round < raceRounds; round += 1) {
      await number()
      const { cursor } = await backend.events.read({ namespace, from: 'now' })
      const old = [await submit(), await submit(), await submit()]
      await number()
      await store().advance(limits.feedAgeMsMax + 1)
      const young = await submit()
      await number()
      const read = async () => {
        try {
          const { events } = await backend.events.read({ namespace, cursor })
          return events.map((event) => event.type === 'execution' && event.executionId)
        } catch (error) {
          return isEngineError(error, 'cursor_expired') ? 'told' : Promise.reject(error)
        }
      }
      const [seen] = await race(round, read, () => other.maintenance.trimRetention({ partition, max: 2 }))
      ways.saw(seen === 'told' ? 'told' : 'read')
      if (seen !== 'told') expect(seen, `round ${round}`).toEqual([...old, young])
      await other.maintenance.trimRetention({ partition, max: 500 })
      expect(await read()).toBe('told')
    }
    ways.expectOnly(['told', 'read'])
  })

  it('writers and a reader at once: each event once, in order per execution', async () => {
    const cursors = await readOn(undefined)
    const seen: EngineEvent[] = []
    let cursor = cursors.cursor
    let writing = true
    const writers = [store().backend, store().opened.reopen(), store().opened.reopen()].map(
      async (backend, w) => {
        const stage = { ...store(), backend }
        for (let i = 0; i < 8; i += 1) {
          const flow = await FlowDriver.submit(stage, { a: {}, b: { after: ['a'] } })
          await flow.startAmongOthers('a')
          await ((i + w) % 3 === 0 ? flow.fail('a') : flow.complete('a'))
          await flow.settle()
          await submitOne(store())
        }
      },
    )
    const reader = (async () => {
      while (writing) {
        const page = await readOn(cursor)
        seen.push(...page.events)
        cursor = page.cursor
      }
    })()
    await Promise.all(writers).finally(() => {
      writing = false
    })
    await reader
    seen.push(...(await readOn(cursor)).events)
    expect(new Set(seen.map(keyOf)).size).toBe(seen.length)
    const all = (await readOn(cursors.cursor)).events
    expect(seen.map(keyOf).sort()).toEqual(all.map(keyOf).sort())
    const last = new Map<string, number>()
    for (const event of seen) {
      const object =
        'executionId' in event ? event.executionId : event.type === 'flow' ? event.flowId : event.budgetId
      expect(event.number).toBeGreaterThan(last.get(object) ?? 0)
      last.set(object, event.number)
    }
  })
})
