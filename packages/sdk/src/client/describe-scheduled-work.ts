import type { Bytes, ScheduledExecution, ScheduledFlow } from '@flowfabric/core'
import type { FlowDefinition } from '../flows/define-flow.js'
import type { GraphNode } from '../flows/graph.js'
import { describeWork } from '../flows/graph-builder.js'
import { validateGraph } from '../flows/validate-graph.js'
import { hashCanonically } from '../payload/canonical-json.js'
import { type Codec, encodePayload } from '../payload/codec.js'
import { validate } from '../schema/validate.js'
import type { AnyTask } from '../tasks/task.js'
import type { RecurringOptions } from './schedules.js'
import type { FlowSubmitOptions } from './submit-flow.js'

/** What a tick starts, as the task and the options say. Throws where the input does not fit. */
export async function describeScheduledTask(
  codec: Codec,
  task: AnyTask,
  input: unknown,
  options: RecurringOptions,
): Promise<ScheduledExecution> {
  await validate(task.input, input, `input of ${task.kind}`)
  return { kind: 'execution', spec: { ...describeWork(task, options), ...(await encodeInput(codec, input)) } }
}

/** The graph for this input, built once: every tick starts the same. */
export async function describeScheduledFlow<Input>(
  codec: Codec,
  definition: FlowDefinition<Input, unknown>,
  input: Input,
  { deadlineMs, tags }: Pick<FlowSubmitOptions, 'deadlineMs' | 'tags'>,
): Promise<ScheduledFlow> {
  const { graph, checks } = definition.plan(input)
  validateGraph(graph)
  await Promise.all(checks)
  const nodes: ScheduledFlow['nodes'][number][] = []
  for (const node of graph.nodes) nodes.push(await describeNode(codec, node))
  const edges = graph.edges.map(({ from, to, as }) => ({ from, to, ...(as !== undefined && { as }) }))
  return {
    kind: 'flow',
    name: definition.name,
    ...(deadlineMs !== undefined && { deadlineMs }),
    ...(tags !== undefined && { tags }),
    nodes,
    edges,
  }
}

async function describeNode(
  codec: Codec,
  { input, ...node }: GraphNode,
): Promise<ScheduledFlow['nodes'][number]> {
  return { ...node, ...(await encodeInput(codec, input)) }
}

async function encodeInput(
  codec: Codec,
  input: unknown,
): Promise<{ readonly input: Bytes | null; readonly inputHash: string }> {
  return { input: await encodePayload(codec, input), inputHash: hashCanonically(input) }
}
