import {
  checkScanRequest,
  type DependencyReconcileItem,
  edgeStateFor,
  limits,
  must,
  outcomeBucket,
  type ResolutionOperations,
  type ScanRequest,
  type SiblingCancelItem,
  type SiblingReconcileItem,
} from '@flowfabric/core'
import { incomingOf, isTerminal, recordedOutcomeOf } from './facts.js'
import { flowTagOf } from './feed.js'
import { cancelMembers } from './flow-cancel.js'
import { judgeGroups } from './groups.js'
import { cancelSiblings } from './losers.js'
import type { FlowRecord, GroupRecord } from './records.js'
import { leaveSettlement } from './settlement.js'
import { step } from './step.js'
import { type Model, operate } from './store.js'

/** The passes behind the dispatcher: sibling cancels, cancel backlogs, and the nets that a healthy system leaves empty. */
export function createReconciling(
  model: Model,
): Omit<ResolutionOperations, 'dispatchCompletion' | 'dispatchCompletions' | 'projectSummaries'> {
  return {
    drainSiblingCancels: (params) =>
      operate(model, () => {
        const pending = pendingCancels(model, params)
        const items = pending.slice(0, params.max).map(({ flow, group }): SiblingCancelItem => {
          const siblings = step(model, () => cancelSiblings(model, flow, group))
          return { outcome: 'drained', flowId: flow.id, downstreamId: group.node, siblings }
        })
        return { items, more: pending.length > params.max }
      }),

    reconcileSiblingCancels: (params) =>
      operate(model, () => {
        const sample = pendingCancels(model, params).slice(0, limits.siblingReconcileSampleMax)
        return { items: sample.map(({ flow, group }) => reconcile(model, flow, group)), more: false }
      }),

    drainCancelBacklog: (params) =>
      operate(model, () => {
        const items = flowsIn(model, params).flatMap((flow) => {
          if (flow.state !== 'cancelling') return []
          const cancelled = step(model, () => cancelMembers(model, flow))
          leaveSettlement(model, flow)
          const outcome = 'done' as const
          return cancelled === 0 ? [] : [{ outcome, flowId: flow.id, cancelled, remaining: 0 }]
        })
        return { items, more: false }
      }),

    reconcileDependencies: (params) =>
      operate(model, () => {
        const items = flowsIn(model, params).flatMap((flow) => step(model, () => findUndone(model, flow)))
        return { items: items.slice(0, params.max), more: false }
      }),
  }
}

function flowsIn(model: Model, params: ScanRequest): FlowRecord[] {
  checkScanRequest(params, model.partitions)
  return [...model.flows.values()].filter((flow) => flowTagOf(model, flow) === params.partition)
}

function pendingCancels(model: Model, params: ScanRequest) {
  return flowsIn(model, params).flatMap((flow) =>
    [...flow.groups.values()]
      .filter((group) => group.siblingCancel !== null)
      .map((group) => ({ flow, group })),
  )
}

/** Finishes a drain of which only the end is missing; while a sibling runs, the dispatcher owns it. */
function reconcile(model: Model, flow: FlowRecord, group: GroupRecord): SiblingReconcileItem {
  const tuple = `${flow.id}|${group.node}`
  const isLeft = incomingOf(flow, group.node).some((edge) => {
    const sibling = model.executions.get(edge.from)
    return edge.state === 'pending' && sibling !== undefined && !isTerminal(sibling)
  })
  if (isLeft) return { outcome: 'no_op', tuple }
  group.siblingCancel = null
  return { outcome: 'completed_drain', tuple }
}

/** Pending edges whose upstream is terminal, and groups that are decided but not marked. */
function findUndone(model: Model, flow: FlowRecord): DependencyReconcileItem[] {
  if (flow.state === 'draft') return []
  const items: DependencyReconcileItem[] = []
  for (const edge of flow.edges) {
    const upstream = must(model.executions.get(edge.from), `member ${edge.from}`)
    if (edge.state !== 'pending' || !isTerminal(upstream)) continue
    edge.state = edgeStateFor(recordedOutcomeOf(upstream))
    edge.bucket = outcomeBucket(recordedOutcomeOf(upstream))
    items.push({ outcome: 'edge_resolved', flowId: flow.id, executionId: edge.to })
  }
  const groups = [...flow.groups.values()]
  const judgements = judgeGroups(
    model,
    groups.map((group) => ({ flow, group })),
  )
  groups.forEach(({ join, node: executionId }, index) => {
    if (join === null) items.push({ outcome: 'unknown_policy', flowId: flow.id, executionId })
    if (judgements[index]?.decided != null)
      items.push({ outcome: 'group_decided', flowId: flow.id, executionId })
  })
  return items
}
