import {
  defaultLane,
  limits,
  makePartitionTag,
  mintSoloExecutionId,
  mintWebhookId,
  parseKind,
  parseNamespace,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { createModel } from '../model/index.js'

const namespace = parseNamespace('default')
const partition = makePartitionTag('quota', 0)
const settings = { url: 'https://example.org', keyId: 'k1' }

function open() {
  const model = createModel({ partitions: { flow: 1, budget: 1, quota: 1 }, startMs: 1_800_000_000_000 })
  const end = async (count: number) => {
    for (let n = 0; n < count; n += 1) {
      const id = mintSoloExecutionId({ namespace, lane: defaultLane, shards: 1, count: 1 })
      const item = { id, kind: parseKind('work'), lane: defaultLane, input: null }
      await model.executions.submit({ namespace, items: [item] })
      await model.executions.cancel({ namespace, id })
    }
  }
  const put = async () => {
    const name = { namespace, webhookId: mintWebhookId() }
    await model.webhooks.put({ ...name, ...settings })
    return name
  }
  return { model, end, put }
}

/** Looks into the feed and hands out, until there is nothing to take in. */
async function takeIn({ model }: ReturnType<typeof open>, max: number) {
  const handed = []
  for (let pass = 0; pass < 20; pass += 1) {
    await model.maintenance.advanceTime({ byMs: 1_000 })
    const { items } = await model.webhooks.deliverDue({ partition, max, reports: [] })
    handed.push(...items.filter((item) => item.outcome === 'handed_out'))
  }
  return handed
}

describe('the bounds of webhooks', () => {
  it('a namespace has so many, whatever another one has', async () => {
    const { model, put } = open()
    for (let n = 0; n < limits.webhooksMax; n += 1) await put()
    await expect(put()).rejects.toMatchObject({ code: 'too_many_records' })
    const elsewhere = { namespace: parseNamespace('elsewhere'), webhookId: mintWebhookId() }
    expect(await model.webhooks.put({ ...elsewhere, ...settings })).toMatchObject({ outcome: 'created' })
  })

  it('one that is full takes nothing in; the feed keeps it, and it comes later', async () => {
    const stage = open()
    const { model, end, put } = stage
    const name = await put()
    const more = 150
    await end(limits.webhookPendingMax + more)
    const read = async () => (await model.webhooks.get(name)).webhook
    const handed = await takeIn(stage, 100)
    const full = await read()
    expect(full.pending).toBe(limits.webhookPendingMax)
    expect(handed).toHaveLength(limits.webhookInHandMax)
    // As they arrive, there is room for what waits in the feed.
    const seen = new Set<string>()
    let reports = handed.map(({ deliveryId, attempt }) => ({
      ...name,
      deliveryId,
      attempt,
      outcome: 'delivered' as const,
    }))
    while (reports.length > 0) {
      for (const { deliveryId } of reports) seen.add(deliveryId)
      await model.maintenance.advanceTime({ byMs: 1_000 })
      const { items } = await model.webhooks.deliverDue({ partition, max: 100, reports })
      reports = items.flatMap((item) =>
        item.outcome === 'handed_out'
          ? [{ ...name, deliveryId: item.deliveryId, attempt: item.attempt, outcome: 'delivered' as const }]
          : [],
      )
    }
    expect(seen.size).toBe(limits.webhookPendingMax + more)
    expect(await read()).toMatchObject({ pending: 0, failed: 0, missedAtMs: null })
    const { items } = await model.webhooks.listDeliveries({ ...name, limit: 1_000 })
    expect(items).toHaveLength(limits.webhookDeliveredKept)
  })

  it('the last that were given up are listed, whatever arrives', async () => {
    const stage = open()
    const { model, end } = stage
    const name = { namespace, webhookId: mintWebhookId() }
    await model.webhooks.put({ ...name, ...settings, attemptsMax: 1 })
    const run = async (outcome: 'delivered' | 'failed') => {
      await model.maintenance.advanceTime({ byMs: limits.webhookLookMsMax })
      const { items } = await model.webhooks.deliverDue({ partition, max: 100, reports: [] })
      const reports = items.flatMap((item) =>
        item.outcome === 'handed_out'
          ? [{ ...name, deliveryId: item.deliveryId, attempt: item.attempt, outcome }]
          : [],
      )
      await model.webhooks.deliverDue({ partition, max: 1, reports, onlyReports: true })
      return reports.length
    }
    await end(limits.webhookFailedKept + 5)
    while ((await run('failed')) > 0);
    await end(limits.webhookDeliveredKept + 5)
    while ((await run('delivered')) > 0);
    const listed = async (state: 'given_up' | 'delivered') =>
      (await model.webhooks.listDeliveries({ ...name, state, limit: 1_000 })).items.length
    expect(await listed('given_up')).toBe(limits.webhookFailedKept)
    expect(await listed('delivered')).toBe(limits.webhookDeliveredKept)
  })
})
