import {
  type Bytes,
  type ExecutionId,
  type FlowEdge,
  type FlowNode,
  type JoinSpec,
  type Namespace,
  resolveJoin,
  uuidOf,
} from '@flowfabric/core'
import { packDemands } from '../admission/packed-demands.js'
import type { ValkeyContext } from '../context.js'
import { packPolicy, packSpec } from '../executions/submission.js'
import type { Route } from '../routes/catalogue.js'
import { ancestorsLetters, joinKindLetters, onDecidedLetters, runOnLetters } from './flow-letters.js'

/** `[id, name or '']` of an upstream, `[id, place in its group from 1]` of a downstream. Ids are UUIDs. */
export type Link<Second> = readonly [id: string, second: Second]

/** A node with its edges, ready for a call. */
export interface PackedNode {
  readonly id: string
  readonly route: Route
  readonly priority: number
  /** 0: none. */
  readonly startMs: number
  readonly delayMs: number
  readonly policy: readonly unknown[] | 0
  readonly spec: string
  readonly hash: string
  readonly input: Bytes | null
  readonly name: string
  /** As `shared/graph.lua` has it. */
  readonly join: readonly unknown[] | 0
  readonly ins: readonly Link<string>[]
  readonly outs: readonly Link<number>[]
}

/** A graph as a call adds it, with what it does to nodes that are there already. */
export interface PackedGraph {
  readonly nodes: readonly PackedNode[]
  /** Nodes that are given more upstreams, and how many they have. */
  readonly targets: readonly {
    readonly id: string
    readonly known: number
    readonly ins: readonly Link<string>[]
  }[]
  /** Nodes whose edges lead to more nodes. */
  readonly upstreams: readonly { readonly id: string; readonly outs: readonly Link<number>[] }[]
}

/** `known`: how many upstreams the nodes have that the edges lead to and that are there already. */
export function packGraph(
  ctx: Pick<ValkeyContext, 'catalogue'>,
  namespace: Namespace,
  graph: { readonly nodes: readonly FlowNode[]; readonly edges: readonly FlowEdge[] },
  known: ReadonlyMap<ExecutionId, number> = new Map(),
): PackedGraph {
  const ins = new Map<ExecutionId, Link<string>[]>()
  const outs = new Map<ExecutionId, Link<number>[]>()
  for (const { from, to, as = '' } of graph.edges) {
    const place = append(ins, to, [uuidOf(from), as])
    append(outs, from, [uuidOf(to), (known.get(to) ?? 0) + place])
  }
  const fresh = new Set(graph.nodes.map(({ id }) => id))
  const isOld = ([id]: readonly [ExecutionId, unknown]) => !fresh.has(id)
  return {
    nodes: graph.nodes.map((node) =>
      packNode(ctx, namespace, node, ins.get(node.id) ?? [], outs.get(node.id) ?? []),
    ),
    targets: [...ins]
      .filter(isOld)
      .map(([id, links]) => ({ id: uuidOf(id), known: known.get(id) ?? 0, ins: links })),
    upstreams: [...outs].filter(isOld).map(([id, links]) => ({ id: uuidOf(id), outs: links })),
  }
}

/** Answers how many there are then. */
function append<Item>(lists: Map<ExecutionId, Item[]>, id: ExecutionId, item: Item): number {
  const list = lists.get(id)
  if (list !== undefined) return list.push(item)
  lists.set(id, [item])
  return 1
}

function packNode(
  { catalogue }: Pick<ValkeyContext, 'catalogue'>,
  namespace: Namespace,
  node: FlowNode,
  ins: readonly Link<string>[],
  outs: readonly Link<number>[],
): PackedNode {
  const { lane, kind, capabilities = [] } = node
  return {
    id: uuidOf(node.id),
    route: catalogue.intern({ namespace, lane, kind, capabilities }),
    priority: node.priority ?? 0,
    startMs: node.startAtMs ?? 0,
    delayMs: node.delayMs ?? 0,
    policy: withDemands(node),
    spec: packSpec(node),
    hash: node.inputHash ?? '',
    input: node.input,
    name: node.name ?? '',
    join: ins.length === 0 ? 0 : packJoin(node.join),
    ins,
    outs,
  }
}

/** With what the node asks of quotas and budgets, as `shared/graph.lua` has it. */
function withDemands(node: FlowNode): readonly unknown[] | 0 {
  const policy = packPolicy(node)
  const demands = packDemands(node)
  return demands === undefined ? policy : [policy, '', demands]
}

function packJoin(spec: JoinSpec | undefined): readonly unknown[] {
  const { policy, runOn, settled, cancelShared, ancestors } = resolveJoin(spec)
  return [
    joinKindLetters[policy.kind],
    policy.kind === 'quorum' ? policy.k : 0,
    onDecidedLetters[policy.kind === 'all_of' ? policy.onImpossible : policy.onSatisfied],
    runOnLetters[runOn],
    settled ? 1 : 0,
    cancelShared ? 1 : 0,
    ancestorsLetters[ancestors],
  ]
}

/** How much a graph asks of a call: edges that its nodes and targets are ends of. */
export function countEdges(nodes: readonly Pick<PackedNode, 'ins' | 'outs'>[]): number {
  return nodes.reduce((sum, { ins, outs }) => sum + ins.length + outs.length, 0)
}

export function sizeOf(nodes: readonly PackedNode[]): number {
  return nodes.reduce((sum, { input }) => sum + (input?.byteLength ?? 0), 0)
}
