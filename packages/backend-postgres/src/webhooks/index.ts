import {
  createWebhookOperations,
  type EventOperations,
  type WebhookOperations,
  type WebhookParts,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { createDueRecords } from '../records/due-records.js'

export function createWebhooks(ctx: PostgresContext, events: EventOperations): WebhookOperations {
  return createWebhookOperations(webhookParts(ctx, events))
}

/** What the role is made of on this store. */
export function webhookParts(ctx: PostgresContext, events: EventOperations): WebhookParts {
  return {
    events,
    store: createDueRecords(ctx, 'webhook'),
    partitions: () => ctx.partitions(),
  }
}
