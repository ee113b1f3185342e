import { type ExplainFacts, flowAdmits } from '@flowfabric/core'
import type { ExplainReason } from './explanation.js'

const blocking = {
  draft: {
    reason: 'draft_flow',
    message: 'Its flow is a draft: nothing of it starts before the seal.',
    releasedBy: 'the seal of the flow',
  },
  cancelling: {
    reason: 'cancelling_flow',
    message: 'Its flow is being cancelled and starts no more members.',
    releasedBy: 'nothing: it will be cancelled',
  },
  replaying: {
    reason: 'replaying_flow',
    message: 'Its flow is being set back for a replay.',
    releasedBy: 'the end of the reset',
  },
} as const

/** A flow that starts no member now: asked of the rule that claims follow. */
export function explainFlow(facts: ExplainFacts, state: keyof typeof blocking): ExplainReason | undefined {
  const { flow, group } = facts
  if (flow === null || flow.state !== state) return undefined
  const alwaysNode = group?.join?.runOn === 'always'
  if (flowAdmits({ state: flow.state, finalisers: flow.finalisers ?? true }, alwaysNode)) return undefined
  const evidence = { flowId: flow.id, flowState: flow.state }
  return { ...blocking[state], evidence, sinceMs: null }
}
