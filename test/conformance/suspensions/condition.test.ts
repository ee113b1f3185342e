import {
  type EngineError,
  mintExecutionId,
  mintFlowId,
  mintSuspensionId,
  mintWaitpointId,
  type PayloadMatcher,
  partitionIndexOf,
  type ResumeCondition,
  type WaitpointId,
} from '@flowfabric/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { codeOf, itemCodeOf, readOne } from '../../support/builders.js'
import { onSignal, SuspensionDriver, type Waiting } from '../../support/suspension-driver.js'
import { useStore } from '../../support/use-store.js'

describe('a resume condition', () => {
  const store = useStore()
  let driver: SuspensionDriver
  let waiting: Waiting
  let a: WaitpointId
  let b: WaitpointId
  beforeEach(async () => {
    driver = new SuspensionDriver(store())
    waiting = await driver.active()
    a = await driver.waitpoint(waiting.id, 'a')
    b = await driver.waitpoint(waiting.id, 'b')
  })

  const suspend = async (condition: ResumeCondition) => {
    const answer = await driver.suspend(waiting, { condition })
    if (answer.outcome === 'error') throw answer.error
    return answer.outcome
  }
  const refusal = async (condition: unknown) =>
    itemCodeOf(await driver.suspend(waiting, { condition: condition as ResumeCondition }))
  const resumedBy = async () => (await waiting.worker.claimOne()).resumption?.signals.map(({ name }) => name)

  it('of all holds when each part has its own', async () => {
    await suspend({ kind: 'all_of', of: [onSignal(a), onSignal(b)] })
    expect(await driver.signals(a, 'a1', 'a2')).toEqual(['accepted', 'buffered'])
    expect(await driver.signals(b, 'b1')).toEqual(['satisfied'])
    expect(await resumedBy()).toEqual(['a1', 'b1'])
  })

  it('of any holds with the first part that does, and leaves what counted elsewhere', async () => {
    await suspend({
      kind: 'any_of',
      of: [{ kind: 'count', n: 2, of: 'signals', waitpointIds: [a] }, onSignal(b)],
    })
    expect(await driver.signals(a, 'a1')).toEqual(['accepted'])
    expect(await driver.signals(b, 'b1')).toEqual(['satisfied'])
    expect(await resumedBy()).toEqual(['b1'])
    const left = (await driver.listSignals(waiting.id)).filter(({ suspensionId }) => suspensionId === null)
    expect(left.map(({ name }) => name)).toEqual(['a1'])
  })

  it('keeps two counts apart, so that neither satisfies the other', async () => {
    await suspend({
      kind: 'any_of',
      of: [
        { kind: 'count', n: 2, of: 'signals', waitpointIds: [a] },
        { kind: 'count', n: 2, of: 'signals', waitpointIds: [b] },
      ],
    })
    expect(await driver.signals(a, 'a1')).toEqual(['accepted'])
    expect(await driver.signals(b, 'b1', 'b2')).toEqual(['accepted', 'satisfied'])
    expect(await resumedBy()).toEqual(['b1', 'b2'])
  })

  it('counts signals over waitpoints', async () => {
    await suspend({ kind: 'count', n: 3, of: 'signals', waitpointIds: [a, b] })
    expect(await driver.signals(a, 'a1', 'a2')).toEqual(['accepted', 'accepted'])
    expect(await driver.signals(b, 'b1')).toEqual(['satisfied'])
  })

  it('counts each waitpoint once', async () => {
    await suspend({ kind: 'count', n: 2, of: 'waitpoints', waitpointIds: [a, b] })
    expect(await driver.signals(a, 'a1', 'a2')).toEqual(['accepted', 'buffered'])
    expect(await driver.signals(b, 'b1')).toEqual(['satisfied'])
    expect(await resumedBy()).toEqual(['a1', 'b1'])
  })

  it('counts each source once, and those without one as one', async () => {
    await suspend({ kind: 'count', n: 3, of: 'sources', waitpointIds: [a, b] })
    const sources = ['ann', 'ann', null, null, 'bob'] as const
    const outcomes: string[] = []
    for (const source of sources) outcomes.push((await driver.signal(a, { source })).outcome)
    expect(outcomes).toEqual(['accepted', 'buffered', 'accepted', 'buffered', 'satisfied'])
  })

  it('turns away what it is not for, and keeps nothing of it', async () => {
    await suspend(onSignal(a, { name: 'yes', payload: { op: 'above', path: '/amount', value: 10 } }))
    const key = { idempotencyKey: 'k' }
    expect((await driver.signal(a, { ...key, name: 'no' })).outcome).toBe('not_matched')
    const small = { ...key, name: 'yes', payload: '{"amount":10}' }
    expect((await driver.signal(a, small)).outcome).toBe('not_matched')
    expect(await codeOf(driver.signal(a, { ...key, name: 'yes', payload: 'no json' }))).toBe('payload_opaque')
    expect(await driver.listSignals(waiting.id)).toEqual([])
    expect(await driver.listWaitpoints(waiting.id)).toMatchObject([{ signalCount: 0 }, { signalCount: 0 }])
    const large = { ...key, name: 'yes', payload: '{"amount":11}' }
    expect((await driver.signal(a, large)).outcome).toBe('satisfied')
  })

  it('keeps what comes to another waitpoint', async () => {
    await suspend(onSignal(a))
    expect(await driver.signals(b, 'b1')).toEqual(['buffered'])
    expect((await readOne(store(), waiting.id)).publicState).toBe('suspended')
  })

  it.each<[string, PayloadMatcher, string, boolean]>([
    ['a number, however it is written', { op: 'equals', path: '/n', value: 1 }, '{"n":1.0e0}', true],
    [
      'a text beyond ASCII',
      { op: 'equals', path: '/t', value: 'ü€😀' },
      '{"t":"\\u00fc€\\ud83d\\ude00"}',
      true,
    ],
    [
      'an object, without order',
      { op: 'equals', path: '', value: { a: [1], b: null } },
      '{"b":null,"a":[1]}',
      true,
    ],
    ['an escaped path', { op: 'equals', path: '/a~1b/~0', value: true }, '{"a/b":{"~":true}}', true],
    ['a deep path', { op: 'exists', path: '/a/1/b' }, '{"a":[0,{"b":null}]}', true],
    ['what is not there', { op: 'not', of: { op: 'exists', path: '/a' } }, '{"b":1}', true],
    ['a number below', { op: 'below', path: '', value: 0.5 }, '0.25', true],
    ['no text as a number', { op: 'below', path: '', value: 0.5 }, '"0.25"', false],
    [
      'one of two',
      {
        op: 'or',
        of: [
          { op: 'exists', path: '/x' },
          {
            op: 'and',
            of: [
              { op: 'exists', path: '/y' },
              { op: 'above', path: '/y', value: -1 },
            ],
          },
        ],
      },
      '{"y":0}',
      true,
    ],
  ])('matches %s', async (_, payload, json, expected) => {
    await suspend(onSignal(a, { payload }))
    expect((await driver.signal(a, { payload: json })).outcome).toBe(expected ? 'satisfied' : 'not_matched')
  })

  const many = (count: number) => Array.from({ length: count }, () => onSignal(a))
  const nested = (depth: number): ResumeCondition =>
    depth === 1 ? onSignal(a) : { kind: 'all_of', of: [nested(depth - 1)] }

  it('may be as deep and as large as its bounds, and no more', async () => {
    expect(await refusal(nested(5))).toBe('condition_too_large')
    expect(await refusal({ kind: 'all_of', of: many(64) })).toBe('condition_too_large')
    const huge = onSignal(a, { payload: { op: 'equals', path: '', value: 'x'.repeat(65_536) } })
    expect(await refusal(huge)).toBe('condition_too_large')
    const counts = { kind: 'count', of: 'signals', waitpointIds: [a] } as const
    expect(await refusal({ ...counts, n: 1_001 })).toBe('condition_too_large')
    expect(
      await refusal({
        kind: 'all_of',
        of: [
          { ...counts, n: 500 },
          { ...counts, n: 501 },
        ],
      }),
    ).toBe('condition_too_large')
    expect(await suspend({ kind: 'all_of', of: [nested(3), ...many(60)] })).toBe('suspended')
    expect((await driver.signal(a)).outcome).toBe('satisfied')
  })

  it.each<[string, () => unknown, EngineError['code']]>([
    ['none at all', () => undefined, 'invalid_condition'],
    ['a text', () => 'signal', 'invalid_condition'],
    ['an unknown kind', () => ({ kind: 'none_of', of: [] }), 'invalid_condition'],
    ['no list', () => ({ kind: 'all_of', of: onSignal(a) }), 'invalid_condition'],
    ['all of nothing', () => ({ kind: 'all_of', of: [] }), 'invalid_condition'],
    ['any of nothing', () => ({ kind: 'any_of', of: [] }), 'condition_unsatisfiable'],
    [
      'any of nothing, inside',
      () => ({ kind: 'all_of', of: [onSignal(a), { kind: 'any_of', of: [] }] }),
      'condition_unsatisfiable',
    ],
    ['a bad waitpoint id', () => onSignal('gate' as never), 'invalid_waitpoint_id'],
    [
      'a waitpoint of another partition',
      () => onSignal(mintWaitpointId(partitionIndexOf(a) === 0 ? 1 : 0)),
      'partition_mismatch',
    ],
    [
      'a count of no waitpoints',
      () => ({ kind: 'count', n: 1, of: 'signals', waitpointIds: [] }),
      'condition_unsatisfiable',
    ],
    [
      'more waitpoints than there are',
      () => ({ kind: 'count', n: 3, of: 'waitpoints', waitpointIds: [a, b] }),
      'condition_unsatisfiable',
    ],
    [
      'a waitpoint twice',
      () => ({ kind: 'count', n: 1, of: 'signals', waitpointIds: [a, a] }),
      'invalid_condition',
    ],
    [
      'a count of none',
      () => ({ kind: 'count', n: 0, of: 'signals', waitpointIds: [a] }),
      'invalid_condition',
    ],
    [
      'a count of halves',
      () => ({ kind: 'count', n: 1.5, of: 'signals', waitpointIds: [a] }),
      'invalid_condition',
    ],
    [
      'a count of something else',
      () => ({ kind: 'count', n: 1, of: 'voters', waitpointIds: [a] }),
      'invalid_condition',
    ],
    ['itself as a child', () => ({ kind: 'child', id: waiting.id }), 'condition_unsatisfiable'],
    ['a bad child', () => ({ kind: 'child', id: 'x' }), 'invalid_flow_id'],
    ['a child in no partition', () => ({ kind: 'child', id: mintExecutionId(99) }), 'partition_out_of_range'],
    ['a bad name', () => onSignal(a, { name: '' }), 'invalid_name'],
    ['no match', () => onSignal(a, 'go' as never), 'invalid_condition'],
    ['no matcher', () => onSignal(a, { payload: null as never }), 'invalid_matcher'],
    ['an unknown op', () => onSignal(a, { payload: { op: 'like', path: '' } as never }), 'invalid_matcher'],
    ['no pointer', () => onSignal(a, { payload: { op: 'exists', path: 'a' } }), 'invalid_matcher'],
    ['a broken pointer', () => onSignal(a, { payload: { op: 'exists', path: '/~2' } }), 'invalid_matcher'],
    ['no value', () => onSignal(a, { payload: { op: 'equals', path: '' } as never }), 'invalid_matcher'],
    [
      'a value that is no JSON',
      () => onSignal(a, { payload: { op: 'equals', path: '', value: [Number.NaN] } }),
      'invalid_matcher',
    ],
    [
      'no number',
      () => onSignal(a, { payload: { op: 'above', path: '', value: '1' as never } }),
      'invalid_matcher',
    ],
    ['and of nothing', () => onSignal(a, { payload: { op: 'and', of: [] } }), 'invalid_matcher'],
  ])('is refused with %s', async (_, condition, code) => {
    expect(await refusal(condition())).toBe(code)
    expect((await readOne(store(), waiting.id)).publicState).toBe('active')
  })

  it('comes with fields that hold together', async () => {
    const condition = onSignal(a)
    const codeWith = async (more: object) => itemCodeOf(await driver.suspend(waiting, { condition, ...more }))
    const elsewhere = partitionIndexOf(a) === 0 ? 1 : 0
    expect(await codeWith({ suspensionId: 'x' })).toBe('invalid_suspension_id')
    expect(await codeWith({ suspensionId: mintSuspensionId(elsewhere) })).toBe('partition_mismatch')
    expect(await codeWith({ reason: 'operator' })).toBe('invalid_params')
    expect(await codeWith({ timeout: { afterMs: -1, behaviour: 'fail' } })).toBe('invalid_params')
    expect(await codeWith({ timeout: { afterMs: 1, behaviour: 'wait' } })).toBe('invalid_params')
    expect(await codeWith({ resumePolicy: { delayMs: 0.5 } })).toBe('invalid_params')
    expect(await codeWith({ resumePolicy: { closeWaitpoints: 'no' } })).toBe('invalid_params')
    const fresh = () => driver.mintWaitpoint(waiting.id)
    const id = fresh()
    expect(await codeWith({ waitpoints: [{ waitpointId: id, name: '' }] })).toBe('invalid_name')
    expect(await codeWith({ waitpoints: [{ waitpointId: mintWaitpointId(elsewhere), name: 'x' }] })).toBe(
      'partition_mismatch',
    )
    const twice = [
      { waitpointId: id, name: 'x' },
      { waitpointId: id, name: 'y' },
    ]
    expect(await codeWith({ waitpoints: twice })).toBe('duplicate_id')
    const named = [
      { waitpointId: id, name: 'x' },
      { waitpointId: fresh(), name: 'x' },
    ]
    expect(await codeWith({ waitpoints: named })).toBe('duplicate_name')
    const many65 = Array.from({ length: 65 }, (_, at) => ({ waitpointId: fresh(), name: `n${at}` }))
    expect(await codeWith({ waitpoints: many65 })).toBe('batch_too_large')
    expect(await codeWith({ condition: { kind: 'child', id: mintFlowId().toUpperCase() } })).toBe(
      'invalid_flow_id',
    )
    expect(await driver.listWaitpoints(waiting.id)).toHaveLength(2)
  })
})
