import type { ProjectionItem } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { createStoreFaults } from '../../support/faults/open.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'

describe('projector, after faults', () => {
  const store = useStore({ partitions: { flow: 1 } }, { faulty: true })
  const faults = () => createStoreFaults(store().opened)

  async function scan(): Promise<ProjectionItem[]> {
    const items: ProjectionItem[] = []
    const [partition] = store().partitions
    let cursor: string | undefined
    do {
      const page = await store().backend.resolution.projectSummaries({
        partition: partition as never,
        max: 100,
        cursor,
      })
      expect(page.items.length).toBeLessThanOrEqual(100)
      items.push(...page.items)
      cursor = page.cursor ?? undefined
    } while (cursor !== undefined)
    return items
  }

  it('scan results and isolation', async () => {
    const count = 250
    const flows: FlowDriver[] = []
    for (let i = 0; i < count; i += 1) flows.push(await FlowDriver.submit(store(), { a: {} }))
    const [malformed, failing] = [flows[20] as FlowDriver, flows[130] as FlowDriver]
    await faults().breakSummary(malformed.flowId)
    const undo = await faults().refuseFlowWrites(failing.flowId)
    const items = await scan()
    const outcomes = new Map(items.map((item) => [item.flowId, item.outcome]))
    expect(outcomes.size).toBe(count)
    expect(outcomes.get(failing.flowId)).toBe('error')
    // A summary that doesn't decode is written anew: nothing is decided from it.
    expect(['projected', 'error']).toContain(outcomes.get(malformed.flowId))
    const others = flows.filter((flow) => flow !== malformed && flow !== failing)
    expect(new Set(others.map(({ flowId }) => outcomes.get(flowId)))).toEqual(new Set(['projected']))
    await undo()
    // A failed item is seen again, and only changed ones count.
    const again = await scan()
    expect(again.find(({ flowId }) => flowId === failing.flowId)?.outcome).toBe('projected')
    expect(again.filter(({ outcome }) => outcome === 'projected').length).toBeLessThanOrEqual(2)
    for (const flow of [malformed, failing]) expect((await flow.flow()).summary.totalMembers).toBe(1)
  }, 60_000)

  it('live set: a failing write never drops a flow from it', async () => {
    const flow = await FlowDriver.submit(store(), { a: {} })
    await flow.settle()
    await flow.end('a', 'success')
    await flow.settle({ except: ['projection'] })
    const undo = await faults().refuseFlowWrites(flow.flowId)
    await scan().catch(() => undefined)
    await undo()
    await scan()
    expect((await flow.flow()).summary.publicFlowState).toBe('completed')
  })
})
