import { type EngineError, engineError } from '../errors/engine-error.js'
import { limits } from '../limits.js'

/** The error of one signing key, token, namespace or webhook more than is kept. */
export function tooManyRecords(field: string, max: number = limits.recordsMax): EngineError {
  return engineError('too_many_records', `There are ${max} ${field} already`, { max, field })
}
