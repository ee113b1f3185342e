import { deriveUuid, makeExecutionId, parseFlowId } from '@flowfabric/core'
import type { IdMint } from '@flowfabric/core/wire'
import type { Engine } from '@flowfabric/engine'

/**
 * Mints what a caller leaves out. Ids of members follow from the flow's id and the node's name, and a keyed flow's id from
 * its key: a repeat of the same request names the same.
 */
export function createIdMint(engine: Engine): IdMint {
  return {
    soloId: (namespace, lane) => engine.router.mintSoloId({ namespace, lane }),
    flowId: () => engine.router.mintFlowId(),
    memberId: (flowId, name) => {
      if (name === undefined) return engine.router.mintMemberId(flowId)
      return makeExecutionId(engine.router.partitionForFlow(flowId).index, deriveUuid('member', flowId, name))
    },
    keyedFlowId: (namespace, key) => parseFlowId(deriveUuid('flow', namespace, key)),
  }
}
