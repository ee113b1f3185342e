import type { JoinSpec } from '@flowfabric/core'
import type { Graph, GraphNode } from './graph.js'

/**
 * A graph as text, one line for each node in an order in which they could run:
 * `report (report)  ← all_of(count[0], count[1])`.
 */
export function formatGraph(graph: Graph): string {
  const lines = sortByDepth(graph).map(({ node, depth, from }) => {
    const join = from.length === 0 ? '' : `  ← ${formatJoin(node.join)}(${from.join(', ')})`
    return `${'  '.repeat(depth + 1)}${node.name}${node.name === node.kind ? '' : ` (${node.kind})`}${join}`
  })
  return [`${graph.name}: ${graph.nodes.length} nodes, ${graph.edges.length} edges`, ...lines].join('\n')
}

/** A graph as a Mermaid flowchart, to be drawn by whatever draws those. */
export function formatMermaid(graph: Graph): string {
  const ids = new Map(graph.nodes.map(({ name }, index) => [name, `n${index}`]))
  const quote = (text: string) => `"${text.replaceAll('"', '#quot;')}"`
  const nodes = graph.nodes.map(({ name }) => `  ${ids.get(name)}[${quote(name)}]`)
  const edges = graph.edges.map(
    ({ from, to, as }) => `  ${ids.get(from)} -->${as === undefined ? '' : `|${quote(as)}|`} ${ids.get(to)}`,
  )
  return ['flowchart TD', ...nodes, ...edges].join('\n')
}

function formatJoin(join: JoinSpec | undefined): string {
  const policy = join?.policy
  const name = policy?.kind === 'quorum' ? `quorum ${policy.k} of ` : (policy?.kind ?? 'all_of')
  const runOn = join?.runOn
  if (runOn === 'groupImpossible') return `if impossible: ${name}`
  return runOn === 'always' ? `always, after ${name}` : name
}

interface PlacedNode {
  readonly node: GraphNode
  readonly depth: number
  readonly from: readonly string[]
}

/** Nodes by the length of the longest way to them; what lies on a cycle, or behind one, comes last. */
function sortByDepth(graph: Graph): readonly PlacedNode[] {
  const incoming = new Map<string, string[]>(graph.nodes.map(({ name }) => [name, []]))
  for (const { from, to } of graph.edges) incoming.get(to)?.push(from)
  const depths = new Map<string, number>()
  let left = graph.nodes
  for (let depth = 0; left.length > 0; depth++) {
    const ready = left.filter(({ name }) =>
      (incoming.get(name) ?? []).every((from) => (depths.get(from) ?? depth) < depth),
    )
    const placed = ready.length === 0 ? left : ready
    for (const { name } of placed) depths.set(name, depth)
    left = left.filter((node) => !placed.includes(node))
  }
  return graph.nodes
    .map((node) => ({ node, depth: depths.get(node.name) ?? 0, from: incoming.get(node.name) ?? [] }))
    .sort((a, b) => a.depth - b.depth)
}
