import {
  type ClaimedExecution,
  type ClaimRequest,
  type ExecutionId,
  type FlowId,
  type FoundationBackend,
  type Handle,
  type InstanceId,
  type Kind,
  type LaneId,
  mintInstanceId,
  type Namespace,
  type PartitionTag,
  parseKind,
  parseLaneId,
  parseNamespace,
  parseWorkerId,
  type WorkerId,
} from '@flowfabric/core'
import type { ModelBackend } from '../model/index.js'

/** The two that are compared; handles are each one's own. */
export type Side = 'model' | 'store'
export const sides = ['model', 'store'] as const

/** A lease under both names. */
export type HandlePair = Readonly<Record<Side, Handle>>

/** What a run has done so far, as far as later calls build on it. */
export interface World {
  readonly model: ModelBackend
  readonly store: FoundationBackend
  readonly partitions: readonly PartitionTag[]
  readonly namespace: Namespace
  /** Of the same store; what is asked for there is not found. */
  readonly foreign: Namespace
  readonly executions: ExecutionId[]
  readonly flows: FlowId[]
  readonly members: Map<FlowId, ExecutionId[]>
  /** In which call each execution was submitted. */
  readonly calls: Map<ExecutionId, number>
  readonly handles: HandlePair[]
  readonly lastClaims: ClaimRequest[]
  readonly instances: readonly InstanceId[]
  nodeCount: number
  stepCount: number
}

export const lanes: readonly [LaneId, LaneId] = [parseLaneId('quick'), parseLaneId('slow')]
export const kinds: readonly [Kind, Kind] = [parseKind('count'), parseKind('sum@2')]
export const workerId: WorkerId = parseWorkerId('worker')

let runs = 0

export function newWorld(
  model: ModelBackend,
  store: FoundationBackend,
  partitions: readonly PartitionTag[],
): World {
  runs += 1
  return {
    model,
    store,
    partitions,
    namespace: parseNamespace(`run-${runs}`),
    foreign: parseNamespace(`foreign-${runs}`),
    executions: [],
    flows: [],
    members: new Map(),
    calls: new Map(),
    handles: [],
    lastClaims: [],
    instances: [mintInstanceId(), mintInstanceId()],
    nodeCount: 0,
    stepCount: 0,
  }
}

export function backendOf(world: World, side: Side): FoundationBackend {
  return side === 'model' ? world.model : world.store
}

/** Remembers what both handed out. */
export function keepLeases(
  world: World,
  model: readonly ClaimedExecution[],
  store: readonly ClaimedExecution[],
): void {
  for (const lease of model) {
    const twin = store.find(({ executionId }) => executionId === lease.executionId)
    if (twin !== undefined) world.handles.push({ model: lease.handle, store: twin.handle })
  }
}

/** A call as both get it. */
export interface Call {
  /** What is asked, for the counter-example. */
  readonly text: string
  readonly on: (backend: FoundationBackend, side: Side) => Promise<unknown>
  /** Looks at both answers once they agree, to remember what they brought. */
  readonly keep?: (answers: Readonly<Record<Side, unknown>>) => void
}

/** A call that is more than the same question to both: answers in words where they differ. */
export interface Play {
  readonly text: string
  readonly play: () => Promise<{
    readonly outcomes: readonly string[]
    readonly differences: readonly string[]
  }>
}
