import {
  engineError,
  formatWebhookSecret,
  type Namespace,
  type Webhook,
  type WebhookKeeper,
  type WebhookOperations,
} from '@flowfabric/core'
import type { Signing, SigningView } from '../signing/signing.js'
import { type AddressPolicy, requireAllowed } from './address-policy.js'

/** Secrets are derived here, in the process that has the keys' secrets; the store is told which key, and no more. */
export function createWebhookKeeper(
  webhooks: Pick<WebhookOperations, 'put' | 'rotateSecret'>,
  signing: Signing,
  policy: AddressPolicy,
): WebhookKeeper {
  return {
    async put(params) {
      requireAllowed(policy, params.url)
      const { view, keyId } = await signerOf(signing)
      const answer = await webhooks.put({ ...params, keyId })
      const secret =
        answer.outcome === 'created' ? latestSecret(view, params.namespace, answer.webhook) : null
      return { ...answer, secret }
    },

    async rotateSecret(params) {
      const { view, keyId } = await signerOf(signing)
      const answer = await webhooks.rotateSecret({ ...params, keyId })
      return { ...answer, secret: latestSecret(view, params.namespace, answer.webhook) }
    },
  }
}

/** The key that signs now, whose secret this process has. Throws `signing_key_secret_missing`. */
async function signerOf(signing: Signing): Promise<{ readonly view: SigningView; readonly keyId: string }> {
  const view = await signing.current()
  const key = view.keys.signerAt(view.nowMs)
  if (key === undefined) throw engineError('signing_key_secret_missing', 'No signing key is in force')
  // Asked before anything is written: a webhook whose secret nobody can tell would be of no use.
  if (!view.keys.canSign(key.keyId)) {
    throw engineError('signing_key_secret_missing', `The secret of signing key ${key.keyId} is missing`)
  }
  return { view, keyId: key.keyId }
}

function latestSecret(
  { keys }: SigningView,
  namespace: Namespace,
  { id: webhookId, secrets }: Webhook,
): string {
  const [latest] = secrets
  const secret = latest && keys.webhookSecret({ ...latest, namespace, webhookId })
  if (secret === undefined) throw new Error('a webhook without a secret of this process')
  return formatWebhookSecret(secret)
}
