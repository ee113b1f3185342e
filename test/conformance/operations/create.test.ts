import { mintBudgetId, mintFlowId, mintOperationId, type OperationWork, parseLaneId } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../support/builders.js'
import { OperationDriver } from '../../support/operation-driver.js'
import { useStore } from '../../support/use-store.js'

const lane = parseLaneId('bulk')
const work: OperationWork = {
  kind: 'cancel',
  filter: { lane, tags: { 'job.a': '1', 'job.b': '2' } },
  reason: 'so',
}

describe('operations.create', () => {
  const store = useStore()
  const create = (more: object = {}) => {
    const { backend, namespace } = store()
    return backend.operations.create({ namespace, operationId: mintOperationId(), work, ...more })
  }

  it('begins one, which has done nothing yet', async () => {
    const operationId = mintOperationId()
    const answer = await create({ operationId })
    const operation = {
      id: operationId,
      work,
      state: 'running',
      done: 0,
      unchanged: 0,
      failed: 0,
      total: null,
      failures: [],
      createdAtMs: await store().nowMs(),
      endedAtMs: null,
    }
    expect(answer).toEqual({ outcome: 'created', operation })
    const { backend, namespace } = store()
    expect(await backend.operations.get({ namespace, operationId })).toEqual({ outcome: 'found', operation })
  })

  it('is idempotent by id: the same work answers what there is, other work is a conflict', async () => {
    const operation = await OperationDriver.begin(store(), work)
    const sameInOtherWords = {
      reason: 'so',
      filter: { tags: { 'job.b': '2', 'job.a': '1' }, lane },
      kind: 'cancel',
    }
    await operation.run()
    expect(await create({ ...operation.name, work: sameInOtherWords })).toMatchObject({
      outcome: 'duplicate',
      operation: { id: operation.id, state: 'completed' },
    })
    const other = { ...work, filter: { lane } }
    expect(await create({ ...operation.name, work: other })).toEqual({ outcome: 'operation_conflict' })
  })

  it('takes work on behalf of a budget', async () => {
    const breach = { kind: 'budget_breach', budgetId: mintBudgetId(), rule: 'fail_running' }
    expect(await create({ work: breach })).toMatchObject({ outcome: 'created', operation: { work: breach } })
  })

  it.each([
    ['what is no work', 'cancel all', 'invalid_params'],
    ['work of no kind', { kind: 'delete', filter: {} }, 'invalid_params'],
    ['a cancel without a filter', { kind: 'cancel' }, 'invalid_params'],
    ['a cancel of what has ended', { kind: 'cancel', filter: { states: ['failed'] } }, 'invalid_params'],
    ['a replay that names no states', { kind: 'replay', filter: { lane } }, 'invalid_params'],
    ['a replay of no states', { kind: 'replay', filter: { states: [] } }, 'invalid_params'],
    ['a replay of what runs', { kind: 'replay', filter: { states: ['failed', 'active'] } }, 'invalid_params'],
    ['a lane that is none', { kind: 'cancel', filter: { lane: 'no lane' } }, 'invalid_lane_id'],
    ['a flow that is none', { kind: 'cancel', filter: { flowId: 'x' } }, 'invalid_flow_id'],
    ['a state that is none', { kind: 'cancel', filter: { states: ['gone'] } }, 'invalid_params'],
    ['tags that are none', { kind: 'cancel', filter: { tags: ['a'] } }, 'invalid_params'],
    ['a reason of many words', { kind: 'cancel', filter: {}, reason: 'x'.repeat(10_000) }, 'limit_exceeded'],
    [
      'a budget that is none',
      { kind: 'budget_breach', budgetId: 'x', rule: 'fail_running' },
      'invalid_budget_id',
    ],
    ['a rule that is none', { kind: 'budget_breach', budgetId: mintBudgetId(), rule: 'x' }, 'invalid_params'],
  ])('refuses %s, and begins nothing', async (_, refused, code) => {
    const { backend, namespace } = store()
    expect(await codeOf(create({ work: refused }))).toBe(code)
    expect((await backend.operations.list({ namespace })).items).toEqual([])
  })

  it('refuses what is no id, and no namespace', async () => {
    expect(await codeOf(create({ operationId: 'x' }))).toBe('invalid_operation_id')
    expect(await codeOf(create({ namespace: 'no namespace' }))).toBe('invalid_namespace')
  })

  it('keeps texts as they are: they are data', async () => {
    const text = "'; drop table x; -- {} \\ ]] end"
    const odd: OperationWork = {
      kind: 'cancel',
      filter: { flowId: mintFlowId(), tags: { 'job.odd': text } },
      reason: text,
    }
    const operation = await OperationDriver.begin(store(), odd)
    expect(await operation.run()).toMatchObject({ work: odd, total: 0, state: 'completed' })
  })
})
