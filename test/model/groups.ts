import { decideGroup, must, nodeFate, readyToRelease, siblingCancelReason } from '@flowfabric/core'
import {
  cancelCauseOf,
  countersOf,
  incomingOf,
  isNeededIn,
  isTerminal,
  publicStateOfRecord,
} from './facts.js'
import { flowTagOf, hint } from './feed.js'
import { cancelLoser } from './losers.js'
import type { ExecutionRecord, FlowRecord, GroupRecord } from './records.js'
import type { Model } from './store.js'
import { cancelExecution, endExecution, makeRunnable } from './transition.js'

/** What judging a group changed. */
export interface Judgement {
  readonly decided: 'satisfied' | 'impossible' | null
  readonly skipped: boolean
}

/** A group, and the flow that it is of. */
export interface Judged {
  readonly flow: FlowRecord
  readonly group: GroupRecord
}

/**
 * Decides groups as far as their counters allow, each once, and then lets their nodes go or skips them: each decision sees
 * the upstreams as they were before any of these nodes moved. In a replay no siblings are cancelled: they may be those that
 * the replay is for.
 */
export function judgeGroups(
  model: Model,
  list: readonly Judged[],
  cancelSiblings: 'cancel' | 'let_run' = 'cancel',
): readonly Judgement[] {
  const decided = list.map(({ flow, group }) => decide(model, flow, group, cancelSiblings))
  const skipped = list.map(({ flow, group }) => letGo(model, flow, group))
  list.forEach(({ flow, group }, index) => {
    if (decided[index] !== null) rejudgeWanted(model, flow, group.node)
  })
  return list.map((_, index) => ({ decided: decided[index] ?? null, skipped: skipped[index] ?? false }))
}

function decide(
  model: Model,
  flow: FlowRecord,
  group: GroupRecord,
  cancelSiblings: 'cancel' | 'let_run',
): Judgement['decided'] {
  if (isUndecidable(flow, group) || group.join === null || group.state !== 'pending') return null
  const decision = decideGroup(group.join, countersOf(flow, group))
  if (decision === 'pending') return null
  group.state = decision
  recordWhatNodeSees(model, flow, group)
  const reason = cancelSiblings === 'cancel' ? siblingCancelReason(group.join.policy, decision) : null
  if (reason !== null) {
    group.cancelReason = reason
    group.siblingCancel = { exempt: new Set() }
    hint(model, { type: 'outbox', partition: flowTagOf(model, flow) })
  }
  return decision
}

/** In a draft nothing is decided, and a policy that this version doesn't know waits for one that does. */
function isUndecidable(flow: FlowRecord, group: GroupRecord): boolean {
  return flow.state === 'draft' || group.join === null
}

/** Carries out the fate of a decided group's node once it may. Answers whether it was skipped. */
function letGo(model: Model, flow: FlowRecord, group: GroupRecord): boolean {
  if (isUndecidable(flow, group) || group.join === null || group.state === 'pending' || group.released)
    return false
  return readyToRelease(group.join, countersOf(flow, group)) && release(model, group)
}

/** So that every attempt of the node sees the same, whatever its upstreams come to later. */
function recordWhatNodeSees(model: Model, flow: FlowRecord, group: GroupRecord): void {
  for (const edge of incomingOf(flow, group.node)) {
    if (edge.as === null) continue
    const upstream = must(model.executions.get(edge.from), `member ${edge.from}`)
    edge.seen = { publicState: publicStateOfRecord(upstream), satisfied: edge.state === 'satisfied' }
  }
}

function release(model: Model, group: GroupRecord): boolean {
  const node = must(model.executions.get(group.node), `member ${group.node}`)
  group.released = true
  if (isTerminal(node) || group.join === null || group.state === 'pending') return false
  const cause = cancelCauseOf(model, node)
  if (cause !== null) {
    cancelExecution(model, node, cause)
    return false
  }
  if (nodeFate(group.join, group.state) === 'skip') {
    endExecution(model, node, { outcome: 'skipped', endedBy: 'skip' })
    return true
  }
  node.blockedByDependencies = false
  makeRunnable(model, node, node.state.attemptState)
  return false
}

/** Losers that were spared because this node needed them may be needed no more. */
export function rejudgeWanted(model: Model, flow: FlowRecord, node: ExecutionRecord['id']): void {
  for (const edge of incomingOf(flow, node)) {
    const upstream = must(model.executions.get(edge.from), `member ${edge.from}`)
    if (upstream.wanted === null || isTerminal(upstream) || isNeededIn(model, flow, upstream)) continue
    cancelLoser(model, flow, upstream, upstream.wanted)
  }
}
