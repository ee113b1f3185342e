import {
  type EntryId,
  type FlowSummaryState,
  mintEntryId,
  must,
  partitionIndexOf,
  resolveJoin,
} from '@flowfabric/core'
import type { ModelBackend } from '../../model/index.js'
import type { Faults } from './faults.js'

/** Reaches into the model's records. */
export function createModelFaults({ store }: ModelBackend): Faults {
  return {
    outbox: async () =>
      [...store.outbox.values()].map(({ id, executionId }) => ({ entryId: id, executionId })),

    leaveEntry: async ({ executionId, generation }) => {
      const id: EntryId = mintEntryId(partitionIndexOf(executionId))
      const flowId = must(store.executions.get(executionId), `execution ${executionId}`).flowId
      store.outbox.set(id, { id, kind: 'completion', flowId, executionId, generation, graphRevision: 0 })
      return id
    },

    dropOutbox: async () => store.outbox.clear(),

    storePolicyKind: async (node, kind) => {
      const { flowId } = must(store.executions.get(node), `execution ${node}`)
      const flow = must(flowId === null ? undefined : store.flows.get(flowId), `the flow of ${node}`)
      const group = must(flow.groups.get(node), `the group of ${node}`)
      group.storedPolicy = kind ?? ''
      group.join = kind === null ? resolveJoin(undefined) : null
    },

    pendingTuples: async () =>
      [...store.flows.values()].flatMap((flow) =>
        [...flow.groups.values()]
          .filter(({ siblingCancel }) => siblingCancel !== null)
          .map(({ node }) => `${flow.id}|${node}`),
      ),

    storeSummaryState: async (flowId, publicFlowState) => {
      const flow = must(store.flows.get(flowId), `flow ${flowId}`)
      const summary = must(flow.summary, `the summary of ${flowId}`)
      flow.summary = { ...summary, publicFlowState: publicFlowState as FlowSummaryState }
    },
  }
}
