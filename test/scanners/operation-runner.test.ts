import {
  defaultLane,
  makePartitionTag,
  mintOperationId,
  mintSoloExecutionId,
  type OperationAdvanceItem,
  parseKind,
} from '@flowfabric/core'
import { operationRunner } from '@flowfabric/scanners'
import { describe, expect, it } from 'vitest'
import type { ModelBackend } from '../model/index.js'
import { contextOf, namespace, openModel, pass } from './scan.js'

async function submit(model: ModelBackend, count: number): Promise<void> {
  const items = Array.from({ length: count }, () => ({
    id: mintSoloExecutionId({ namespace, lane: defaultLane, shards: 1, count: 1 }),
    kind: parseKind('work'),
    lane: defaultLane,
    input: null,
  }))
  await model.executions.submit({ namespace, items })
}

async function cancelAll(model: ModelBackend) {
  const name = { namespace, operationId: mintOperationId() }
  await model.operations.create({ ...name, work: { kind: 'cancel', filter: { lane: defaultLane } } })
  return async () => (await model.operations.get(name)).operation
}

describe('operation_runner', () => {
  it('carries bulk operations out, batch by batch, and says so when one has come to its end', async () => {
    const model = openModel()
    await submit(model, 5)
    const read = await cancelAll(model)
    expect(await read()).toMatchObject({ state: 'running', done: 0 })
    const runner = operationRunner({ max: 3 })
    const first = await pass(runner, model)
    expect(first.report).toMatchObject({ processed: 3, errors: 0, more: true })
    const { report, seen } = await pass(runner, model)
    expect(report).toMatchObject({ processed: 2, errors: 0, more: false })
    expect(seen.counts).toEqual({ 'operation_advances_total{completed}': 1 })
    expect(seen.lines).toMatchObject([{ level: 'info' }])
    expect(await read()).toMatchObject({ state: 'completed', done: 5 })
    expect((await pass(runner, model)).report).toMatchObject({ processed: 0, errors: 0, more: false })
  })

  it('what another runner was quicker with is no error, and what failed is one, with a line', async () => {
    const model = openModel()
    const { context, seen } = contextOf(model)
    const nothing = { operationId: mintOperationId(), done: 0, unchanged: 0, failed: 0 }
    const items: readonly OperationAdvanceItem[] = [
      { ...nothing, outcome: 'lost_race' },
      { ...nothing, outcome: 'error', code: 'store_unreachable' },
      { ...nothing, outcome: 'removed' },
    ]
    const operations = { ...model.operations, advance: async () => ({ items, more: false }) }
    const backend = { ...model, operations }
    const report = await operationRunner().scanPartition(
      { ...context, backend },
      makePartitionTag('quota', 0),
    )
    expect(report).toMatchObject({ processed: 0, errors: 1 })
    expect(seen.counts).toEqual({
      'operation_advances_total{lost_race}': 1,
      'operation_advances_total{error}': 1,
      'operation_advances_total{removed}': 1,
    })
    expect(seen.lines).toMatchObject([{ level: 'warn' }])
  })
})
