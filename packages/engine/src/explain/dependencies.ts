import { type ExplainFacts, type Join, type JoinPolicy, unreachable } from '@flowfabric/core'
import type { DependencyEvidence, ExplainReason } from './explanation.js'

/** A group that has not let its node go. */
export function explainDependencies({ execution, group }: ExplainFacts): ExplainReason | undefined {
  if (group === null || group.view.released) return undefined
  const { counters, state } = group.view
  const evidence: DependencyEvidence = {
    counters,
    decided: state !== 'pending',
    pendingUpstreams: group.pendingUpstreams,
  }
  // It waits since it was created; a replay begins the wait anew, and the record doesn't keep when.
  const sinceMs = execution.generation === 1 ? execution.createdAtMs : null
  const { join } = group
  if (join === null) {
    return {
      reason: 'unknown_policy',
      message: 'Its incoming edges are joined by a policy that this version does not know.',
      evidence: { ...evidence, storedPolicy: group.storedPolicy },
      sinceMs,
      releasedBy: 'an engine of the version that wrote the policy',
    }
  }
  return {
    reason: 'dependencies',
    message: describeWait(join, evidence),
    evidence: { ...evidence, join },
    sinceMs,
    releasedBy: describeRelease(join, evidence),
  }
}

function describeWait(join: Join, { counters, decided, pendingUpstreams }: DependencyEvidence): string {
  const { n, succeeded, failed, skipped } = counters
  const pending = n - succeeded - failed - skipped
  const names = pendingUpstreams.slice(0, 3).map(({ id, name }) => name ?? id)
  const more = pending > names.length ? ', …' : ''
  const named = names.length === 0 ? '' : `: ${names.join(', ')}${more}`
  const so = decided ? 'Its join has decided, but it waits until all have ended' : describePolicy(join.policy)
  return `${so}; ${succeeded} of ${n} upstreams succeeded, ${failed + skipped} did not, ${pending} have not ended${named}.`
}

function describePolicy(policy: JoinPolicy): string {
  switch (policy.kind) {
    case 'all_of':
      return 'It needs all of its upstreams'
    case 'any_of':
      return 'It needs one of its upstreams'
    case 'quorum':
      return `It needs ${policy.k} of its upstreams`
    default:
      return unreachable(policy)
  }
}

function describeRelease(join: Join, { decided }: DependencyEvidence): string {
  if (join.runOn === 'always' || decided) return 'the end of its last upstream'
  return join.runOn === 'groupImpossible'
    ? 'upstreams that fail, until the join cannot hold'
    : 'upstreams that succeed, until the join holds'
}
