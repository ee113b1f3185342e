import {
  type Bytes,
  type ExecutionId,
  edgeStateFor,
  engineError,
  must,
  outcomeBucket,
  type ReplayFlow,
  type ReplayFlowOutcome,
  replayPlanOf,
} from '@flowfabric/core'
import { findFlow, incomingOf, isTerminal, membersOf, recordedOutcomeOf } from './facts.js'
import { judgeGroups } from './groups.js'
import type { EdgeRecord, ExecutionRecord, FlowRecord } from './records.js'
import { setFlowState } from './settlement.js'
import type { Model } from './store.js'
import { startDeadline } from './submission.js'
import { makeRunnable } from './transition.js'

/** Reopens members of a flow with their descendants, in one step: nobody sees the flow half reset. */
export function replayFlow(model: Model, params: ReplayFlow): ReplayFlowOutcome {
  const flow = findFlow(model, params.namespace, params.flowId)
  const members = membersOf(model, flow)
  const chosen = params.from === 'failed' ? [] : params.from
  for (const id of [...chosen, ...(params.inputs ?? []).map((item) => item.id)]) {
    if (!flow.members.includes(id))
      throw engineError('unknown_node', `${id} is no member of ${flow.id}`, { node: id })
  }
  if (!isReplayable(flow)) return { outcome: 'flow_not_open', flowState: flow.state }
  const plan = replayPlanOf(
    members.map((x) => ({
      id: x.id,
      outcome: x.state.terminalOutcome,
      cancelCause: x.cancelCause,
      dependencyBlocked: x.blockedByDependencies,
      replayCount: x.replayCount,
    })),
    flow.edges,
    params.from,
  )
  if (plan.outcome !== 'plan') return plan
  reopenFlow(model, flow)
  resetMembers(
    model,
    flow,
    new Set(plan.ids),
    new Map((params.inputs ?? []).map((item) => [item.id, item.input])),
  )
  return { outcome: 'replayed', ids: plan.ids }
}

function isReplayable(flow: FlowRecord): boolean {
  if (flow.state === 'cancelled') return flow.cancel?.policy !== 'flow_only'
  return flow.state === 'open' || flow.state === 'completed' || flow.state === 'failed'
}

function reopenFlow(model: Model, flow: FlowRecord): void {
  flow.generation += 1
  flow.terminalAtMs = null
  flow.cancel = null
  flow.frozenResult = null
  flow.live = true
  startDeadline(model, flow)
  setFlowState(model, flow, 'open')
}

function resetMembers(
  model: Model,
  flow: FlowRecord,
  set: ReadonlySet<ExecutionId>,
  inputs: ReadonlyMap<ExecutionId, Bytes | null>,
): void {
  // A pending sibling cancel of before does not want what runs again on purpose.
  for (const group of flow.groups.values()) for (const id of set) group.siblingCancel?.exempt.add(id)
  const nodes = membersOf(model, flow).filter((x) => set.has(x.id))
  // All are open again before any edge looks at what its upstream came to.
  for (const x of nodes) clearRun(x, inputs.get(x.id))
  for (const x of nodes) resetGroup(model, flow, x.id, set)
  for (const x of nodes) {
    x.blockedByDependencies = flow.groups.has(x.id)
    makeRunnable(model, x, pendingAttemptOf(x))
  }
  const groups = nodes.flatMap((x) => flow.groups.get(x.id) ?? [])
  judgeGroups(
    model,
    groups.map((group) => ({ flow, group })),
    'let_run',
  )
}

function resetGroup(model: Model, flow: FlowRecord, node: ExecutionId, set: ReadonlySet<ExecutionId>): void {
  const group = flow.groups.get(node)
  if (group === undefined) return
  group.state = 'pending'
  group.released = false
  group.cancelReason = null
  group.siblingCancel = null
  for (const edge of incomingOf(flow, node)) resetEdge(model, edge, set.has(edge.from))
}

function resetEdge(model: Model, edge: EdgeRecord, fromInside: boolean): void {
  edge.seen = null
  const upstream = must(model.executions.get(edge.from), `member ${edge.from}`)
  const hasEnded = !fromInside && isTerminal(upstream)
  edge.state = hasEnded ? edgeStateFor(recordedOutcomeOf(upstream)) : 'pending'
  edge.bucket = hasEnded ? outcomeBucket(recordedOutcomeOf(upstream)) : null
}

/** Runs an ended solo execution again as its next generation. */
export function reopen(model: Model, x: ExecutionRecord, input: Bytes | null | undefined): void {
  clearRun(x, input)
  makeRunnable(model, x, pendingAttemptOf(x))
}

/** What a generation leaves behind goes; attempts keep numbering, and the journal stays unless the input changes. */
function clearRun(x: ExecutionRecord, input: Bytes | null | undefined): void {
  if (input !== undefined) {
    x.input = input
    x.steps = []
    x.waitpoints = []
    x.signals = []
    x.resumption = null
  }
  if (isTerminal(x)) x.replayCount += 1
  x.generation += 1
  x.state = { ...x.state, lifecyclePhase: 'runnable', terminalOutcome: 'none' }
  x.retryCount = 0
  x.reclaimCount = 0
  x.claimed = false
  x.firstEligibleAtMs = null
  x.readyAtMs = null
  x.score = null
  x.notBeforeMs = null
  x.delayReason = null
  x.cancelRequested = null
  x.cancelCause = null
  x.wanted = null
  x.result = null
  x.failure = null
  x.progress = null
  x.terminalAtMs = null
  x.keptUntilMs = null
}

function pendingAttemptOf(x: ExecutionRecord): 'pending_first_attempt' | 'pending_replay_attempt' {
  return x.attempts.length === 0 ? 'pending_first_attempt' : 'pending_replay_attempt'
}
