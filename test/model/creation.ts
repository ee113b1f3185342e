import {
  admissionKeyOf,
  defaultRetryPolicy,
  draftRootVector,
  type ExecutionSpec,
  hashInput,
  limits,
  type Namespace,
  type ParentLink,
  resolveDemands,
} from '@flowfabric/core'
import { linkToParent } from './family.js'
import { useLane } from './lane-records.js'
import type { ExecutionRecord, FlowRecord } from './records.js'
import type { Model } from './store.js'
import { holdUntil, makeRunnable, transition } from './transition.js'

/** Where a new execution stands in a flow. */
export interface Membership {
  readonly flow: FlowRecord
  readonly name: string | null
  readonly hasUpstreams: boolean
}

/** Records a new execution. All checks are over; nothing here refuses. */
export function createExecution(
  model: Model,
  namespace: Namespace,
  spec: ExecutionSpec & { readonly parent?: ParentLink | undefined },
  membership: Membership | null,
): ExecutionRecord {
  const nowMs = model.clock.nowMs()
  useLane(model, namespace, spec.lane)
  const demands = resolveDemands(spec)
  model.sequence += 1
  const x: ExecutionRecord = {
    id: spec.id,
    namespace,
    flowId: membership?.flow.id ?? null,
    parent: spec.parent ?? null,
    name: membership?.name ?? null,
    kind: spec.kind,
    lane: spec.lane,
    capabilities: [...new Set(spec.capabilities ?? [])].sort(),
    retry: spec.retry ?? defaultRetryPolicy,
    timeouts: spec.timeouts ?? {},
    inputHash: spec.inputHash ?? hashInput(spec.input),
    traceContext: spec.traceContext ?? null,
    retentionMs: spec.retentionMs ?? null,
    maxReclaims: spec.maxReclaims ?? limits.reclaimsMax,
    demands,
    admissionKey: admissionKeyOf(demands),
    createdAtMs: nowMs,
    sequence: model.sequence,
    input: spec.input,
    priority: spec.priority ?? 0,
    tags: spec.tags ?? {},
    state: draftRootVector,
    announced: null,
    blockedByDependencies: membership?.hasUpstreams ?? false,
    held: false,
    notBeforeMs: null,
    delayReason: null,
    generation: 1,
    epoch: 0,
    retryCount: 0,
    reclaimCount: 0,
    replayCount: 0,
    claimed: false,
    firstEligibleAtMs: null,
    readyAtMs: null,
    score: null,
    refused: null,
    attempts: [],
    lease: null,
    yielded: null,
    cancelRequested: null,
    cancelCause: null,
    wanted: null,
    result: null,
    failure: null,
    progress: null,
    terminalAtMs: null,
    keptUntilMs: null,
    steps: [],
    suspension: null,
    resumption: null,
    waitpoints: [],
    signals: [],
    signalSequence: 0,
    children: new Map(),
  }
  model.executions.set(x.id, x)
  linkToParent(model, x)
  membership?.flow.members.push(x.id)
  holdUntil(model, x, spec.startAtMs ?? nowMs + (spec.delayMs ?? 0), 'start_time')
  if (membership?.flow.state === 'draft' && !membership.hasUpstreams) transition(model, x, draftRootVector)
  else makeRunnable(model, x, 'pending_first_attempt')
  return x
}

/** Whether a submission means the execution that is there already. */
export function isSameExecution(x: ExecutionRecord, namespace: Namespace, spec: ExecutionSpec): boolean {
  return (
    x.namespace === namespace &&
    x.kind === spec.kind &&
    x.inputHash === (spec.inputHash ?? hashInput(spec.input))
  )
}
