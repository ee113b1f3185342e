import { type ErrorRetry, isErrorCode, lookUpErrorCode } from './codes.js'
import { cutText } from './cut-text.js'
import type { DetailsOf } from './details.js'
import { EngineError, type EngineErrorOptions, engineError } from './engine-error.js'

/** An `EngineError` on the wire: an RFC 9457 problem document, `application/problem+json`. */
export interface Problem {
  /** `urn:flowfabric:error:<code>`. */
  readonly type: string
  /** The code's meaning, the same for every problem of that code. */
  readonly title: string
  readonly status: number
  /** What happened this time: the error's message. */
  readonly detail: string
  readonly code: string
  readonly details: Readonly<Record<string, unknown>>
  readonly retry: ErrorRetry
  readonly retryAfterMs?: number
  readonly mayHaveCommitted?: boolean
}

const TYPE_PREFIX = 'urn:flowfabric:error:'

/** The problem document of an error. Neither stack nor cause leave the process. */
export function toProblem(error: EngineError): Problem {
  const entry = lookUpErrorCode(error.code)
  return {
    type: `${TYPE_PREFIX}${error.code}`,
    title: entry.meaning,
    status: entry.httpStatus,
    detail: error.message,
    code: error.code,
    details: { ...error.details },
    retry: error.retry,
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    ...(error.mayHaveCommitted === undefined ? {} : { mayHaveCommitted: error.mayHaveCommitted }),
  }
}

/**
 * The error of a problem document. Never throws.
 *
 * What is no problem document, or carries a code that this version doesn't know (the server may be
 * newer), becomes `unexpected_answer`. It keeps the retry class that the document states; without one,
 * an answer of 500 and above may be retried and may have been carried out, any other may not.
 */
export function fromProblem(json: unknown, httpStatus?: number): EngineError {
  const fields = isRecord(json) ? json : {}
  const options = readOptions(fields)
  const detail = typeof fields.detail === 'string' ? fields.detail : undefined
  const { code } = fields
  if (isErrorCode(code)) {
    const details = isRecord(fields.details) ? fields.details : {}
    const message = detail ?? lookUpErrorCode(code).meaning
    return new EngineError(code, message, details as DetailsOf<typeof code>, options)
  }
  const status = typeof fields.status === 'number' ? fields.status : (httpStatus ?? 0)
  const isServerFault = status >= 500 || status === 0
  return engineError(
    'unexpected_answer',
    detail ?? `The server answered status ${status} without a problem document of this API`,
    { status, code: typeof code === 'string' ? cutText(code) : undefined },
    { retry: isServerFault ? 'safe' : 'never', mayHaveCommitted: isServerFault, ...options },
  )
}

function readOptions(fields: Readonly<Record<string, unknown>>): EngineErrorOptions {
  const { retry, retryAfterMs, mayHaveCommitted } = fields
  return {
    ...(isRetry(retry) ? { retry } : {}),
    ...(typeof retryAfterMs === 'number' && retryAfterMs >= 0 ? { retryAfterMs } : {}),
    ...(typeof mayHaveCommitted === 'boolean' ? { mayHaveCommitted } : {}),
  }
}

function isRetry(value: unknown): value is ErrorRetry {
  return value === 'never' || value === 'safe' || value === 'after_refresh'
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
