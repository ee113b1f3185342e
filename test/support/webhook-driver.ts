import {
  type DeliverDue,
  type DeliveryReport,
  type ExecutionSubmission,
  makePartitionTag,
  mintWebhookId,
  type PartitionTag,
  type PutWebhook,
  quotaPartition,
  type Webhook,
  type WebhookDelivery,
  type WebhookDeliveryItem,
  type WebhookId,
} from '@flowfabric/core'
import type { TestStore } from './use-store.js'

export type Handed = Extract<WebhookDeliveryItem, { readonly outcome: 'handed_out' }>

/** One webhook, by hand: what a dispatcher does is done by the test. */
export class WebhookDriver {
  readonly store: TestStore
  readonly id: WebhookId = mintWebhookId()

  private constructor(store: TestStore) {
    this.store = store
  }

  static async put(store: TestStore, more: Partial<PutWebhook> = {}): Promise<WebhookDriver> {
    const driver = new WebhookDriver(store)
    await driver.put(more)
    return driver
  }

  get name() {
    return { namespace: this.store.namespace, webhookId: this.id }
  }

  get partition(): PartitionTag {
    const { quota } = this.store.opened.partitionCounts
    return makePartitionTag('quota', quotaPartition(this.store.namespace, this.id, quota))
  }

  put(more: Partial<PutWebhook> = {}) {
    const settings = { url: 'https://example.org/hook', keyId: 'k1' }
    return this.store.backend.webhooks.put({ ...this.name, ...settings, ...more })
  }

  async read(): Promise<Webhook> {
    return (await this.store.backend.webhooks.get(this.name)).webhook
  }

  async deliveries(state?: WebhookDelivery['state']): Promise<readonly WebhookDelivery[]> {
    const page = await this.store.backend.webhooks.listDeliveries({ ...this.name, state, limit: 1_000 })
    return page.items
  }

  /** One pass over its partition; answers what concerns it. */
  async pass(more: Partial<DeliverDue> = {}): Promise<readonly WebhookDeliveryItem[]> {
    const params = { partition: this.partition, max: 100, reports: [], ...more }
    const { items } = await this.store.backend.webhooks.deliverDue(params)
    return items.filter(({ webhookId }) => webhookId === this.id)
  }

  /** What a pass hands out. */
  async take(more: Partial<DeliverDue> = {}): Promise<readonly Handed[]> {
    return (await this.pass(more)).filter((item) => item.outcome === 'handed_out')
  }

  /** How a try went. */
  report(
    { deliveryId, attempt }: Handed,
    outcome: DeliveryReport['outcome'],
    more: Partial<DeliveryReport> = {},
  ): DeliveryReport {
    return { ...this.name, deliveryId, attempt, outcome, ...more }
  }

  /** Records how tries went, and hands out nothing. */
  async tell(
    handed: readonly Handed[],
    outcome: DeliveryReport['outcome'],
    more: Partial<DeliveryReport> = {},
  ) {
    const reports = handed.map((each) => this.report(each, outcome, more))
    return this.pass({ reports, onlyReports: true })
  }
}

/** All of the test's. */
export async function deleteWebhooks({ backend, namespace }: TestStore): Promise<void> {
  const { items } = await backend.webhooks.list({ namespace })
  for (const { id: webhookId } of items) await backend.webhooks.delete({ namespace, webhookId })
}

/** Submits and completes so many, one after the other: each end is an event. */
export async function endSolos(
  store: TestStore,
  count: number,
  more: Partial<ExecutionSubmission> = {},
): Promise<readonly ExecutionSubmission[]> {
  const solos: ExecutionSubmission[] = []
  for (let n = 0; n < count; n += 1) {
    const solo = store.aSolo(more)
    await store.backend.executions.submit({ namespace: store.namespace, items: [solo] })
    await store.end(solo)
    solos.push(solo)
    // Each has a time of its own.
    await store.advance(1)
  }
  return solos
}
