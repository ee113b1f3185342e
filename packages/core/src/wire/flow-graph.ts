import { z } from 'zod'
import type { FlowGraph, FlowNode } from '../contract/flows.js'
import { engineError } from '../errors/engine-error.js'
import { type ExecutionId, type FlowId, isExecutionId } from '../ids/index.js'
import { runOns } from '../policies/join.js'
import type { IdMint } from './operation.js'
import { readSpec, specFields, writeSpec } from './specs.js'

const onDecided = z.enum(['cancel_remaining', 'let_run'])

/** One object for all kinds, so that a field that a kind cannot have is refused with the graph's own code. */
const policySchema = z.strictObject({
  kind: z.string().describe('`all_of` (default), `any_of` or `quorum`.'),
  k: z.number().optional().describe('Of a quorum.'),
  onSatisfied: onDecided.optional().describe('Of `any_of` and `quorum`; default `cancel_remaining`.'),
  onImpossible: onDecided.optional().describe('Of `all_of`; default `let_run`.'),
})

/** How a node's incoming edges are joined. */
export const joinSchema = z.strictObject({
  policy: policySchema.optional(),
  runOn: z.enum(runOns).optional(),
  settled: z.boolean().optional(),
  cancelShared: z.boolean().optional(),
  ancestors: z.enum(['cancel', 'let_run']).optional(),
})

const nodeSchema = z.strictObject({
  ...specFields,
  name: z.string().optional().describe('Unique in the flow.'),
  join: joinSchema.optional().describe('How its incoming edges are joined.'),
})

const edgeSchema = z.strictObject({
  from: z.string().describe('The upstream, by id or by name.'),
  to: z.string().describe('The downstream, by id or by name.'),
  as: z.string().optional().describe('The name under which the downstream receives the result.'),
})

export const graphFields = { nodes: z.array(nodeSchema), edges: z.array(edgeSchema).optional() } as const

const graphSchema = z.strictObject(graphFields)
type WireGraph = z.infer<typeof graphSchema>

/** The graph with every id: those that are left out are minted, and names in edges become ids. Throws `unknown_node`. */
export function readGraph(wire: Pick<WireGraph, 'nodes' | 'edges'>, flowId: FlowId, mint: IdMint): FlowGraph {
  const names = new Set<string | undefined>()
  const nodes = wire.nodes.map((node): FlowNode => {
    const { name, join } = node
    // A name that occurs twice is refused as that, not as the one id that it would make.
    const mintName = names.has(name) ? undefined : name
    names.add(name)
    return {
      ...readSpec(node),
      id: node.id ?? mint.memberId(flowId, mintName),
      name,
      // What a policy's fields must be is `checkGraph`'s to say.
      join: join as FlowNode['join'],
    }
  })
  const idsByName = new Map(
    nodes.flatMap(({ id, name }) => (name === undefined ? [] : [[name, id] as const])),
  )
  const edges = (wire.edges ?? []).map(({ from, to, as }) => ({
    from: findNode(idsByName, from),
    to: findNode(idsByName, to),
    as,
  }))
  return { nodes, edges }
}

export function writeGraph({ nodes, edges }: FlowGraph): WireGraph {
  return {
    nodes: nodes.map((node) => writeSpec(node) as WireGraph['nodes'][number]),
    edges: edges.map((edge) => ({ ...edge })),
  }
}

function findNode(idsByName: ReadonlyMap<string, ExecutionId>, text: string): ExecutionId {
  const named = idsByName.get(text)
  if (named !== undefined) return named
  if (isExecutionId(text)) return text
  throw engineError('unknown_node', `An edge names ${text.slice(0, 80)}, which is no node of this call`, {
    node: text.slice(0, 80),
  })
}
