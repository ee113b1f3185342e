import { mintOperationId, parseLaneId } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../support/builders.js'
import { OperationDriver } from '../../support/operation-driver.js'
import { useStore } from '../../support/use-store.js'

const work = { kind: 'cancel', filter: { lane: parseLaneId('bulk') } } as const

describe('operations.get and list', () => {
  const store = useStore({ partitions: { quota: 3 } })

  it('lists newest first, page by page, without skip or repeat while others come', async () => {
    const { backend, namespace } = store()
    const begun: OperationDriver[] = []
    for (let round = 0; round < 6; round += 1) {
      // Some of the same moment.
      if (round % 2 === 0) await store().advance(5)
      begun.push(await OperationDriver.begin(store(), work))
    }
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await backend.operations.list({ namespace, limit: 2, cursor })
      expect(page.items.length).toBeLessThanOrEqual(2)
      seen.push(...page.items.map(({ id }) => id))
      cursor = page.nextCursor ?? undefined
      await store().advance(5)
      await OperationDriver.begin(store(), work)
    } while (cursor !== undefined)
    expect(seen.toSorted()).toEqual(begun.map(({ id }) => id).toSorted())
    const { items } = await backend.operations.list({ namespace, limit: 1_000 })
    const times = items.map(({ createdAtMs }) => createdAtMs)
    expect(times).toEqual(times.toSorted((a, b) => b - a))
  })

  it('refuses cursors that no page gave, pages out of bounds, and what there is not', async () => {
    const { backend, namespace } = store()
    for (const cursor of ['x', '1.x', `-1.${mintOperationId()}`, `1.${mintOperationId()}.2`])
      expect(await codeOf(backend.operations.list({ namespace, cursor }))).toBe('invalid_cursor')
    expect(await codeOf(backend.operations.list({ namespace, limit: 0 }))).toBe('invalid_params')
    const operationId = mintOperationId()
    expect(await codeOf(backend.operations.get({ namespace, operationId }))).toBe('operation_not_found')
    expect(await codeOf(backend.operations.get({ namespace, operationId: 'x' as never }))).toBe(
      'invalid_operation_id',
    )
  })
})
