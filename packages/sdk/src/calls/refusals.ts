import {
  type EngineError,
  engineError,
  type FencingRefusal,
  isErrorCode,
  lookUpErrorCode,
} from '@flowfabric/core'

interface Refusal {
  readonly outcome: string
  readonly lane?: string
  readonly laneState?: string
  readonly flowState?: string
  readonly ids?: readonly string[]
  readonly graphRevision?: number
  readonly bound?: string
  readonly error?: EngineError
}

/**
 * The error of a refusing outcome: its code has the outcome's name. For callers who asked for one thing and cannot go
 * on without it.
 */
export function refusalError(refusal: Refusal, subject: string): EngineError {
  const { outcome, error, ...details } = refusal
  if (error !== undefined) return error
  if (!isErrorCode(outcome)) {
    return engineError('unexpected_answer', `${subject}: an unknown outcome, ${outcome}`, {
      status: 0,
      code: outcome,
    })
  }
  // The details of a refusal's code are the outcome's own fields.
  return engineError(outcome, `${subject}: ${lookUpErrorCode(outcome).meaning}`, details as never)
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
