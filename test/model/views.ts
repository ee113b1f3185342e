import {
  type AttemptRecord,
  type Bytes,
  type EdgeView,
  type Execution,
  encodeHandle,
  type Flow,
  type FlowNodeView,
  type GroupView,
  type Handle,
  limits,
  type Resumption,
  type Signal,
  type SuspensionView,
  type UpstreamResult,
  type Waitpoint,
} from '@flowfabric/core'
import { countersOf, deadlineOf, incomingOf, publicStateOfRecord } from './facts.js'
import type {
  AttemptEntry,
  EdgeRecord,
  ExecutionRecord,
  FlowRecord,
  GroupRecord,
  Lease,
  ResumptionRecord,
  SignalRecord,
  SuspensionRecord,
  WaitpointRecord,
} from './records.js'
import type { Model } from './store.js'
import { summarize } from './summary.js'
import { stateOfWaitpoint } from './waitpoints.js'

/** What the contract shows of the records. */

export function viewExecution(x: ExecutionRecord): Execution {
  return {
    id: x.id,
    namespace: x.namespace,
    flowId: x.flowId,
    parent: x.parent,
    name: x.name,
    kind: x.kind,
    lane: x.lane,
    capabilities: x.capabilities,
    priority: x.priority,
    tags: x.tags,
    retry: x.retry,
    timeouts: x.timeouts,
    budgets: x.demands.budgets,
    quotas: x.demands.quotas,
    state: x.state,
    publicState: publicStateOfRecord(x),
    generation: x.generation,
    epoch: x.epoch,
    attemptCount: x.attempts.length,
    retryCount: x.retryCount,
    reclaimCount: x.reclaimCount,
    replayCount: x.replayCount,
    held: x.held,
    createdAtMs: x.createdAtMs,
    firstEligibleAtMs: x.firstEligibleAtMs,
    readyAtMs: x.readyAtMs,
    notBeforeMs: x.notBeforeMs,
    delayReason: x.delayReason,
    deadlineAtMs: deadlineOf(x),
    lease: x.lease === null ? null : viewLease(x, x.lease),
    cancelRequested: x.cancelRequested,
    cancelCause: x.cancelCause,
    failure: x.failure,
    progress: x.progress,
    terminalAtMs: x.terminalAtMs,
  }
}

function viewLease(x: ExecutionRecord, lease: Lease): Execution['lease'] {
  return {
    workerId: lease.workerId,
    instanceId: lease.instanceId,
    attemptIndex: x.attempts.length - 1,
    startedAtMs: lease.startedAtMs,
    expiresAtMs: lease.expiresAtMs,
    attemptDeadlineAtMs: lease.attemptDeadlineAtMs,
  }
}

export function handleOf(x: ExecutionRecord, lease: Lease): Handle {
  return encodeHandle({
    executionId: x.id,
    attemptIndex: x.attempts.length - 1,
    leaseId: lease.leaseId,
    epoch: x.epoch,
  })
}

export function viewAttempt(x: ExecutionRecord, attempt: AttemptEntry): AttemptRecord {
  const { index, type, generation, state, epoch, workerId, instanceId } = attempt
  const { startedAtMs, endedAtMs, endedBy, late, failure } = attempt
  return {
    executionId: x.id,
    index,
    type,
    generation,
    state,
    epoch,
    workerId,
    instanceId,
    startedAtMs,
    endedAtMs,
    endedBy,
    late,
    failure,
  }
}

export function viewFlow(model: Model, flow: FlowRecord): Flow {
  return {
    id: flow.id,
    namespace: flow.namespace,
    name: flow.name,
    state: flow.state,
    graphRevision: flow.graphRevision,
    generation: flow.generation,
    tags: flow.tags,
    createdAtMs: flow.createdAtMs,
    deadlineAtMs: flow.deadlineAtMs,
    terminalAtMs: flow.terminalAtMs,
    cancel: flow.cancel === null ? null : { ...flow.cancel },
    summary: flow.summary ?? { ...summarize(model, flow), lastSummaryUpdateAtMs: null },
  }
}

export function viewNode(flow: FlowRecord, x: ExecutionRecord): FlowNodeView {
  const group = flow.groups.get(x.id)
  return {
    execution: viewExecution(x),
    incoming: incomingOf(flow, x.id).map(viewEdge),
    group: group === undefined ? null : viewGroup(flow, group),
  }
}

function viewEdge({ id, from, to, as, state }: EdgeRecord): EdgeView {
  return { id, from, to, as, state }
}

export function viewGroup(flow: FlowRecord, group: GroupRecord): GroupView {
  return {
    join: group.join,
    counters: countersOf(flow, group),
    state: group.state,
    released: group.released,
    cancelReason: group.cancelReason,
    cancelPending: group.siblingCancel !== null,
  }
}

export function viewWaitpoint(model: Model, x: ExecutionRecord, waitpoint: WaitpointRecord): Waitpoint {
  const { id, name, createdAtMs, expiresAtMs } = waitpoint
  return {
    id,
    executionId: x.id,
    name,
    state: stateOfWaitpoint(model, x, waitpoint),
    createdAtMs,
    expiresAtMs,
    signalCount: x.signals.filter(({ waitpointId }) => waitpointId === id).length,
  }
}

export function viewSignal({ sequence: _, idempotencyKey: __, ...signal }: SignalRecord): Signal {
  return signal
}

export function viewResumption(x: ExecutionRecord, resumption: ResumptionRecord): Resumption {
  const signals = x.signals.filter(({ suspensionId }) => suspensionId === resumption.suspensionId)
  const payloads = signals.map(({ payload }) => payload)
  const inline = inlineWithin(payloads, limits.inlineSignalBytesMax)
  return {
    ...resumption,
    signals: signals.slice(0, inline).map(viewSignal),
    signalsTruncated: inline < signals.length,
  }
}

export function viewSuspension(suspension: SuspensionRecord): SuspensionView {
  const { id, reason, condition, sinceMs, timesOutAtMs, timeoutBehaviour, escalated } = suspension
  return { id, reason, condition, sinceMs, timesOutAtMs, timeoutBehaviour, escalated }
}

/** How many payloads, from the first on, fit into so many bytes. */
export function inlineWithin(payloads: readonly (Bytes | null)[], maxBytes: number): number {
  let bytes = 0
  const past = payloads.findIndex((payload) => {
    bytes += payload?.byteLength ?? 0
    return bytes > maxBytes
  })
  return past < 0 ? payloads.length : past
}

/** What the named upstreams handed down, once the group has decided: the same for every attempt. */
export function viewUpstream(model: Model, flow: FlowRecord | null, x: ExecutionRecord): UpstreamResult[] {
  if (flow === null) return []
  return incomingOf(flow, x.id)
    .flatMap((edge) => {
      if (edge.as === null || edge.seen === null) return []
      const result = edge.seen.satisfied ? (model.executions.get(edge.from)?.result ?? null) : null
      return [{ as: edge.as, executionId: edge.from, ...edge.seen, result }]
    })
    .sort((a, b) => (a.as < b.as ? -1 : 1))
}
