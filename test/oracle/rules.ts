import {
  incoming,
  nodeOf,
  type OracleDecision,
  type OracleJoin,
  type OracleNode,
  type OracleOutcome,
  type OracleWorld,
  outgoing,
} from './world.js'

/** Rules of joins and settlement, each as close to its sentence in the documents as can be. */

export function bucketOf(outcome: OracleOutcome): 'succeeded' | 'failed' | 'skipped' {
  const table = {
    success: 'succeeded',
    skipped: 'skipped',
    failed: 'failed',
    cancelled: 'failed',
    expired: 'failed',
  } as const
  return table[outcome]
}

export interface Tally {
  readonly n: number
  readonly succeeded: number
  readonly failed: number
  readonly skipped: number
}

/** Counted anew from the edges each time. */
export function tallyOf(world: OracleWorld, name: string): Tally {
  const edges = incoming(world, name)
  const count = (bucket: string) => edges.filter((edge) => edge.counted === bucket).length
  return {
    n: edges.length,
    succeeded: count('succeeded'),
    failed: count('failed'),
    skipped: count('skipped'),
  }
}

export const isComplete = (tally: Tally): boolean =>
  tally.n > 0 && tally.succeeded + tally.failed + tally.skipped === tally.n

/** By thinking of all that the open upstreams could still do, not by the documents' inequalities. */
export function verdict(join: Pick<OracleJoin, 'policy' | 'k' | 'runOn'>, tally: Tally): OracleDecision {
  if (tally.n === 0) return 'pending'
  if (join.runOn === 'always' && !isComplete(tally)) return 'pending'
  const open = tally.n - tally.succeeded - tally.failed - tally.skipped
  const needed = join.policy === 'all_of' ? tally.n : join.policy === 'any_of' ? 1 : join.k
  if (tally.succeeded >= needed) return 'satisfied'
  // Hopeless when even the success of everything open would not reach what is needed.
  return tally.succeeded + open < needed ? 'impossible' : 'pending'
}

export function reasonOf(join: OracleJoin, decision: OracleDecision) {
  if (!join.cancels || decision === 'pending') return null
  if (decision === 'satisfied') return join.policy === 'all_of' ? null : ('sibling_quorum_satisfied' as const)
  return 'sibling_quorum_impossible' as const
}

export function fateOf(join: OracleJoin, decision: OracleDecision): 'run' | 'skip' {
  if (join.runOn === 'always') return 'run'
  return (join.runOn === 'groupSatisfied') === (decision === 'satisfied') ? 'run' : 'skip'
}

/** Another undecided join downstream can still use what it would produce. */
export function isOfUse(world: OracleWorld, name: string): boolean {
  return outgoing(world, name).some(({ to }) => {
    const downstream = nodeOf(world, to)
    if (downstream.ended !== null || downstream.group === null) return false
    return downstream.group.join.runOn !== 'always' && downstream.group.decision === 'pending'
  })
}

/** An `always` node that a cancelling flow lets run. */
export function isSpared(world: OracleWorld, node: OracleNode): boolean {
  return node.group?.join.runOn === 'always' && world.finalisers
}

const isLoser = (node: OracleNode) =>
  node.ended?.outcome === 'cancelled' && (node.ended.cause === 'sibling' || node.ended.cause === 'ancestor')

export function isNonSuccess(node: OracleNode): boolean {
  if (node.ended === null) return false
  if (node.ended.outcome === 'failed' || node.ended.outcome === 'expired') return true
  return node.ended.outcome === 'cancelled' && !isLoser(node)
}

/** Whether a path from the member reaches what was built to bear its end. */
export function isAbsorbed(world: OracleWorld, name: string, visited = new Set<string>()): boolean {
  return outgoing(world, name).some(({ to }) => {
    if (visited.has(to)) return false
    visited.add(to)
    const node = nodeOf(world, to)
    const join = node.group?.join
    if (join !== undefined && join.runOn !== 'always') {
      if (join.policy !== 'all_of' && node.group?.decision === 'satisfied') return true
      if (join.runOn === 'groupImpossible' && node.claimed) return true
    }
    return (node.ended?.outcome === 'skipped' || isLoser(node)) && isAbsorbed(world, to, visited)
  })
}

export function unabsorbed(world: OracleWorld): string[] {
  return [...world.nodes.values()]
    .filter((node) => isNonSuccess(node) && !isAbsorbed(world, node.name))
    .map(({ name }) => name)
}

export function succeededSinks(world: OracleWorld): string[] {
  return [...world.nodes.values()]
    .filter(({ name, ended }) => ended?.outcome === 'success' && outgoing(world, name).length === 0)
    .map(({ name }) => name)
    .sort()
}
