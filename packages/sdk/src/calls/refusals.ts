import {
  type EngineError,
  engineError,
  type FencingRefusal,
  isErrorCode,
  limits,
  lookUpErrorCode,
} from '@flowfabric/core'

interface Refusal {
  readonly outcome: string
  readonly lane?: string
  readonly laneState?: string
  readonly flowState?: string
  readonly ids?: readonly string[]
  readonly graphRevision?: number
  readonly error?: EngineError
}

/**
 * The error of a refusing outcome: its code has the outcome's name. For callers who asked for one thing and cannot go
 * on without it.
 */
export function refusalError(refusal: Refusal, subject: string): EngineError {
  const { outcome } = refusal
  if (refusal.error !== undefined) return refusal.error
  if (!isErrorCode(outcome)) {
    return engineError('unexpected_answer', `${subject}: an unknown outcome, ${outcome}`, {
      status: 0,
      code: outcome,
    })
  }
  const message = `${subject}: ${lookUpErrorCode(outcome).meaning}`
  switch (outcome) {
    case 'lane_not_accepting':
      return engineError(outcome, message, { lane: refusal.lane ?? '', state: refusal.laneState ?? '' })
    case 'too_many_routes':
      return engineError(outcome, message, { max: limits.routesPerLaneMax, field: refusal.lane })
    case 'flow_not_open':
    case 'flow_terminal':
      return engineError(outcome, message, { flowId: subject, state: refusal.flowState ?? '' })
    case 'edge_group_decided':
      return engineError(outcome, message, { downstream: refusal.ids?.[0] ?? '' })
    case 'replay_conflict':
      return engineError(outcome, message, { executionIds: refusal.ids ?? [] })
    case 'graph_revision_mismatch':
      return engineError(outcome, message, { expected: 0, actual: refusal.graphRevision ?? 0 })
    default:
      return engineError(outcome, message, {} as never)
  }
}

const fencingOutcomes: ReadonlySet<string> = new Set<FencingRefusal['outcome']>([
  'stale_lease',
  'lease_expired',
  'lease_revoked',
  'attempt_timed_out',
  'execution_not_active',
])

/** Whether an outcome says that a handle's attempt is not held any more. */
export function isFencingRefusal(answer: { readonly outcome: string }): answer is FencingRefusal {
  return fencingOutcomes.has(answer.outcome)
}
