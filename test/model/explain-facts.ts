import { type ExplainFacts, must, partitionTagOf } from '@flowfabric/core'
import { flowOf, incomingOf, isActive, publicStateOfRecord } from './facts.js'
import { demandFactsOf } from './holdings.js'
import { laneOf } from './lane-records.js'
import { parkedHeadOf } from './parking.js'
import type { ExecutionRecord, FlowRecord } from './records.js'
import type { Model } from './store.js'
import { viewAttempt, viewExecution, viewGroup, viewSuspension } from './views.js'

/** What `explain` needs, as of one moment. */
export function explainFacts(model: Model, x: ExecutionRecord): ExplainFacts {
  const lane = laneOf(model, x.namespace, x.lane)
  const flow = flowOf(model, x)
  const last = x.attempts.at(-1)
  return {
    outcome: 'facts',
    execution: viewExecution(x),
    nowMs: model.clock.nowMs(),
    lane: {
      state: lane.state,
      concurrency: lane.concurrency,
      active: [...model.executions.values()].filter((other) => isOfLane(other, x) && isActive(other)).length,
    },
    workers: [...model.workers.values()]
      .filter((worker) => worker.namespaces.includes(x.namespace) && worker.lanes.includes(x.lane))
      .map(({ instanceId, kinds, capabilities, draining }) => ({
        instanceId,
        kinds,
        capabilities,
        draining,
      })),
    ahead: Math.min(1_000, [...model.executions.values()].filter((other) => isAhead(other, x)).length),
    flow:
      flow === null ? null : { id: flow.id, state: flow.state, finalisers: flow.cancel?.finalisers ?? true },
    group: flow === null ? null : explainGroup(model, flow, x),
    lastAttempt: last === undefined ? null : viewAttempt(x, last),
    suspension: x.suspension === null ? null : viewSuspension(x.suspension),
    demands: explainDemands(model, x),
  }
}

function explainDemands(model: Model, x: ExecutionRecord): ExplainFacts['demands'] {
  const facts = demandFactsOf(model, x)
  if (facts === null) return null
  const head = parkedHeadOf(model, x)
  const refused = head?.refused ?? null
  return {
    quotas: facts.quotas,
    budgets: facts.budgets,
    parked:
      head === undefined || refused === null
        ? null
        : { head: head.id, by: refused.by, sinceMs: refused.sinceMs },
  }
}

function explainGroup(model: Model, flow: FlowRecord, x: ExecutionRecord): ExplainFacts['group'] {
  const group = flow.groups.get(x.id)
  if (group === undefined) return null
  const pending = incomingOf(flow, x.id).filter((edge) => edge.state === 'pending')
  return {
    view: viewGroup(flow, group),
    join: group.join,
    storedPolicy: group.storedPolicy,
    pendingUpstreams: pending.slice(0, 100).map((edge) => {
      const upstream = must(model.executions.get(edge.from), `member ${edge.from}`)
      return { id: upstream.id, name: upstream.name, publicState: publicStateOfRecord(upstream) }
    }),
  }
}

function isOfLane(a: ExecutionRecord, b: ExecutionRecord): boolean {
  return a.namespace === b.namespace && a.lane === b.lane
}

/** Of the same queue, and before it in the order of claims. */
function isAhead(other: ExecutionRecord, x: ExecutionRecord): boolean {
  if (other.score === null || x.score === null || !isQueuedWith(other, x)) return false
  return other.score < x.score || (other.score === x.score && other.sequence < x.sequence)
}

/** Both claimable, of the same route, partition and admission key. */
export function isQueuedWith(other: ExecutionRecord, x: ExecutionRecord): boolean {
  if (other.state.eligibilityState !== 'eligible_now' || x.state.eligibilityState !== 'eligible_now')
    return false
  if (!isOfLane(other, x) || other.kind !== x.kind) return false
  if (partitionTagOf(other.id) !== partitionTagOf(x.id)) return false
  if (other.admissionKey !== x.admissionKey) return false
  return JSON.stringify(other.capabilities) === JSON.stringify(x.capabilities)
}
