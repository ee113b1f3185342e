import { mintUuid, mintWebhookId, parseNamespace, parseSigningSecrets } from '@flowfabric/core'
import { createEmbedded } from '@flowfabric/embedded'
import { createClient, defineTask } from '@flowfabric/sdk'
import { expect, it, onTestFinished } from 'vitest'
import { backendName } from '../support/backends.js'
import { goodSignatures, startReceiver } from '../support/receiver.js'
import { createStorePlace } from '../support/store-place.js'
import { until } from '../support/until.js'
import { startVictim } from './victims.js'

const namespace = parseNamespace('default')

// An embedded store has one process, which cannot be asked while it is killed.
it.skipIf(backendName() === 'pglite')(
  'an engine that dies between a request and its record leaves it to another one, which makes it under the same id',
  async () => {
    const place = await createStorePlace({ lasting: true })
    onTestFinished(() => place.remove())
    const receiver = await startReceiver()
    onTestFinished(() => receiver.close())
    const keys = `k1:${mintUuid()}`
    const signingSecrets = parseSigningSecrets(keys)
    const options = { engine: { webhooks: { allow: ['127.0.0.0/8'], allowHttp: true } } }
    // It puts, submits and looks, and runs no scanner. Its start makes the key.
    const embedded = await createEmbedded({
      ...place.embedded,
      ...options,
      signingSecrets,
      scanners: false,
      partitions: { flow: 2, budget: 1, quota: 1 },
    })
    onTestFinished(() => embedded.stop())
    await embedded.start()
    const name = { namespace, webhookId: mintWebhookId() }
    const filter = { names: ['execution.cancelled'] }
    const { secret } = await embedded.webhooks.put({ ...name, url: receiver.url, filter })

    // The first request arrives, and its sender never learns it.
    receiver.answer = () => {}
    const { valkey } = place.embedded
    const victim = startVictim('engine', ['test/faults/programs/webhook-engine.mjs'], {
      FF_STORE: place.embedded.store,
      ...(valkey === undefined ? {} : { FF_VALKEY: JSON.stringify(valkey) }),
      FF_KEYS: keys,
    })
    onTestFinished(() => victim.end())
    const client = createClient({ connect: embedded })
    const handle = await client.submit(defineTask({ kind: 'nobody' }))
    await handle.cancel()
    await until('the request has come', () => receiver.received.length > 0, 60_000)
    await victim.killAndReplace()
    receiver.answer = (_received, response) => response.writeHead(200).end()

    const { webhooks } = embedded.backend
    const delivered = async () => (await webhooks.listDeliveries({ ...name, state: 'delivered' })).items[0]
    const delivery = await until('it has arrived', delivered, 60_000)
    const [first, second] = receiver.received
    if (first === undefined || second === undefined) throw new Error('it came once')
    expect(receiver.received).toHaveLength(2)
    expect(second.headers['webhook-id']).toBe(first.headers['webhook-id'])
    expect(second.body).toBe(first.body)
    expect(goodSignatures(second, secret ?? '')).toEqual([true])
    expect(delivery).toMatchObject({ deliveryId: first.headers['webhook-id'], attemptCount: 2 })
  },
)
