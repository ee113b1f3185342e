import { type CancelCause, type CancelFlow, type CancelFlowOutcome, flowEndsMember } from '@flowfabric/core'
import {
  entriesOf,
  findFlow,
  flowFactsOf,
  isActive,
  isAlwaysNode,
  isTerminalFlow,
  membersOf,
  openMembersOf,
} from './facts.js'
import { flowTagOf, hint } from './feed.js'
import type { ExecutionRecord, FlowRecord } from './records.js'
import { resolveHops } from './resolution.js'
import { endFlow, leaveSettlement, resultOf, setFlowState, settleFlow } from './settlement.js'
import type { Model } from './store.js'
import { cancelExecution } from './transition.js'

export function cancelFlow(model: Model, params: CancelFlow): CancelFlowOutcome {
  const flow = findFlow(model, params.namespace, params.flowId)
  settleIfOver(model, flow)
  if (isTerminalFlow(flow)) return { outcome: 'flow_terminal', flowState: flow.state }
  if (flow.state === 'draft') {
    cancelDraft(model, flow, 'flow')
  } else if (params.policy === 'flow_only') {
    if (flow.state !== 'open') return { outcome: 'flow_not_open', flowState: flow.state }
    leaveFlow(model, flow)
    return { outcome: 'cancelled' }
  } else {
    widenCancel(model, flow, params.policy, params.finalisers ?? true)
    cancelMembers(model, flow)
  }
  leaveSettlement(model, flow)
  return answerOf(model, flow)
}

export function answerOf(model: Model, flow: FlowRecord): CancelFlowOutcome {
  const remaining = openMembersOf(model, flow).length
  return remaining === 0 ? { outcome: 'cancelled' } : { outcome: 'cancelling', remaining, failures: [] }
}

/** The last end was recorded before this call: the flow came to its own end, whatever the dispatcher has got to. */
function settleIfOver(model: Model, flow: FlowRecord): void {
  const isOver = flow.state === 'open' && openMembersOf(model, flow).length === 0
  if (!isOver) return
  const ends = entriesOf(model, flow).filter((entry) => entry.kind === 'completion')
  resolveHops(model, ends, { perEntry: Number.POSITIVE_INFINITY, inAll: Number.POSITIVE_INFINITY })
  leaveSettlement(model, flow)
  for (const entry of entriesOf(model, flow)) {
    settleFlow(model, flow, entry)
    model.outbox.delete(entry.id)
  }
}

/** A draft goes as a whole, `always` nodes included. */
export function cancelDraft(model: Model, flow: FlowRecord, cause: CancelCause): void {
  flow.cancel = { policy: 'cancel_all', finalisers: false, requestedAtMs: model.clock.nowMs() }
  flow.draftExpiresAtMs = null
  setFlowState(model, flow, 'cancelling')
  for (const x of openMembersOf(model, flow)) cancelExecution(model, x, cause)
  leaveSettlement(model, flow)
}

/** The flow ends; its members run on, and their ends no longer touch it. */
function leaveFlow(model: Model, flow: FlowRecord): void {
  flow.cancel = { policy: 'flow_only', finalisers: true, requestedAtMs: model.clock.nowMs() }
  flow.frozenResult = resultOf(model, flow, 'cancelled')
  endFlow(model, flow, 'cancelled')
}

/** A later call may widen a cancel, never narrow it. */
function widenCancel(
  model: Model,
  flow: FlowRecord,
  policy: Exclude<CancelFlow['policy'], 'flow_only'>,
  finalisers: boolean,
): void {
  const nowMs = model.clock.nowMs()
  const before = flow.cancel ?? { policy: 'cancel_pending', finalisers: true, requestedAtMs: nowMs }
  flow.cancel = {
    policy: before.policy === 'cancel_all' ? 'cancel_all' : policy,
    finalisers: before.finalisers && finalisers,
    requestedAtMs: before.requestedAtMs,
  }
  if (flow.state !== 'cancelling') setFlowState(model, flow, 'cancelling')
}

/** Cancels the members that the flow's cancel does not spare. Answers how many. */
export function cancelMembers(model: Model, flow: FlowRecord): number {
  const wanted = membersOf(model, flow).filter((x) => isToEnd(model, flow, x))
  for (const x of wanted) cancelExecution(model, x, 'flow')
  if (wanted.length > 0) hint(model, { type: 'outbox', partition: flowTagOf(model, flow) })
  return wanted.length
}

function isToEnd(model: Model, flow: FlowRecord, x: ExecutionRecord): boolean {
  const facts = flowFactsOf(flow)
  if (x.state.lifecyclePhase === 'terminal' || facts === null) return false
  if (!flowEndsMember(facts, isAlwaysNode(model, x))) return false
  return flow.cancel?.policy === 'cancel_all' || !isActive(x)
}
