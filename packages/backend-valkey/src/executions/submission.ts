import {
  type ExecutionSubmission,
  hashInput,
  type LaneState,
  type Namespace,
  type RetryPolicy,
  type SubmitExecutionOutcome,
  uuidOf,
} from '@flowfabric/core'
import { packDemands } from '../admission/packed-demands.js'
import type { SubmitItem, SubmitReply } from '../channel/work-items.js'
import { pack } from '../records/packing.js'
import { rememberFrozen } from '../records/remember-frozen.js'
import { packParent, type Spec } from '../records/stored-execution.js'
import type { Route } from '../routes/catalogue.js'

/** A submission as the library takes it. */
export function toSubmitItem(item: ExecutionSubmission, route: Route): SubmitItem {
  return {
    id: uuidOf(item.id),
    route,
    priority: item.priority ?? 0,
    startMs: item.startAtMs ?? 0,
    delayMs: item.delayMs ?? 0,
    policy: policyBytes(item),
    spec: packSpec(item),
    hash: item.inputHash ?? '',
    input: item.input,
  }
}

/** The few policies that there are in a process, each packed once. */
const packedPolicies = new Map<string, Uint8Array>()
const POLICIES_MAX = 1_000

function policyBytes(item: ExecutionSubmission): Uint8Array | null {
  const { timeouts, retentionMs, maxReclaims, retry, parent } = item
  const demands = packDemands(item)
  if (demands !== undefined) return pack([packPolicy(item), packParent(parent), demands])
  if (parent !== undefined) return pack([packPolicy(item), packParent(parent)])
  const isOnlyRetry = timeouts === undefined && retentionMs === undefined && maxReclaims === undefined
  if (isOnlyRetry) return retry === undefined ? null : retryBytes(retry)
  return packOnce(packPolicy(item))
}

const retryBytes = rememberFrozen((retry: RetryPolicy) => packOnce(packPolicy({ retry })))

function packOnce(policy: ReturnType<typeof packPolicy>): Uint8Array {
  const text = JSON.stringify(policy)
  let bytes = packedPolicies.get(text)
  if (bytes === undefined) {
    bytes = pack(policy)
    if (packedPolicies.size >= POLICIES_MAX) packedPolicies.clear()
    packedPolicies.set(text, bytes)
  }
  return bytes
}

type Policies = Pick<ExecutionSubmission, 'timeouts' | 'retentionMs' | 'maxReclaims' | 'retry'>

/** In the order of `layouts.mjs`: only what the store itself carries out. */
export function packPolicy({ timeouts, retentionMs, maxReclaims, retry }: Policies): readonly unknown[] | 0 {
  if (timeouts === undefined && retentionMs === undefined && maxReclaims === undefined && retry === undefined)
    return 0
  return [
    timeouts?.deadlineMs ?? 0,
    timeouts?.queueTtlMs ?? 0,
    timeouts?.attemptTimeoutMs ?? 0,
    retentionMs === undefined ? 0 : retentionMs + 1,
    maxReclaims === undefined ? 0 : maxReclaims + 1,
    ...packRetry(retry),
  ]
}

function packRetry(retry: RetryPolicy | undefined): readonly unknown[] {
  if (retry === undefined) return [0, 'e', 0, 0, 0, 0, []]
  const { kind, initialMs, multiplier, maxMs, jitter } = retry.backoff
  return [
    retry.maxAttempts,
    kind === 'fixed' ? 'f' : 'e',
    initialMs,
    multiplier,
    maxMs,
    jitter ? 1 : 0,
    [...retry.nonRetryable],
  ]
}

export function packSpec({
  tags,
  retry,
  traceContext,
}: Pick<ExecutionSubmission, 'tags' | 'retry' | 'traceContext'>): string {
  if (tags === undefined && traceContext === undefined) return retry === undefined ? '' : retrySpec(retry)
  const spec: Spec = {
    ...(tags !== undefined && { tags }),
    ...(retry !== undefined && { retry }),
    ...(traceContext !== undefined && { trace: traceContext }),
  }
  return JSON.stringify(spec)
}

const retrySpec = rememberFrozen((retry: RetryPolicy) => JSON.stringify({ retry } satisfies Spec))

/** What the submission is answered. */
export function toSubmitOutcome(
  item: ExecutionSubmission,
  namespace: Namespace,
  reply: SubmitReply,
): SubmitExecutionOutcome {
  switch (reply.kind) {
    case 'accepted':
      return { outcome: 'accepted', id: item.id }
    case 'taken':
      return isSame(item, namespace, reply)
        ? { outcome: 'duplicate', id: item.id }
        : { outcome: 'execution_conflict' }
    case 'lane_closed':
      return { outcome: 'lane_not_accepting', lane: item.lane, laneState: reply.state as LaneState }
    case 'too_many_routes':
      return { outcome: 'too_many_routes', lane: item.lane }
  }
}

/** The same namespace, kind and input, or stated hash of it. Bytes are compared where both are there, since hashing costs more. */
function isSame(
  item: ExecutionSubmission,
  namespace: Namespace,
  taken: Extract<SubmitReply, { readonly kind: 'taken' }>,
): boolean {
  if (taken.namespace !== namespace || taken.taskKind !== item.kind) return false
  if (item.inputHash === undefined && taken.hash === '') return areEqual(item.input, taken.input)
  return (item.inputHash ?? hashInput(item.input)) === (taken.hash || hashInput(taken.input))
}

function areEqual(a: Uint8Array | null, b: Uint8Array | null): boolean {
  if (a === null || b === null) return a === b
  return Buffer.compare(a, b) === 0
}
