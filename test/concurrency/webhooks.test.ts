import { limits } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { rounds } from '../support/soak.js'
import { endSolos, type Handed, WebhookDriver } from '../support/webhook-driver.js'
import { race, useSessions, Ways } from './use-sessions.js'

/** All of it in a soak, and in `npm test` a fortieth of it. */
const webhookRounds = rounds(1_000)

describe('races of webhooks', () => {
  const sessions = useSessions()

  it('dispatcher/dispatcher: what both look for goes to one of them, and each event becomes one delivery', {
    timeout: 240_000,
  }, async () => {
    const { store, one, two } = sessions()
    const webhook = await WebhookDriver.put(store)
    const ways = new Ways()
    const seen = new Set<string>()
    for (let round = 0; round < webhookRounds; round += 1) {
      await endSolos(store, 2)
      const params = {
        partition: webhook.partition,
        max: 100,
        reports: [],
        withinMs: limits.webhookLookMsMax,
      }
      const [first, second] = await race(
        round,
        () => one.webhooks.deliverDue(params),
        () => two.webhooks.deliverDue(params),
      )
      const handed = [first, second].map(({ items }) =>
        items.filter((item): item is Handed => item.outcome === 'handed_out'),
      )
      const all = handed.flat()
      expect(all).toHaveLength(2)
      for (const { deliveryId } of all) {
        expect(seen.has(deliveryId)).toBe(false)
        seen.add(deliveryId)
      }
      ways.saw(handed.map((each) => each.length).join('+'))
      await webhook.tell(all, 'delivered')
    }
    expect(await webhook.read()).toMatchObject({ pending: 0, failed: 0 })
    ways.expectOnly(['2+0', '0+2'])
  })

  it('report/its owner’s change: neither is lost', { timeout: 240_000 }, async () => {
    const { store, one, two } = sessions()
    const webhook = await WebhookDriver.put(store)
    for (let round = 0; round < webhookRounds; round += 1) {
      await endSolos(store, 1)
      const handed = await webhook.take({ withinMs: limits.webhookLookMsMax })
      expect(handed).toHaveLength(1)
      const reports = handed.map((each) => webhook.report(each, 'delivered'))
      await race(
        round,
        () => one.webhooks.deliverDue({ partition: webhook.partition, max: 1, reports, onlyReports: true }),
        () =>
          two.webhooks.put({
            ...webhook.name,
            url: `https://example.org/${round}`,
            keyId: 'k1',
          }),
      )
      expect(await webhook.read()).toMatchObject({ url: `https://example.org/${round}`, pending: 0 })
    }
  })
})
