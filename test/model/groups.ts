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

/**
 * Decides a group as far as its counters allow, once, and lets its node go or skips it. In a replay no siblings are
 * cancelled: they may be those that the replay is for.
 */
export function judgeGroup(
  model: Model,
  flow: FlowRecord,
  group: GroupRecord,
  cancelSiblings: 'cancel' | 'let_run' = 'cancel',
): Judgement {
  // In a draft nothing is decided, and a policy that this version doesn't know waits for one that does.
  if (flow.state === 'draft' || group.join === null) return { decided: null, skipped: false }
  const counters = countersOf(flow, group)
  let decided: Judgement['decided'] = null
  if (group.state === 'pending') {
    const decision = decideGroup(group.join, counters)
    if (decision === 'pending') return { decided: null, skipped: false }
    decided = decision
    group.state = decision
    recordWhatNodeSees(model, flow, group)
    const reason = cancelSiblings === 'cancel' ? siblingCancelReason(group.join.policy, decision) : null
    if (reason !== null) {
      group.cancelReason = reason
      group.siblingCancel = { exempt: new Set() }
      hint(model, { type: 'outbox', partition: flowTagOf(model, flow) })
    }
    rejudgeWanted(model, flow, group.node)
  }
  const skipped = !group.released && readyToRelease(group.join, counters) && release(model, group)
  return { decided, skipped }
}

/** So that every attempt of the node sees the same, whatever its upstreams come to later. */
function recordWhatNodeSees(model: Model, flow: FlowRecord, group: GroupRecord): void {
  for (const edge of incomingOf(flow, group.node)) {
    if (edge.as === null) continue
    const upstream = must(model.executions.get(edge.from), `member ${edge.from}`)
    edge.seen = { publicState: publicStateOfRecord(upstream), satisfied: edge.state === 'satisfied' }
  }
}

/** Carries out the fate of a decided group's node. Answers whether it was skipped. */
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
