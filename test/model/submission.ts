import {
  type CreateDraft,
  type CreateDraftOutcome,
  type ExtendFlow,
  type ExtendFlowOutcome,
  engineError,
  type FlowId,
  type FlowOptions,
  type LeaseHandle,
  limits,
  type Namespace,
  type SealFlow,
  type SealFlowOutcome,
  type SubmitFlow,
  type SubmitFlowOutcome,
} from '@flowfabric/core'
import { isSameExecution } from './creation.js'
import { findFlow, isTerminal, membersOf } from './facts.js'
import { linkToParent } from './family.js'
import { announceFlow, flowTagOf, hint } from './feed.js'
import { fence } from './fencing.js'
import { contentOf } from './graph-content.js'
import { checkGrowth, decidedTargets, grow, refuseGrowth } from './growth.js'
import { requireDemands } from './holdings.js'
import { forgetKey, lookUpKey, recordKey } from './idempotency.js'
import type { ExecutionRecord, FlowRecord, GraphContent } from './records.js'
import { setFlowState } from './settlement.js'
import type { Model } from './store.js'
import { makeRunnable } from './transition.js'

export function submitFlow(model: Model, params: SubmitFlow): SubmitFlowOutcome {
  for (const node of params.nodes) requireDemands(model, params.namespace, node)
  checkGrowth(model, null, params)
  const content = contentOf(params)
  const keyed = { target: params.flowId, kind: 'flow', content: content.shape }
  const known = lookUpKey(model, params.namespace, params.idempotencyKey, keyed)
  if (known === 'conflict') return { outcome: 'idempotency_conflict' }
  const present = model.flows.get(known.target as FlowId)
  if (present !== undefined) {
    // Under a recorded key the ids may be another process's.
    const isSame =
      present.namespace === params.namespace &&
      present.content?.shape === content.shape &&
      (known.target !== params.flowId || present.content.ids === content.ids)
    if (!isSame) return { outcome: 'flow_conflict' }
    recordKey(model, params.namespace, params, keyed)
    return { outcome: 'duplicate', flowId: present.id }
  }
  if (params.nodes.some((node) => model.executions.has(node.id))) return { outcome: 'flow_conflict' }
  const refusal = refuseGrowth(model, params.namespace, params.nodes)
  if (refusal !== undefined) return refusal
  const flow = createFlow(model, params, { state: 'open', content })
  grow(model, flow, params)
  startDeadline(model, flow)
  // A recorded id without a flow is of no use: its partition is not that of these nodes.
  forgetKey(model, params.namespace, params.idempotencyKey)
  recordKey(model, params.namespace, params, keyed)
  return { outcome: 'accepted', flowId: flow.id, graphRevision: flow.graphRevision }
}

export function createDraft(model: Model, params: CreateDraft): CreateDraftOutcome {
  const keyed = { target: params.flowId, kind: 'draft', content: params.name ?? '' }
  const known = lookUpKey(model, params.namespace, params.idempotencyKey, keyed)
  if (known === 'conflict') return { outcome: 'idempotency_conflict' }
  const present = model.flows.get(known.target as FlowId)
  if (present !== undefined) {
    if (present.namespace !== params.namespace || present.content !== null)
      return { outcome: 'flow_conflict' }
    recordKey(model, params.namespace, params, keyed)
    return { outcome: 'duplicate', flowId: present.id }
  }
  const flow = createFlow(
    model,
    { ...params, flowId: known.target as FlowId },
    { state: 'draft', content: null },
  )
  flow.draftExpiresAtMs = flow.createdAtMs + (params.draftTtlMs ?? limits.draftTtlMs)
  recordKey(model, params.namespace, params, keyed)
  hint(model, { type: 'due', partition: flowTagOf(model, flow), dueAtMs: flow.draftExpiresAtMs })
  return { outcome: 'created', flowId: flow.id }
}

export function extendFlow(
  model: Model,
  params: ExtendFlow,
  handle: LeaseHandle | undefined,
): ExtendFlowOutcome {
  for (const node of params.nodes) requireDemands(model, params.namespace, node)
  const flow = findFlow(model, params.namespace, params.flowId)
  if (handle !== undefined) {
    const fenced = fence(model, [params.namespace], handle, 'extend')
    if (fenced.pass === 'refused') return fenced.refusal
  }
  const repeat = judgeRepeat(model, flow, params)
  if (repeat !== undefined) return repeat
  if (flow.state !== 'open' && flow.state !== 'draft') {
    return { outcome: 'flow_not_open', flowState: flow.state }
  }
  if (params.expectedRevision !== undefined && params.expectedRevision !== flow.graphRevision) {
    return { outcome: 'graph_revision_mismatch', graphRevision: flow.graphRevision }
  }
  checkGrowth(model, flow, params)
  const decided = decidedTargets(model, flow, params)
  if (decided.length > 0) return { outcome: 'edge_group_decided', ids: decided }
  const refusal = refuseGrowth(model, params.namespace, params.nodes)
  if (refusal !== undefined) return refusal
  flow.graphRevision += 1
  grow(model, flow, params)
  flow.changed = true
  announceFlow(model, flow, flow.state)
  return { outcome: 'extended', graphRevision: flow.graphRevision }
}

/** Whether the call was carried out before, or clashes with what is there. */
function judgeRepeat(model: Model, flow: FlowRecord, params: ExtendFlow): ExtendFlowOutcome | undefined {
  const nodesThere = params.nodes.map((node) => {
    const x = model.executions.get(node.id)
    if (x === undefined) return 'new'
    const isSame = x.flowId === flow.id && x.name === (node.name ?? null)
    return isSame && isSameExecution(x, params.namespace, node) ? 'same' : 'other'
  })
  const edgesThere = params.edges.map(({ from, to, as }) =>
    flow.edges.some((edge) => edge.from === from && edge.to === to && edge.as === (as ?? null)),
  )
  if (nodesThere.every((there) => there === 'same') && edgesThere.every(Boolean)) {
    return { outcome: 'duplicate', graphRevision: flow.graphRevision }
  }
  return nodesThere.every((there) => there === 'new') ? undefined : { outcome: 'execution_conflict' }
}

export function sealFlow(model: Model, params: SealFlow): SealFlowOutcome {
  const flow = findFlow(model, params.namespace, params.flowId)
  if (flow.state !== 'draft') {
    const isSealed = flow.state === 'open' || flow.state === 'completed' || flow.state === 'failed'
    return isSealed ? { outcome: 'already_sealed' } : { outcome: 'flow_not_open', flowState: flow.state }
  }
  if (flow.members.length === 0) throw engineError('empty_flow', `draft ${flow.id} has no nodes to release`)
  flow.draftExpiresAtMs = null
  setFlowState(model, flow, 'open')
  startDeadline(model, flow)
  for (const x of membersOf(model, flow)) releaseRoot(model, x)
  hint(model, { type: 'outbox', partition: flowTagOf(model, flow) })
  return { outcome: 'sealed', graphRevision: flow.graphRevision }
}

function releaseRoot(model: Model, x: ExecutionRecord): void {
  if (!isTerminal(x) && !x.blockedByDependencies) makeRunnable(model, x, x.state.attemptState)
}

/** A flow's deadline runs from its release. */
export function startDeadline(model: Model, flow: FlowRecord): void {
  flow.deadlineAtMs = flow.deadlineMs === null ? null : model.clock.nowMs() + flow.deadlineMs
  if (flow.deadlineAtMs !== null) {
    hint(model, { type: 'due', partition: flowTagOf(model, flow), dueAtMs: flow.deadlineAtMs })
  }
}

function createFlow(
  model: Model,
  options: FlowOptions & { readonly namespace: Namespace },
  start: { readonly state: 'draft' | 'open'; readonly content: GraphContent | null },
): FlowRecord {
  const nowMs = model.clock.nowMs()
  model.sequence += 1
  const flow: FlowRecord = {
    id: options.flowId,
    namespace: options.namespace,
    parent: options.parent ?? null,
    name: options.name ?? null,
    tags: options.tags ?? {},
    createdAtMs: nowMs,
    sequence: model.sequence,
    deadlineMs: options.deadlineMs ?? null,
    content: start.content,
    state: start.state,
    graphRevision: 1,
    generation: 1,
    deadlineAtMs: null,
    draftExpiresAtMs: null,
    terminalAtMs: null,
    cancel: null,
    frozenResult: null,
    members: [],
    edges: [],
    groups: new Map(),
    summary: null,
    changed: true,
    changedAtMs: nowMs,
    live: true,
  }
  model.flows.set(flow.id, flow)
  linkToParent(model, flow)
  announceFlow(model, flow, null)
  return flow
}
