import { type DispatchAdvanced, edgeStateFor, must, outcomeBucket } from '@flowfabric/core'
import { isTerminal, recordedOutcomeOf } from './facts.js'
import { judgeGroups, rejudgeWanted } from './groups.js'
import type { EdgeRecord, ExecutionRecord, FlowRecord, OutboxEntry } from './records.js'
import { leaveSettlement } from './settlement.js'
import type { Model } from './store.js'

export type Advance = Omit<DispatchAdvanced, 'outcome'>

/** How many edges may be resolved: of each end, and of all of them together. */
export interface HopBounds {
  readonly perEntry: number
  readonly inAll: number
}

/** What one entry moves, before any group looks at it. */
interface Counted {
  readonly flow: FlowRecord | null
  readonly node: ExecutionRecord['id']
  readonly edges: readonly EdgeRecord[]
  readonly isFinished: boolean
}

/**
 * One hop of ends that are carried on together: resolves edges of each by its recorded outcome, then judges the groups that
 * they lead to. Entries go when nothing is left of them. `noop` for one about an end that doesn't stand any more.
 */
export function resolveHops(
  model: Model,
  entries: readonly OutboxEntry[],
  { perEntry, inAll }: HopBounds,
): readonly (Advance | 'noop')[] {
  let left = inAll
  const counted = entries.map((entry) => {
    const one = countEnd(model, entry, Math.min(left, perEntry))
    left -= one?.edges.length ?? 0
    return one
  })
  const advances = judgeGroupsOf(model, counted)
  counted.forEach((one, index) => {
    if (one?.isFinished !== true) return
    model.outbox.delete(must(entries[index], 'an entry').id)
    if (one.flow === null) return
    rejudgeWanted(model, one.flow, one.node)
    leaveSettlement(model, one.flow)
  })
  return counted.map((one, index) => (one === undefined ? 'noop' : must(advances[index], 'what it moved')))
}

/** Resolves pending edges of an end. `undefined`, and the entry goes, when it doesn't stand any more. */
function countEnd(model: Model, entry: OutboxEntry, maxEdges: number): Counted | undefined {
  const x = entry.executionId === null ? undefined : model.executions.get(entry.executionId)
  if (x === undefined || !isTerminal(x) || x.generation !== entry.generation) {
    model.outbox.delete(entry.id)
    return undefined
  }
  if (x.flowId === null) return { flow: null, node: x.id, edges: [], isFinished: true }
  const flow = must(model.flows.get(x.flowId), `the flow of ${x.id}`)
  const pending = flow.edges.filter((edge) => edge.from === x.id && edge.state === 'pending')
  const edges = pending.slice(0, maxEdges)
  for (const edge of edges) {
    edge.state = edgeStateFor(recordedOutcomeOf(x))
    edge.bucket = outcomeBucket(recordedOutcomeOf(x))
  }
  return { flow, node: x.id, edges, isFinished: edges.length === pending.length }
}

/** Judges each group once, for the last of the ends that lead to it. */
function judgeGroupsOf(model: Model, counted: readonly (Counted | undefined)[]): Advance[] {
  const advances = counted.map((one) => ({
    edges: one?.edges.length ?? 0,
    satisfied: 0,
    impossible: 0,
    skipped: 0,
    corrupt: [],
  }))
  const lastOf = new Map<ExecutionRecord['id'], number>()
  counted.forEach((one, index) => {
    for (const edge of one?.edges ?? []) lastOf.set(edge.to, index)
  })
  const judged = [...lastOf].map(([node, index]) => {
    const flow = must(counted[index]?.flow, 'the flow of an edge')
    return { flow, group: must(flow.groups.get(node), `the group of ${node}`), index }
  })
  judgeGroups(model, judged).forEach(({ decided, skipped }, place) => {
    const advance = must(advances[judged[place]?.index ?? -1], 'what an end moved')
    if (decided !== null) advance[decided] += 1
    if (skipped) advance.skipped += 1
  })
  return advances
}

/**
 * Resolves what the running step ended, all of it together, then what that skipped, and so on, within the step's bound.
 * Drafts wait for their seal; what is left stays in the outbox.
 */
export function resolveInline(model: Model): void {
  let left = model.options.inlineResolveEdges
  while (model.fresh.length > 0 && left > 0) {
    const wave = model.fresh.filter((entry) => isDispatchable(model, entry))
    model.fresh = []
    const advances = resolveHops(model, wave, { perEntry: model.options.hopMaxEdges, inAll: left })
    for (const advance of advances) if (advance !== 'noop') left -= advance.edges
  }
  model.fresh = []
}

/** Whether a dispatcher may take the entry now: ends in a draft wait for its seal. */
export function isDispatchable(model: Model, entry: OutboxEntry): boolean {
  if (!model.outbox.has(entry.id)) return false
  return entry.flowId === null || model.flows.get(entry.flowId)?.state !== 'draft'
}
