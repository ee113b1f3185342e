import {
  defaultLane,
  type HandedDelivery,
  makePartitionTag,
  mintSoloExecutionId,
  mintWebhookId,
  parseKind,
  type SendWebhook,
} from '@flowfabric/core'
import { webhookDispatcher } from '@flowfabric/scanners'
import { describe, expect, it } from 'vitest'
import type { ModelBackend } from '../model/index.js'
import { contextOf, namespace, openModel } from './scan.js'

const partition = makePartitionTag('quota', 0)

async function putWebhook(model: ModelBackend) {
  const name = { namespace, webhookId: mintWebhookId() }
  await model.webhooks.put({ ...name, url: 'https://example.org', keyId: 'k1' })
  return {
    name,
    read: async () => (await model.webhooks.get(name)).webhook,
    deliveries: async () => (await model.webhooks.listDeliveries(name)).items,
  }
}

async function endOne(model: ModelBackend): Promise<void> {
  const id = mintSoloExecutionId({ namespace, lane: defaultLane, shards: 1, count: 1 })
  const item = { id, kind: parseKind('work'), lane: defaultLane, input: null }
  await model.executions.submit({ namespace, items: [item] })
  await model.executions.cancel({ namespace, id })
  await model.maintenance.advanceTime({ byMs: 5_000 })
}

/** A dispatcher whose requests the test answers. */
function dispatching(model: ModelBackend) {
  const sent: {
    readonly delivery: HandedDelivery
    readonly end: (went: Awaited<ReturnType<SendWebhook>>) => void
  }[] = []
  const wakes: number[] = []
  const { context: plain, seen } = contextOf(model)
  const abort = new AbortController()
  const context = {
    ...plain,
    signal: abort.signal,
    wake: (_partition: string, inMs: number) => wakes.push(inMs) > 0 && !abort.signal.aborted,
    sendWebhook: ((delivery) => new Promise((end) => sent.push({ delivery, end }))) as SendWebhook,
  }
  const scanner = webhookDispatcher({ max: 2 })
  return { scanner, context, seen, sent, wakes, abort, pass: () => scanner.scanPartition(context, partition) }
}

const ticks = () => new Promise((resolve) => setTimeout(resolve, 5))

describe('webhook_dispatcher', () => {
  it('makes requests that outlast its passes, and records how they went with the next one', async () => {
    const model = openModel()
    const webhook = await putWebhook(model)
    await endOne(model)
    const { pass, sent, wakes, seen } = dispatching(model)
    expect(await pass()).toMatchObject({ processed: 1, errors: 0 })
    expect(sent).toMatchObject([{ delivery: { webhookId: webhook.name.webhookId, attempt: 1 } }])
    expect(await webhook.read()).toMatchObject({ pending: 1 })
    sent[0]?.end({ outcome: 'delivered', httpStatus: 200 })
    await ticks()
    expect(wakes).toHaveLength(1)
    expect(await pass()).toMatchObject({ processed: 1, errors: 0 })
    expect(await webhook.deliveries()).toMatchObject([{ state: 'delivered' }])
    expect(seen.counts).toMatchObject({
      'webhook_tries_total{delivered}': 1,
      'webhook_dispatches_total{handed_out}': 1,
    })
  })

  it('begins no more than it may have under way, and asks for nothing until one has ended', async () => {
    const model = openModel()
    await putWebhook(model)
    for (let n = 0; n < 3; n += 1) await endOne(model)
    const { pass, sent } = dispatching(model)
    await pass()
    expect(sent).toHaveLength(2)
    expect(await pass()).toMatchObject({ processed: 0, more: false })
    sent[0]?.end({ outcome: 'failed', failure: 'timed_out' })
    await ticks()
    await pass()
    expect(sent).toHaveLength(3)
  })

  it('a report whose call failed is told by the next one', async () => {
    const model = openModel()
    const webhook = await putWebhook(model)
    await endOne(model)
    const dispatcher = dispatching(model)
    const { deliverDue } = model.webhooks
    await dispatcher.pass()
    dispatcher.sent[0]?.end({ outcome: 'delivered' })
    await ticks()
    Object.assign(model.webhooks, { deliverDue: () => Promise.reject(new Error('unreachable')) })
    await expect(dispatcher.pass()).rejects.toThrow('unreachable')
    Object.assign(model.webhooks, { deliverDue })
    await dispatcher.pass()
    expect(await webhook.deliveries()).toMatchObject([{ state: 'delivered' }])
  })

  it('looks ahead of time where the feed grew, and only where webhooks follow it', async () => {
    const model = openModel()
    const { scanner, context, pass, wakes } = dispatching(model)
    const asked: (number | undefined)[] = []
    const { deliverDue } = model.webhooks
    Object.assign(model.webhooks, {
      deliverDue: (params: Parameters<typeof deliverDue>[0]) => {
        asked.push(params.withinMs)
        return deliverDue(params)
      },
    })
    const hear = () => scanner.hear?.(context, { type: 'events', partition: makePartitionTag('flow', 0) })
    await pass()
    hear()
    expect(wakes).toEqual([])
    await putWebhook(model)
    await pass()
    hear()
    hear()
    expect(wakes).toEqual([200])
    await pass()
    await pass()
    expect(asked).toEqual([0, 0, 5_000, 0])
  })

  it('at the end it waits for what is under way and records it', async () => {
    const model = openModel()
    const webhook = await putWebhook(model)
    await endOne(model)
    const { scanner, context, pass, sent, abort } = dispatching(model)
    await pass()
    abort.abort()
    const drained = scanner.drain?.(context)
    sent[0]?.end({ outcome: 'delivered' })
    await drained
    expect(await webhook.deliveries()).toMatchObject([{ state: 'delivered' }])
  })
})
