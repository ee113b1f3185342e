import type { FlowCancelPolicy, FlowState } from '../contract/flows.js'
import type { LaneState } from '../contract/lanes.js'
import type { ParkedBy, QuotaStrategy } from '../contract/quotas.js'
import {
  type BudgetFacts,
  budgetShortage,
  type QuotaFacts,
  type QuotaShortage,
  quotaShortage,
} from './room.js'

/** What decides whether an eligible execution may start now, apart from its own state. */
export interface AdmissionFacts {
  readonly laneState: LaneState
  readonly laneConcurrency: number | null
  readonly laneActive: number
  readonly requiredCapabilities: readonly string[]
  readonly advertisedCapabilities: ReadonlySet<string>
  readonly flow: { readonly state: FlowState; readonly finalisers: boolean } | null
  readonly alwaysNode: boolean
  /** What it names, in the order of `resolveDemands`; `null` when it names none. */
  readonly demands: DemandFacts | null
}

export interface DemandFacts {
  /** `false` when an attempt goes on, which costs no units. */
  readonly beginsAttempt: boolean
  readonly quotas: readonly QuotaFacts[]
  readonly budgets: readonly BudgetFacts[]
}

export type Admission =
  | { readonly admitted: true }
  | { readonly admitted: false; readonly by: 'lane_state' | 'flow_state' | 'lane_concurrency' }
  | { readonly admitted: false; readonly by: 'capability'; readonly missing: readonly string[] }
  | DemandRefusal

/** What parks an admission key, or ends the execution. */
export type DemandRefusal =
  | {
      readonly admitted: false
      readonly by: 'quota'
      readonly quota: QuotaFacts
      readonly shortage: QuotaShortage
      readonly strategy: QuotaStrategy
      /** When it is worth another look, without anything else happening; `null` when something has to. */
      readonly retryAtMs: number | null
    }
  | {
      readonly admitted: false
      readonly by: 'budget'
      readonly budget: BudgetFacts
      readonly dimension: string
      readonly retryAtMs: number | null
    }

/**
 * Lane state, then flow state, then capability, then the lane's concurrency, then quotas, then budgets. Stores repeat it in
 * their claims; `explain` calls it.
 */
export function admit(facts: AdmissionFacts): Admission {
  if (facts.laneState === 'paused' || facts.laneState === 'disabled')
    return { admitted: false, by: 'lane_state' }
  if (facts.flow !== null && !flowAdmits(facts.flow, facts.alwaysNode))
    return { admitted: false, by: 'flow_state' }
  const missing = facts.requiredCapabilities.filter(
    (capability) => !facts.advertisedCapabilities.has(capability),
  )
  if (missing.length > 0) return { admitted: false, by: 'capability', missing }
  if (facts.laneConcurrency !== null && facts.laneActive >= facts.laneConcurrency)
    return { admitted: false, by: 'lane_concurrency' }
  return admitDemands(facts.demands) ?? { admitted: true }
}

/** The first quota, then the first budget, that has no room; `null` when all have. */
export function admitDemands(demands: DemandFacts | null): DemandRefusal | null {
  if (demands === null) return null
  for (const quota of demands.quotas) {
    const shortage = quotaShortage(quota, demands.beginsAttempt)
    if (shortage === null) continue
    const retryAtMs = shortage === 'rate' ? quota.retryAtMs : null
    return { admitted: false, by: 'quota', quota, shortage, strategy: quota.strategy, retryAtMs }
  }
  for (const budget of demands.budgets) {
    const dimension = budgetShortage(budget)
    if (dimension === null) continue
    return { admitted: false, by: 'budget', budget, dimension, retryAtMs: budget.nextResetAtMs }
  }
  return null
}

export function parkedBy(refusal: DemandRefusal): ParkedBy {
  return refusal.by === 'quota'
    ? { kind: 'quota', quotaId: refusal.quota.quotaId, key: refusal.quota.key }
    : { kind: 'budget', budgetId: refusal.budget.budgetId }
}

/** A flow that ended by `flow_only` lets its members run on; a cancelling one starts only the `always` nodes that it spares. */
export function flowAdmits(flow: NonNullable<AdmissionFacts['flow']>, alwaysNode: boolean): boolean {
  switch (flow.state) {
    case 'open':
    case 'cancelled':
    case 'completed':
    case 'failed':
      return true
    case 'cancelling':
      return alwaysNode && flow.finalisers
    case 'draft':
    case 'replaying':
      return false
  }
}

/** Whether a cancelling flow ends a member rather than let it become runnable again. */
export function flowEndsMember(flow: NonNullable<AdmissionFacts['flow']>, alwaysNode: boolean): boolean {
  return flow.state === 'cancelling' && !(alwaysNode && flow.finalisers)
}

export type { FlowCancelPolicy }
