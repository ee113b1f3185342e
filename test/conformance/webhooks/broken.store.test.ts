import { describe, expect, it } from 'vitest'
import { replaceProgress } from '../../support/broken-records.js'
import { codeOf } from '../../support/builders.js'
import { useStore } from '../../support/use-store.js'
import { endSolos, WebhookDriver } from '../../support/webhook-driver.js'

describe('a webhook whose record does not decode', () => {
  const store = useStore()

  it.each(['{"state":"active"}', 'no json', 'null'])(
    'as %s: is told as corruption, is put off, and holds up no other',
    async (text) => {
      const broken = await WebhookDriver.put(store())
      const sound = await WebhookDriver.put(store())
      await endSolos(store(), 1)
      const whole = await replaceProgress(store().opened, 'webhook', broken.id, text)
      const { items } = await store().backend.webhooks.deliverDue({
        partition: sound.partition,
        max: 100,
        reports: [],
      })
      expect(items.map((item) => [item.webhookId, item.outcome])).toEqual(
        expect.arrayContaining([
          [broken.id, 'error'],
          [sound.id, 'handed_out'],
        ]),
      )
      expect(await broken.pass()).toEqual([])
      expect(await codeOf(broken.read())).toBe('corruption')
      expect(await codeOf(broken.put())).toBe('corruption')
      // Once it is mended it goes on by itself; and what cannot be mended can be deleted.
      await replaceProgress(store().opened, 'webhook', broken.id, whole)
      await store().advance(60_000)
      expect(await broken.take()).toHaveLength(1)
      await replaceProgress(store().opened, 'webhook', broken.id, text)
      expect(await store().backend.webhooks.delete(broken.name)).toEqual({ outcome: 'deleted' })
    },
  )
})
