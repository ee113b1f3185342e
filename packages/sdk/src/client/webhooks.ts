import {
  engineError,
  mintWebhookId,
  type Page,
  type PageRequest,
  parseWebhookId,
  type Webhook,
  type WebhookDelivery,
  type WebhookFilter,
} from '@flowfabric/core'
import { callSafely } from '../calls/call-safely.js'
import type { ClientCore } from './client-core.js'

export interface WebhookOptions {
  /** Where deliveries are posted to: `https:`, unless the engine allows more. */
  readonly url: string
  readonly label?: string | undefined
  /** Default: all events of the namespace. */
  readonly filter?: WebhookFilter | undefined
  /** Tries of a delivery: 1…20, default 12, about a day. */
  readonly attemptsMax?: number | undefined
  /** Why, for the record. */
  readonly reason?: string | undefined
}

export interface CreatedWebhook {
  readonly webhook: Webhook
  /** `whsec_…`: what signatures are verified with. Told this once. `null` where the webhook was there before. */
  readonly secret: string | null
}

/** Signed, retried deliveries of the client's namespace's events. */
export interface Webhooks {
  /** With an id of your own (UUID), a repeat changes the one that is there. Throws `invalid_webhook_url`, `too_many_records`. */
  create(options: WebhookOptions & { readonly id?: string | undefined }): Promise<CreatedWebhook>
  /** Replaces its settings; its secret stays. Throws `webhook_not_found`, `invalid_webhook_url`. */
  update(id: string, options: WebhookOptions): Promise<Webhook>
  /** Throws `webhook_not_found`. */
  get(id: string): Promise<Webhook>
  /** Newest first. */
  list(params?: PageRequest): Promise<Page<Webhook>>
  /** Whether it was there. */
  delete(id: string): Promise<boolean>
  /** Whether it delivered before. Throws `webhook_not_found`. */
  disable(id: string, reason?: string): Promise<boolean>
  /** On where it stopped. Whether it was disabled before. Throws `webhook_not_found`. */
  enable(id: string, reason?: string): Promise<boolean>
  /** Another secret; earlier ones sign beside it for `overlapMs` (default 24 h). Throws `webhook_not_found`. */
  rotateSecret(
    id: string,
    options?: { readonly overlapMs?: number | undefined; readonly reason?: string | undefined },
  ): Promise<{ readonly webhook: Webhook; readonly secret: string }>
  /** The latest event first. Throws `webhook_not_found`. */
  deliveries(
    id: string,
    params?: PageRequest & { readonly state?: WebhookDelivery['state'] | undefined },
  ): Promise<Page<WebhookDelivery>>
  /** Delivers one again, or all that were given up; how many. Throws `webhook_not_found`, `webhook_delivery_not_found`. */
  redeliver(id: string, deliveryId?: string, reason?: string): Promise<number>
}

export function createWebhooks({ backend, namespace, webhooks: keeper }: ClientCore): Webhooks {
  const { webhooks } = backend
  const named = (id: string) => ({ namespace, webhookId: parseWebhookId(id) })
  const requireKeeper = () => {
    if (keeper !== undefined) return keeper
    throw engineError(
      'signing_key_secret_missing',
      'This connection has no signing keys: give `webhooks` of the engine beside its backend',
    )
  }
  const get = async (id: string) => (await callSafely(() => webhooks.get(named(id)))).webhook

  return {
    async create({ id, ...options }) {
      const own = requireKeeper()
      // Minted before the first try, so that a repeat of a lost call means the same.
      const params = { ...options, ...named(id ?? mintWebhookId()) }
      const { webhook, secret } = await callSafely(() => own.put(params))
      return { webhook, secret }
    },
    async update(id, options) {
      const own = requireKeeper()
      await get(id)
      return (await callSafely(() => own.put({ ...options, ...named(id) }))).webhook
    },
    get,
    list: (params = {}) => callSafely(() => webhooks.list({ namespace, ...params })),
    delete: async (id) => (await callSafely(() => webhooks.delete(named(id)))).outcome === 'deleted',
    disable: async (id, reason) =>
      (await callSafely(() => webhooks.setState({ ...named(id), state: 'disabled', reason }))).outcome ===
      'disabled',
    enable: async (id, reason) =>
      (await callSafely(() => webhooks.setState({ ...named(id), state: 'active', reason }))).outcome ===
      'active',
    async rotateSecret(id, options = {}) {
      const { webhook, secret } = await requireKeeper().rotateSecret({ ...options, ...named(id) })
      return { webhook, secret }
    },
    deliveries: (id, params = {}) => callSafely(() => webhooks.listDeliveries({ ...params, ...named(id) })),
    redeliver: async (id, deliveryId, reason) =>
      (await callSafely(() => webhooks.redeliver({ ...named(id), deliveryId, reason }))).count,
  }
}
