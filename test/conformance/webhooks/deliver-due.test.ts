import { limits, mintUuid, parseLaneId } from '@flowfabric/core'
import { afterEach, describe, expect, it } from 'vitest'
import { codeOf } from '../../support/builders.js'
import { useStore } from '../../support/use-store.js'
import { deleteWebhooks, endSolos, WebhookDriver } from '../../support/webhook-driver.js'

const { webhookLeaseMsDefault: leaseMs, webhookLookMsMax: lookMs } = limits

describe('webhooks.deliverDue', () => {
  const store = useStore()
  // Those of other tests would take their shares of a call.
  afterEach(() => deleteWebhooks(store()))

  it('hands out what was chosen of what happened since it was put, in the feed’s order, once', async () => {
    const { namespace } = store()
    await endSolos(store(), 1)
    const webhook = await WebhookDriver.put(store(), { filter: { names: ['execution.completed'] } })
    expect(await webhook.pass()).toEqual([])
    const solos = await endSolos(store(), 3)
    await store().advance(lookMs)
    const handed = await webhook.take()
    expect(handed).toMatchObject(
      solos.map(({ id }) => ({
        namespace,
        webhookId: webhook.id,
        attempt: 1,
        url: 'https://example.org/hook',
        secrets: [{ number: 1, keyId: 'k1' }],
        event: { type: 'execution', executionId: id, publicState: 'completed' },
      })),
    )
    expect(new Set(handed.map(({ deliveryId }) => deliveryId)).size).toBe(3)
    await store().advance(lookMs)
    expect(await webhook.take()).toEqual([])
    expect(await webhook.read()).toMatchObject({ pending: 3 })
    await webhook.tell(handed, 'delivered', { httpStatus: 204 })
    expect(await webhook.read()).toMatchObject({
      pending: 0,
      failed: 0,
      lastDeliveredAtMs: await store().nowMs(),
    })
    expect(await webhook.deliveries()).toMatchObject(
      handed.toReversed().map(({ deliveryId, event }) => ({
        deliveryId,
        event,
        state: 'delivered',
        attemptCount: 1,
        lastHttpStatus: 204,
        nextAttemptAtMs: null,
      })),
    )
    await store().advance(leaseMs)
    expect(await webhook.take()).toEqual([])
  })

  it('chooses by lane, by execution, and by kind of event; two that choose the same have deliveries of their own', async () => {
    const other = { lane: parseLaneId('other') }
    const byLane = await WebhookDriver.put(store(), { filter: other })
    const byKind = await WebhookDriver.put(store(), { filter: { names: ['execution'] } })
    const flows = await WebhookDriver.put(store(), { filter: { names: ['flow'] } })
    const [mine] = await endSolos(store(), 1, other)
    await endSolos(store(), 1)
    const { flow } = store().opened.partitionCounts
    expect(flow).toBeGreaterThan(0)
    await store().advance(lookMs)
    const { items } = await store().backend.webhooks.deliverDue({
      partition: byLane.partition,
      max: 100,
      reports: [],
    })
    const of = ({ id }: WebhookDriver) =>
      items.flatMap((item) => (item.outcome === 'handed_out' && item.webhookId === id ? [item] : []))
    expect(of(byLane).map(({ event }) => 'executionId' in event && event.executionId)).toEqual([mine?.id])
    expect(of(byKind)).toHaveLength(2)
    expect(of(flows)).toEqual([])
    const ids = items.map((item) => 'deliveryId' in item && item.deliveryId)
    expect(new Set(ids).size).toBe(3)
  })

  it('looks ahead of time where it is told that the feed grew', async () => {
    const webhook = await WebhookDriver.put(store())
    await webhook.pass()
    await endSolos(store(), 1)
    expect(await webhook.take()).toEqual([])
    expect(await webhook.take({ withinMs: lookMs })).toHaveLength(1)
  })

  it('what is not reported within the lease is handed out again under the same id, and the late report counts nothing', async () => {
    const webhook = await WebhookDriver.put(store())
    await endSolos(store(), 1)
    await store().advance(lookMs)
    const [first] = await webhook.take({ leaseMs: 5_000 })
    if (first === undefined) throw new Error('nothing was handed out')
    await store().advance(4_999)
    expect(await webhook.take()).toEqual([])
    await store().advance(1)
    const [second] = await webhook.take()
    expect(second).toMatchObject({ deliveryId: first.deliveryId, event: first.event, attempt: 2 })
    await webhook.tell([first], 'delivered')
    expect(await webhook.deliveries()).toMatchObject([{ state: 'pending', lastFailure: 'unreported' }])
    await webhook.tell([second as never, second as never], 'delivered')
    expect(await webhook.deliveries()).toMatchObject([{ state: 'delivered', attemptCount: 2 }])
  })

  it('retries with growing pauses, and gives up in the end; then it is listed, and can be delivered again', async () => {
    const webhook = await WebhookDriver.put(store(), { attemptsMax: 4 })
    await endSolos(store(), 1)
    await store().advance(lookMs)
    const pauses: number[] = []
    let handed = await webhook.take()
    const [{ deliveryId } = { deliveryId: '' }] = handed
    for (let attempt = 1; attempt < 4; attempt += 1) {
      expect(handed).toMatchObject([{ deliveryId, attempt }])
      await webhook.tell(handed, 'failed', { failure: 'status', httpStatus: 500 })
      const [delivery] = await webhook.deliveries('pending')
      expect(delivery).toMatchObject({ lastFailure: 'status', lastHttpStatus: 500, attemptCount: attempt })
      const pauseMs = (delivery?.nextAttemptAtMs ?? 0) - (await store().nowMs())
      pauses.push(pauseMs)
      await store().advance(pauseMs - 1)
      expect(await webhook.take()).toEqual([])
      await store().advance(1)
      handed = await webhook.take()
    }
    for (const [place, pauseMs] of pauses.entries()) {
      const fullMs = limits.webhookRetryMsMin * 3 ** place
      expect(pauseMs).toBeGreaterThanOrEqual(fullMs / 2)
      expect(pauseMs).toBeLessThanOrEqual(fullMs)
    }
    await webhook.tell(handed, 'failed', { failure: 'timed_out' })
    const endedAtMs = await store().nowMs()
    expect(await webhook.read()).toMatchObject({
      pending: 0,
      failed: 1,
      lastFailure: { atMs: endedAtMs, failure: 'timed_out', httpStatus: null },
    })
    expect(await webhook.deliveries('given_up')).toMatchObject([{ deliveryId, attemptCount: 4, endedAtMs }])
    await store().advance(limits.webhookRetryMsMax)
    expect(await webhook.take()).toEqual([])

    const { webhooks } = store().backend
    expect(await webhooks.redeliver(webhook.name)).toEqual({ outcome: 'redelivering', count: 1 })
    expect(await webhooks.redeliver({ ...webhook.name, deliveryId })).toEqual({
      outcome: 'already_pending',
      count: 0,
    })
    const again = await webhook.take()
    expect(again).toMatchObject([{ deliveryId, attempt: 1 }])
    await webhook.tell(again, 'delivered')
    expect(await webhook.read()).toMatchObject({ failed: 0, failingSinceMs: null })
    expect(await webhooks.redeliver(webhook.name)).toEqual({ outcome: 'redelivering', count: 0 })
    expect(await webhooks.redeliver({ ...webhook.name, deliveryId })).toEqual({
      outcome: 'redelivering',
      count: 1,
    })
    expect(await codeOf(webhooks.redeliver({ ...webhook.name, deliveryId: mintUuid() }))).toBe(
      'webhook_delivery_not_found',
    )
  })

  it('a receiver may ask for a longer pause', async () => {
    const webhook = await WebhookDriver.put(store())
    await endSolos(store(), 1)
    await store().advance(lookMs)
    await webhook.tell(await webhook.take(), 'failed', { httpStatus: 503, retryAfterMs: 60_000 })
    const [delivery] = await webhook.deliveries()
    expect(delivery?.nextAttemptAtMs).toBe((await store().nowMs()) + 60_000)
  })

  it('one that says 410 is disabled at once; it goes on where it stopped when it is enabled', async () => {
    const webhook = await WebhookDriver.put(store())
    await endSolos(store(), 2)
    await store().advance(lookMs)
    const [first, second] = await webhook.take()
    expect(await webhook.tell([first as never], 'gone', { httpStatus: 410 })).toEqual([
      { outcome: 'disabled', namespace: store().namespace, webhookId: webhook.id, because: 'gone' },
    ])
    await webhook.tell([second as never], 'failed')
    await endSolos(store(), 1)
    await store().advance(limits.webhookRetryMsMax)
    expect(await webhook.pass()).toEqual([])
    expect(await webhook.read()).toMatchObject({
      state: 'disabled',
      disabledBecause: 'gone',
      pending: 1,
      failed: 1,
    })
    const { webhooks } = store().backend
    const enable = () => webhooks.setState({ ...webhook.name, state: 'active' })
    expect(await enable()).toEqual({ outcome: 'active' })
    expect(await enable()).toEqual({ outcome: 'unchanged' })
    expect(await webhook.read()).toMatchObject({
      state: 'active',
      disabledBecause: null,
      failingSinceMs: null,
    })
    expect(await webhook.take()).toMatchObject([
      { deliveryId: second?.deliveryId, attempt: 2 },
      { attempt: 1 },
    ])
  })

  it('one that fails for days is disabled, and one success in between begins the time anew', async () => {
    const webhook = await WebhookDriver.put(store(), { attemptsMax: 20 })
    const fail = async (afterMs: number) => {
      await endSolos(store(), 1)
      await store().advance(afterMs)
      const [handed] = await webhook.take({ max: 1 })
      return webhook.tell([handed as never], 'failed')
    }
    expect(await fail(lookMs)).toEqual([])
    const sinceMs = await store().nowMs()
    expect(await webhook.read()).toMatchObject({ failingSinceMs: sinceMs })
    expect(await fail(limits.webhookFailingMsMax - 2)).toEqual([])
    await webhook.tell(await webhook.take({ max: 1 }), 'delivered')
    expect(await webhook.read()).toMatchObject({ failingSinceMs: null, state: 'active' })
    expect(await fail(limits.webhookRetryMsMax)).toEqual([])
    expect(await fail(limits.webhookFailingMsMax)).toMatchObject([
      { outcome: 'disabled', because: 'failing' },
    ])
    expect(await webhook.read()).toMatchObject({ state: 'disabled', disabledBecause: 'failing' })
  })

  it('a disabled one delivers nothing, and what happened meanwhile comes later', async () => {
    const webhook = await WebhookDriver.put(store())
    const { webhooks } = store().backend
    const disable = () => webhooks.setState({ ...webhook.name, state: 'disabled', reason: 'enough' })
    expect(await disable()).toEqual({ outcome: 'disabled' })
    expect(await disable()).toEqual({ outcome: 'unchanged' })
    await endSolos(store(), 1)
    await store().advance(lookMs)
    expect(await webhook.pass({ withinMs: lookMs })).toEqual([])
    await webhooks.setState({ ...webhook.name, state: 'active' })
    expect(await webhook.take()).toHaveLength(1)
  })

  it('hands out no more at once than may be under way, and one at a time to whoever keeps failing', async () => {
    const webhook = await WebhookDriver.put(store())
    const count = limits.webhookInHandMax + 2
    await endSolos(store(), count)
    await store().advance(lookMs)
    expect(await webhook.take({ max: 3 })).toHaveLength(3)
    const rest = await webhook.take()
    expect(rest).toHaveLength(limits.webhookInHandMax - 3)
    expect(await webhook.take()).toEqual([])
    await webhook.tell(rest.slice(0, limits.webhookFailuresInRow), 'failed')
    await store().advance(leaseMs)
    const probe = await webhook.take()
    expect(probe).toHaveLength(1)
    expect(
      await webhook.take({ reports: probe.map((each) => webhook.report(each, 'delivered')) }),
    ).toHaveLength(limits.webhookInHandMax)
  })

  it('says when somebody has to look next, to who asks and in the pulse', async () => {
    const { backend } = store()
    const webhook = await WebhookDriver.put(store())
    const { partition } = webhook
    const pulse = async () => (await backend.maintenance.pulse({ partitions: [partition] })).partitions[0]
    expect((await pulse())?.pending).toContain('webhooks')
    await webhook.pass()
    await endSolos(store(), 1)
    await store().advance(lookMs)
    expect((await pulse())?.pending).toContain('webhooks')
    const handed = await webhook.take()
    expect((await pulse())?.pending).not.toContain('webhooks')
    await webhook.tell(handed, 'failed')
    const [delivery] = await webhook.deliveries()
    const answer = await backend.webhooks.deliverDue({ partition, max: 100, reports: [] })
    expect(answer.nextDueAtMs).toBeLessThanOrEqual(delivery?.nextAttemptAtMs ?? 0)
    await backend.webhooks.setState({ ...webhook.name, state: 'disabled' })
    await store().advance(limits.webhookRetryMsMax)
    const due = await pulse()
    expect(due?.pending).not.toContain('webhooks')
  })

  it('lists deliveries page by page, the latest event first', async () => {
    const { webhooks } = store().backend
    const webhook = await WebhookDriver.put(store())
    for (let n = 0; n < 5; n += 1) {
      await endSolos(store(), 1)
      if (n % 2 === 0) await store().advance(3)
    }
    await store().advance(lookMs)
    const handed = await webhook.take({ max: 3 })
    await webhook.tell(handed.slice(0, 1), 'delivered')
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await webhooks.listDeliveries({ ...webhook.name, limit: 2, cursor })
      seen.push(...page.items.map(({ deliveryId }) => deliveryId))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    const all = await webhook.deliveries()
    expect(seen).toEqual(all.map(({ deliveryId }) => deliveryId))
    expect(seen).toHaveLength(5)
    const times = all.map(({ event }) => event.atMs)
    expect(times).toEqual(times.toSorted((a, b) => b - a))
    expect(await webhook.deliveries('pending')).toHaveLength(4)
    for (const wrong of ['x', '1.x', `1.${mintUuid()}.x`])
      expect(await codeOf(webhooks.listDeliveries({ ...webhook.name, cursor: wrong }))).toBe('invalid_cursor')
  })

  it('refuses what no correct dispatcher sends', async () => {
    const webhook = await WebhookDriver.put(store())
    const refusal = (more: object) => codeOf(webhook.pass(more))
    const report = { ...webhook.name, deliveryId: mintUuid(), attempt: 1, outcome: 'delivered' }
    expect(await refusal({ max: 0 })).toBe('invalid_params')
    expect(await refusal({ partition: '{fp:0}' })).toBe('partition_tag_unknown_family')
    expect(await refusal({ leaseMs: 999 })).toBe('invalid_params')
    expect(await refusal({ withinMs: lookMs + 1 })).toBe('limit_exceeded')
    expect(await refusal({ reports: [{ ...report, deliveryId: 'x' }] })).toBe('invalid_params')
    expect(await refusal({ reports: [{ ...report, outcome: 'lost' }] })).toBe('invalid_params')
    expect(await refusal({ reports: [{ ...report, failure: 'told by the receiver' }] })).toBe(
      'invalid_params',
    )
    expect(await refusal({ reports: Array(1_001).fill(report) })).toBe('batch_too_large')
    // Of what there is not, or not any more: nothing is changed.
    expect(await webhook.pass({ reports: [report as never], onlyReports: true })).toEqual([])
  })
})

describe('what the feed has not kept', () => {
  // The events that the nets would read again are gone.
  const store = useStore({}, { faulty: true })

  it('is told, and the webhook goes on with what there is', async () => {
    const webhook = await WebhookDriver.put(store())
    await endSolos(store(), 1)
    await store().advance(limits.feedAgeMsMax + 1)
    for (const partition of store().partitions) {
      for (let more = true; more; )
        ({ more } = await store().backend.maintenance.trimRetention({ partition, max: 1_000 }))
    }
    const items = await webhook.pass()
    expect(items.map(({ outcome }) => outcome)).toEqual(['missed_events'])
    expect((await webhook.read()).missedAtMs).toBe(await store().nowMs())
    await endSolos(store(), 1)
    await store().advance(lookMs)
    expect(await webhook.take()).toHaveLength(1)
  })
})
