import type { EngineEvent, EventFilter } from '../contract/events.js'
import type { WebhookFilter } from '../contract/webhooks.js'

/** What became of the event's subject, in two words: `execution.completed`. */
export function eventNameOf(event: EngineEvent): string {
  switch (event.type) {
    case 'execution':
      return `execution.${event.publicState}`
    case 'flow':
      return `flow.${event.state}`
    case 'signal':
      return `signal.${event.outcome}`
    case 'budget':
      return `budget.${event.change}`
  }
}

/** What the feed itself can choose by. */
export function feedFilterOf({ names, ...filter }: WebhookFilter): EventFilter | undefined {
  const types = names && [...new Set(names.map((name) => name.split('.')[0] as EngineEvent['type']))]
  const chosen = { ...filter, types }
  return Object.values(chosen).every((value) => value === undefined) ? undefined : chosen
}

/** Whether the webhook wants it, of what the feed let through. */
export function isWanted(event: EngineEvent, { names }: WebhookFilter): boolean {
  return names === undefined || names.includes(event.type) || names.includes(eventNameOf(event))
}
