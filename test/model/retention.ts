import {
  type AuditEntry,
  checkScanRequest,
  type EngineEvent,
  limits,
  makePartitionTag,
  type PartitionTag,
  partitionTagOf,
  type RetentionItem,
  type ScanRequest,
  type ScanResult,
  type StoredApiToken,
} from '@flowfabric/core'
import { removedAtMs } from './access.js'
import { isTerminalFlow, membersOf, openMembersOf } from './facts.js'
import { flowTagOf } from './feed.js'
import type { ExecutionRecord, FlowRecord } from './records.js'
import type { Model } from './store.js'

/** Removes what is past its retention, with everything that belongs to it. */
export function trimRetention(model: Model, params: ScanRequest): ScanResult<RetentionItem> {
  checkScanRequest(params, model.partitions)
  const executions = expiredExecutions(model, params.partition).slice(0, params.max)
  for (const x of executions) removeExecution(model, x)
  const flows = expiredFlows(model, params.partition).slice(0, params.max)
  for (const flow of flows) removeFlow(model, flow)
  const items: RetentionItem[] = [
    { outcome: 'removed', what: 'execution', count: executions.length },
    { outcome: 'removed', what: 'flow', count: flows.length },
    { outcome: 'removed', what: 'idempotency_key', count: removeKeys(model) },
    { outcome: 'removed', what: 'event', count: trimFeed(model, params.partition) },
    { outcome: 'removed', what: 'token', count: removeTokens(model, params) },
    { outcome: 'removed', what: 'audit_entry', count: removeAudit(model, params) },
  ]
  const left = [
    ...expiredExecutions(model, params.partition),
    ...expiredFlows(model, params.partition),
    ...oldTokens(model, params.partition),
    ...oldAudit(model, params.partition),
  ]
  const more = left.length > 0
  return { items: items.filter((item) => item.count > 0), more }
}

/** Whether the partition holds anything past its retention. */
export function hasExpired(model: Model, partition: PartitionTag): boolean {
  const oldest = model.feed.find((event) => event.partition === partition)
  if (oldest !== undefined && oldest.atMs + limits.feedAgeMsMax <= model.clock.nowMs()) return true
  if (oldTokens(model, partition).length + oldAudit(model, partition).length > 0) return true
  return expiredExecutions(model, partition).length + expiredFlows(model, partition).length > 0
}

/** What belongs to no partition goes with the first one. */
const isFirst = (partition: PartitionTag) => partition === makePartitionTag('flow', 0)

function oldTokens(model: Model, partition: PartitionTag): StoredApiToken[] {
  if (!isFirst(partition)) return []
  return [...model.tokens.values()].filter(({ token }) => removedAtMs(token) <= model.clock.nowMs())
}

function oldAudit(model: Model, partition: PartitionTag): AuditEntry[] {
  if (!isFirst(partition)) return []
  return [...model.audit.values()].filter(({ atMs }) => atMs + limits.auditAgeMsMax <= model.clock.nowMs())
}

function removeTokens(model: Model, { partition, max }: ScanRequest): number {
  const old = oldTokens(model, partition).slice(0, max)
  for (const { token } of old) model.tokens.delete(token.id)
  return old.length
}

function removeAudit(model: Model, { partition, max }: ScanRequest): number {
  const old = oldAudit(model, partition).slice(0, max)
  for (const { actionId } of old) model.audit.delete(actionId)
  return old.length
}

function expiredExecutions(model: Model, partition: PartitionTag): ExecutionRecord[] {
  return [...model.executions.values()].filter(
    (x) => x.flowId === null && partitionTagOf(x.id) === partition && isPast(model, x),
  )
}

/** A flow is kept as long as its youngest member; one without members as long as any. */
function expiredFlows(model: Model, partition: PartitionTag): FlowRecord[] {
  return [...model.flows.values()].filter((flow) => {
    if (flowTagOf(model, flow) !== partition || !isTerminalFlow(flow)) return false
    if (openMembersOf(model, flow).length > 0) return false
    if (flow.members.length > 0) return membersOf(model, flow).every((x) => isPast(model, x))
    return (flow.terminalAtMs ?? 0) + limits.retentionMsDefault <= model.clock.nowMs()
  })
}

function isPast(model: Model, x: ExecutionRecord): boolean {
  return x.keptUntilMs !== null && x.keptUntilMs <= model.clock.nowMs()
}

function removeExecution(model: Model, x: ExecutionRecord): void {
  model.executions.delete(x.id)
  for (const entry of [...model.outbox.values()])
    if (entry.executionId === x.id) model.outbox.delete(entry.id)
}

function removeFlow(model: Model, flow: FlowRecord): void {
  for (const x of membersOf(model, flow)) removeExecution(model, x)
  for (const entry of [...model.outbox.values()]) if (entry.flowId === flow.id) model.outbox.delete(entry.id)
  model.flows.delete(flow.id)
}

function removeKeys(model: Model): number {
  const expired = [...model.idempotencyKeys].filter(([, record]) => record.expiresAtMs <= model.clock.nowMs())
  for (const [key] of expired) model.idempotencyKeys.delete(key)
  return expired.length
}

/** A cursor that points before what is kept has expired. */
function trimFeed(model: Model, partition: PartitionTag): number {
  const expired = new Set(expiredEvents(model, partition))
  for (const { number } of expired) model.trimmedBelow.set(partition, number + 1)
  if (expired.size > 0)
    model.feed.splice(0, model.feed.length, ...model.feed.filter((event) => !expired.has(event)))
  return expired.size
}

/** The feed keeps so many events of a partition, for so long. */
function expiredEvents(model: Model, partition: PartitionTag): EngineEvent[] {
  const own = model.feed.filter((event) => event.partition === partition)
  const young = own.findIndex((event) => event.atMs + limits.feedAgeMsMax > model.clock.nowMs())
  const old = young === -1 ? own.length : young
  return own.slice(0, Math.max(old, own.length - limits.feedLengthMax))
}
