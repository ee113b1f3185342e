import {
  checkEntryId,
  checkScanRequest,
  type DispatchItem,
  type DispatchOutcome,
  limits,
  must,
  type PartitionTag,
  partitionTagOf,
  type ResolutionOperations,
  type ScanRequest,
  type ScanResult,
} from '@flowfabric/core'
import { carry } from './carrying.js'
import type { MessageRecord, OutboxEntry } from './records.js'
import { isDispatchable, resolveHops } from './resolution.js'
import { settleFlow } from './settlement.js'
import { step } from './step.js'
import { type Model, operate } from './store.js'

/** Carrying out the outbox: one hop of one entry, or a partition's due entries within the bounds of a call. */
export function createDispatching(
  model: Model,
): Pick<ResolutionOperations, 'dispatchCompletion' | 'dispatchCompletions'> {
  return {
    dispatchCompletion: ({ entryId }) =>
      operate(model, () => {
        checkEntryId({ entryId }, model.partitions)
        const message = model.messages.get(entryId)
        if (message !== undefined) return answerOf(carry(model, message))
        const entry = model.outbox.get(entryId)
        if (entry === undefined || !isDispatchable(model, entry)) return { outcome: 'noop' as const }
        const [item] = dispatch(model, [entry], model.options.hopMaxEdges)
        return answerOf(must(item, 'what became of an entry'))
      }),

    dispatchCompletions: (params) => operate(model, () => dispatchPartition(model, params)),
  }
}

function dispatchPartition(model: Model, params: ScanRequest): ScanResult<DispatchItem> {
  checkScanRequest(params, model.partitions)
  const items: DispatchItem[] = []
  let edgesLeft = limits.callMaxEdges as number
  const nextEntries = (): OutboxEntry[] =>
    [...model.outbox.values()].filter(
      (entry) => partitionTagOf(entry.id) === params.partition && isDispatchable(model, entry),
    )
  for (;;) {
    const entries = nextEntries().slice(0, params.max - items.length)
    const messages = messagesIn(model, params.partition)
    if (entries.length + messages.length === 0) return { items, more: false }
    if (items.length === params.max || edgesLeft === 0) return { items, more: true }
    const dispatched = dispatch(model, entries, edgesLeft)
    for (const item of dispatched) if (item.outcome === 'advanced') edgesLeft -= item.edges
    items.push(...dispatched)
    // Those that waited when the hop began, after it: an end that it wrote comes after them.
    for (const message of messages.slice(0, params.max - items.length)) items.push(carry(model, message))
  }
}

function messagesIn(model: Model, partition: PartitionTag): MessageRecord[] {
  return [...model.messages.values()].filter((message) => partitionTagOf(message.id) === partition)
}

/** What one call takes is carried on together; flows are settled after it. */
function dispatch(model: Model, entries: readonly OutboxEntry[], inAll: number): DispatchItem[] {
  return step(model, () => {
    const ends = entries.filter((entry) => entry.kind === 'completion')
    const advances = resolveHops(model, ends, { perEntry: model.options.hopMaxEdges, inAll })
    return [
      ...ends.map(({ id: entryId, flowId, executionId }, index): DispatchItem => {
        const advance = must(advances[index], 'what an entry moved')
        return advance === 'noop'
          ? { outcome: 'noop', entryId }
          : { outcome: 'advanced', entryId, flowId, executionId, ...advance }
      }),
      ...entries.filter((entry) => entry.kind === 'flow_settled').map((entry) => settle(model, entry)),
    ]
  })
}

function settle(model: Model, entry: OutboxEntry): DispatchItem {
  model.outbox.delete(entry.id)
  const flow = must(model.flows.get(must(entry.flowId, 'a flow to settle')), `flow ${entry.flowId}`)
  if (!settleFlow(model, flow, entry)) return { outcome: 'noop', entryId: entry.id }
  return { outcome: 'settled', flowId: flow.id, flowState: flow.state }
}

/** What a dispatcher is told of one entry: a settlement moves no edges, but it is work done. */
function answerOf(item: DispatchItem): DispatchOutcome {
  if (item.outcome === 'noop') return { outcome: 'noop' }
  if (item.outcome !== 'advanced') {
    return { outcome: 'advanced', edges: 0, satisfied: 0, impossible: 0, skipped: 0, corrupt: [] }
  }
  const { outcome, edges, satisfied, impossible, skipped, corrupt } = item
  return { outcome, edges, satisfied, impossible, skipped, corrupt }
}
