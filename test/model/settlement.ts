import { type ExecutionId, type FlowResultOutcome, settlementOf } from '@flowfabric/core'
import {
  entriesOf,
  isTerminal,
  membersOf,
  openMembersOf,
  publicStateOfRecord,
  recordedOutcomeOf,
} from './facts.js'
import { tellOfOwnEnd } from './family.js'
import { announceFlow, flowTagOf, hint } from './feed.js'
import type { FlowRecord, OutboxEntry } from './records.js'
import type { Model } from './store.js'
import { mintEntry } from './transition.js'

/** The last end of a flow's members has been resolved: leaves it to the dispatcher to settle the flow. */
export function leaveSettlement(model: Model, flow: FlowRecord): void {
  if (flow.state !== 'open' && flow.state !== 'cancelling') return
  if (openMembersOf(model, flow).length > 0) return
  // Ends that are not resolved yet will come here themselves.
  if (entriesOf(model, flow).some((entry) => entry.kind === 'completion' || isOfNow(flow, entry))) return
  const entry = {
    id: mintEntry(model, flowTagOf(model, flow)),
    kind: 'flow_settled' as const,
    flowId: flow.id,
    executionId: null,
    generation: flow.generation,
    graphRevision: flow.graphRevision,
  }
  model.outbox.set(entry.id, entry)
  hint(model, { type: 'outbox', partition: flowTagOf(model, flow) })
}

/** Writes the flow's end, unless something reopened or extended it meanwhile. Answers whether it did. */
export function settleFlow(model: Model, flow: FlowRecord, entry: OutboxEntry): boolean {
  if (!isOfNow(flow, entry) || (flow.state !== 'open' && flow.state !== 'cancelling')) return false
  if (openMembersOf(model, flow).length > 0) return false
  endFlow(model, flow, flow.state === 'cancelling' ? 'cancelled' : judgeFlow(model, flow).state)
  return true
}

function isOfNow(flow: FlowRecord, entry: OutboxEntry): boolean {
  return (
    entry.kind === 'flow_settled' &&
    entry.generation === flow.generation &&
    entry.graphRevision === flow.graphRevision
  )
}

export function endFlow(model: Model, flow: FlowRecord, state: 'completed' | 'failed' | 'cancelled'): void {
  flow.terminalAtMs = model.clock.nowMs()
  setFlowState(model, flow, state)
  tellOfOwnEnd(model, flow)
  hint(model, { type: 'ended', id: flow.id })
}

/** The one function that writes a flow's authoritative state. */
export function setFlowState(model: Model, flow: FlowRecord, state: FlowRecord['state']): void {
  const previous = flow.state
  flow.state = state
  flow.changed = true
  flow.changedAtMs = model.clock.nowMs()
  announceFlow(model, flow, previous)
}

function judgeFlow(model: Model, flow: FlowRecord) {
  const ended = membersOf(model, flow).filter(isTerminal)
  return settlementOf(
    ended.map((x) => {
      const group = flow.groups.get(x.id)
      return {
        id: x.id,
        outcome: recordedOutcomeOf(x),
        cancelCause: x.cancelCause,
        runOn: group?.join?.runOn ?? 'groupSatisfied',
        attemptStarted: x.attempts.some((attempt) => attempt.generation === x.generation),
        group:
          group === undefined ? null : { policy: group.join?.policy.kind ?? 'all_of', state: group.state },
      }
    }),
    flow.edges,
  )
}

/** The named sinks that succeeded, and the non-successes that nothing absorbed, as of now. */
export function resultOf(
  model: Model,
  flow: FlowRecord,
  outcome: 'completed' | 'failed' | 'cancelled',
): Exclude<FlowResultOutcome, { readonly outcome: 'pending' }> {
  const members = membersOf(model, flow)
  const inner = new Set(flow.edges.map((edge) => edge.from))
  const sinks = members.filter(
    (x) => x.name !== null && !inner.has(x.id) && x.state.terminalOutcome === 'success',
  )
  const unabsorbed = new Set<ExecutionId>(judgeFlow(model, flow).unabsorbed)
  const failures = members.filter((x) => unabsorbed.has(x.id)).slice(0, 100)
  return {
    outcome,
    results: Object.fromEntries(sinks.map((x) => [x.name, x.result])),
    failures: failures.map((x) => ({ id: x.id, name: x.name, publicState: publicStateOfRecord(x) })),
  }
}
