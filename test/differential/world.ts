import {
  type BudgetId,
  type ClaimedExecution,
  type ClaimRequest,
  type ExecutionId,
  type FlowId,
  type FoundationBackend,
  type Handle,
  type InstanceId,
  type Kind,
  type LaneId,
  type Namespace,
  type OperationId,
  type PartitionTag,
  parseBudgetId,
  parseInstanceId,
  parseKind,
  parseLaneId,
  parseNamespace,
  parseQuotaId,
  parseTokenId,
  parseWebhookId,
  parseWorkerId,
  type QuotaId,
  type ScheduleId,
  type SuspensionId,
  type TokenId,
  type WaitpointId,
  type WebhookId,
  type WorkerId,
} from '@flowfabric/core'
import type { ModelBackend } from '../model/index.js'
import type { BackendName } from '../support/backends.js'
import type { Minting } from './minting.js'
import type { Claims } from './operations/claims.js'

/** One of those that are compared. The model is the first of them, and what the others are held to. */
export type Side = BackendName | 'store'

/** A lease under the handle that each gave it. */
export interface LeaseHandles {
  readonly number: number
  readonly executionId: ExecutionId | null
  readonly of: Readonly<Partial<Record<Side, Handle>>>
}

/** A try of a webhook's delivery, under the id that each gave it. */
export interface HandedDeliveries {
  readonly number: number
  readonly webhookId: WebhookId
  readonly of: Readonly<Partial<Record<Side, { readonly deliveryId: string; readonly attempt: number }>>>
}

/** What a run has done so far, as far as later calls build on it. */
export interface World {
  readonly model: ModelBackend
  /** All that are asked, the model first. */
  readonly backends: ReadonlyMap<Side, FoundationBackend>
  readonly claims: Claims
  readonly minting: Minting
  readonly partitions: readonly PartitionTag[]
  readonly namespace: Namespace
  /** Of the same store; what is asked for there is not found. */
  readonly foreign: Namespace
  readonly executions: ExecutionId[]
  readonly flows: FlowId[]
  readonly schedules: ScheduleId[]
  readonly operations: OperationId[]
  readonly members: Map<FlowId, ExecutionId[]>
  /** Where each execution stood in the call that brought it, see `choosePriority`. */
  readonly places: Map<ExecutionId, number>
  readonly handles: LeaseHandles[]
  readonly waitpoints: { readonly id: WaitpointId; readonly executionId: ExecutionId }[]
  /** The last suspension that each began. */
  readonly suspensions: Map<ExecutionId, SuspensionId>
  readonly lastClaims: ClaimRequest[]
  /** How far each one's feed was read. */
  readonly cursors: Map<Side, string>
  readonly instances: readonly [InstanceId, InstanceId]
  /** The last key and the last token are never made. */
  readonly signingKeys: readonly [string, string, string]
  readonly tokens: readonly [TokenId, TokenId, TokenId]
  readonly actions: readonly [string, string, string]
  /** Nobody makes the last of either. */
  readonly quotas: readonly [QuotaId, QuotaId, QuotaId]
  readonly budgets: readonly [BudgetId, BudgetId, BudgetId]
  readonly webhooks: readonly [WebhookId, WebhookId, WebhookId]
  /** The last that were handed out. */
  readonly deliveries: HandedDeliveries[]
  readonly engines: readonly [InstanceId, InstanceId]
  nodeCount: number
  handleCount: number
  deliveryCount: number
}

export const lanes: readonly [LaneId, LaneId] = [parseLaneId('quick'), parseLaneId('slow')]
export const kinds: readonly [Kind, Kind] = [parseKind('count'), parseKind('sum@2')]
export const workerId: WorkerId = parseWorkerId('worker')

export interface WorldParts extends Pick<World, 'model' | 'backends' | 'claims' | 'minting' | 'partitions'> {
  /** Tells its namespaces from those of other runs on the same stores. */
  readonly name: string
}

export function newWorld({ name, ...parts }: WorldParts): World {
  const { uuid } = parts.minting
  return {
    ...parts,
    namespace: parseNamespace(`run-${name}`),
    foreign: parseNamespace(`foreign-${name}`),
    executions: [],
    flows: [],
    schedules: [],
    operations: [],
    members: new Map(),
    places: new Map(),
    handles: [],
    waitpoints: [],
    suspensions: new Map(),
    lastClaims: [],
    cursors: new Map(),
    instances: [parseInstanceId(uuid()), parseInstanceId(uuid())],
    signingKeys: [`${name}-a`, `${name}-b`, `${name}-c`],
    tokens: [parseTokenId(uuid()), parseTokenId(uuid()), parseTokenId(uuid())],
    actions: [uuid(), uuid(), uuid()],
    quotas: [parseQuotaId(uuid()), parseQuotaId(uuid()), parseQuotaId(uuid())],
    budgets: [parseBudgetId(uuid()), parseBudgetId(uuid()), parseBudgetId(uuid())],
    webhooks: [parseWebhookId(uuid()), parseWebhookId(uuid()), parseWebhookId(uuid())],
    deliveries: [],
    engines: [parseInstanceId(uuid()), parseInstanceId(uuid())],
    nodeCount: 0,
    handleCount: 0,
    deliveryCount: 0,
  }
}

/** The handle that a side gave the lease; what never was a handle where it gave none. */
export function handleOn(side: Side, lease: LeaseHandles | undefined): Handle {
  return lease?.of[side] ?? 'no handle'
}

/** How a call's words name leases. */
export function nameLeases(leases: readonly (LeaseHandles | undefined)[]): string {
  return leases.map((lease) => (lease === undefined ? 'no handle' : `#${lease.number}`)).join(' ')
}

/** Remembers what all handed out. */
export function keepLeases(world: World, claimed: ReadonlyMap<Side, readonly ClaimedExecution[]>): void {
  for (const { executionId } of claimed.get('model') ?? []) {
    const handles = [...claimed].flatMap(([side, leases]) => {
      const handle = leases.find((lease) => lease.executionId === executionId)?.handle
      return handle === undefined ? [] : [[side, handle] as const]
    })
    world.handles.push({ number: world.handleCount, executionId, of: Object.fromEntries(handles) })
    world.handleCount += 1
  }
}

/** A call as all get it, the model first. */
export interface Call {
  /** What is asked, for the counter-example. */
  readonly text: string
  readonly on: (backend: FoundationBackend, side: Side) => Promise<unknown>
  /** Looks at the answers once they agree, to remember what they brought. */
  readonly keep?: (answers: ReadonlyMap<Side, unknown>) => void
}

/** A call that is more than the same question to all: answers in words where they differ. */
export interface Play {
  readonly text: string
  readonly play: () => Promise<{
    readonly outcomes: readonly string[]
    readonly differences: readonly string[]
  }>
}
