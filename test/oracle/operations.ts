import { bucketOf, isNonSuccess, isSpared, succeededSinks, tallyOf, verdict } from './rules.js'
import { blockOf, finish, isPastDeadline } from './settle.js'
import {
  addNode,
  incoming,
  newGroup,
  nodeOf,
  type OracleNode,
  type OracleNodeSpec,
  type OracleWorld,
  outgoing,
  plainJoin,
} from './world.js'

/** What each operation does at once, and what it answers; all that follows from it is for `settle`. */

export const replaysMax = 10

/** The claim's answer is checked, not foretold: any claimable members, and all of them when there was room. */
export function claim(
  world: OracleWorld,
  names: readonly string[],
  max: number,
  leaseTtlMs: number,
): string[] {
  const claimable = [...world.nodes.values()].filter((node) => isClaimable(world, node))
  const wrong = names.filter((name) => !claimable.some((node) => node.name === name))
  const found = wrong.map((name) => `${name} was handed out, though it is not claimable`)
  if (names.length !== Math.min(max, claimable.length))
    found.push(`a claim of ${max} got ${names.length} of ${claimable.map(({ name }) => name).join(', ')}`)
  for (const name of names) {
    const node = nodeOf(world, name)
    node.active = true
    node.claimed = true
    if (node.next === 'try') node.tries += 1
    node.leaseUntilMs = world.nowMs + leaseTtlMs
  }
  return found
}

export function isClaimable(world: OracleWorld, node: OracleNode): boolean {
  return blockOf(world, node) === null && (world.flow !== 'cancelling' || isSpared(world, node))
}

export function complete(world: OracleWorld, name: string): string {
  finish(nodeOf(world, name), { outcome: 'success', cause: null })
  return 'completed'
}

export function fail(world: OracleWorld, name: string, retry: 'never' | 'at_once'): string {
  const node = nodeOf(world, name)
  if (endsWithItsFlow(world, node)) return 'cancelled'
  if (retry === 'at_once' && node.tries < node.maxAttempts) {
    node.active = false
    node.next = 'try'
    return 'retrying'
  }
  finish(node, { outcome: 'failed', cause: null })
  return 'failed'
}

export function revoke(world: OracleWorld, name: string): string {
  const node = nodeOf(world, name)
  if (endsWithItsFlow(world, node)) return 'cancelled'
  loseLease(world, node)
  return 'reclaimable'
}

/** The first reclaim comes at once, later ones after a pause that ends, at the latest, as said here. */
function loseLease(world: OracleWorld, node: OracleNode): void {
  node.active = false
  node.next = 'reclaim'
  node.reclaims += 1
  node.notBeforeMs =
    node.reclaims === 1 ? null : world.nowMs + Math.min(1_000 * 2 ** (node.reclaims - 2), 60_000)
}

export function delay(world: OracleWorld, name: string, forMs: number): string {
  const node = nodeOf(world, name)
  if (endsWithItsFlow(world, node)) return 'cancelled'
  node.active = false
  node.next = 'resume'
  node.notBeforeMs = world.nowMs + forMs
  return 'delayed'
}

/** Leases that ran out; where the deadline is due as well, it ends the member either way. Answers who lost theirs. */
export function advance(world: OracleWorld, byMs: number): string[] {
  world.nowMs += byMs
  const lost = [...world.nodes.values()].filter(
    (node) => node.active && node.leaseUntilMs <= world.nowMs && !isPastDeadline(world, node),
  )
  for (const node of lost) {
    if (world.flow === 'cancelling' && !isSpared(world, node)) node.doomed = 'flow'
    else loseLease(world, node)
  }
  return lost.map(({ name }) => name)
}

/** The last holder's end counts although its lease was reaped, while nobody else took the execution. */
export function completeLate(world: OracleWorld, name: string): string {
  const node = nodeOf(world, name)
  node.reclaims -= 1
  return complete(world, name)
}

/** Whatever would make a member runnable again, while its flow is being cancelled, ends it instead. */
function endsWithItsFlow(world: OracleWorld, node: OracleNode): boolean {
  if (world.flow !== 'cancelling' || isSpared(world, node)) return false
  finish(node, { outcome: 'cancelled', cause: 'flow' })
  return true
}

export function cancelMember(world: OracleWorld, name: string): string {
  const node = nodeOf(world, name)
  if (node.ended !== null) return 'execution_terminal'
  finish(node, { outcome: 'cancelled', cause: 'operator' })
  return 'cancelled'
}

export function hold(world: OracleWorld, name: string): string {
  const node = nodeOf(world, name)
  if (node.ended !== null) return 'execution_terminal'
  if (node.active) return 'execution_active'
  if (node.held) return 'already_held'
  node.held = true
  return 'held'
}

export function release(world: OracleWorld, name: string): string {
  const node = nodeOf(world, name)
  if (node.ended !== null) return 'execution_terminal'
  if (!node.held) return 'not_held'
  node.held = false
  return 'released'
}

export function seal(world: OracleWorld): string {
  if (world.flow !== 'draft') return world.flow === 'open' ? 'already_sealed' : 'not_draft'
  if (world.nodes.size === 0) return 'empty_flow'
  world.flow = 'open'
  return 'sealed'
}

export interface OracleExtension {
  readonly nodes: readonly OracleNodeSpec[]
  readonly edges: readonly { readonly from: string; readonly to: string }[]
}

export function extend(world: OracleWorld, { nodes, edges }: OracleExtension): string {
  if (world.flow !== 'open' && world.flow !== 'draft') return 'flow_not_open'
  const targets = [...new Set(edges.map(({ to }) => to))].flatMap((name) => world.nodes.get(name) ?? [])
  const shut = targets.filter(
    (node) =>
      node.ended !== null || node.claimed || (node.group !== null && node.group.decision !== 'pending'),
  )
  if (shut.length > 0) return 'edge_group_decided'
  const all = [...world.edges, ...edges]
  if (
    nodes.some(({ name }) => reaches(all, name, name)) ||
    targets.some(({ name }) => reaches(all, name, name))
  )
    return 'cycle'
  for (const spec of nodes) addNode(world, spec)
  for (const { from, to } of edges) world.edges.push({ from, to, counted: null })
  for (const node of targets) node.group ??= newGroup(plainJoin)
  return 'extended'
}

function reaches(edges: readonly { from: string; to: string }[], from: string, to: string): boolean {
  const seen = new Set<string>()
  const walk = (at: string): boolean =>
    edges.some((edge) => {
      if (edge.from !== at || seen.has(edge.to)) return false
      seen.add(edge.to)
      return edge.to === to || walk(edge.to)
    })
  return walk(from)
}

const breadth = { cancel_pending: 0, cancel_all: 1 } as const

export function cancelFlow(
  world: OracleWorld,
  policy: 'cancel_all' | 'cancel_pending' | 'flow_only',
  finalisers: boolean,
): string {
  if (world.flow === 'completed' || world.flow === 'failed' || world.flow === 'cancelled')
    return 'flow_terminal'
  if (policy === 'flow_only') {
    if (world.flow !== 'open') return 'flow_not_open'
    world.frozenResult = succeededSinks(world)
    world.flow = 'cancelled'
    world.flowOnly = true
    return 'cancelled'
  }
  if (world.flow === 'draft') world.finalisers = false
  world.flow = 'cancelling'
  world.finalisers &&= finalisers
  if (world.policy === null || breadth[policy] > breadth[world.policy]) world.policy = policy
  for (const node of world.nodes.values()) {
    if (node.ended !== null || isSpared(world, node)) continue
    if (world.policy === 'cancel_all' || !node.active) node.doomed = 'flow'
  }
  return 'cancelling'
}

export function replay(world: OracleWorld, from: 'failed' | readonly string[]): string {
  const closed = world.flow === 'draft' || world.flow === 'cancelling' || world.flowOnly
  if (closed) return 'flow_not_open'
  const chosen =
    from === 'failed' ? [...world.nodes.values()].filter(isNonSuccess).map(({ name }) => name) : from
  if (chosen.length === 0) return 'nothing_to_replay'
  const reopened = withDescendants(world, chosen, from === 'failed')
  const members = [...reopened].map((name) => nodeOf(world, name))
  if (members.some((node) => node.ended === null && blockOf(world, node) !== 'dependencies'))
    return 'replay_conflict'
  if (members.some((node) => node.ended !== null && node.replays >= replaysMax)) return 'max_replays_exceeded'
  for (const node of members) reopen(world, node, reopened)
  world.flow = 'open'
  world.flowGeneration += 1
  world.finalisers = true
  world.policy = null
  for (const node of members) fireReopened(world, node)
  for (const node of world.nodes.values())
    if (!reopened.has(node.name)) node.wishes = node.wishes.map((wish) => ({ ...wish, sure: false }))
  return 'replayed'
}

function withDescendants(world: OracleWorld, chosen: readonly string[], stopAtSuccess: boolean): Set<string> {
  const set = new Set(chosen)
  const walk = (name: string): void => {
    for (const { to } of outgoing(world, name)) {
      if (set.has(to) || (stopAtSuccess && nodeOf(world, to).ended?.outcome === 'success')) continue
      set.add(to)
      walk(to)
    }
  }
  for (const name of chosen) walk(name)
  return set
}

function reopen(world: OracleWorld, node: OracleNode, reopened: ReadonlySet<string>): void {
  if (node.ended !== null) node.replays += 1
  node.generation += 1
  node.ended = null
  node.tries = 0
  node.reclaims = 0
  node.next = 'try'
  node.claimed = false
  node.firstEligibleMs = null
  node.notBeforeMs = null
  node.waitedForTime = false
  node.wishes = []
  if (node.group) node.group = newGroup(node.group.join)
  for (const edge of incoming(world, node.name)) if (reopened.has(edge.from)) edge.counted = null
}

/** A reopened group that its outer upstreams already decide fires, but cancels nobody. */
function fireReopened(world: OracleWorld, node: OracleNode): void {
  const group = node.group
  if (group === null) return
  for (const edge of incoming(world, node.name)) {
    const ended = nodeOf(world, edge.from).ended
    edge.counted = ended === null ? null : bucketOf(ended.outcome)
  }
  group.decision = verdict(group.join, tallyOf(world, node.name))
}
