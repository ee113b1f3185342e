import { limits, mintSoloExecutionId, mintUuid, mintWebhookId, SigningSecret } from '@flowfabric/core'
import { createEngine, type Engine } from '@flowfabric/engine'
import { foundationScanners } from '@flowfabric/scanners'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createModel, type ModelBackend } from '../model/index.js'
import { type Receiver, startReceiver } from '../support/receiver.js'
import { until } from '../support/until.js'
import { kind, lane, namespace } from './stage.js'

/** Real requests, and so real time. */
let receiver: Receiver
let store: ModelBackend
const engines: Engine[] = []

beforeEach(async () => {
  receiver = await startReceiver()
  store = createModel({ partitions: { flow: 4, budget: 1, quota: 4 } })
})
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.stop({ graceMs: 1_000 })))
  await receiver.close()
  await store.maintenance.close()
})

const secret = new SigningSecret('k1', mintUuid())

async function startEngine(without?: string): Promise<Engine> {
  await store.keyring.add(secret)
  const engine = createEngine({
    backend: store,
    scanners: foundationScanners().filter(({ name }) => name !== without),
    signingSecrets: [secret],
    webhooks: { allow: ['127.0.0.0/8'], allowHttp: true },
  })
  engines.push(engine)
  await engine.start()
  return engine
}

async function putWebhook(engine: Engine) {
  const name = { namespace, webhookId: mintWebhookId() }
  const filter = { names: ['execution.cancelled'] }
  await engine.webhooks.put({ ...name, url: receiver.url, filter })
  return name
}

async function endOne(): Promise<void> {
  const id = mintSoloExecutionId({ namespace, lane, shards: 1, count: 4 })
  await store.executions.submit({ namespace, items: [{ id, kind, lane, input: null }] })
  await store.executions.cancel({ namespace, id })
}

const took = async (work: () => Promise<unknown>) => {
  const beganAtMs = performance.now()
  await work()
  return performance.now() - beganAtMs
}

describe('a delivery', () => {
  it('comes within a second of its event, from one of several engines', async () => {
    const [engine] = await Promise.all([startEngine(), startEngine(), startEngine()])
    const name = await putWebhook(engine)
    // The first look is done, and the next one not due for a while.
    await until('it idles', async () => (await store.webhooks.get(name)).webhook.state === 'active')
    await new Promise((resolve) => setTimeout(resolve, 300))
    const latenessMs = await took(async () => {
      await endOne()
      await until('it has come', () => receiver.received.length > 0)
    })
    expect(latenessMs).toBeLessThan(1_000)
    for (let n = 0; n < 20; n += 1) await endOne()
    await until('all have come', () => receiver.received.length >= 21)
    await until('all is recorded', async () => (await store.webhooks.get(name)).webhook.pending === 0)
    const ids = receiver.received.map(({ headers }) => headers['webhook-id'])
    expect(new Set(ids).size).toBe(21)
    expect(ids).toHaveLength(21)
  })

  it('never comes without the dispatcher, and comes when that is back', async () => {
    const without = await startEngine('webhook_dispatcher')
    const name = await putWebhook(without)
    await endOne()
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    expect(receiver.received).toHaveLength(0)
    expect((await store.webhooks.get(name)).webhook).toMatchObject({ pending: 0, lastDeliveredAtMs: null })
    await without.stop()
    await startEngine()
    const latenessMs = await took(() => until('it has come', () => receiver.received.length > 0))
    expect(latenessMs).toBeLessThan(limits.webhookLookMsMax)
  })

  it('that was under way when its engine stops is recorded, and does not come again', async () => {
    const engine = await startEngine()
    const name = await putWebhook(engine)
    receiver.answer = (_received, response) => setTimeout(() => response.writeHead(200).end(), 200)
    await endOne()
    await until('it has come', () => receiver.received.length > 0)
    await engine.stop()
    const { items } = await store.webhooks.listDeliveries(name)
    expect(items).toMatchObject([{ state: 'delivered', attemptCount: 1 }])
  })
})
