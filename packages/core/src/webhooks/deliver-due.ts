import type { ScanResult } from '../contract/conventions.js'
import type { DeliverDue, DeliveryReport, WebhookDeliveryItem } from '../contract/webhooks.js'
import type { DueRow } from '../due-records/due-records.js'
import { isEngineError } from '../errors/engine-error.js'
import type { WebhookId } from '../ids/index.js'
import { limits } from '../limits.js'
import { applyReports } from './apply-reports.js'
import { handOut } from './hand-out.js'
import { lookIntoFeed } from './look-into-feed.js'
import { dueAtOf } from './progress.js'
import { webhookText } from './record-text.js'
import {
  type ReadWebhook,
  readWebhook,
  untilWritten,
  type WebhookName,
  type WebhookParts,
  writeWebhook,
} from './webhook-parts.js'
import { showHanded } from './webhook-views.js'

interface TakenOn {
  readonly items: readonly WebhookDeliveryItem[]
  /** When it is due next, as far as this caller knows; `null` is never. */
  readonly dueAtMs: number | null
}

interface Turn {
  /** How many of it may be handed out. */
  readonly room: number
  readonly leaseMs: number
  readonly withinMs: number
  readonly onlyReports: boolean
}

/** Records how tries went, and takes on what is due in a partition, side by side. */
export async function deliverDue(
  parts: WebhookParts,
  partition: number,
  { max, reports, withinMs = 0, leaseMs = limits.webhookLeaseMsDefault, onlyReports = false }: DeliverDue,
): Promise<ScanResult<WebhookDeliveryItem>> {
  const reported = groupByWebhook(reports)
  const rowsMax = Math.min(max, limits.webhooksPerCall)
  const { nowMs, rows, nextDueAtMs } = onlyReports
    ? { nowMs: 0, rows: [], nextDueAtMs: null }
    : await parts.store.due({ partition, max: rowsMax, withinMs })
  const due = new Map(rows.map((row) => [`${row.namespace}/${row.id}`, row]))
  const others = [...reported.values()].filter(({ key }) => !due.has(key))
  const room = Math.max(Math.floor(max / Math.max(due.size + others.length, 1)), 1)
  const turn = { room, withinMs, leaseMs, onlyReports }
  const taken = await Promise.all([
    ...rows.map((row) =>
      takeRowOn(parts, row, nowMs, reported.get(`${row.namespace}/${row.id}`)?.reports ?? [], turn),
    ),
    ...others.map(({ name, reports: own }) => takeNameOn(parts, name, own, turn)),
  ])
  const dueTimes = [nextDueAtMs, ...taken.map(({ dueAtMs }) => dueAtMs)].filter((atMs) => atMs !== null)
  return {
    items: taken.flatMap(({ items }) => items),
    ...(dueTimes.length === 0 ? {} : { nextDueAtMs: Math.min(...dueTimes) }),
    more: rows.length === rowsMax,
  }
}

interface Reported {
  readonly key: string
  readonly name: WebhookName
  readonly reports: DeliveryReport[]
}

function groupByWebhook(reports: readonly DeliveryReport[]): ReadonlyMap<string, Reported> {
  const groups = new Map<string, Reported>()
  for (const report of reports) {
    const { namespace, webhookId } = report
    const key = `${namespace}/${webhookId}`
    const group = groups.get(key) ?? { key, name: { namespace, webhookId }, reports: [] }
    groups.set(key, group)
    group.reports.push(report)
  }
  return groups
}

/** One webhook that fails leaves its neighbours unharmed, and stands behind them for a while. */
async function takeRowOn(
  parts: WebhookParts,
  row: DueRow,
  nowMs: number,
  reports: readonly DeliveryReport[],
  turn: Turn,
): Promise<TakenOn> {
  const name = { namespace: row.namespace, webhookId: row.id as WebhookId }
  try {
    return await takeOn(parts, name, { nowMs, webhook: webhookText.read(row) }, reports, turn)
  } catch (error) {
    if (!isEngineError(error)) throw error
    const dueAtMs = await putOff(parts, row, nowMs, error.code)
    return { items: [{ outcome: 'error', ...name, code: error.code }], dueAtMs }
  }
}

/** Of one that is not due: how it failed is told, and its reports are lost, as those of a caller that died are. */
async function takeNameOn(
  parts: WebhookParts,
  name: WebhookName,
  reports: readonly DeliveryReport[],
  turn: Turn,
): Promise<TakenOn> {
  try {
    return await takeOn(parts, name, undefined, reports, turn)
  } catch (error) {
    if (!isEngineError(error)) throw error
    return { items: [{ outcome: 'error', ...name, code: error.code }], dueAtMs: null }
  }
}

/** In one write: how its tries went, what the feed has brought, what is tried next. */
function takeOn(
  parts: WebhookParts,
  name: WebhookName,
  found: ReadWebhook | undefined,
  reports: readonly DeliveryReport[],
  { room, leaseMs, withinMs, onlyReports }: Turn,
): Promise<TakenOn> {
  let known = found
  return untilWritten(name, async () => {
    const { nowMs, webhook }: ReadWebhook = known ?? (await readWebhook(parts, name))
    known = undefined
    // It was deleted while its tries were under way.
    if (webhook === undefined) return { items: [], dueAtMs: null }
    const { definition } = webhook
    const items: WebhookDeliveryItem[] = []
    const told = applyReports(webhook.progress, definition, reports, nowMs)
    if (told.disabledBecause !== null) {
      items.push({ outcome: 'disabled', ...name, because: told.disabledBecause })
    }
    let { progress } = told
    if (progress.state === 'active' && !onlyReports) {
      const looked = await lookIntoFeed(parts, webhook, progress, nowMs, withinMs)
      if (looked.missedAtMs !== progress.missedAtMs) items.push({ outcome: 'missed_events', ...name })
      const handed = handOut(looked, definition, { nowMs, leaseMs, room })
      progress = handed.progress
      items.push(
        ...handed.deliveries.map((delivery) => ({
          outcome: 'handed_out' as const,
          ...showHanded(webhook, delivery, nowMs),
        })),
      )
    }
    if (progress === webhook.progress) return { items, dueAtMs: dueAtOf(progress) }
    const written = await writeWebhook(parts, webhook, progress)
    return written && { items, dueAtMs: written.dueAtMs }
  })
}

/** Its texts stay. What does not decode is looked at seldom. */
async function putOff(
  { store }: WebhookParts,
  { namespace, id, version: expected, progress }: DueRow,
  nowMs: number,
  code: string,
): Promise<number> {
  const dueAtMs = nowMs + (code === 'corruption' ? BROKEN_AGAIN_MS : limits.webhookLookMsMax)
  try {
    await store.write({ namespace, id, expected, dueAtMs, progress })
  } catch (error) {
    // A record that cannot even be written is left as it is; the others are not.
    if (!isEngineError(error)) throw error
  }
  return dueAtMs
}

const BROKEN_AGAIN_MS = 60_000
