import type { GroupDecision, GroupView, Join, JoinPolicy, OnDecided, RunOn } from '@flowfabric/core'

/** A group as it is stored. Its texts may be a newer version's. */
export interface GroupRow {
  readonly policy_kind: string | null
  readonly k: number | null
  readonly on_decided: string | null
  readonly run_on: string
  readonly settled: boolean
  readonly cancel_shared: boolean
  readonly ancestors: string
  readonly n: number
  readonly succeeded: number
  readonly failed: number
  readonly skipped: number
  readonly state: GroupDecision
  readonly released: boolean
  readonly cancel_reason: GroupView['cancelReason']
  readonly cancel_pending: boolean
}

/** Of `edge_group g`. */
export const groupColumns = `g.policy_kind, g.k, g.on_decided, g.run_on, g.settled, g.cancel_shared, g.ancestors, g.n,
  g.succeeded, g.failed, g.skipped, g.state, g.released, g.cancel_reason, g.cancel_pending`

export function toGroupView(row: GroupRow): GroupView {
  return {
    join: toJoin(row),
    counters: { n: row.n, succeeded: row.succeeded, failed: row.failed, skipped: row.skipped },
    state: row.state,
    released: row.released,
    cancelReason: row.cancel_reason,
    cancelPending: row.cancel_pending,
  }
}

/** Decoded strictly: a policy that this version doesn't know is `null`, never another one. Absent fields are the defaults. */
export function toJoin(row: GroupRow): Join | null {
  const policy = toPolicy(row)
  const { run_on, ancestors } = row
  if (policy === null || !isRunOn(run_on) || (ancestors !== 'cancel' && ancestors !== 'let_run')) return null
  return { policy, runOn: run_on, settled: row.settled, cancelShared: row.cancel_shared, ancestors }
}

/** The kind of the stored policy, also of one that isn't known. */
export function describePolicy({ policy_kind }: GroupRow): string {
  return policy_kind ?? 'all_of'
}

function toPolicy({ policy_kind, k, on_decided, n }: GroupRow): JoinPolicy | null {
  if (on_decided !== null && !isOnDecided(on_decided)) return null
  switch (policy_kind ?? 'all_of') {
    case 'all_of':
      return { kind: 'all_of', onImpossible: on_decided ?? 'let_run' }
    case 'any_of':
      return { kind: 'any_of', onSatisfied: on_decided ?? 'cancel_remaining' }
    case 'quorum':
      return (k ?? 1) >= 1 && (k ?? 1) <= n
        ? { kind: 'quorum', k: k ?? 1, onSatisfied: on_decided ?? 'cancel_remaining' }
        : null
    default:
      return null
  }
}

function isOnDecided(text: string): text is OnDecided {
  return text === 'cancel_remaining' || text === 'let_run'
}

function isRunOn(text: string): text is RunOn {
  return text === 'groupSatisfied' || text === 'groupImpossible' || text === 'always'
}
