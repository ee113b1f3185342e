import type { FlowCancelPolicy, FlowState } from '../contract/flows.js'
import type { LaneState } from '../contract/lanes.js'

/** What decides whether an eligible execution may start now, apart from its own state. */
export interface AdmissionFacts {
  readonly laneState: LaneState
  readonly laneConcurrency: number | null
  readonly laneActive: number
  readonly requiredCapabilities: readonly string[]
  readonly advertisedCapabilities: ReadonlySet<string>
  readonly flow: { readonly state: FlowState; readonly finalisers: boolean } | null
  readonly alwaysNode: boolean
}

export type Admission =
  | { readonly admitted: true }
  | { readonly admitted: false; readonly by: 'lane_state' | 'flow_state' | 'lane_concurrency' }
  | { readonly admitted: false; readonly by: 'capability'; readonly missing: readonly string[] }

/** Lane state, then flow state, then capability, then the lane's concurrency. Stores repeat it in their claims; `explain` calls it. */
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
  return { admitted: true }
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
