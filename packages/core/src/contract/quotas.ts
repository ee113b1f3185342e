import type { ExecutionId, QuotaId } from '../ids/index.js'
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

/** Sliding-window rates and concurrency caps, counted by key. */
export interface QuotaOperations {
  /** Idempotent by id. */
  create(params: CreateQuota): Promise<CreateQuotaOutcome>

  /** Throws `quota_not_found`. */
  get(params: GetQuota): Promise<{ readonly outcome: 'found'; readonly quota: Quota }>

  /** Newest first. */
  list(params: ListQuotas): Promise<Page<Quota>>

  /** Change limits or strategy. A raised limit wakes what waits for it. Atomic, idempotent. Throws `quota_not_found`. */
  update(params: UpdateQuota): Promise<{ readonly outcome: 'updated'; readonly quota: Quota }>

  /** Take room for a handler's own use, as long as its attempt lasts. Atomic per item, fenced, idempotent by `holderKey`. */
  acquire(params: AcquireQuota): Promise<{ readonly items: readonly AcquireQuotaOutcome[] }>

  /** Give it back early. Rate units stay spent. Atomic per item, fenced, idempotent. */
  release(params: ReleaseQuota): Promise<{ readonly items: readonly ReleaseQuotaOutcome[] }>

  /** Free the parked admission keys for which there is room again, as many as can be admitted. */
  wakeParked(params: ScanRequest): Promise<
    ScanResult<{
      readonly outcome: 'woken'
      readonly quotaId: QuotaId
      readonly key: string
      readonly count: number
    }>
  >

  /** Compare holders with the executions that they name; repair only what is provably stale. */
  reconcile(params: ScanRequest): Promise<ScanResult<QuotaReconcileItem>>
}

export const quotaStrategies = ['queue', 'drop_new', 'cancel_oldest'] as const
/** What happens at admission when it is full: wait; end as cancelled (`quota_full`); or wait while the oldest holder is cancelled. */
export type QuotaStrategy = (typeof quotaStrategies)[number]

/** Both limits are optional; each key of the quota is counted for itself. */
export interface QuotaSettings {
  readonly label: string
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
  | { readonly outcome: 'quota_conflict' }

export interface GetQuota extends Scoped {
  readonly quotaId: QuotaId
  /** Show the counts of this key; by default of the empty one. */
  readonly key?: string | undefined
}

export interface Quota extends QuotaSettings {
  readonly id: QuotaId
  readonly key: string
  readonly held: number
  readonly unitsInWindow: number
  readonly waiting: number
  /** When a rate has room again; `null` when it has. */
  readonly retryAtMs: number | null
}

export interface ListQuotas extends Scoped, PageRequest {}

export interface UpdateQuota extends Scoped {
  readonly quotaId: QuotaId
  readonly settings: { readonly [K in keyof QuotaSettings]?: QuotaSettings[K] | undefined }
}

interface QuotaUse {
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

export interface QuotaReconcileItem {
  readonly outcome: 'released' | 'drift' | 'error'
  readonly quotaId: QuotaId
  readonly key: string
  readonly executionId: ExecutionId | null
  readonly finding: string
}
