import { type ExecutionId, type FlowId, isFlowId, parseExecutionIdUrl } from '@flowfabric/core'

/** What an id on a command line names. Throws `invalid_execution_id` for what is neither. */
export type Subject = { readonly flowId: FlowId } | { readonly executionId: ExecutionId }

export function readSubject(text: string): Subject {
  return isFlowId(text) ? { flowId: text } : { executionId: parseExecutionIdUrl(text) }
}
