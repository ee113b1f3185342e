import type { CancelCause } from '../contract/executions.js'
import type { ExecutionId } from '../ids/index.js'
import { limits } from '../limits.js'
import type { TerminalOutcome } from '../state/vector.js'
import { isNonSuccess } from './settlement.js'

/** What a replay looks at of a member. */
export interface ReplayMember {
  readonly id: ExecutionId
  /** `none` while it is not terminal. */
  readonly outcome: TerminalOutcome
  readonly cancelCause: CancelCause | null
  /** Its edge group has not let it go. */
  readonly dependencyBlocked: boolean
  readonly replayCount: number
}

export type ReplayPlan =
  /** What is reopened, downstreams before their upstreams. */
  | { readonly outcome: 'plan'; readonly ids: readonly ExecutionId[] }
  | { readonly outcome: 'replay_conflict'; readonly ids: readonly ExecutionId[] }
  | { readonly outcome: 'nothing_to_replay' }
  | { readonly outcome: 'max_replays_exceeded'; readonly ids: readonly ExecutionId[] }

/**
 * The members that a replay reopens: the chosen ones with all their descendants; from `failed`, what ended as
 * non-success with its descendants that did not succeed. Refused while one of them was let go and has not ended.
 */
export function replayPlanOf(
  members: readonly ReplayMember[],
  edges: readonly { readonly from: ExecutionId; readonly to: ExecutionId }[],
  from: 'failed' | readonly ExecutionId[],
): ReplayPlan {
  const byId = new Map(members.map((member) => [member.id, member]))
  const chosen = from === 'failed' ? members.filter(isFailed).map(({ id }) => id) : from
  if (chosen.length === 0) return { outcome: 'nothing_to_replay' }
  const ids = withDescendants(chosen, edges, (id) => from !== 'failed' || byId.get(id)?.outcome !== 'success')
  const set = ids.flatMap((id) => byId.get(id) ?? [])
  const running = set.filter((member) => member.outcome === 'none' && !member.dependencyBlocked)
  if (running.length > 0) return { outcome: 'replay_conflict', ids: running.map(({ id }) => id) }
  const worn = set.filter((member) => member.outcome !== 'none' && member.replayCount >= limits.replaysMax)
  if (worn.length > 0) return { outcome: 'max_replays_exceeded', ids: worn.map(({ id }) => id) }
  return { outcome: 'plan', ids }
}

function isFailed(member: ReplayMember): boolean {
  return (
    member.outcome !== 'none' && isNonSuccess({ outcome: member.outcome, cancelCause: member.cancelCause })
  )
}

/** Depth-first, each id after all its descendants: the order in which a reset can be cut anywhere. */
function withDescendants(
  roots: readonly ExecutionId[],
  edges: readonly { readonly from: ExecutionId; readonly to: ExecutionId }[],
  admit: (id: ExecutionId) => boolean,
): ExecutionId[] {
  const next = new Map<ExecutionId, ExecutionId[]>()
  for (const { from, to } of edges) {
    const list = next.get(from)
    if (list) list.push(to)
    else next.set(from, [to])
  }
  const chosen = new Set(roots)
  const seen = new Set<ExecutionId>()
  const order: ExecutionId[] = []
  for (const root of chosen) {
    if (seen.has(root)) continue
    seen.add(root)
    const stack = [{ id: root, at: 0 }]
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const to = next.get(top.id)?.[top.at]
      top.at += 1
      if (to === undefined) {
        order.push(top.id)
        stack.pop()
      } else if (!seen.has(to) && (chosen.has(to) || admit(to))) {
        seen.add(to)
        stack.push({ id: to, at: 0 })
      }
    }
  }
  return order
}
