import { limits, mintFlowId, mintWebhookId, parseLaneId } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../support/builders.js'
import { useStore } from '../../support/use-store.js'
import { WebhookDriver } from '../../support/webhook-driver.js'

describe('webhooks.put, get, list and delete', () => {
  const store = useStore({ partitions: { quota: 3 } })

  it('keeps what was put, and its first secret under whatever key changes come', async () => {
    const filter = { lane: parseLaneId('a'), flowId: mintFlowId(), names: ['execution.completed', 'flow'] }
    const webhook = await WebhookDriver.put(store(), { label: 'ours', filter, attemptsMax: 3, reason: 'new' })
    const nowMs = await store().nowMs()
    const first = await webhook.read()
    expect(first).toEqual({
      id: webhook.id,
      url: 'https://example.org/hook',
      label: 'ours',
      filter,
      attemptsMax: 3,
      state: 'active',
      disabledBecause: null,
      disabledAtMs: null,
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
      secrets: [{ number: 1, keyId: 'k1', createdAtMs: nowMs, signsUntilMs: null }],
      pending: 0,
      failed: 0,
      lastDeliveredAtMs: null,
      failingSinceMs: null,
      lastFailure: null,
      missedAtMs: null,
    })
    await store().advance(10)
    const changed = await webhook.put({ url: 'http://10.0.0.1/?a=b', keyId: 'k2' })
    expect(changed).toEqual({
      outcome: 'changed',
      webhook: {
        ...first,
        url: 'http://10.0.0.1/?a=b',
        label: null,
        filter: {},
        attemptsMax: limits.webhookAttemptsDefault,
        updatedAtMs: nowMs + 10,
      },
    })
    expect(await webhook.read()).toEqual(changed.webhook)
  })

  it('lists newest first, page by page, of one namespace', async () => {
    const { backend, namespace } = store()
    const ids: string[] = []
    for (let n = 0; n < 5; n += 1) {
      if (n % 2 === 0) await store().advance(5)
      ids.push((await WebhookDriver.put(store())).id)
    }
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await backend.webhooks.list({ namespace, limit: 2, cursor })
      seen.push(...page.items.map(({ id }) => id))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    expect(seen.toSorted()).toEqual(ids.toSorted())
    const { items } = await backend.webhooks.list({ namespace })
    expect(items.map(({ id }) => id)).toEqual(seen)
    const times = items.map(({ createdAtMs }) => createdAtMs)
    expect(times).toEqual(times.toSorted((a, b) => b - a))
    for (const wrong of ['x', '1.x', `-1.${ids[0]}`, `1.${ids[0]}.2`])
      expect(await codeOf(backend.webhooks.list({ namespace, cursor: wrong }))).toBe('invalid_cursor')
  })

  it('a deleted one is gone, once', async () => {
    const { backend } = store()
    const webhook = await WebhookDriver.put(store())
    expect(await backend.webhooks.delete(webhook.name)).toEqual({ outcome: 'deleted' })
    expect(await backend.webhooks.delete(webhook.name)).toEqual({ outcome: 'not_found' })
    expect(await codeOf(webhook.read())).toBe('webhook_not_found')
    expect(await webhook.pass()).toEqual([])
  })

  it('what is another namespace’s is not found', async () => {
    const { backend } = store()
    const webhook = await WebhookDriver.put(store())
    const foreign = { ...webhook.name, namespace: 'elsewhere' as never }
    const { webhooks } = backend
    const refused = [
      webhooks.get(foreign),
      webhooks.setState({ ...foreign, state: 'disabled' }),
      webhooks.rotateSecret({ ...foreign, keyId: 'k1' }),
      webhooks.listDeliveries(foreign),
      webhooks.redeliver(foreign),
    ]
    expect(await Promise.all(refused.map(codeOf))).toEqual(Array(5).fill('webhook_not_found'))
    expect(await webhooks.delete(foreign)).toEqual({ outcome: 'not_found' })
  })

  it.each([
    'ftp://example.org',
    'example.org/hook',
    '//example.org',
    'https://user@example.org',
    'https://:secret@example.org',
    'https://example.org/#part',
    'https://example.org/a b',
    'https://example.org/\n',
    'https://exämple.org',
    `https://example.org/${'x'.repeat(2_048)}`,
    'javascript:alert(1)',
    7 as never,
  ])('refuses the address %s', async (url) => {
    const webhook = WebhookDriver.put(store(), { url })
    expect(await codeOf(webhook)).toBe('invalid_webhook_url')
    await webhook.catch((error: Error) => expect(error.message).not.toContain('secret'))
  })

  it('refuses other input that no correct caller sends', async () => {
    const put = (more: object) => codeOf(WebhookDriver.put(store(), more))
    expect(await put({ webhookId: 'x' })).toBe('invalid_webhook_id')
    expect(await put({ keyId: 'no key' })).toBe('invalid_signing_key_id')
    expect(await put({ attemptsMax: 0 })).toBe('invalid_params')
    expect(await put({ attemptsMax: 21 })).toBe('limit_exceeded')
    expect(await put({ label: 'x'.repeat(257) })).toBe('limit_exceeded')
    expect(await put({ filter: { names: [] } })).toBe('invalid_params')
    expect(await put({ filter: { names: ['execution.exploded'] } })).toBe('invalid_params')
    expect(await put({ filter: { executionId: '{fp:9}:x' } })).toBe('invalid_execution_id')
    expect(await put({ filter: { lane: 'no lane' } })).toBe('invalid_lane_id')
    const { webhooks } = store().backend
    const name = { namespace: store().namespace, webhookId: mintWebhookId() }
    expect(await codeOf(webhooks.get(name))).toBe('webhook_not_found')
    expect(await codeOf(webhooks.get({ ...name, webhookId: 'x' as never }))).toBe('invalid_webhook_id')
    expect(await codeOf(webhooks.setState({ ...name, state: 'off' as never }))).toBe('invalid_params')
    expect(await codeOf(webhooks.rotateSecret({ ...name, keyId: 'k1', overlapMs: -1 }))).toBe(
      'invalid_params',
    )
  })
})

describe('webhooks.rotateSecret', () => {
  const store = useStore()

  it('adds a secret; those before it sign until the overlap has passed, and no longer than they would', async () => {
    const webhook = await WebhookDriver.put(store())
    const { webhooks } = store().backend
    const startMs = await store().nowMs()
    const rotate = async (overlapMs?: number) =>
      (await webhooks.rotateSecret({ ...webhook.name, keyId: 'k2', overlapMs })).webhook.secrets
    expect(await rotate()).toEqual([
      { number: 2, keyId: 'k2', createdAtMs: startMs, signsUntilMs: null },
      {
        number: 1,
        keyId: 'k1',
        createdAtMs: startMs,
        signsUntilMs: startMs + limits.webhookOverlapMsDefault,
      },
    ])
    expect((await rotate(1_000)).map(({ signsUntilMs }) => signsUntilMs)).toEqual([
      null,
      startMs + 1_000,
      startMs + 1_000,
    ])
    await store().advance(1_000)
    expect((await rotate(0)).map(({ number }) => number)).toEqual([4])
    for (let n = 0; n < 4; n += 1) await rotate(60_000)
    expect(await codeOf(rotate(60_000))).toBe('too_many_records')
    expect((await rotate(0)).map(({ number }) => number)).toEqual([9])
  })
})
