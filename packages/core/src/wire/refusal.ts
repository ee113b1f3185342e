import { isErrorCode, lookUpErrorCode } from '../errors/codes.js'
import type { EngineError } from '../errors/engine-error.js'
import { fromProblem, type Problem } from '../errors/problem.js'

/**
 * A single call's refusal is an outcome to both ends and a problem document between them: the outcome's name is the
 * code, its other fields are the details. Outcomes that refuse nothing have no row in the error table.
 */
export function refusalOf(answer: unknown): Problem | undefined {
  if (typeof answer !== 'object' || answer === null || !('outcome' in answer)) return undefined
  const { outcome, ...details } = answer
  if (!isErrorCode(outcome)) return undefined
  const { meaning, httpStatus, retry } = lookUpErrorCode(outcome)
  return {
    type: `urn:flowfabric:error:${outcome}`,
    title: meaning,
    status: httpStatus,
    detail: meaning,
    code: outcome,
    details,
    retry,
  }
}

/** The outcome that a problem document stands for, or the error to throw when it is none of the operation's refusals. */
export function readRefusal<Answer>(
  refusals: readonly string[],
  json: unknown,
  httpStatus: number,
): { readonly answer: Answer } | { readonly error: EngineError } {
  const error = fromProblem(json, httpStatus)
  if (!refusals.includes(error.code)) return { error }
  // The details of a refusal are the outcome's own fields, as `refusalOf` wrote them.
  return { answer: { ...error.details, outcome: error.code } as Answer }
}
