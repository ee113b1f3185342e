import {
  mintWebhookId,
  parseFlowId,
  parseLaneId,
  parseWebhookId,
  type Webhook,
  type WebhookDelivery,
  type WebhookFilter,
} from '@flowfabric/core'
import type { Connection, ServerBackend } from '@flowfabric/sdk'
import type { Command } from 'commander'
import { type ClientFlags, withClientOptions, withConnection } from '../connect.js'
import { formatFields, formatJson, formatTable, formatTime } from '../format.js'
import { CommandError, exitCodes, type Terminal } from '../terminal.js'

interface PutFlags extends ClientFlags {
  readonly event?: readonly string[]
  readonly lane?: string
  readonly flow?: string
  readonly label?: string
  readonly attempts?: string
  readonly id?: string
  readonly reason?: string
}

/** `webhooks`, and what may be done with one. */
export function addHooking(program: Command, terminal: Terminal): void {
  const webhooks = withClientOptions(
    program.command('webhooks').description('list webhooks, create one, or show and change one'),
  ).action((flags: ClientFlags) => listWebhooks(terminal, flags))

  withClientOptions(webhooks.command('create <url>'))
    .description('deliver chosen events to an address; prints the secret, once')
    .option('--event <names...>', 'such as execution.completed, or execution for all of its kind')
    .option('--lane <name>', 'of executions of this lane')
    .option('--flow <id>', 'of this flow')
    .option('--label <text>', 'for people')
    .option('--attempts <count>', 'tries of a delivery (default: 12, about a day)')
    .option('--id <id>', 'an id of your own: where it is there, its settings are replaced')
    .option('--reason <text>', 'why, for the record')
    .action((url: string, flags: PutFlags) => create(terminal, url, flags))

  const command = (usage: string, description: string) =>
    withClientOptions(webhooks.command(usage).description(description))

  command('show <id>', 'what it delivers, and how that goes').action((id: string, flags: ClientFlags) =>
    withWebhook(terminal, id, flags, async ({ backend }, name) => {
      show(terminal, flags, (await backend.webhooks.get(name)).webhook)
    }),
  )
  command('delete <id>', 'end it, with what waits').action((id: string, flags: ClientFlags) =>
    withWebhook(terminal, id, flags, async ({ backend }, name) => {
      const answer = await backend.webhooks.delete(name)
      terminal.out(flags.json ? formatJson(answer) : answer.outcome)
      if (answer.outcome === 'not_found') throw new CommandError('There is none', exitCodes.notFound)
    }),
  )
  for (const [action, state, description] of [
    ['enable', 'active', 'go on where it stopped'],
    ['disable', 'disabled', 'deliver nothing more'],
  ] as const) {
    command(`${action} <id>`, description)
      .option('--reason <text>', 'why, for the record')
      .action((id: string, flags: ClientFlags & { readonly reason?: string }) =>
        withWebhook(terminal, id, flags, async ({ backend }, name) => {
          const answer = await backend.webhooks.setState({ ...name, state, reason: flags.reason })
          terminal.out(flags.json ? formatJson(answer) : answer.outcome)
        }),
      )
  }
  command('rotate <id>', 'make another secret and print it, once; both sign until the overlap has passed')
    .option('--overlap <seconds>', 'for how long earlier secrets still sign (default: 86400)')
    .option('--reason <text>', 'why, for the record')
    .action((id: string, flags: ClientFlags & { readonly overlap?: string; readonly reason?: string }) =>
      withWebhook(terminal, id, flags, async ({ webhooks: keeper }, name) => {
        const overlapMs = flags.overlap === undefined ? undefined : readCount(flags.overlap) * 1_000
        const answer = await keeper?.rotateSecret({ ...name, overlapMs, reason: flags.reason })
        terminal.out(flags.json ? formatJson(answer) : (answer?.secret ?? ''))
      }),
    )
  command('deliveries <id>', 'what waits, what was given up, and what arrived last')
    .option('--state <state>', 'pending, delivered or given_up')
    .action((id: string, flags: ClientFlags & { readonly state?: WebhookDelivery['state'] }) =>
      withWebhook(terminal, id, flags, async ({ backend }, name) => {
        const page = await backend.webhooks.listDeliveries({ ...name, state: flags.state, limit: 1_000 })
        if (flags.json) return terminal.out(formatJson(page))
        terminal.out(
          formatTable(
            ['delivery', 'event', 'at', 'state', 'tries', 'failure', 'next'],
            page.items.map(rowOf),
          ),
        )
      }),
    )
  command('redeliver <id> [delivery]', 'deliver one again, or all that were given up')
    .option('--reason <text>', 'why, for the record')
    .action((id: string, deliveryId: string | undefined, flags: ClientFlags & { readonly reason?: string }) =>
      withWebhook(terminal, id, flags, async ({ backend }, name) => {
        const answer = await backend.webhooks.redeliver({ ...name, deliveryId, reason: flags.reason })
        terminal.out(flags.json ? formatJson(answer) : `${answer.outcome} ${answer.count}`)
      }),
    )
}

async function create(terminal: Terminal, url: string, flags: PutFlags): Promise<void> {
  const { event, lane, flow, label, attempts, id, reason } = flags
  const filter: WebhookFilter = {
    names: event,
    lane: lane === undefined ? undefined : parseLaneId(lane),
    flowId: flow === undefined ? undefined : parseFlowId(flow),
  }
  const attemptsMax = attempts === undefined ? undefined : readCount(attempts)
  const named = id ?? mintWebhookId()
  await withWebhook(terminal, named, flags, async ({ webhooks: keeper }, name) => {
    const answer = await keeper?.put({ ...name, url, label, filter, attemptsMax, reason })
    if (answer === undefined || flags.json) return terminal.out(formatJson(answer))
    terminal.out(`${answer.outcome} ${named}`)
    if (answer.secret !== null) terminal.out(`${answer.secret}\nThis is told once: keep it.`)
  })
}

function withWebhook(
  terminal: Terminal,
  id: string,
  flags: ClientFlags,
  run: (
    connection: Connection<ServerBackend>,
    name: { readonly namespace: Connection<ServerBackend>['namespace']; readonly webhookId: Webhook['id'] },
  ) => Promise<void>,
): Promise<void> {
  const webhookId = parseWebhookId(id)
  return withConnection(terminal, flags, (connection) =>
    run(connection, { namespace: connection.namespace, webhookId }),
  )
}

async function listWebhooks(terminal: Terminal, flags: ClientFlags): Promise<void> {
  await withConnection(terminal, flags, async ({ backend, namespace }) => {
    const page = await backend.webhooks.list({ namespace, limit: 1_000 })
    if (flags.json) return terminal.out(formatJson(page))
    const rows = page.items.map((webhook) => [
      webhook.id,
      webhook.label ?? '',
      webhook.url,
      webhook.state,
      String(webhook.pending),
      String(webhook.failed),
      formatTime(webhook.lastDeliveredAtMs),
    ])
    terminal.out(formatTable(['id', 'label', 'url', 'state', 'pending', 'failed', 'delivered'], rows))
  })
}

function show(terminal: Terminal, flags: ClientFlags, webhook: Webhook): void {
  if (flags.json) {
    terminal.out(formatJson(webhook))
    return
  }
  const { lastFailure, secrets } = webhook
  terminal.out(
    formatFields({
      id: webhook.id,
      label: webhook.label ?? '',
      url: webhook.url,
      filter: JSON.stringify(webhook.filter),
      state: [webhook.state, webhook.disabledBecause].filter((word) => word !== null).join(', '),
      tries: String(webhook.attemptsMax),
      pending: String(webhook.pending),
      failed: String(webhook.failed),
      delivered: formatTime(webhook.lastDeliveredAtMs),
      'failing since': formatTime(webhook.failingSinceMs),
      'last failure':
        lastFailure === null
          ? ''
          : [lastFailure.failure, lastFailure.httpStatus ?? '', formatTime(lastFailure.atMs)].join(' '),
      missed: formatTime(webhook.missedAtMs),
      secrets: secrets
        .map(({ number, keyId, signsUntilMs }) => `${number} ${keyId} ${formatTime(signsUntilMs)}`.trim())
        .join('\n'),
      created: formatTime(webhook.createdAtMs),
    }),
  )
}

function rowOf(delivery: WebhookDelivery): readonly string[] {
  const { deliveryId, event, state, attemptCount, lastFailure, lastHttpStatus, nextAttemptAtMs } = delivery
  return [
    deliveryId,
    `${event.type} ${event.number}`,
    formatTime(event.atMs),
    state,
    String(attemptCount),
    [lastFailure, lastHttpStatus].filter((part) => part !== null).join(' '),
    formatTime(nextAttemptAtMs),
  ]
}

function readCount(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new CommandError(`${text} is no whole number`, exitCodes.usage)
}
