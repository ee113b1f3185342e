import { type DispatchAdvanced, edgeStateFor, must, outcomeBucket } from '@flowfabric/core'
import { isTerminal, recordedOutcomeOf } from './facts.js'
import { judgeGroup, rejudgeWanted } from './groups.js'
import type { EdgeRecord, FlowRecord, OutboxEntry } from './records.js'
import { leaveSettlement } from './settlement.js'
import type { Model } from './store.js'

export type Advance = Omit<DispatchAdvanced, 'outcome'>

/**
 * One hop: resolves at most so many edges of an ended execution by its recorded outcome, and judges the groups that they
 * lead to. The entry goes when none is left. `noop` when it is about an end that doesn't stand any more.
 */
export function resolveHop(model: Model, entry: OutboxEntry, maxEdges: number): Advance | 'noop' {
  const none: Advance = { edges: 0, satisfied: 0, impossible: 0, skipped: 0, corrupt: [] }
  const x = entry.executionId === null ? undefined : model.executions.get(entry.executionId)
  if (x === undefined || !isTerminal(x) || x.generation !== entry.generation) {
    model.outbox.delete(entry.id)
    return 'noop'
  }
  if (x.flowId === null) {
    model.outbox.delete(entry.id)
    return none
  }
  const flow = must(model.flows.get(x.flowId), `the flow of ${x.id}`)
  const pending = flow.edges.filter((edge) => edge.from === x.id && edge.state === 'pending')
  const edges = pending.slice(0, maxEdges)
  for (const edge of edges) {
    edge.state = edgeStateFor(recordedOutcomeOf(x))
    edge.bucket = outcomeBucket(recordedOutcomeOf(x))
  }
  const advance = judgeGroupsOf(model, flow, edges)
  if (edges.length === pending.length) {
    model.outbox.delete(entry.id)
    rejudgeWanted(model, flow, x.id)
    leaveSettlement(model, flow)
  }
  return advance
}

/** Judges the groups that these edges lead to. */
function judgeGroupsOf(model: Model, flow: FlowRecord, edges: readonly EdgeRecord[]): Advance {
  const advance = { edges: edges.length, satisfied: 0, impossible: 0, skipped: 0, corrupt: [] }
  for (const node of new Set(edges.map((edge) => edge.to))) {
    const { decided, skipped } = judgeGroup(model, flow, must(flow.groups.get(node), `the group of ${node}`))
    if (decided !== null) advance[decided] += 1
    if (skipped) advance.skipped += 1
  }
  return advance
}

/**
 * Resolves what the running step ended, breadth first through skips, within the step's bound. Drafts wait for their
 * seal; what is left stays in the outbox.
 */
export function resolveInline(model: Model): void {
  let left = model.options.inlineResolveEdges
  const open = model.fresh
  for (let entry = open.shift(); entry !== undefined && left > 0; entry = open.shift()) {
    if (!isDispatchable(model, entry)) continue
    const advance = resolveHop(model, entry, Math.min(left, model.options.hopMaxEdges))
    if (advance !== 'noop') left -= advance.edges
  }
  model.fresh = []
}

/** Whether a dispatcher may take the entry now: ends in a draft wait for its seal. */
export function isDispatchable(model: Model, entry: OutboxEntry): boolean {
  if (!model.outbox.has(entry.id)) return false
  return entry.flowId === null || model.flows.get(entry.flowId)?.state !== 'draft'
}
