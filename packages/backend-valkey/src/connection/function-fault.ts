/**
 * An answer `FF <code> <detail>` of our own library, or `ERR Function not found`: for the layer that knows the library,
 * which makes an `EngineError` of it, or loads the library and calls again.
 */
export class FunctionFault extends Error {
  override readonly name = 'FunctionFault'
  /** A code of our library, or `FUNCTION_NOT_FOUND`. Not yet held against the table of codes. */
  readonly code: string
  /** What followed the code, as the function wrote it. */
  readonly detail: string
  /** The same read as JSON, where it is an object; otherwise empty. */
  readonly details: Readonly<Record<string, unknown>>
  /** The node that answered, for `callOn`. */
  readonly node: string
  /** Whether an earlier try of the same call, whose answer was lost, may have been carried out. */
  readonly mayHaveCommitted: boolean

  constructor(fault: FunctionFaultFields) {
    super(`${fault.node} answered ${fault.code}: ${fault.detail}`)
    this.code = fault.code
    this.detail = fault.detail
    this.details = fault.details
    this.node = fault.node
    this.mayHaveCommitted = fault.mayHaveCommitted
  }
}

type FunctionFaultFields = Pick<FunctionFault, 'code' | 'detail' | 'details' | 'node' | 'mayHaveCommitted'>
