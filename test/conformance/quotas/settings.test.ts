import { mintQuotaId, parseNamespace, type QuotaSettings } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { AdmissionDriver } from '../../support/admission-driver.js'
import { codeOf, itemCodeOf, readOne, submitOne } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'

const foreign = parseNamespace('foreign')

describe('a quota', () => {
  const store = useStore()
  const settings: QuotaSettings = {
    label: 'mails',
    rate: { units: 5, windowMs: 1_000 },
    concurrency: 2,
    strategy: 'queue',
  }
  const named = () => ({ namespace: store().namespace, quotaId: mintQuotaId(), ...settings })

  it('is created once, and shows its settings and counts', async () => {
    const { quotas } = new AdmissionDriver(store())
    const params = named()
    const createdAtMs = await store().nowMs()
    const expected = {
      id: params.quotaId,
      ...settings,
      createdAtMs,
      key: '',
      held: 0,
      unitsInWindow: 0,
      waiting: 0,
      retryAtMs: null,
    }
    expect(await quotas.create(params)).toEqual({ outcome: 'created', quota: expected })
    expect(await quotas.create(params)).toEqual({ outcome: 'duplicate', quota: expected })
    expect(await quotas.create({ ...params, concurrency: 3 })).toEqual({ outcome: 'quota_conflict' })
    expect(await quotas.create({ ...params, namespace: foreign })).toEqual({ outcome: 'quota_conflict' })
    expect((await quotas.get(params)).quota).toEqual(expected)
    expect((await quotas.get({ ...params, key: 'k' })).quota).toEqual({ ...expected, key: 'k' })
  })

  it('is a duplicate of what it was created as, whatever was changed since', async () => {
    const { quotas } = new AdmissionDriver(store())
    const params = named()
    await quotas.create(params)
    const { namespace, quotaId } = params
    const change = { concurrency: null, rate: null, strategy: 'drop_new', label: 'none' } as const
    const { quota } = await quotas.update({ namespace, quotaId, settings: change })
    expect(quota).toMatchObject(change)
    expect(await quotas.create(params)).toEqual({ outcome: 'duplicate', quota })
    expect((await quotas.update({ namespace, quotaId, settings: {} })).quota).toEqual(quota)
  })

  it('is listed in its namespace alone, newest first', async () => {
    const { quotas } = new AdmissionDriver(store())
    const ids = []
    for (let n = 0; n < 3; n += 1) {
      const params = named()
      await quotas.create(params)
      ids.unshift(params.quotaId)
      await store().advance(1)
    }
    const { namespace } = store()
    const first = await quotas.list({ namespace, limit: 2 })
    const rest = await quotas.list({ namespace, limit: 2, cursor: first.nextCursor ?? undefined })
    expect([...first.items, ...rest.items].map(({ id }) => id)).toEqual(ids)
    expect(rest.nextCursor).toBeNull()
    expect((await quotas.list({ namespace: parseNamespace(`${namespace}-other`) })).items).toEqual([])
    expect(await codeOf(quotas.list({ namespace, cursor: 'x' }))).toBe('invalid_cursor')
  })

  it.each<[string, object]>([
    ['invalid_quota_id', { quotaId: 'x' }],
    ['invalid_namespace', { namespace: 'a b' }],
    ['invalid_params', { label: 7 }],
    ['limit_exceeded', { label: 'x'.repeat(257) }],
    ['nul_in_text', { label: 'a\0' }],
    ['invalid_params', { rate: { units: 0, windowMs: 1 } }],
    ['invalid_params', { rate: { units: 1, windowMs: 0 } }],
    ['invalid_params', { rate: 5 }],
    ['limit_exceeded', { rate: { units: 1e10, windowMs: 1 } }],
    ['invalid_params', { concurrency: 0 }],
    ['invalid_params', { concurrency: 1.5 }],
    ['invalid_params', { strategy: 'other' }],
    ['invalid_params', { strategy: undefined }],
  ])('is refused with %s: %o', async (code, fault) => {
    const { quotas } = new AdmissionDriver(store())
    const params = { ...named(), ...fault } as never
    expect(await codeOf(quotas.create(params))).toBe(code)
    expect((await quotas.list({ namespace: store().namespace })).items).toEqual([])
  })

  it('is not found in another namespace, and when it was never made', async () => {
    const { quotas } = new AdmissionDriver(store())
    const params = named()
    await quotas.create(params)
    const { quotaId } = params
    for (const name of [
      { namespace: foreign, quotaId },
      { namespace: store().namespace, quotaId: mintQuotaId() },
    ]) {
      expect(await codeOf(quotas.get(name))).toBe('quota_not_found')
      expect(await codeOf(quotas.update({ ...name, settings: {} }))).toBe('quota_not_found')
    }
  })

  it('is shown by who names it, sorted and filled in', async () => {
    const driver = new AdmissionDriver(store())
    const [a, b] = [await driver.quota(), await driver.quota()].sort()
    const quotas = [{ quotaId: b ?? '' }, { quotaId: a ?? '', key: 'z', cost: 3 }, { quotaId: a ?? '' }]
    const id = await submitOne(store(), { quotas: quotas as never })
    expect(await readOne(store(), id)).toMatchObject({
      budgets: [],
      quotas: [
        { quotaId: a, key: '', cost: 1 },
        { quotaId: a, key: 'z', cost: 3 },
        { quotaId: b, key: '', cost: 1 },
      ],
    })
  })

  it.each<[string, readonly unknown[]]>([
    ['quota_not_found', [{ quotaId: mintQuotaId() }]],
    ['invalid_quota_id', [{ quotaId: 'x' }]],
    ['too_many_quotas', Array.from({ length: 9 }, () => ({ quotaId: mintQuotaId() }))],
    [
      'duplicate_id',
      [
        { quotaId: '0190a5f0-7a4c-7cc3-98c4-dc0c0c07398f' },
        { quotaId: '0190a5f0-7a4c-7cc3-98c4-dc0c0c07398f', key: '' },
      ],
    ],
    ['limit_exceeded', [{ quotaId: mintQuotaId(), key: 'x'.repeat(257) }]],
    ['nul_in_text', [{ quotaId: mintQuotaId(), key: '\0' }]],
    ['invalid_params', [{ quotaId: mintQuotaId(), cost: -1 }]],
    ['invalid_params', [{ quotaId: mintQuotaId(), cost: 0.5 }]],
    ['invalid_params', 'x' as never],
  ])('named wrongly is %s, to an execution and to a flow, and nothing is stored', async (code, quotas) => {
    const { backend, namespace } = store()
    const solo = store().aSolo({ quotas: quotas as never })
    const good = store().aSolo()
    const { items } = await backend.executions.submit({ namespace, items: [solo, good] })
    expect(itemCodeOf(items[0])).toBe(code)
    expect(items[1]?.outcome).toBe('accepted')
    expect(await codeOf(readOne(store(), solo.id))).toBe('execution_not_found')
    expect(await codeOf(FlowDriver.submit(store(), { a: {}, b: { quotas: quotas as never } }))).toBe(code)
    expect((await backend.flows.list({ namespace })).items).toEqual([])
  })

  it('of another namespace is not found by who names it', async () => {
    const { quotas } = new AdmissionDriver(store())
    const params = { ...named(), namespace: parseNamespace(`${store().namespace}-other`) }
    await quotas.create(params)
    const solo = store().aSolo({ quotas: [{ quotaId: params.quotaId }] })
    const { items } = await store().backend.executions.submit({ namespace: store().namespace, items: [solo] })
    expect(itemCodeOf(items[0])).toBe('quota_not_found')
  })
})
