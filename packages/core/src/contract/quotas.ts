import type { BudgetId, ExecutionId, QuotaId } from '../ids/index.js'
import type {
  ItemError,
  Page,
  PageRequest,
  ScanRequest,
  ScanResult,
  Scoped,
  WorkerScoped,
} from './conventions.js'
import type { FencingRefusal, Handle } from './leases.js'

/**
 * Sliding-window rates and concurrency caps, counted by key. An execution names quotas: each claim that begins an attempt
 * takes its rate units, each claim takes a slot, and the step that ends, puts aside or loses the attempt frees the slot.
 */
export interface QuotaOperations {
  /** Idempotent by id: the same settings answer `duplicate`, whatever was changed since. */
  create(params: CreateQuota): Promise<CreateQuotaOutcome>

  /** Throws `quota_not_found`. */
  get(params: GetQuota): Promise<{ readonly outcome: 'found'; readonly quota: Quota }>

  /** Newest first, each with the counts of the empty key. Throws `invalid_cursor`. */
  list(params: ListQuotas): Promise<Page<Quota>>

  /**
   * Change limits or strategy. A raised limit makes room for what waits; under a lowered one what is held stays held.
   * Atomic, idempotent. Throws `quota_not_found`.
   */
  update(params: UpdateQuota): Promise<{ readonly outcome: 'updated'; readonly quota: Quota }>

  /**
   * Take room for a handler's own use: a slot as long as its attempt lasts, and rate units for good. The strategy plays no
   * part. Atomic per item, fenced; idempotent by `holderKey` while it is held. Item errors: `quota_not_found`.
   */
  acquire(params: AcquireQuota): Promise<{ readonly items: readonly AcquireQuotaOutcome[] }>

  /** Give it back early. Rate units stay spent. Atomic per item, fenced, idempotent. */
  release(params: ReleaseQuota): Promise<{ readonly items: readonly ReleaseQuotaOutcome[] }>

  /**
   * Free the parked admission keys for which there is room again, those that wait longest first, as many as can be
   * admitted together. Of the quota and the budget family.
   */
  wakeParked(params: ScanRequest): Promise<ScanResult<WokenKeys>>

  /**
   * Compare holders with the executions that they name; repair only what is provably stale. Of the quota family.
   */
  reconcile(params: ScanRequest): Promise<ScanResult<QuotaReconcileItem>>
}

export const quotaStrategies = ['queue', 'drop_new', 'cancel_oldest'] as const
/** What happens at admission when it is full: wait; end as cancelled (`quota_full`); or wait while the oldest holder is cancelled. */
export type QuotaStrategy = (typeof quotaStrategies)[number]

/** A quota that an execution names. */
export interface QuotaDemand {
  readonly quotaId: QuotaId
  /** Counted for itself. */
  readonly key: string
  /** Rate units. It is always one slot. */
  readonly cost: number
}

/** The same as it is stated: by default the empty key, and one unit. */
export interface QuotaDemandSpec {
  readonly quotaId: QuotaId
  readonly key?: string | undefined
  readonly cost?: number | undefined
}

/** Both limits are optional; each key of the quota is counted for itself. */
export interface QuotaSettings {
  readonly label: string
  /** At most so many units in any stretch of time of this length. They are counted in steps of a thousandth of it. */
  readonly rate: { readonly units: number; readonly windowMs: number } | null
  readonly concurrency: number | null
  readonly strategy: QuotaStrategy
}

export interface CreateQuota extends Scoped, QuotaSettings {
  readonly quotaId: QuotaId
}

export type CreateQuotaOutcome =
  | { readonly outcome: 'created'; readonly quota: Quota }
  | { readonly outcome: 'duplicate'; readonly quota: Quota }
  /** The id is taken by another quota. Nothing is told about the other. */
  | { readonly outcome: 'quota_conflict' }

export interface GetQuota extends Scoped {
  readonly quotaId: QuotaId
  /** Show the counts of this key; by default of the empty one. */
  readonly key?: string | undefined
}

export interface Quota extends QuotaSettings {
  readonly id: QuotaId
  readonly createdAtMs: number
  readonly key: string
  readonly held: number
  readonly unitsInWindow: number
  /** Admission keys that wait for this key of it. */
  readonly waiting: number
  /** When the rate has room for a unit again; `null` when it has. */
  readonly retryAtMs: number | null
}

export interface ListQuotas extends Scoped, PageRequest {}

export interface UpdateQuota extends Scoped {
  readonly quotaId: QuotaId
  readonly settings: { readonly [K in keyof QuotaSettings]?: QuotaSettings[K] | undefined }
}

export interface QuotaUse {
  readonly handle: Handle
  readonly quotaId: QuotaId
  readonly key?: string | undefined
  /** What makes a repeat the same, and tells several uses by one attempt apart. */
  readonly holderKey: string
}

export interface AcquireQuota extends WorkerScoped {
  readonly items: readonly (QuotaUse & { /** Rate units, default 1. */ readonly cost?: number | undefined })[]
}

export type AcquireQuotaOutcome =
  | { readonly outcome: 'acquired' }
  | { readonly outcome: 'already_acquired' }
  /** `retryAtMs`: when the rate has room; `null` when it is slots that are missing, or it never has. */
  | { readonly outcome: 'quota_exceeded'; readonly retryAtMs: number | null }
  | FencingRefusal
  | ItemError

export interface ReleaseQuota extends WorkerScoped {
  readonly items: readonly QuotaUse[]
}

export type ReleaseQuotaOutcome =
  | { readonly outcome: 'released' }
  | { readonly outcome: 'not_held' }
  | FencingRefusal
  | ItemError

export interface WokenKeys {
  readonly outcome: 'woken'
  /** What they waited for. */
  readonly by: ParkedBy
  readonly count: number
}

/** What has no room for the head of an admission key. */
export type ParkedBy =
  | { readonly kind: 'quota'; readonly quotaId: QuotaId; readonly key: string }
  | { readonly kind: 'budget'; readonly budgetId: BudgetId }

export interface QuotaReconcileItem {
  readonly outcome: 'released' | 'drift' | 'error'
  readonly quotaId: QuotaId
  readonly key: string
  readonly executionId: ExecutionId | null
  readonly finding: string
}
