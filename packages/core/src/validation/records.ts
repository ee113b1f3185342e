import { type EngineError, engineError } from '../errors/engine-error.js'
import { limits } from '../limits.js'

/** The error of one signing key, token or namespace more than a deployment keeps. */
export function tooManyRecords(field: string): EngineError {
  const max = limits.recordsMax
  return engineError('too_many_records', `The deployment keeps ${max} ${field} already`, { max, field })
}
