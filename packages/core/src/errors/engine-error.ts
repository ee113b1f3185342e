import { type ErrorCode, type ErrorKind, type ErrorRetry, isErrorCode, lookUpErrorCode } from './codes.js'
import type { DetailsOf, ErrorDetails } from './details.js'

/** What an error may carry beside its code, message and details. */
export interface EngineErrorOptions {
  /** What was caught underneath. Never dropped when an error is wrapped. */
  readonly cause?: unknown
  /** True when the call may have been carried out although its answer was lost. */
  readonly mayHaveCommitted?: boolean | undefined
  /** Milliseconds after which a retry can succeed, where that is known. */
  readonly retryAfterMs?: number | undefined
  /** Replaces the table's retry class. Only for errors read from the wire, whose code may be newer than us. */
  readonly retry?: ErrorRetry | undefined
}

/**
 * The one class of error that this system throws. `kind` and `retry` follow from the code by the
 * table in `codes.ts`; nobody branches on the message.
 */
export class EngineError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'EngineError'
  readonly code: C
  readonly kind: ErrorKind
  readonly retry: ErrorRetry
  readonly details: DetailsOf<C>
  // Declared only: an absent one is no property at all, not one that holds undefined.
  declare readonly mayHaveCommitted?: boolean
  declare readonly retryAfterMs?: number

  constructor(code: C, message: string, details: DetailsOf<C>, options: EngineErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    const entry = lookUpErrorCode(code)
    this.code = code
    this.kind = entry.kind
    this.retry = options.retry ?? entry.retry
    this.details = details
    if (options.mayHaveCommitted !== undefined) this.mayHaveCommitted = options.mayHaveCommitted
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs
  }
}

/** The arguments after the message: details are required exactly for the codes whose details are typed. */
type ErrorArguments<C extends ErrorCode> = C extends keyof ErrorDetails
  ? [details: DetailsOf<C>, options?: EngineErrorOptions]
  : [details?: DetailsOf<C>, options?: EngineErrorOptions]

/** Makes an error of the given code. The message says what was tried and with which ids. */
export function engineError<C extends ErrorCode>(
  code: C,
  message: string,
  ...rest: ErrorArguments<C>
): EngineError<C> {
  const [details, options] = rest
  return new EngineError<C>(code, message, (details ?? {}) as DetailsOf<C>, options)
}

/**
 * Whether the value is an `EngineError`, of the given code if one is named. By shape, so that an error
 * made by another copy of this package in the same process is known too.
 */
export function isEngineError<C extends ErrorCode>(value: unknown, code?: C): value is EngineError<C> {
  if (!(value instanceof Error) || value.name !== 'EngineError' || !('code' in value)) return false
  return code === undefined ? isErrorCode(value.code) : value.code === code
}
