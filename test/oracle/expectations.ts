import type { Flow, FlowNodeView, FlowResultOutcome } from '@flowfabric/core'
import { succeededSinks, tallyOf, unabsorbed } from './rules.js'
import { blockOf, type OracleEnd, type SeenEnds } from './settle.js'
import {
  incoming,
  nodeOf,
  type OracleCause,
  type OracleNode,
  type OracleOutcome,
  type OracleWorld,
} from './world.js'

/** What a store shows of a flow, read through public operations. */
export interface Shown {
  readonly flow: Flow
  readonly nodes: readonly FlowNodeView[]
  readonly result: FlowResultOutcome
}

const endedAs: Partial<Record<string, OracleOutcome>> = {
  completed: 'success',
  failed: 'failed',
  cancelled: 'cancelled',
  expired: 'expired',
  skipped: 'skipped',
}

/** The ends that the store shows, by node name. */
export function seenEnds(shown: Shown): SeenEnds {
  const ends = new Map<string, OracleEnd | null>()
  for (const { execution } of shown.nodes) {
    const outcome = endedAs[execution.publicState]
    const cause = execution.cancelCause as OracleCause | null
    ends.set(execution.name ?? '', outcome === undefined ? null : { outcome, cause })
  }
  return (name) => ends.get(name) ?? null
}

/** Where the store's picture differs from the oracle's, in words. */
export function compare(world: OracleWorld, shown: Shown): string[] {
  const found: string[] = []
  const same = (what: string, actual: unknown, expected: unknown) => {
    if (!Object.is(actual, expected)) found.push(`${what}: ${String(actual)}, expected ${String(expected)}`)
  }
  same('members', shown.nodes.length, world.nodes.size)
  const names = new Map(shown.nodes.map(({ execution }) => [execution.id, execution.name ?? '']))
  for (const view of shown.nodes) {
    const name = view.execution.name ?? ''
    compareNode(world, nodeOf(world, name), view, (what, ...pair) => same(`${name} ${what}`, ...pair))
    for (const edge of view.incoming) {
      const from = names.get(edge.from) ?? ''
      const counted = world.edges.find((each) => each.from === from && each.to === name)?.counted
      const state = counted === null ? 'pending' : counted === 'succeeded' ? 'satisfied' : 'impossible'
      same(`edge ${from} → ${name}`, edge.state, state)
    }
  }
  compareFlow(world, shown, same)
  return found
}

type Same = (what: string, actual: unknown, expected: unknown) => void

function compareNode(world: OracleWorld, node: OracleNode, view: FlowNodeView, same: Same): void {
  const { execution, group } = view
  same('state', execution.publicState, publicStateOf(world, node))
  same('cause', execution.cancelCause, node.ended?.cause ?? null)
  same('generation', execution.generation, node.generation)
  same('tries', execution.retryCount, node.tries)
  same('reclaims', execution.reclaimCount, node.reclaims)
  same('replays', execution.replayCount, node.replays)
  same('edges', view.incoming.length, incoming(world, node.name).length)
  if (node.group === null || group === null) {
    same('group', group === null, node.group === null)
    return
  }
  const tally = tallyOf(world, node.name)
  for (const key of ['n', 'succeeded', 'failed', 'skipped'] as const)
    same(key, group.counters[key], tally[key])
  same('decision', group.state, node.group.decision)
  same('cancel reason', group.cancelReason, node.group.reason)
  same('cancel pending', group.cancelPending, false)
  if (node.ended === null) same('released', group.released, node.group.released)
}

function publicStateOf(world: OracleWorld, node: OracleNode): string {
  if (node.ended !== null) return node.ended.outcome === 'success' ? 'completed' : node.ended.outcome
  switch (blockOf(world, node)) {
    case 'active':
      return 'active'
    case 'draft':
    case 'dependencies':
      return 'waiting_children'
    case 'held':
      return 'waiting'
    case 'time':
      return 'delayed'
    default:
      return node.next === 'resume' ? 'resumable' : 'waiting'
  }
}

function compareFlow(world: OracleWorld, { flow, result }: Shown, same: Same): void {
  same('flow', flow.state, world.flow)
  same('graph revision', flow.graphRevision, world.revision)
  same('flow generation', flow.generation, world.flowGeneration)
  const ended = world.flow === 'completed' || world.flow === 'failed' || world.flow === 'cancelled'
  same('result', result.outcome, ended ? world.flow : 'pending')
  if (result.outcome === 'pending') return
  const sinks = world.frozenResult ?? succeededSinks(world)
  same('results', Object.keys(result.results).sort().join(), sinks.join())
  if (world.flow === 'cancelled') return
  const failures = result.failures.map(({ name }) => name).sort()
  same('failures', failures.join(), unabsorbed(world).sort().join())
}
