import {
  type DeliveryReport,
  deliveryFailures,
  type FoundationBackend,
  limits,
  makePartitionTag,
  type PutWebhook,
  terminalPublicStates,
  type WebhookDelivery,
  type WebhookDeliveryItem,
  type WebhookFilter,
  type WebhookId,
  webhookStates,
} from '@flowfabric/core'
import { allPages } from '../../support/listing.js'
import { normalize } from '../answers.js'
import type { Chooser } from '../chooser.js'
import type { Call, HandedDeliveries, Side, World } from '../world.js'
import { chooseExecution, chooseNamespace } from './executions.js'

const malformed = 'no id' as WebhookId

/** A report asks for this pause: longer than the one that a third try draws from the delivery's id, which differs by store. */
const retryAfterMs = 60_000
const attemptsMaxMost = 3

/** As long as the shortest time for which a feed is kept, less what a step may take of it. */
const longOffMs = limits.feedAgeMsMax - 2 * 90_000_000

export function put(c: Chooser, world: World): Call {
  const params: PutWebhook = {
    ...chooseName(c, world),
    url: c.rarely(12) ? 'ftp://example.org' : c.of(['https://example.org/a', 'http://10.0.0.1/?a=b']),
    keyId: c.of(world.signingKeys),
    ...(c.rarely(2) ? { label: c.of(['', 'ü']) } : {}),
    attemptsMax: c.rarely(20) ? limits.webhookAttemptsMax + 1 : 1 + c.below(attemptsMaxMost),
    filter: chooseFilter(c, world),
  }
  return {
    text: `webhooks.put ${JSON.stringify(params)}`,
    on: (backend) => backend.webhooks.put(params),
  }
}

/**
 * Events of one object: between those of several the order is each store's own. Of executions only how they end, since a
 * store tells in its own way of those that are woken in vain.
 */
function chooseFilter(c: Chooser, world: World): WebhookFilter {
  const flowId = c.rarely(2) ? c.among(world.flows) : undefined
  if (flowId !== undefined) return { flowId, names: ['flow'] }
  const executionId = chooseExecution(c, world)
  return { executionId, names: terminalPublicStates.map((state) => `execution.${state}`) }
}

export function get(c: Chooser, world: World): Call {
  const params = chooseName(c, world)
  return { text: `webhooks.get ${params.webhookId}`, on: (backend) => backend.webhooks.get(params) }
}

export function list(c: Chooser, world: World): Call {
  const params = { namespace: world.namespace, limit: c.rarely(8) ? 0 : 1 + c.below(3) }
  return {
    text: `webhooks.list by ${params.limit}`,
    on: async ({ webhooks }) => ({ items: await allPages((cursor) => webhooks.list({ ...params, cursor })) }),
  }
}

export function remove(c: Chooser, world: World): Call {
  const params = chooseName(c, world)
  return { text: `webhooks.delete ${params.webhookId}`, on: (backend) => backend.webhooks.delete(params) }
}

/** One that was off for as long as the feed is kept would tell how much more of it a store still has: it is deleted. */
export function setState(c: Chooser, world: World): Call {
  const state = c.below(3) === 0 ? c.of(webhookStates) : 'active'
  const params = { ...chooseName(c, world), state, ...(c.rarely(2) ? { reason: 'so' } : {}) }
  return {
    text: `webhooks.setState ${params.webhookId} ${state}`,
    on: async ({ webhooks, maintenance }) => {
      const { webhook } = await webhooks.get(params)
      const sinceMs = webhook.disabledAtMs ?? Number.POSITIVE_INFINITY
      const isLongOff = sinceMs < (await maintenance.serverTimeMs()) - longOffMs
      return isLongOff ? webhooks.delete(params) : webhooks.setState(params)
    },
  }
}

export function rotateSecret(c: Chooser, world: World): Call {
  const params = {
    ...chooseName(c, world),
    keyId: c.of(world.signingKeys),
    ...(c.rarely(2) ? { overlapMs: c.of([0, 60_000]) } : {}),
  }
  return {
    text: `webhooks.rotateSecret ${params.webhookId} ${params.overlapMs}`,
    on: (backend) => backend.webhooks.rotateSecret(params),
  }
}

export function listDeliveries(c: Chooser, world: World): Call {
  const states: readonly (WebhookDelivery['state'] | undefined)[] = [
    undefined,
    'pending',
    'given_up',
    'delivered',
  ]
  const params = { ...chooseName(c, world), state: states[c.below(4)], limit: 1 + c.below(3) }
  return {
    text: `webhooks.listDeliveries ${params.webhookId} ${params.state}`,
    on: async ({ webhooks }) => ({
      outcome: 'listed',
      // Those of the same ms are in the order of their ids.
      deliveries: inOneOrder(await allPages((cursor) => webhooks.listDeliveries({ ...params, cursor }))),
    }),
  }
}

export function redeliver(c: Chooser, world: World): Call {
  const handed = c.rarely(2) ? c.among(world.deliveries) : undefined
  const unknown = c.rarely(8) ? world.actions[0] : undefined
  const name =
    handed === undefined ? chooseName(c, world) : { ...scope(c, world), webhookId: handed.webhookId }
  return {
    text: `webhooks.redeliver ${name.webhookId} ${unknown ?? handed?.number ?? 'all'}`,
    on: ({ webhooks }, side) =>
      webhooks.redeliver({ ...name, deliveryId: unknown ?? handed?.of[side]?.deliveryId }),
  }
}

/** All partitions. Each looks ahead as far as may be: how often a store has looked in vain is its own. */
export function deliverDue(c: Chooser, world: World): Call {
  const { quota } = world.model.store.partitions
  const reported = c.rarely(3) ? [] : [c.among(world.deliveries), c.among(world.deliveries)]
  const reports = [...new Set(reported)].flatMap((of) =>
    of === undefined ? [] : [{ of, report: chooseReport(c) }],
  )
  const request = {
    max: c.rarely(12) ? 0 : 100,
    leaseMs: c.of([60_000, 5_000]),
    withinMs: limits.webhookLookMsMax,
    ...(c.rarely(8) ? { onlyReports: true } : {}),
  }
  return {
    text: `webhooks.deliverDue ${JSON.stringify(request)} ${JSON.stringify(reports.map(({ of, report }) => ({ ...report, number: of.number })))}`,
    on: async ({ webhooks }, side) => {
      const items: WebhookDeliveryItem[] = []
      for (let index = 0; index < quota; index += 1) {
        const partition = makePartitionTag('quota', index)
        // Told with the first, wherever they belong.
        const told = index > 0 ? [] : reports.flatMap((each) => reportOn(world, side, each))
        items.push(...(await webhooks.deliverDue({ ...request, partition, reports: told })).items)
      }
      return { items: inOneOrder(items.filter(({ webhookId }) => world.webhooks.includes(webhookId))) }
    },
    keep: (answers) => keepDeliveries(world, answers),
  }
}

type Reported = Omit<DeliveryReport, 'namespace' | 'webhookId' | 'deliveryId' | 'attempt'>

function chooseReport(c: Chooser): Reported {
  const outcome = c.rarely(12) ? 'gone' : c.of(['delivered', 'failed'] as const)
  if (outcome !== 'failed') return { outcome, httpStatus: outcome === 'gone' ? 410 : 204 }
  return { outcome, failure: c.among(deliveryFailures), retryAfterMs }
}

function reportOn(
  { namespace }: World,
  side: Side,
  { of, report }: { readonly of: HandedDeliveries; readonly report: Reported },
): readonly DeliveryReport[] {
  const handed = of.of[side]
  return handed === undefined ? [] : [{ ...report, ...handed, namespace, webhookId: of.webhookId }]
}

/** They are alike, and in one order. */
function keepDeliveries(world: World, answers: ReadonlyMap<Side, unknown>): void {
  const handedOn = (side: Side) =>
    ((answers.get(side) as { readonly items?: readonly WebhookDeliveryItem[] }).items ?? []).filter(
      (item) => item.outcome === 'handed_out',
    )
  for (const [place, { webhookId }] of handedOn('model').entries()) {
    const of = [...answers.keys()].flatMap((side) => {
      const handed = handedOn(side)[place]
      return handed === undefined
        ? []
        : [[side, { deliveryId: handed.deliveryId, attempt: handed.attempt }] as const]
    })
    world.deliveries.push({ number: world.deliveryCount, webhookId, of: Object.fromEntries(of) })
    world.deliveryCount += 1
  }
  world.deliveries.splice(0, Math.max(0, world.deliveries.length - rememberedMax))
}

const rememberedMax = 12

const inOneOrder = <Item>(items: readonly Item[]): readonly Item[] => {
  const textOf = (item: Item) => JSON.stringify(normalize(item))
  return items.toSorted((a, b) => (textOf(a) < textOf(b) ? -1 : 1))
}

const scope = (c: Chooser, world: World) => ({ namespace: chooseNamespace(c, world) })

function chooseName(c: Chooser, world: World): Pick<PutWebhook, 'namespace' | 'webhookId'> {
  return { ...scope(c, world), webhookId: c.rarely(12) ? malformed : c.of(world.webhooks) }
}

/** As those of schedules, those of webhooks are everybody's partitions on a store. */
export async function deleteWebhooks(
  { namespace, foreign, webhooks }: World,
  backend: FoundationBackend,
): Promise<void> {
  for (const webhookId of webhooks)
    for (const of of [namespace, foreign]) await backend.webhooks.delete({ namespace: of, webhookId })
}
