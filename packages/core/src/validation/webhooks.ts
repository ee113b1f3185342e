import {
  type DeliverDue,
  type DeliveryReport,
  deliveryFailures,
  type GetWebhook,
  type ListDeliveries,
  type ListWebhooks,
  type PutWebhook,
  type RedeliverWebhook,
  type RotateWebhookSecret,
  type SetWebhookState,
  type WebhookFilter,
  webhookEventNames,
  webhookStates,
} from '../contract/webhooks.js'
import { engineError } from '../errors/engine-error.js'
import { isUuid, parseFlowId, parseWebhookId } from '../ids/index.js'
import { limits } from '../limits.js'
import { parseLaneId } from '../names.js'
import type { PartitionConfig } from '../partitions/index.js'
import { parseSigningKeyId } from '../signing/signing-key-id.js'
import {
  checkBatch,
  checkList,
  checkObject,
  checkOptionalBoolean,
  checkOptionalInteger,
  checkOptionalText,
  checkOptionalWord,
  checkReason,
  checkWord,
  invalidParam,
} from './fields.js'
import { checkExecutionId, checkPageRequest, checkScoped } from './scope.js'

export function checkPutWebhook(params: PutWebhook, counts: PartitionConfig): void {
  checkChange(params)
  parseWebhookUrl(params.url)
  checkOptionalText(params.label, 'label', limits.labelBytesMax)
  checkOptionalInteger(params.attemptsMax, 'attemptsMax', 1, limits.webhookAttemptsMax)
  parseSigningKeyId(params.keyId)
  if (params.filter !== undefined) checkFilter(params.filter, counts)
}

export function checkGetWebhook(params: GetWebhook): void {
  checkScoped(params)
  parseWebhookId(params.webhookId)
}

function checkChange(params: GetWebhook & { readonly reason?: string | undefined }): void {
  checkGetWebhook(params)
  checkReason(params.reason)
}

export function checkListWebhooks(params: ListWebhooks): void {
  checkScoped(params)
  checkPageRequest(params)
}

export function checkSetWebhookState(params: SetWebhookState): void {
  checkChange(params)
  checkWord(params.state, 'state', webhookStates)
}

export function checkRotateWebhookSecret(params: RotateWebhookSecret): void {
  checkChange(params)
  parseSigningKeyId(params.keyId)
  checkOptionalInteger(params.overlapMs, 'overlapMs', 0, limits.webhookOverlapMsMax)
}

export function checkListDeliveries(params: ListDeliveries): void {
  checkGetWebhook(params)
  checkPageRequest(params)
  checkOptionalWord(params.state, 'state', ['pending', 'delivered', 'given_up'])
}

export function checkRedeliverWebhook(params: RedeliverWebhook): void {
  checkChange(params)
  if (params.deliveryId !== undefined) checkDeliveryId(params.deliveryId, 'deliveryId')
}

/** Beside what every scanner operation takes. */
export function checkDeliverDue(params: DeliverDue): void {
  checkOptionalInteger(params.leaseMs, 'leaseMs', limits.webhookLeaseMsMin, limits.webhookLeaseMsMax)
  checkOptionalInteger(params.withinMs, 'withinMs', 0, limits.webhookLookMsMax)
  checkOptionalBoolean(params.onlyReports, 'onlyReports')
  checkBatch(params.reports, 'reports', limits.webhookReportsMax)
  params.reports.forEach(checkReport)
}

/**
 * The address of a webhook as a URL: absolute, `http:` or `https:`, without a user, a password and a fragment. Which hosts are
 * allowed is judged by whoever makes the request. Throws `invalid_webhook_url` without telling the address, which may hold
 * a secret.
 */
export function parseWebhookUrl(text: string): URL {
  const refuse = (fault: string) => engineError('invalid_webhook_url', `The address ${fault}`)
  if (typeof text !== 'string') throw refuse('must be a text')
  if (text.length > limits.webhookUrlCharsMax) {
    throw refuse(`has more than ${limits.webhookUrlCharsMax} characters`)
  }
  // Parsers drop tabs and line breaks, and trim: what is shown would be another address than what is asked.
  if (!/^[\x21-\x7e]+$/.test(text)) throw refuse('must be printable ASCII without spaces')
  if (!URL.canParse(text)) throw refuse('is no absolute URL')
  const url = new URL(text)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw refuse('must begin with https: or http:')
  if (url.username !== '' || url.password !== '') throw refuse('must not hold a user or a password')
  if (text.includes('#')) throw refuse('must have no fragment')
  return url
}

function checkFilter(filter: WebhookFilter, counts: PartitionConfig): void {
  checkObject(filter, 'filter')
  if (filter.executionId !== undefined) checkExecutionId(filter.executionId, counts)
  if (filter.flowId !== undefined) parseFlowId(filter.flowId)
  if (filter.lane !== undefined) parseLaneId(filter.lane)
  if (filter.names === undefined) return
  checkList(filter.names, 'filter.names', limits.webhookNamesMax, 1)
  for (const name of filter.names) checkWord(name, 'filter.names', names)
}

const names = ['execution', 'flow', 'signal', 'budget', ...webhookEventNames]

function checkReport(report: DeliveryReport, place: number): void {
  const path = `reports.${place}`
  checkObject(report, path)
  checkScoped(report)
  parseWebhookId(report.webhookId)
  checkDeliveryId(report.deliveryId, `${path}.deliveryId`)
  checkWord(report.outcome, `${path}.outcome`, ['delivered', 'failed', 'gone'])
  checkOptionalWord(report.failure, `${path}.failure`, deliveryFailures)
  if (!Number.isSafeInteger(report.attempt)) throw invalidParam(`${path}.attempt`, 'must be a whole number')
  checkOptionalInteger(report.httpStatus, `${path}.httpStatus`, 100, 999)
  checkOptionalInteger(report.retryAfterMs, `${path}.retryAfterMs`, 0, limits.durationMsMax)
}

function checkDeliveryId(value: unknown, path: string): void {
  if (typeof value !== 'string' || !isUuid(value)) throw invalidParam(path, 'must be a UUID')
}
