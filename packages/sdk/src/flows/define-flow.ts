import { requireFreeName } from '@flowfabric/core'
import { createFlowBuilder, type FlowBuilder } from './flow-builder.js'
import type { Graph } from './graph.js'
import { GraphBuilder } from './graph-builder.js'
import type { NodeRef } from './refs.js'

declare const types: unique symbol

/** A kind of flow: a function from an input to a graph. */
export interface FlowDefinition<Input = undefined, Results = Record<never, never>> {
  readonly name: string
  /** The graph for an input, as data. Throws where an input does not fit its task. */
  readonly graph: (input: Input) => Graph
  /** The graph, and the checks of inputs that are asynchronous. */
  readonly plan: (input: Input) => { readonly graph: Graph; readonly checks: readonly Promise<unknown>[] }
  readonly [types]?: Results
}

/** The nodes that a definition returns: their results are the flow's. */
export type ReturnedNodes = Readonly<Record<string, NodeRef>>

/** The results of returned nodes. One that did not succeed, as in a branch that was skipped, has none. */
export type FlowResults<Nodes> = {
  readonly [Name in keyof Nodes]: (Nodes[Name] extends NodeRef<infer Output> ? Output : never) | undefined
}

/**
 * Defines a flow in plain code: `defineFlow('report', (f, input: Input) => { … return { summary } })`.
 *
 * The function is called once for each submit and must follow from its input alone. The nodes that it returns should
 * lead nowhere: the results of a flow are those of its last nodes.
 */
export function defineFlow<Input = undefined, Nodes extends ReturnedNodes = Record<never, never>>(
  name: string,
  // biome-ignore lint/suspicious/noConfusingVoidType: a function that returns nothing is what is meant.
  build: (f: FlowBuilder, input: Input) => Nodes | void,
): FlowDefinition<Input, FlowResults<Nodes>> {
  requireFreeName(name, 'flow')
  const plan = (input: Input) => {
    const builder = new GraphBuilder()
    const returned: ReturnedNodes = build(createFlowBuilder(builder), input) ?? {}
    const results = Object.fromEntries(Object.entries(returned).map(([key, node]) => [key, node.name]))
    return { graph: { name, nodes: builder.nodes, edges: builder.edges, results }, checks: builder.checks }
  }
  return { name, plan, graph: (input) => plan(input).graph }
}
