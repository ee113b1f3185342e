import { type FlowId, requireTags, type Tags } from '@flowfabric/core'
import { callSafely } from '../calls/call-safely.js'
import { refusalError } from '../calls/refusals.js'
import type { FlowDefinition } from '../flows/define-flow.js'
import type { ClientCore } from './client-core.js'
import { describeFlow } from './describe-flow.js'
import { createFlowHandle, type FlowHandle } from './flow-handle.js'

export interface FlowSubmitOptions {
  /** An id of your own (UUID): a repeat with it is answered as the same flow. */
  readonly id?: FlowId | undefined
  /** A repeat under the same key, with the same content, is answered as the same flow. */
  readonly idempotencyKey?: string | undefined
  readonly idempotencyTtlMs?: number | undefined
  /** From its release; then its members end as `expired`. */
  readonly deadlineMs?: number | undefined
  readonly tags?: Tags | undefined
}

export async function submitFlow<Input, Results>(
  core: ClientCore,
  definition: FlowDefinition<Input, Results>,
  input: Input,
  options: FlowSubmitOptions = {},
): Promise<FlowHandle<Results>> {
  if (options.tags !== undefined) requireTags(options.tags)
  await core.placement.prepare()
  const flowId = options.id ?? core.placement.mintFlowId()
  const partitionIndex = core.placement.partitionOfFlow(flowId)
  const { graph, materialise } = describeFlow(core.codec, definition, input, flowId, partitionIndex)
  const { nodes, edges } = await materialise(options.id !== undefined || options.idempotencyKey !== undefined)
  const { id: _id, ...rest } = options
  const params = { namespace: core.namespace, flowId, name: definition.name, ...rest, nodes, edges }
  const answer = await callSafely(() => core.submitter.flows.submit(params), core.bounds)
  if (answer.outcome === 'accepted' || answer.outcome === 'duplicate') {
    return createFlowHandle(core, answer.flowId, answer.outcome === 'duplicate', graph.results)
  }
  throw refusalError(answer, flowId)
}
