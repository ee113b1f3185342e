import { engineError, partitionIndexOf } from '@flowfabric/core'
import { callSafely } from '../calls/call-safely.js'
import { isFencingRefusal, refusalError } from '../calls/refusals.js'
import { AttemptLostError } from '../errors.js'
import { GraphBuilder } from '../flows/graph-builder.js'
import { deriveMemberId, deriveSpawnedId, materialiseGraph } from '../flows/materialise-graph.js'
import { createSpawnBuilder, type SpawnBuilder } from '../flows/spawn-builder.js'
import type { HeldLease } from './held-lease.js'
import type { WorkerCore } from './worker-core.js'

/**
 * Adds nodes and edges to the flow of the running member, under its lease. Ids follow from this member and the nodes'
 * names, so that a later attempt adds the same nodes, that is nothing.
 */
export async function spawnNodes(
  core: WorkerCore,
  held: HeldLease,
  build: (f: SpawnBuilder) => void,
): Promise<void> {
  const { flowId, executionId, name, handle, namespace } = held.claimed
  if (flowId === null) {
    throw engineError('execution_not_in_flow', `${executionId} is a member of no flow, so it cannot grow one`)
  }
  const builder = new GraphBuilder()
  const self = name ?? executionId
  build(createSpawnBuilder(builder, self))
  if (builder.nodes.length + builder.edges.length === 0) return
  await Promise.all(builder.checks)

  const partitionIndex = partitionIndexOf(executionId)
  const added = new Set(builder.nodes.map((node) => node.name))
  const graph = await materialiseGraph(builder, {
    codec: core.codec,
    idOf(node) {
      if (added.has(node)) return deriveSpawnedId(executionId, node, partitionIndex)
      return node === self ? executionId : deriveMemberId(flowId, node, partitionIndex)
    },
    hashInputs: true,
  })
  const outcome = await callSafely(() => core.backend.flows.extend({ namespace, flowId, handle, ...graph }))
  if (outcome.outcome === 'extended' || outcome.outcome === 'duplicate') return
  if (!isFencingRefusal(outcome)) throw refusalError(outcome, flowId)
  core.refuse(held, outcome)
  throw new AttemptLostError(outcome.outcome)
}
