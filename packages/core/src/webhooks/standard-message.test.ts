import { describe, expect, it } from 'vitest'
import type { EngineEvent } from '../contract/events.js'
import { webhookEventNames } from '../contract/webhooks.js'
import { eventNameOf, feedFilterOf, isWanted } from './event-names.js'
import { formatWebhookSecret, webhookBody, webhookHeaders } from './standard-message.js'

const execution = {
  type: 'execution',
  namespace: 'default',
  partition: '{fp:0}',
  number: 7,
  atMs: 1_767_225_600_000,
  publicState: 'completed',
} as unknown as EngineEvent

describe('what is posted', () => {
  it('is signed as the libraries of Standard Webhooks verify it', () => {
    // The example of their repository.
    const secret = Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64')
    const message = {
      deliveryId: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      body: '{"test": 2432232314}',
      nowMs: 1_614_265_330_999,
    }
    const signature = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    expect(webhookHeaders([secret], message)).toEqual({
      'webhook-id': message.deliveryId,
      'webhook-timestamp': '1614265330',
      'webhook-signature': signature,
    })
    const both = webhookHeaders([Buffer.from('another'), secret], message)['webhook-signature']
    expect(both?.split(' ')).toEqual([expect.stringMatching(/^v1,/), signature])
    expect(formatWebhookSecret(secret)).toBe('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')
  })

  it('names what happened, when, and all of the event', () => {
    expect(JSON.parse(webhookBody(execution))).toEqual({
      type: 'execution.completed',
      timestamp: '2026-01-01T00:00:00.000Z',
      data: execution,
    })
  })
})

describe('the names of events', () => {
  it('are all in the list that filters are checked by', () => {
    const events = [
      execution,
      { ...execution, type: 'flow', state: 'open' },
      { ...execution, type: 'signal', outcome: 'buffered' },
      { ...execution, type: 'budget', change: 'reset' },
    ] as unknown as readonly EngineEvent[]
    for (const event of events) expect(webhookEventNames).toContain(eventNameOf(event))
  })

  it('choose by name or by kind; the feed is asked for the kinds alone', () => {
    expect(isWanted(execution, {})).toBe(true)
    expect(isWanted(execution, { names: ['execution'] })).toBe(true)
    expect(isWanted(execution, { names: ['flow', 'execution.completed'] })).toBe(true)
    expect(isWanted(execution, { names: ['execution.failed', 'flow'] })).toBe(false)
    expect(feedFilterOf({})).toBeUndefined()
    expect(feedFilterOf({ names: ['execution.failed', 'execution', 'flow.open'] })).toEqual({
      types: ['execution', 'flow'],
    })
  })
})
