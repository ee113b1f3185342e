export {
  type ErrorCode,
  type ErrorCodeEntry,
  type ErrorKind,
  type ErrorRetry,
  errorCodes,
  isErrorCode,
  lookUpErrorCode,
} from './codes.js'
export { cutText } from './cut-text.js'
export type { DetailsOf, ErrorDetails, IdErrorDetails, LimitErrorDetails } from './details.js'
export { EngineError, type EngineErrorOptions, engineError, isEngineError } from './engine-error.js'
export { fromProblem, type Problem, toProblem } from './problem.js'
