import { checkScanRequest, type ProjectionItem, type ResolutionOperations } from '@flowfabric/core'
import { isTerminalFlow, openMembersOf } from './facts.js'
import { flowTagOf } from './feed.js'
import { invalidCursor } from './pages.js'
import type { FlowRecord } from './records.js'
import { type Model, operate } from './store.js'
import { summarize } from './summary.js'

/** Writes the summaries of live flows. The authoritative state is only read. */
export function createProjection(model: Model): Pick<ResolutionOperations, 'projectSummaries'> {
  return {
    projectSummaries: (params) =>
      operate(model, () => {
        checkScanRequest(params, model.partitions)
        const after = params.cursor ?? ''
        if (params.cursor !== undefined && !model.flows.has(params.cursor as FlowRecord['id']))
          throw invalidCursor()
        const live = [...model.flows.values()]
          .filter((flow) => flow.live && flowTagOf(model, flow) === params.partition && flow.id > after)
          .sort((a, b) => (a.id < b.id ? -1 : 1))
        const items = live.slice(0, params.max).map((flow) => project(model, flow))
        const more = live.length > params.max
        return { items, more, cursor: more ? (items.at(-1)?.flowId ?? null) : null }
      }),
  }
}

function project(model: Model, flow: FlowRecord): ProjectionItem {
  const summary = summarize(model, flow)
  const isTold =
    flow.summary !== null &&
    JSON.stringify({ ...flow.summary, lastSummaryUpdateAtMs: 0 }) ===
      JSON.stringify({ ...summary, lastSummaryUpdateAtMs: 0 })
  flow.changed = false
  // A flow that has ended in all its parts isn't visited again.
  if (isTerminalFlow(flow) && openMembersOf(model, flow).length === 0) flow.live = false
  if (isTold) return { outcome: 'unchanged', flowId: flow.id }
  flow.summary = summary
  return { outcome: 'projected', flowId: flow.id, summary, drift: false }
}
