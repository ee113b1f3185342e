/** A webhook that tells the ends of the capped lane: each is delivered at least once, under one id, signed. */
import { deriveUuid, type ExecutionEvent, limits, parseLaneId, parseWebhookId } from '@flowfabric/core'
import { goodSignatures } from '../../../support/receiver.js'
import { nowMs } from '../ledger.js'
import type { RoleFactory } from '../role.js'
import { cappedLane } from '../tasks.js'

declare module '../ledger.js' {
  interface Facts {
    /** Told once, when it was made. */
    readonly hook: { readonly secret: string; readonly atMs: number }
  }
}

const id = parseWebhookId(deriveUuid('chaos', 'hook'))
const names = ['execution.completed', 'execution.failed']

export const webhooks: RoleFactory = ({ ledger, basics, hookUrl, received }) => ({
  name: 'webhooks',
  weight: 2,
  async prepare({ client }) {
    const filter = { lane: parseLaneId(cappedLane), names }
    // A try whose engine is killed is one more that is used up, and kills come faster here than tries.
    const attemptsMax = limits.webhookAttemptsMax
    const { secret } = await client.webhooks.create({ id, url: hookUrl, filter, attemptsMax })
    if (secret !== null) ledger.note('hook', { secret, atMs: nowMs() })
  },
  async act({ client, below }) {
    const beganAtMs = nowMs()
    const handle = await client.submit(basics.slots, { ms: below(10) })
    ledger.note('execution', { id: handle.id, beganAtMs, atMs: nowMs() })
  },
  async unfinished({ client }) {
    const { pending } = await client.webhooks.get(id)
    return pending > 0 ? `${pending} deliveries wait` : undefined
  },
  async judge({ client, stored, wrong, lost }) {
    const { failed, state, missedAtMs } = await client.webhooks.get(id)
    // A feed that has lost its end is behind who reads it. What has begun, and waits for nothing, is told there too.
    const keepsAll = ledger.kills.every(({ windowMs }) => windowMs === 0)
    if (failed > 0 || state !== 'active' || (keepsAll && missedAtMs !== null))
      wrong(
        `the webhook is ${state}, ${failed} deliveries were given up, events were missed at ${missedAtMs}`,
      )
    const bodies = new Map<string, string>()
    const told = new Set<string>()
    const [hook] = ledger.all('hook')
    for (const each of received()) {
      const deliveryId = each.headers['webhook-id'] ?? ''
      if ((bodies.get(deliveryId) ?? each.body) !== each.body) wrong(`delivery ${deliveryId} has two bodies`)
      bodies.set(deliveryId, each.body)
      if (goodSignatures(each, hook?.secret ?? '').join() !== 'true')
        wrong(`delivery ${deliveryId} is signed badly`)
      const { data } = JSON.parse(each.body) as { readonly data: ExecutionEvent }
      told.add(`${data.executionId} ${data.publicState} ${data.generation}`)
    }
    for (const execution of stored.values()) {
      const { lane, publicState, generation, terminalAtMs, createdAtMs } = execution
      if (lane !== cappedLane || !names.includes(`execution.${publicState}`)) continue
      if (told.has(`${execution.id} ${publicState} ${generation}`)) continue
      const when = { beganAtMs: createdAtMs, atMs: terminalAtMs ?? nowMs() }
      lost('deliveries', 'any', when, `the end of ${execution.id} was never delivered`)
    }
  },
})
