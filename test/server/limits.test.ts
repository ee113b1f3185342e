import { mintUuid } from '@flowfabric/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../support/until.js'
import { startTestServer, type TestServer } from './support/test-server.js'

/** Budgets and quotas as a program without the SDK meets them. */
let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.stop())

const settings = {
  label: 'words of the model',
  limits: { tokens: { soft: 80, hard: 100 } },
  onHardBreach: 'block_new',
  resetPeriodMs: null,
}
const slots = { label: 'at once', rate: null, concurrency: 1, strategy: 'queue' }

const create = async (what: 'budget' | 'quota', body: object): Promise<string> => {
  const { status, json } = await server.call('POST', `/v1/${what}s`, { body })
  expect(status).toBe(201)
  return (json[what] as { readonly id: string }).id
}

const submit = async (lane: string, fields: object): Promise<string> => {
  const { status, json } = await server.call('POST', '/v1/executions', {
    body: { kind: 'x', lane, ...fields },
  })
  expect([status, json.code]).toEqual([201, undefined])
  return String(json.id)
}

async function claim(lane: string, fields: object = {}): Promise<readonly { readonly handle: string }[]> {
  const { json } = await server.call('POST', '/v1/claims', {
    body: {
      claimId: mintUuid(),
      workerId: 'w',
      instanceId: mintUuid(),
      lanes: [lane],
      kinds: ['x'],
      max: 10,
      ...fields,
    },
  })
  return (json.leases ?? []) as readonly { readonly handle: string }[]
}

const firstItem = ({ json }: { readonly json: Record<string, unknown> }) =>
  (json.items as readonly Record<string, unknown>[])[0]

const charge = async (item: object) =>
  firstItem(await server.call('POST', '/v1/leases/usage', { body: { items: [item] } }))

describe('a budget', () => {
  it('is made, listed, changed and reset', async () => {
    const byKey = { ...settings, idempotencyKey: 'the model' }
    const made = await server.call('POST', '/v1/budgets', { body: byKey })
    expect(made).toMatchObject({
      status: 201,
      json: { outcome: 'created', budget: { ...settings, used: {}, breach: 'ok', period: 1, waiting: 0 } },
    })
    const { id } = made.json.budget as { readonly id: string }
    expect(await server.call('POST', '/v1/budgets', { body: byKey })).toMatchObject({
      status: 200,
      json: { outcome: 'duplicate', budget: { id } },
    })
    const path = `/v1/budgets/${id}`
    const other = { ...settings, label: 'another' }
    expect(await server.call('PUT', path, { body: other })).toMatchObject({
      status: 409,
      json: { code: 'budget_conflict' },
    })
    expect((await server.call('GET', '/v1/budgets?limit=1')).json).toMatchObject({ items: [{ id }] })
    const changed = await server.call('POST', `${path}/settings`, {
      body: { limits: { tokens: { soft: null, hard: 50 } } },
    })
    expect(changed.json).toMatchObject({
      outcome: 'updated',
      budget: { label: settings.label, limits: { tokens: { soft: null, hard: 50 } } },
    })
    const reset = { body: { resetKey: 'k', reason: 'paid' } }
    expect((await server.call('POST', `${path}/reset`, reset)).json).toMatchObject({ outcome: 'reset' })
    expect((await server.call('POST', `${path}/reset`, reset)).json).toMatchObject({
      outcome: 'duplicate',
      budget: { period: 2 },
    })
    expect((await server.call('GET', path)).json).toMatchObject({ outcome: 'found', budget: { id } })
    const elsewhere = { headers: { 'ff-namespace': 'other' } }
    expect((await server.call('GET', path, elsewhere)).json).toMatchObject({ code: 'budget_not_found' })
  })

  it('is reserved at claim, charged by reports, and given back at the end', async () => {
    const budgetId = await create('budget', settings)
    const show = async () => (await server.call('GET', `/v1/budgets/${budgetId}`)).json.budget
    const budgets = [{ budgetId, estimate: { tokens: 60 } }]
    const ids = [await submit('spending', { budgets }), await submit('spending', { budgets })]
    const [lease, ...others] = await claim('spending')
    expect(others).toEqual([])
    expect(lease).toMatchObject({ budgets })
    expect(await show()).toMatchObject({ used: {}, reserved: { tokens: 60 }, waiting: 1 })
    const waiting = `/v1/executions/${encodeURIComponent(String(ids[1]))}`
    expect((await server.call('GET', waiting)).json).toMatchObject({ publicState: 'rate_limited' })
    const explained = await server.call('GET', `${waiting}/explain`)
    expect(JSON.stringify(explained.json)).toContain('"reason":"budget"')

    const item = { handle: lease?.handle, budgetId, usageKey: 'k', amounts: { tokens: 25 } }
    expect(await charge(item)).toEqual({ outcome: 'ok', used: { tokens: 25 } })
    expect(await charge(item)).toEqual({ outcome: 'duplicate' })
    expect(await show()).toMatchObject({ used: { tokens: 25 }, reserved: { tokens: 35 } })
    await server.call('POST', '/v1/leases/complete', { body: { items: [{ handle: lease?.handle }] } })
    // Somebody else takes what was given back.
    const next = await claim('spending', { waitMs: 20_000 })
    expect(next).toHaveLength(1)
    await until('what is left was given back', async () => {
      const { reserved } = (await show()) as { readonly reserved: Record<string, number> }
      return reserved.tokens === 60
    })
    const late = { ...item, handle: next[0]?.handle, usageKey: 'l', amounts: { tokens: 70 } }
    expect(await charge(late)).toEqual({ outcome: 'soft_breach', used: { tokens: 95 } })
    const more = { ...late, usageKey: 'm', amounts: { tokens: 6 } }
    expect(await charge(more)).toEqual({ outcome: 'hard_breach', used: { tokens: 101 } })
    expect(await show()).toMatchObject({ breach: 'hard_breach' })
  })
})

describe('a quota', () => {
  it('is made, listed, changed and shown by key', async () => {
    const quotaId = await create('quota', slots)
    expect((await server.call('GET', '/v1/quotas?limit=1')).json).toMatchObject({ items: [{ id: quotaId }] })
    const other = await server.call('PUT', `/v1/quotas/${quotaId}`, { body: { ...slots, label: 'another' } })
    expect(other).toMatchObject({ status: 409, json: { code: 'quota_conflict' } })
    const rate = { units: 100, windowMs: 60_000 }
    const set = await server.call('POST', `/v1/quotas/${quotaId}/settings`, { body: { rate } })
    expect(set.json).toMatchObject({ outcome: 'updated', quota: { ...slots, rate } })
    expect((await server.call('GET', `/v1/quotas/${quotaId}?key=ann`)).json).toMatchObject({
      outcome: 'found',
      quota: { id: quotaId, key: 'ann', held: 0 },
    })
    const elsewhere = await server.call('GET', `/v1/quotas/${quotaId}`, {
      headers: { 'ff-namespace': 'other' },
    })
    expect(elsewhere.json).toMatchObject({ code: 'quota_not_found' })
  })

  it('lets so many run for each key, and handlers take slots of their own', async () => {
    const quotaId = await create('quota', slots)
    for (const key of ['a', 'a', 'b']) await submit('slotted', { quotas: [{ quotaId, key }] })
    const leases = await claim('slotted')
    expect(leases).toHaveLength(2)
    expect((await server.call('GET', `/v1/quotas/${quotaId}?key=a`)).json).toMatchObject({
      quota: { held: 1, waiting: 1 },
    })
    const use = { handle: leases[0]?.handle, quotaId, key: 'c', holderKey: 'h' }
    const ask = async (path: string, item: object) =>
      firstItem(await server.call('POST', `/v1/leases/${path}`, { body: { items: [item] } }))
    expect(await ask('acquire', use)).toEqual({ outcome: 'acquired' })
    expect(await ask('acquire', use)).toEqual({ outcome: 'already_acquired' })
    expect(await ask('acquire', { ...use, handle: leases[1]?.handle })).toEqual({
      outcome: 'quota_exceeded',
      retryAtMs: null,
    })
    expect(await ask('release', use)).toEqual({ outcome: 'released' })
    expect(await ask('release', use)).toEqual({ outcome: 'not_held' })
  })
})

describe('what is malformed', () => {
  const none = mintUuid()
  const limitsOf = (limit: object) => ({ ...settings, limits: { tokens: limit } })
  const crowd = Array.from({ length: 65 }, (_, n) => [`d${n}`, { soft: null, hard: 1 }] as const)

  it.each([
    ['no dimension', { ...settings, limits: {} }, 'invalid_params'],
    ['too many dimensions', { ...settings, limits: Object.fromEntries(crowd) }, 'too_many_dimensions'],
    [
      'a dimension that is no name',
      { ...settings, limits: { '1 x': { soft: 1, hard: 1 } } },
      'invalid_params',
    ],
    ['a negative limit', limitsOf({ soft: null, hard: -1 }), 'invalid_params'],
    ['half a unit', limitsOf({ soft: null, hard: 0.5 }), 'invalid_params'],
    ['a limit past what is counted', limitsOf({ soft: null, hard: 1e16 }), 'limit_exceeded'],
    ['a soft limit above the hard one', limitsOf({ soft: 2, hard: 1 }), 'invalid_params'],
    ['an unknown limit', limitsOf({ soft: 1, hard: 1, harder: 1 }), 'unknown_field'],
    ['a rule that there is not', { ...settings, onHardBreach: 'shout' }, 'invalid_params'],
    ['a period of no length', { ...settings, resetPeriodMs: 0 }, 'invalid_params'],
    ['a first reset without a period', { ...settings, firstResetAtMs: 1 }, 'invalid_params'],
    ['an endless label', { ...settings, label: 'x'.repeat(257) }, 'limit_exceeded'],
    ['an id that is none', { ...settings, budgetId: '7' }, 'invalid_budget_id'],
    ['an unknown field', { ...settings, colour: 1 }, 'unknown_field'],
  ])('is no budget: %s', async (_what, body, code) => {
    const before = await readState()
    expect(await server.call('POST', '/v1/budgets', { body })).toMatchObject({ status: 400, json: { code } })
    expect(await readState()).toEqual(before)
  })

  it.each([
    ['no slots', { ...slots, concurrency: 0 }, 'invalid_params'],
    ['half a slot', { ...slots, concurrency: 1.5 }, 'invalid_params'],
    ['no units', { ...slots, rate: { units: 0, windowMs: 1 } }, 'invalid_params'],
    ['an unknown bound', { ...slots, rate: { units: 1, windowMs: 1, burst: 1 } }, 'unknown_field'],
    ['no window', { ...slots, rate: { units: 1, windowMs: 0 } }, 'invalid_params'],
    ['more slots than can be', { ...slots, concurrency: 1e10 }, 'limit_exceeded'],
    ['a strategy that there is not', { ...slots, strategy: 'shout' }, 'invalid_params'],
    ['an id that is none', { ...slots, quotaId: '7' }, 'invalid_quota_id'],
    ['an unknown field', { ...slots, colour: 1 }, 'unknown_field'],
  ])('is no quota: %s', async (_what, body, code) => {
    const before = await readState()
    expect(await server.call('POST', '/v1/quotas', { body })).toMatchObject({ status: 400, json: { code } })
    expect(await readState()).toEqual(before)
  })

  it.each([
    ['GET', `/v1/budgets/${none}`, undefined, 404, 'budget_not_found'],
    ['POST', `/v1/budgets/${none}/settings`, { label: 'x' }, 404, 'budget_not_found'],
    ['POST', `/v1/budgets/${none}/reset`, { resetKey: 'k' }, 404, 'budget_not_found'],
    ['GET', '/v1/budgets/7', undefined, 400, 'invalid_budget_id'],
    ['GET', '/v1/budgets?cursor=x', undefined, 400, 'invalid_cursor'],
    ['GET', `/v1/quotas/${none}`, undefined, 404, 'quota_not_found'],
    ['POST', `/v1/quotas/${none}/settings`, { label: 'x' }, 404, 'quota_not_found'],
    ['GET', '/v1/quotas/7', undefined, 400, 'invalid_quota_id'],
    ['GET', `/v1/quotas/${none}?key=${'x'.repeat(257)}`, undefined, 400, 'limit_exceeded'],
    ['GET', '/v1/quotas?cursor=x', undefined, 400, 'invalid_cursor'],
  ] as const)('%s %s is refused', async (method, path, body, status, code) => {
    expect(await server.call(method, path, { body })).toMatchObject({ status, json: { code } })
  })

  it('is no demand of an execution', async () => {
    const budgetId = await create('budget', settings)
    const quotaId = await create('quota', slots)
    const before = await readState()
    for (const [fields, code] of [
      [{ budgets: [{ budgetId: none }] }, 'budget_not_found'],
      [{ budgets: [{ budgetId, estimate: { calls: 1 } }] }, 'unknown_dimension'],
      [{ budgets: [{ budgetId, estimate: { tokens: -1 } }] }, 'invalid_params'],
      [{ budgets: [{ budgetId, estimate: { tokens: 1e13 } }] }, 'limit_exceeded'],
      [{ budgets: [{ budgetId }, { budgetId }] }, 'duplicate_id'],
      [{ budgets: Array.from({ length: 9 }, () => ({ budgetId: mintUuid() })) }, 'too_many_budgets'],
      [{ quotas: [{ quotaId: none }] }, 'quota_not_found'],
      [{ quotas: [{ quotaId, cost: -1 }] }, 'invalid_params'],
      [{ quotas: [{ quotaId, key: 'x'.repeat(257) }] }, 'limit_exceeded'],
      [{ quotas: Array.from({ length: 9 }, () => ({ quotaId: mintUuid() })) }, 'too_many_quotas'],
    ] as const) {
      const { json } = await server.call('POST', '/v1/executions', { body: { kind: 'x', ...fields } })
      expect([fields, json.code]).toEqual([fields, code])
    }
    expect(await readState()).toEqual(before)
  })

  it('is no usage', async () => {
    const budgetId = await create('budget', settings)
    const wide = await create('budget', { ...settings, limits: { tokens: { soft: null, hard: null } } })
    const quotaId = await create('quota', slots)
    await submit('misused', { budgets: [{ budgetId }] })
    const [lease] = await claim('misused')
    const good = { handle: lease?.handle, budgetId, usageKey: 'k', amounts: { tokens: 1 } }
    const most = { ...good, budgetId: wide, amounts: { tokens: 1_000_000_000_000_000 } }
    for (let n = 0; n < 9; n += 1) await charge({ ...most, usageKey: `much ${n}` })
    const before = await readState()
    for (const [item, code] of [
      [{ ...good, amounts: { tokens: -1 } }, 'invalid_params'],
      [{ ...good, amounts: { tokens: 0.5 } }, 'invalid_params'],
      [{ ...good, amounts: { tokens: '1' } }, 'invalid_params'],
      [{ ...good, amounts: { tokens: 1e16 } }, 'limit_exceeded'],
      [{ ...most, usageKey: 'too much' }, 'limit_exceeded'],
      [{ ...good, amounts: { calls: 1 } }, 'unknown_dimension'],
      [{ ...good, amounts: { __proto__x: 1 } }, 'invalid_params'],
      [{ ...good, budgetId: none }, 'budget_not_found'],
      [{ ...good, usageKey: '' }, 'invalid_params'],
      [{ ...good, handle: 'h1.x' }, 'invalid_handle'],
    ] as const) {
      expect([item, await charge(item)]).toMatchObject([item, { outcome: 'error', error: { code } }])
    }
    for (const [item, code] of [
      [{ handle: lease?.handle, quotaId: none, holderKey: 'h' }, 'quota_not_found'],
      [{ handle: lease?.handle, quotaId, holderKey: '' }, 'invalid_params'],
      [{ handle: lease?.handle, quotaId, holderKey: 'h', cost: -1 }, 'invalid_params'],
      [{ handle: 'h1.x', quotaId, holderKey: 'h' }, 'invalid_handle'],
    ] as const) {
      const answer = await server.call('POST', '/v1/leases/acquire', { body: { items: [item] } })
      expect([item, firstItem(answer)]).toMatchObject([item, { outcome: 'error', error: { code } }])
    }
    expect(await readState()).toEqual(before)
  })
})

/** All that the API shows of budgets, quotas and executions. */
async function readState() {
  const paths = ['/v1/budgets', '/v1/quotas', '/v1/executions']
  const answers = await Promise.all(paths.map((path) => server.call('GET', path)))
  return answers.map(({ json }) => json)
}
