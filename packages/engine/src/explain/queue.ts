import { admit, type ExplainFacts } from '@flowfabric/core'
import { explainDemands } from './demands.js'
import type { ExplainReason } from './explanation.js'

/**
 * What a claim would look at beyond the execution's own state: lane, workers, concurrency, and its place in the queue.
 * Under other blocks only what would still hold it back without them.
 */
export function explainQueue(facts: ExplainFacts, which: 'all' | 'blocks'): readonly ExplainReason[] {
  const { execution, lane } = facts
  const found: ExplainReason[] = []
  if (refuses(facts, 'lane_state')) {
    const isPaused = lane.state === 'paused'
    found.push({
      reason: isPaused ? 'lane_paused' : 'lane_disabled',
      message: `Its lane ${execution.lane} is ${lane.state}.`,
      evidence: { lane: execution.lane, laneState: lane.state },
      sinceMs: null,
      releasedBy: isPaused ? 'resuming the lane' : 'enabling the lane',
    })
  }
  const serving = servingWorkers(facts)
  if (serving.length === 0) found.push(explainMissingWorker(facts))
  if (lane.concurrency !== null && refuses(facts, 'lane_concurrency')) {
    found.push({
      reason: 'lane_concurrency',
      message: `Its lane ${execution.lane} runs ${lane.active} of at most ${lane.concurrency}.`,
      evidence: {
        lane: execution.lane,
        concurrency: lane.concurrency,
        active: lane.active,
        ahead: facts.ahead,
      },
      sinceMs: execution.readyAtMs,
      releasedBy: 'the end of an active execution of the lane, or a greater bound',
    })
  }
  found.push(...explainDemands(facts))
  if (which === 'all' && found.length === 0) found.push(explainTurn(facts, serving.length))
  return found
}

/** Asks the rule of admission about one thing at a time, everything else granted. */
function refuses({ execution, lane }: ExplainFacts, by: 'lane_state' | 'lane_concurrency'): boolean {
  const admission = admit({
    laneState: by === 'lane_state' ? lane.state : 'active',
    laneConcurrency: lane.concurrency,
    laneActive: lane.active,
    requiredCapabilities: execution.capabilities,
    advertisedCapabilities: new Set(execution.capabilities),
    flow: null,
    alwaysNode: false,
    demands: null,
  })
  return !admission.admitted && admission.by === by
}

type Worker = ExplainFacts['workers'][number]

function servingWorkers(facts: ExplainFacts): readonly Worker[] {
  return facts.workers.filter(
    (worker) =>
      !worker.draining &&
      worker.kinds.includes(facts.execution.kind) &&
      missingOf(facts, worker).length === 0,
  )
}

function missingOf({ execution }: ExplainFacts, worker: Worker): readonly string[] {
  const admission = admit({
    laneState: 'active',
    laneConcurrency: null,
    laneActive: 0,
    requiredCapabilities: execution.capabilities,
    advertisedCapabilities: new Set(worker.capabilities),
    flow: null,
    alwaysNode: false,
    demands: null,
  })
  return !admission.admitted && admission.by === 'capability' ? admission.missing : []
}

function explainMissingWorker(facts: ExplainFacts): ExplainReason {
  const { execution, workers } = facts
  const { lane, kind } = execution
  const sinceMs = execution.readyAtMs
  if (workers.length === 0) {
    return {
      reason: 'no_worker',
      message: `No worker of lane ${lane} is there.`,
      evidence: { lane },
      sinceMs,
      releasedBy: `a worker of lane ${lane}`,
    }
  }
  const ofKind = workers.filter((worker) => worker.kinds.includes(kind))
  const missing = fewest(ofKind.map((worker) => missingOf(facts, worker)))
  const draining = ofKind.filter((worker) => worker.draining && missingOf(facts, worker).length === 0).length
  const why =
    ofKind.length === 0
      ? `none knows kind ${kind}`
      : draining > 0
        ? `those that could run it are draining`
        : `none of those that know kind ${kind} has ${missing.join(', ')}`
  return {
    reason: 'no_capable_worker',
    message: `${workers.length} workers of lane ${lane} are there, but ${why}.`,
    evidence: {
      lane,
      kind,
      workers: workers.length,
      servingKind: ofKind.length,
      draining,
      missing: draining > 0 ? [] : missing,
    },
    sinceMs,
    releasedBy: `a worker of lane ${lane} with kind ${kind}${execution.capabilities.length > 0 ? ` and capabilities ${execution.capabilities.join(', ')}` : ''}`,
  }
}

function fewest(lists: readonly (readonly string[])[]): readonly string[] {
  return (
    lists.reduce<readonly string[] | undefined>(
      (best, list) => (best === undefined || list.length < best.length ? list : best),
      undefined,
    ) ?? []
  )
}

function explainTurn({ execution, ahead }: ExplainFacts, workers: number): ExplainReason {
  const afterReclaim = execution.state.ownershipState === 'lease_expired_reclaimable'
  const place =
    ahead === 0 ? 'it is next' : `${ahead >= AHEAD_MAX ? `${AHEAD_MAX} or more` : ahead} are ahead`
  return {
    reason: 'queued',
    message: `It waits for a worker${afterReclaim ? ' after its lease was lost' : ''}; ${place}.`,
    evidence: { lane: execution.lane, ahead, workers, afterReclaim },
    sinceMs: execution.readyAtMs,
    releasedBy: 'a free worker',
  }
}

/** Stores count up to here. */
const AHEAD_MAX = 1_000
