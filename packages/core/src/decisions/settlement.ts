import type { CancelCause } from '../contract/executions.js'
import type { ExecutionId } from '../ids/index.js'
import type { JoinPolicy, RunOn } from '../policies/join.js'
import type { RecordedOutcome } from '../state/vector.js'
import type { GroupDecision } from './join.js'

/** What settlement looks at of a member. All members are terminal. */
export interface SettlementMember {
  readonly id: ExecutionId
  readonly outcome: RecordedOutcome
  readonly cancelCause: CancelCause | null
  readonly runOn: RunOn
  /** An attempt of its present generation started. */
  readonly attemptStarted: boolean
  readonly group: { readonly policy: JoinPolicy['kind']; readonly state: GroupDecision } | null
}

export interface Settlement {
  readonly state: 'completed' | 'failed'
  /** Non-successes that nothing absorbed. */
  readonly unabsorbed: readonly ExecutionId[]
}

/**
 * How an open flow ends once all its members have. A non-success is absorbed if a path along outgoing edges, through
 * members that were skipped or cancelled as siblings or ancestors, reaches a place that was built to bear it.
 */
export function settlementOf(
  members: readonly SettlementMember[],
  edges: readonly { readonly from: ExecutionId; readonly to: ExecutionId }[],
): Settlement {
  const byId = new Map(members.map((member) => [member.id, member]))
  const downstreams = new Map<ExecutionId, SettlementMember[]>()
  for (const { from, to } of edges) {
    const member = byId.get(to)
    if (!member) continue
    const list = downstreams.get(from)
    if (list) list.push(member)
    else downstreams.set(from, [member])
  }
  const unabsorbed = members
    .filter((member) => isNonSuccess(member) && !isAbsorbed(member.id, downstreams))
    .map(({ id }) => id)
  return { state: unabsorbed.length === 0 ? 'completed' : 'failed', unabsorbed }
}

/** Failed, expired, or cancelled by someone's will; what was skipped or cancelled as a loser counts neither way. */
export function isNonSuccess(member: Pick<SettlementMember, 'outcome' | 'cancelCause'>): boolean {
  if (member.outcome === 'failed' || member.outcome === 'expired') return true
  return member.outcome === 'cancelled' && !isLoser(member)
}

function isLoser(member: Pick<SettlementMember, 'cancelCause'>): boolean {
  return member.cancelCause === 'sibling' || member.cancelCause === 'ancestor'
}

function isAbsorbed(
  start: ExecutionId,
  downstreams: ReadonlyMap<ExecutionId, readonly SettlementMember[]>,
): boolean {
  const seen = new Set<ExecutionId>([start])
  const open = [start]
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    for (const member of downstreams.get(id) ?? []) {
      if (absorbs(member)) return true
      if (passesOn(member) && !seen.has(member.id)) {
        seen.add(member.id)
        open.push(member.id)
      }
    }
  }
  return false
}

/** A race or quorum that held in spite of it, or a fallback that began to run because of it. An `always` node absorbs nothing. */
function absorbs(member: SettlementMember): boolean {
  if (member.runOn === 'always') return false
  if (member.group?.state === 'satisfied' && member.group.policy !== 'all_of') return true
  return member.runOn === 'groupImpossible' && member.attemptStarted
}

function passesOn(member: SettlementMember): boolean {
  return member.outcome === 'skipped' || (member.outcome === 'cancelled' && isLoser(member))
}
