import type { ExecutionSubmission } from '../contract/executions.js'
import type { SubmitFlow } from '../contract/flows.js'
import type { ScheduledExecution, ScheduledFlow } from '../contract/schedules.js'
import { engineError } from '../errors/engine-error.js'
import { deriveUuid } from '../ids/derive-uuid.js'
import { type ExecutionId, type FlowId, makeExecutionId } from '../ids/index.js'
import { partitionOfFlow } from '../partitions/index.js'
import type { ScheduleName } from './scheduled-ids.js'

/** By which tick a piece of work was started; handlers read it. */
export const scheduleTagKeys = { schedule: 'schedule.id', tick: 'schedule.tick_ms' } as const

/** The execution that a tick submits. */
export function executionOfTick(
  name: ScheduleName,
  { spec }: ScheduledExecution,
  id: ExecutionId,
  tickMs: number,
): ExecutionSubmission {
  return { ...spec, id, tags: { ...spec.tags, ...tickTags(name, tickMs) } }
}

/** The flow that a tick submits. Throws `unknown_node` for an edge between names that there are not. */
export function flowOfTick(
  name: ScheduleName,
  work: ScheduledFlow,
  flowId: FlowId,
  tickMs: number,
  flowCount: number,
): SubmitFlow {
  const partition = partitionOfFlow(flowId, flowCount)
  const tags = tickTags(name, tickMs)
  const names = new Set(work.nodes.map((node) => node.name))
  const idOf = (node: string): ExecutionId => {
    if (names.has(node)) return memberId(flowId, node, partition)
    throw engineError(
      'unknown_node',
      `An edge names ${String(node).slice(0, 80)}, which is no node of the work`,
      {
        node: String(node).slice(0, 80),
      },
    )
  }
  return {
    namespace: name.namespace,
    flowId,
    name: work.name,
    deadlineMs: work.deadlineMs,
    tags: { ...work.tags, ...tags },
    nodes: work.nodes.map((node) => ({
      ...node,
      id: memberId(flowId, node.name, partition),
      tags: { ...node.tags, ...tags },
    })),
    edges: work.edges.map(({ from, to, as }) => ({ from: idOf(from), to: idOf(to), as })),
  }
}

function tickTags({ scheduleId }: ScheduleName, tickMs: number): Readonly<Record<string, string>> {
  return { [scheduleTagKeys.schedule]: scheduleId, [scheduleTagKeys.tick]: String(tickMs) }
}

function memberId(flowId: FlowId, name: string, partition: number): ExecutionId {
  return makeExecutionId(partition, deriveUuid('member', flowId, name))
}
