import type { GroupDecision } from './join.js'

/** One outgoing edge, as far as it says whether its upstream is still of use. */
export interface OutgoingEdge {
  readonly downstreamTerminal: boolean
  readonly downstreamAlways: boolean
  readonly groupState: GroupDecision
}

/**
 * Whether an execution is still of use to anyone downstream: one of its edges leads to a node that is not terminal, is no
 * `always` node, and whose group has not decided. Judged per sibling in the step that would cancel it.
 */
export function isNeeded(outgoing: Iterable<OutgoingEdge>): boolean {
  for (const edge of outgoing) {
    if (!edge.downstreamTerminal && !edge.downstreamAlways && edge.groupState === 'pending') return true
  }
  return false
}
