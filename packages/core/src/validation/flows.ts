import {
  type CancelFlow,
  type CreateDraft,
  type ExtendFlow,
  type FlowOptions,
  flowCancelPolicies,
  flowStates,
  type GetFlow,
  type GetGraph,
  type ListFlows,
  type ReplayFlow,
  type SealFlow,
  type SubmitFlow,
} from '../contract/flows.js'
import { engineError } from '../errors/engine-error.js'
import { decodeHandle, type LeaseHandle } from '../handle.js'
import { parseFlowId } from '../ids/index.js'
import { limits } from '../limits.js'
import { requireFreeName } from '../names.js'
import type { PartitionConfig } from '../partitions/index.js'
import { checkIdempotency, checkParent, checkTags } from './execution-spec.js'
import { checkTagFilter, checkTimeFilter } from './executions.js'
import {
  checkBatch,
  checkList,
  checkObject,
  checkOptionalBoolean,
  checkOptionalInteger,
  checkPayload,
  checkReason,
  checkWord,
  invalidParam,
} from './fields.js'
import { checkGraphParts } from './graph-parts.js'
import { checkExecutionId, checkPageRequest, checkScoped } from './scope.js'

/** Checks all of a submitted flow but how its parts fit together, which is `checkGraph`'s. */
export function checkSubmitFlow(params: SubmitFlow, counts: PartitionConfig): void {
  checkScoped(params)
  checkFlowOptions(params, counts)
  checkGraphParts(params, params.flowId, counts)
  if (params.nodes.length === 0) throw engineError('empty_flow', `Flow ${params.flowId} has no nodes`)
}

export function checkCreateDraft(params: CreateDraft, counts: PartitionConfig): void {
  checkScoped(params)
  checkFlowOptions(params, counts)
  checkOptionalInteger(params.draftTtlMs, 'draftTtlMs', 1, limits.durationMsMax)
}

/** Answers the worker's handle taken apart, if the call carries one. As for `submit`, the graph is `checkGraph`'s. */
export function checkExtendFlow(params: ExtendFlow, counts: PartitionConfig): LeaseHandle | undefined {
  checkGetFlow(params)
  checkOptionalInteger(params.expectedRevision, 'expectedRevision', 0, Number.MAX_SAFE_INTEGER)
  checkGraphParts(params, params.flowId, counts)
  if (params.nodes.length + params.edges.length === 0) throw invalidParam('nodes', 'nothing to add')
  return params.handle === undefined ? undefined : decodeHandle(params.handle)
}

/** For `seal`, `get` and `getResult`. */
export function checkGetFlow(params: GetFlow | SealFlow): void {
  checkScoped(params)
  parseFlowId(params.flowId)
}

export function checkGetGraph(params: GetGraph): void {
  checkGetFlow(params)
  checkPageRequest(params)
}

export function checkListFlows(params: ListFlows): void {
  checkScoped(params)
  checkPageRequest(params)
  if (params.states !== undefined) {
    checkList(params.states, 'states', limits.filterValuesMax)
    for (const state of params.states) checkWord(state, 'states', flowStates)
  }
  if (params.tags !== undefined) checkTagFilter(params.tags, 'tags')
  if (params.name !== undefined) requireFreeName(params.name, 'flow')
  checkTimeFilter(params, '')
}

export function checkCancelFlow(params: CancelFlow): void {
  checkGetFlow(params)
  checkWord(params.policy, 'policy', flowCancelPolicies)
  checkOptionalBoolean(params.finalisers, 'finalisers')
  checkReason(params.reason)
  checkOptionalInteger(params.waitMs, 'waitMs', 0, limits.resultWaitMsMax)
}

/** Whether the ids are members of the flow is the store's to see (`unknown_node`). */
export function checkReplayFlow(params: ReplayFlow, counts: PartitionConfig): void {
  checkGetFlow(params)
  checkReason(params.reason)
  if (params.from !== 'failed') {
    if (!Array.isArray(params.from)) throw invalidParam('from', 'must be failed or a list of ids')
    checkBatch(params.from, 'from', limits.nodesPerCallMax, 1)
    for (const id of params.from) checkExecutionId(id, counts)
  }
  if (params.inputs === undefined) return
  checkBatch(params.inputs, 'inputs', limits.nodesPerCallMax)
  for (const item of params.inputs) {
    checkObject(item, 'inputs')
    checkExecutionId(item.id, counts)
    checkPayload(item.input, 'input')
  }
}

function checkFlowOptions(params: FlowOptions, counts: PartitionConfig): void {
  parseFlowId(params.flowId)
  if (params.name !== undefined) requireFreeName(params.name, 'flow')
  checkIdempotency(params)
  checkOptionalInteger(params.deadlineMs, 'deadlineMs', 1, limits.durationMsMax)
  if (params.tags !== undefined) checkTags(params.tags)
  checkParent(params.parent, counts)
}
