import {
  type DeliveryFailure,
  type HandedDelivery,
  limits,
  type SendWebhook,
  webhookBody,
  webhookHeaders,
} from '@flowfabric/core'
import type { Signing } from '../signing/signing.js'
import { type AddressPolicy, requireAllowed } from './address-policy.js'
import { type Posted, post, type ResolveName } from './post.js'

export interface WebhookSenderParts {
  readonly signing: Signing
  readonly policy: AddressPolicy
  readonly resolve: ResolveName
  readonly timeoutMs: number
}

type Sent = Awaited<ReturnType<SendWebhook>>

/** Makes the request of a delivery, signed, and says how it went. What the receiver wrote is told to nobody. */
export function createWebhookSender({
  signing,
  policy,
  resolve,
  timeoutMs,
}: WebhookSenderParts): SendWebhook {
  return async (delivery, signal) => {
    const url = allowedUrl(policy, delivery.url)
    if (url === undefined) return failed('address_refused')
    const signed = await sign(signing, delivery)
    if (signed === undefined) return failed('no_secret')
    const { body, headers, nowMs } = signed
    return judge(await post({ url, headers, body, timeoutMs, signal, policy, resolve }), nowMs)
  }
}

/** Judged again for each try: what is allowed may have changed since the webhook was put. */
function allowedUrl(policy: AddressPolicy, text: string): URL | undefined {
  try {
    return requireAllowed(policy, text)
  } catch {
    return undefined
  }
}

async function sign(signing: Signing, { namespace, webhookId, deliveryId, event, secrets }: HandedDelivery) {
  try {
    const { keys, nowMs } = await signing.current()
    const own = secrets.flatMap(
      ({ keyId, number }) => keys.webhookSecret({ keyId, namespace, webhookId, number }) ?? [],
    )
    if (own.length === 0) return undefined
    const body = webhookBody(event)
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'FlowFabric-Webhooks',
      ...webhookHeaders(own, { deliveryId, body, nowMs }),
    }
    return { body, headers, nowMs }
  } catch {
    // The keyring cannot be read: nothing is sent that nobody could verify.
    return undefined
  }
}

function judge(posted: Posted, nowMs: number): Sent {
  if ('failure' in posted) return failed(posted.failure)
  const { status: httpStatus, retryAfter } = posted
  if (httpStatus >= 200 && httpStatus < 300) return { outcome: 'delivered', httpStatus }
  if (httpStatus === 410) return { outcome: 'gone', failure: 'status', httpStatus }
  if (httpStatus >= 300 && httpStatus < 400) return { outcome: 'failed', failure: 'redirect', httpStatus }
  const retryAfterMs =
    httpStatus === 429 || httpStatus === 503 ? readRetryAfter(retryAfter, nowMs) : undefined
  return { outcome: 'failed', failure: 'status', httpStatus, retryAfterMs }
}

/** Seconds, or a date. */
function readRetryAfter(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1_000 : Math.round(Date.parse(text) - nowMs)
  return Number.isFinite(ms) && ms > 0 ? Math.min(ms, limits.webhookRetryMsMax) : undefined
}

function failed(failure: DeliveryFailure): Sent {
  return { outcome: 'failed', failure }
}
