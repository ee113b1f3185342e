import {
  type AdmissionFacts,
  type CancelCause,
  type ExecutionId,
  engineError,
  type FlowId,
  flowEndsMember,
  type GroupCounters,
  isNeeded,
  must,
  type Namespace,
  type NextTimer,
  nextTimerOf,
  type PublicState,
  publicStateOf,
  type RecordedOutcome,
} from '@flowfabric/core'
import type { EdgeRecord, ExecutionRecord, FlowRecord, GroupRecord, OutboxEntry } from './records.js'
import type { Model } from './store.js'

/** What follows from the records. Nothing here changes anything. */

export function isTerminal(x: ExecutionRecord): boolean {
  return x.state.lifecyclePhase === 'terminal'
}

export function isActive(x: ExecutionRecord): boolean {
  return x.state.lifecyclePhase === 'active'
}

export function publicStateOfRecord(x: ExecutionRecord): PublicState {
  return publicStateOf(x.state)
}

export function recordedOutcomeOf(x: ExecutionRecord): RecordedOutcome {
  const { terminalOutcome } = x.state
  if (terminalOutcome === 'none') throw new Error(`${x.id} has not ended`)
  return terminalOutcome
}

export function isTerminalFlow(flow: FlowRecord): boolean {
  return flow.state === 'completed' || flow.state === 'failed' || flow.state === 'cancelled'
}

/** Throws `execution_not_found`, also for another namespace's. */
export function findExecution(model: Model, namespace: Namespace, id: ExecutionId): ExecutionRecord {
  const x = model.executions.get(id)
  if (x === undefined || x.namespace !== namespace) {
    throw engineError('execution_not_found', `no execution ${id} in namespace ${namespace}`)
  }
  return x
}

/** Throws `flow_not_found`, also for another namespace's. */
export function findFlow(model: Model, namespace: Namespace, id: FlowId): FlowRecord {
  const flow = model.flows.get(id)
  if (flow === undefined || flow.namespace !== namespace) {
    throw engineError('flow_not_found', `no flow ${id} in namespace ${namespace}`)
  }
  return flow
}

export function flowOf(model: Model, x: ExecutionRecord): FlowRecord | null {
  return x.flowId === null ? null : must(model.flows.get(x.flowId), `the flow of ${x.id}`)
}

export function membersOf(model: Model, flow: FlowRecord): ExecutionRecord[] {
  return flow.members.map((id) => must(model.executions.get(id), `member ${id}`))
}

export function openMembersOf(model: Model, flow: FlowRecord): ExecutionRecord[] {
  return membersOf(model, flow).filter((x) => !isTerminal(x))
}

export function isAlwaysNode(model: Model, x: ExecutionRecord): boolean {
  return flowOf(model, x)?.groups.get(x.id)?.join?.runOn === 'always'
}

/** What admission looks at of the flow of an execution. */
export function flowFactsOf(flow: FlowRecord | null): AdmissionFacts['flow'] {
  return flow === null ? null : { state: flow.state, finalisers: flow.cancel?.finalisers ?? true }
}

/** Why the execution is to end as cancelled as soon as it doesn't run any more; `null` when it isn't. */
export function cancelCauseOf(model: Model, x: ExecutionRecord): CancelCause | null {
  if (x.cancelRequested !== null) return x.cancelRequested.cause
  const facts = flowFactsOf(flowOf(model, x))
  return facts !== null && flowEndsMember(facts, isAlwaysNode(model, x)) ? 'flow' : null
}

export function deadlineOf(x: ExecutionRecord): number | null {
  const { deadlineMs } = x.timeouts
  return deadlineMs === undefined || x.firstEligibleAtMs === null ? null : x.firstEligibleAtMs + deadlineMs
}

function queueTtlOf(x: ExecutionRecord): number | null {
  const { queueTtlMs } = x.timeouts
  if (queueTtlMs === undefined || x.firstEligibleAtMs === null || x.claimed) return null
  return x.firstEligibleAtMs + queueTtlMs
}

/** The one timer that the execution waits for, if any. */
export function timerOf(x: ExecutionRecord): NextTimer | null {
  if (isTerminal(x)) return null
  return nextTimerOf({
    graceEndsAtMs: x.cancelRequested?.graceEndsAtMs ?? null,
    deadlineAtMs: deadlineOf(x),
    queueTtlAtMs: queueTtlOf(x),
    attemptDeadlineAtMs: x.lease?.attemptDeadlineAtMs ?? null,
    leaseExpiresAtMs: x.lease?.expiresAtMs ?? null,
    suspensionTimeoutAtMs: x.suspension?.escalated === false ? x.suspension.timesOutAtMs : null,
    promoteAtMs: x.state.eligibilityState === 'not_eligible_until_time' ? x.notBeforeMs : null,
  })
}

/** A claim looks at due deadlines by itself: what is past one is no work any more. */
export function isPastDeadline(x: ExecutionRecord, nowMs: number): boolean {
  return [deadlineOf(x), queueTtlOf(x)].some((atMs) => atMs !== null && atMs <= nowMs)
}

export function incomingOf(flow: FlowRecord, id: ExecutionId): EdgeRecord[] {
  return flow.edges.filter((edge) => edge.to === id)
}

/** Counters are counted, not kept. */
export function countersOf(flow: FlowRecord, group: GroupRecord): GroupCounters {
  const edges = incomingOf(flow, group.node)
  const count = (bucket: EdgeRecord['bucket']) => edges.filter((edge) => edge.bucket === bucket).length
  return {
    n: edges.length,
    succeeded: count('succeeded'),
    failed: count('failed'),
    skipped: count('skipped'),
  }
}

/** Whether somebody downstream may still want what the execution does. */
export function isNeededIn(model: Model, flow: FlowRecord, x: ExecutionRecord): boolean {
  const outgoing = flow.edges.filter((edge) => edge.from === x.id)
  return isNeeded(
    outgoing.map((edge) => {
      const group = must(flow.groups.get(edge.to), `the group of ${edge.to}`)
      return {
        downstreamTerminal: isTerminal(must(model.executions.get(edge.to), `member ${edge.to}`)),
        downstreamAlways: group.join?.runOn === 'always',
        groupState: group.state,
      }
    }),
  )
}

export function entriesOf(model: Model, flow: FlowRecord): OutboxEntry[] {
  return [...model.outbox.values()].filter((entry) => entry.flowId === flow.id)
}
