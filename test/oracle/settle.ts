import { bucketOf, fateOf, isComplete, isOfUse, reasonOf, tallyOf, unabsorbed, verdict } from './rules.js'
import { incoming, nodeOf, type OracleNode, type OracleWish, type OracleWorld } from './world.js'

export type OracleEnd = NonNullable<OracleNode['ended']>

/** How a store says that an execution ended, or `null` while it has not. */
export type SeenEnds = (name: string) => OracleEnd | null

/**
 * Brings the world to rest: resolves, decides, skips, cancels and expires until nothing moves, then settles the flow.
 *
 * Where two rules would end one member in the same breath (a skip and a sibling's cancel, a deadline and a cancel), no
 * document says which comes first. There the oracle follows the store, but only to an end that a rule allows, and what
 * some rule demands must have happened. Without a store it takes the first. Answers in words what cannot be.
 */
export function settle(world: OracleWorld, seen?: SeenEnds): string[] {
  while (advanceOnce(world, seen)) {
    // Each pass either changed something or was the last: states only move forward, so this ends.
  }
  const found = [...world.nodes.values()].flatMap((node) => disagreements(world, node, seen))
  for (const node of world.nodes.values()) {
    if (node.group) node.group.tuple = false
    node.doomed = null
    node.endedNow = false
    node.waitedForTime = blockOf(world, node) === 'time'
  }
  settleFlow(world)
  return found
}

/** What keeps an execution from being claimed, the strongest first. */
export function blockOf(
  world: OracleWorld,
  node: OracleNode,
): 'ended' | 'active' | 'draft' | 'dependencies' | 'held' | 'time' | null {
  if (node.ended !== null) return 'ended'
  if (node.active) return 'active'
  if (node.group !== null && !node.group.released) return 'dependencies'
  if (world.flow === 'draft') return 'draft'
  if (node.held) return 'held'
  return node.notBeforeMs !== null && node.notBeforeMs > world.nowMs ? 'time' : null
}

function advanceOnce(world: OracleWorld, seen: SeenEnds | undefined): boolean {
  let moved = false
  const mark = (did: boolean) => {
    moved ||= did
  }
  if (world.flow !== 'draft') for (const edge of world.edges) mark(resolveEdge(world, edge))
  for (const node of world.nodes.values()) {
    if (world.flow !== 'draft') mark(decide(world, node))
    mark(becomeEligible(world, node))
    mark(wishSiblingsAway(world, node))
    mark(end(world, node, seen))
    if (isLoserNow(node)) mark(wishAncestorsAway(world, node))
  }
  return moved
}

function resolveEdge(world: OracleWorld, edge: OracleWorld['edges'][number]): boolean {
  const ended = nodeOf(world, edge.from).ended
  if (edge.counted !== null || ended === null) return false
  edge.counted = bucketOf(ended.outcome)
  return true
}

function decide(world: OracleWorld, node: OracleNode): boolean {
  const group = node.group
  if (group === null) return false
  const tally = tallyOf(world, node.name)
  let moved = false
  if (group.decision === 'pending') {
    group.decision = verdict(group.join, tally)
    moved = group.decision !== 'pending'
    group.reason = reasonOf(group.join, group.decision)
    group.tuple = group.reason !== null
  }
  const free = group.decision !== 'pending' && (!group.join.settled || isComplete(tally))
  if (free && !group.released && (node.ended !== null || fateOf(group.join, group.decision) === 'run')) {
    group.released = true
    moved = true
  }
  return moved
}

function becomeEligible(world: OracleWorld, node: OracleNode): boolean {
  if (node.firstEligibleMs !== null || blockOf(world, node) !== null) return false
  node.firstEligibleMs = node.waitedForTime && node.notBeforeMs !== null ? node.notBeforeMs : world.nowMs
  return true
}

function wishSiblingsAway(world: OracleWorld, node: OracleNode): boolean {
  const group = node.group
  if (group === null || !group.tuple) return false
  const wish: OracleWish = {
    by: node.name,
    cause: 'sibling',
    upwards: group.join.ancestors,
    force: group.join.cancelShared,
    sure: true,
  }
  // Also of those that another wish has just ended here, if this one could have come before it.
  const isEarly = decidesWithoutLosers(world, node)
  return incoming(world, node.name)
    .map(({ from, counted }) => ({ upstream: nodeOf(world, from), counted }))
    .filter(({ upstream, counted }) => counted === null || (isEarly && isLoserNow(upstream)))
    .map(({ upstream }) => addWish(world, upstream, wish))
    .includes(true)
}

const isLoserNow = ({ ended, endedNow }: OracleNode) =>
  endedNow && ended !== null && (ended.cause === 'sibling' || ended.cause === 'ancestor')

/** Whether the group would have decided also if none of those had ended yet that this step's wishes ended. */
function decidesWithoutLosers(world: OracleWorld, { name, group }: OracleNode): boolean {
  if (group === null) return false
  const edges = world.edges.map((edge) =>
    edge.to === name && isLoserNow(nodeOf(world, edge.from)) ? { ...edge, counted: null } : edge,
  )
  return verdict(group.join, tallyOf({ ...world, edges }, name)) !== 'pending'
}

export function addWish(world: OracleWorld, node: OracleNode, wish: OracleWish): boolean {
  const known = node.wishes.find((other) => other.by === wish.by && other.cause === wish.cause)
  const isSame = known !== undefined && known.sure === wish.sure && known.force === wish.force
  if (isSame || (node.ended !== null && !(isLoserNow(node) && node.ended.cause === wish.cause))) return false
  node.wishes = [...node.wishes.filter((other) => other !== known), wish]
  // It has ended, and this may have been the one that ended it.
  if (node.ended !== null) wishAncestorsAway(world, node)
  return true
}

interface PossibleEnd extends OracleEnd {
  readonly sure: boolean
}

/** Every end that some rule gives the member now. */
function possibleEnds(world: OracleWorld, node: OracleNode): PossibleEnd[] {
  if (node.ended !== null) return []
  const ends: PossibleEnd[] = []
  if (node.doomed !== null) ends.push({ outcome: 'cancelled', cause: node.doomed, sure: true })
  if (isPastDeadline(world, node)) ends.push({ outcome: 'expired', cause: null, sure: true })
  if (isToBeSkipped(world, node)) {
    if (world.flow === 'cancelling') ends.push({ outcome: 'cancelled', cause: 'flow', sure: true })
    else ends.push({ outcome: 'skipped', cause: null, sure: true })
  }
  for (const { cause, force, sure } of node.wishes)
    if (force || !isOfUse(world, node.name)) ends.push({ outcome: 'cancelled', cause, sure })
  return ends
}

export function isPastDeadline(world: OracleWorld, node: OracleNode): boolean {
  if (node.firstEligibleMs === null || node.deadlineMs === null) return false
  return node.firstEligibleMs + node.deadlineMs <= world.nowMs
}

function isToBeSkipped(world: OracleWorld, { name, group }: OracleNode): boolean {
  if (group === null || group.released || group.decision === 'pending') return false
  if (group.join.settled && !isComplete(tallyOf(world, name))) return false
  return fateOf(group.join, group.decision) === 'skip'
}

function end(world: OracleWorld, node: OracleNode, seen: SeenEnds | undefined): boolean {
  const ends = possibleEnds(world, node)
  const saw = seen?.(node.name)
  const chosen = seen === undefined ? ends[0] : ends.find((possible) => saw && sameEnd(possible, saw))
  if (chosen === undefined) return false
  finish(node, { outcome: chosen.outcome, cause: chosen.cause })
  if (chosen.cause === 'sibling' || chosen.cause === 'ancestor') wishAncestorsAway(world, node)
  return true
}

/**
 * Which of several wishes it was that ended the member is open, and with it whether its upstreams follow: also one that
 * spared it until now, since another one ended it, has its way. Sure is only what all those say that could end it, those
 * too that could have as soon as all joins that this step decides were decided, and all was gone that needed it. Until
 * the step is at rest more of them become able to.
 */
function wishAncestorsAway(world: OracleWorld, node: OracleNode): boolean {
  const wishes = node.wishes.filter((wish) => wish.cause === node.ended?.cause)
  if (!wishes.some(({ upwards }) => upwards)) return false
  const isInVain = !isOfUse(world, node.name)
  const effective = wishes.filter((wish) => wish.force || isInVain)
  const sure = effective.every((wish) => wish.upwards && wish.sure) && effective.length > 0
  const wish: OracleWish = { by: node.name, cause: 'ancestor', upwards: true, force: false, sure }
  return incoming(world, node.name)
    .map(({ from }) => addWish(world, nodeOf(world, from), wish))
    .includes(true)
}

export function finish(node: OracleNode, ended: OracleEnd): void {
  node.ended = ended
  node.endedNow = true
  node.active = false
  node.held = false
}

const sameEnd = (a: OracleEnd, b: OracleEnd) => a.outcome === b.outcome && a.cause === b.cause
const inWords = ({ outcome, cause }: OracleEnd) => (cause === null ? outcome : `${outcome} (${cause})`)

function disagreements(world: OracleWorld, node: OracleNode, seen: SeenEnds | undefined): string[] {
  if (seen === undefined) return []
  const saw = seen(node.name)
  if (node.ended !== null) {
    if (saw !== null && sameEnd(node.ended, saw)) return []
    return [`${node.name} ended ${inWords(node.ended)}, but is ${saw ? inWords(saw) : 'not ended'}`]
  }
  const ends = possibleEnds(world, node)
  if (saw !== null) {
    const allowed = ends.map(inWords).join(' or ') || 'nothing ends it'
    return [`${node.name} is ${inWords(saw)}, which no rule allows: ${allowed}`]
  }
  const due = ends.filter(({ sure }) => sure)
  return due.length === 0 ? [] : [`${node.name} must end ${due.map(inWords).join(' or ')}, but is not ended`]
}

function settleFlow(world: OracleWorld): void {
  const all = [...world.nodes.values()]
  if (all.some(({ ended }) => ended === null)) return
  if (world.flow === 'cancelling') world.flow = 'cancelled'
  if (world.flow === 'open' && all.length > 0)
    world.flow = unabsorbed(world).length === 0 ? 'completed' : 'failed'
}
