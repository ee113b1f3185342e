import type { ReplayFlowOutcome } from '../contract/flows.js'
import { isEngineError } from '../errors/engine-error.js'
import type { FlowId } from '../ids/index.js'
import type { ItemOutcome } from './operation-store.js'
import type { OperationItem } from './record.js'

/** Replays those of a flow's members that still are of their generation, in one plan; `nothing_to_replay` where none is. */
type ReplayTogether = (flowId: FlowId, items: readonly OperationItem[]) => Promise<ReplayFlowOutcome>

/**
 * Replays members, those of a flow together: each takes its descendants along, which may be in the same batch. Where that is
 * refused for one of them, they are replayed one by one.
 */
export async function replayMembers(
  items: readonly OperationItem[],
  replay: ReplayTogether,
): Promise<ReadonlyMap<string, ItemOutcome>> {
  const outcomes = new Map<string, ItemOutcome>()
  for (const [flowId, members] of byFlow(items)) {
    const together = await outcomeOf(() => replay(flowId, members))
    if (together.outcome !== 'failed' || members.length === 1) {
      for (const { id } of members) outcomes.set(id, together)
      continue
    }
    for (const member of members) outcomes.set(member.id, await outcomeOf(() => replay(flowId, [member])))
  }
  return outcomes
}

function byFlow(items: readonly OperationItem[]): ReadonlyMap<FlowId, readonly OperationItem[]> {
  const flows = new Map<FlowId, OperationItem[]>()
  for (const item of items) {
    if (item.flowId === null) continue
    const members = flows.get(item.flowId)
    if (members === undefined) flows.set(item.flowId, [item])
    else members.push(item)
  }
  return flows
}

async function outcomeOf(replay: () => Promise<ReplayFlowOutcome>): Promise<ItemOutcome> {
  try {
    const { outcome } = await replay()
    // Of another generation by now: it runs again, or did.
    if (outcome === 'replayed' || outcome === 'nothing_to_replay') return { outcome: 'done' }
    return { outcome: 'failed', code: outcome }
  } catch (error) {
    if (!isEngineError(error)) throw error
    if (error.kind === 'not_found' || error.code === 'unknown_node') return { outcome: 'unchanged' }
    // A flow that others change again and again must not hold up the rest.
    if (error.kind === 'contention') return { outcome: 'failed', code: error.code }
    throw error
  }
}
