import { type FlowId, requireTags, type Tags } from '@flowfabric/core'
import { callSafely } from '../calls/call-safely.js'
import { refusalError } from '../calls/refusals.js'
import type { FlowDefinition } from '../flows/define-flow.js'
import { deriveMemberId, materialiseGraph } from '../flows/materialise-graph.js'
import { validateGraph } from '../flows/validate-graph.js'
import type { ClientCore } from './client-core.js'
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
  const { graph, checks } = definition.plan(input)
  validateGraph(graph)
  if (options.tags !== undefined) requireTags(options.tags)
  await Promise.all([...checks, core.placement.prepare()])
  const flowId = options.id ?? core.placement.mintFlowId()
  const partitionIndex = core.placement.partitionOfFlow(flowId)
  const ids = new Map(graph.nodes.map(({ name }) => [name, deriveMemberId(flowId, name, partitionIndex)]))
  const { nodes, edges } = await materialiseGraph(graph, {
    codec: core.codec,
    idOf: (name) => ids.get(name) ?? deriveMemberId(flowId, name, partitionIndex),
    hashInputs: options.id !== undefined || options.idempotencyKey !== undefined,
  })
  const { id: _id, ...rest } = options
  const params = { namespace: core.namespace, flowId, name: definition.name, ...rest, nodes, edges }
  const answer = await callSafely(() => core.backend.flows.submit(params))
  if (answer.outcome === 'accepted' || answer.outcome === 'duplicate') {
    return createFlowHandle(core, answer.flowId, answer.outcome === 'duplicate', graph.results)
  }
  throw refusalError(answer, flowId)
}
