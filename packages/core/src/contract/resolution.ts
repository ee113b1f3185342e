import type { EntryId, ExecutionId, FlowId } from '../ids/index.js'
import type { ScanRequest, ScanResult } from './conventions.js'
import type { FlowState, FlowSummary } from './flows.js'

/** What moves a flow on after its members' ends: for the dispatcher and the scanners, never for users. */
export interface ResolutionOperations {
  /**
   * Carry out one hop of an outbox entry: at most `hopMaxEdges` edges of its upstream; what is left stays in the entry.
   * Atomic. `noop` when the entry is unknown, done or held by someone else; `advanced` with zeros is a normal answer.
   * Contention is tried three times in all (5 ms and 10 ms between), then throws `retry_exhausted`; the entry stays.
   */
  dispatchCompletion(params: { readonly entryId: EntryId }): Promise<DispatchOutcome>

  /**
   * Carry out a partition's due entries, at most `callMaxEdges` edges: hops, settlements, batches of seal and replay, and
   * messages between executions. Entries that a call takes together are counted together, before the groups that
   * they lead to decide. A message reaches at most `familyBatchMax` receivers, each in a step of its partition, and goes
   * when none is left; delivering one twice does no harm.
   */
  dispatchCompletions(params: ScanRequest): Promise<ScanResult<DispatchItem>>

  /** Cancel the siblings of fired groups: ≤ `max` groups a call, ≤ 1000 siblings. A group's tuple and flag go in one step, last. */
  drainSiblingCancels(params: ScanRequest): Promise<ScanResult<SiblingCancelItem>>

  /** Look at a random sample of pending groups for what a crash left behind. Never fights the dispatcher. */
  reconcileSiblingCancels(params: ScanRequest): Promise<ScanResult<SiblingReconcileItem>>

  /** Cancel the next members of cancelling flows, and settle those whose members have all ended. */
  drainCancelBacklog(params: ScanRequest): Promise<ScanResult<CancelBacklogItem>>

  /** Resolve pending edges whose upstream is terminal, and groups that their counters decide but that are not marked. */
  reconcileDependencies(params: ScanRequest): Promise<ScanResult<DependencyReconcileItem>>

  /** Write the summaries of the partition's changed live flows. Never touches the authoritative state. */
  projectSummaries(
    params: ScanRequest & { readonly cursor?: string | undefined },
  ): Promise<ScanResult<ProjectionItem> & { readonly cursor: string | null }>
}

export type DispatchOutcome = { readonly outcome: 'noop' } | DispatchAdvanced

/** What one call changed: edges resolved, groups decided by it, nodes that it skipped. */
export interface DispatchAdvanced {
  readonly outcome: 'advanced'
  readonly edges: number
  readonly satisfied: number
  readonly impossible: number
  readonly skipped: number
  /** Edges whose record could not be read: each with its raw text, left pending. */
  readonly corrupt: readonly string[]
}

export type DispatchItem =
  | (DispatchAdvanced & {
      readonly entryId: EntryId
      readonly flowId: FlowId | null
      readonly executionId: ExecutionId | null
    })
  | { readonly outcome: 'settled'; readonly flowId: FlowId; readonly flowState: FlowState }
  | { readonly outcome: 'released'; readonly flowId: FlowId; readonly members: number }
  | { readonly outcome: 'reset'; readonly flowId: FlowId; readonly members: number }
  /** A message to an execution was carried to its partition; `more`: it has further receivers. */
  | {
      readonly outcome: 'delivered'
      readonly entryId: EntryId
      readonly message: OutboxMessage
      readonly more: boolean
    }
  | { readonly outcome: 'noop'; readonly entryId: EntryId }
  | { readonly outcome: 'retry_exhausted'; readonly entryId: EntryId; readonly failures: number }
  | { readonly outcome: 'error'; readonly entryId: EntryId; readonly code: string; readonly message: string }

export const familyMessages = ['child_linked', 'child_watched', 'child_ended', 'parent_stopped'] as const
/**
 * What parents and children tell each other through the outbox. `child_linked`: a child was submitted, to its parent.
 * `child_watched`: a suspension waits for a child that its partition doesn't know, to the child. `child_ended`: to all that
 * wait for it. `parent_stopped`: to its children that aren't detached.
 */
export type FamilyMessage = (typeof familyMessages)[number]
/** `holder_cancelled`: to the oldest holder of a quota's slots, by an admission that waits for one. */
export type OutboxMessage = FamilyMessage | 'holder_cancelled'

export interface SiblingCancelItem {
  readonly outcome: 'drained' | 'partial' | 'error'
  readonly flowId: FlowId
  readonly downstreamId: ExecutionId
  readonly siblings: readonly {
    readonly id: ExecutionId
    readonly disposition: 'cancelled' | 'already_terminal' | 'not_found' | 'spared' | 'error'
    readonly via: 'sibling' | 'ancestor'
  }[]
}

export interface SiblingReconcileItem {
  readonly outcome: 'sremmed_stale' | 'completed_drain' | 'no_op' | 'malformed' | 'error'
  /** The tuple as it is stored: `<flowId>|<downstreamId>`. */
  readonly tuple: string
}

export interface CancelBacklogItem {
  readonly outcome: 'advanced' | 'done' | 'error'
  readonly flowId: FlowId
  readonly cancelled: number
  readonly remaining: number
}

export interface DependencyReconcileItem {
  readonly outcome: 'edge_resolved' | 'group_decided' | 'unknown_policy' | 'error'
  readonly flowId: FlowId
  readonly executionId: ExecutionId
}

export type ProjectionItem =
  | {
      readonly outcome: 'projected'
      readonly flowId: FlowId
      readonly summary: FlowSummary
      readonly drift: boolean
    }
  | { readonly outcome: 'unchanged'; readonly flowId: FlowId }
  | { readonly outcome: 'gone'; readonly flowId: FlowId }
  | { readonly outcome: 'error'; readonly flowId: FlowId; readonly code: string }
