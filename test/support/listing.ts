import type {
  AttemptRecord,
  Cursor,
  EngineEvent,
  Execution,
  ExecutionId,
  Flow,
  FlowId,
  FlowNodeView,
  FoundationBackend,
  Frame,
  Namespace,
  Page,
  Signal,
  StepRecord,
  SuspensionOperations,
  Waitpoint,
} from '@flowfabric/core'

/** Whole listings, page by page. */

export async function allPages<Item>(
  read: (cursor: Cursor | undefined) => Promise<Page<Item>>,
): Promise<Item[]> {
  const items: Item[] = []
  let cursor: Cursor | undefined
  do {
    const page = await read(cursor)
    items.push(...page.items)
    cursor = page.nextCursor ?? undefined
  } while (cursor !== undefined)
  return items
}

export function allExecutions(backend: FoundationBackend, namespace: Namespace): Promise<Execution[]> {
  return allPages((cursor) => backend.executions.list({ namespace, cursor, limit: 1_000 }))
}

export function allFlows(backend: FoundationBackend, namespace: Namespace): Promise<Flow[]> {
  return allPages((cursor) => backend.flows.list({ namespace, cursor, limit: 1_000 }))
}

export function allNodes(
  backend: FoundationBackend,
  namespace: Namespace,
  flowId: FlowId,
): Promise<FlowNodeView[]> {
  return allPages((cursor) => backend.flows.getGraph({ namespace, flowId, cursor, limit: 1_000 }))
}

export function allAttempts(
  backend: FoundationBackend,
  namespace: Namespace,
  executionId: ExecutionId,
): Promise<AttemptRecord[]> {
  return allPages((cursor) => backend.attempts.list({ namespace, executionId, cursor, limit: 1_000 }))
}

export function allSteps(
  backend: FoundationBackend,
  namespace: Namespace,
  executionId: ExecutionId,
): Promise<StepRecord[]> {
  return allPages((cursor) => backend.attempts.loadSteps({ namespace, executionId, cursor, limit: 1_000 }))
}

/** The frames of one attempt after the other. */
export async function allFrames(
  backend: FoundationBackend,
  namespace: Namespace,
  executionId: ExecutionId,
): Promise<Frame[]> {
  const frames: Frame[] = []
  let cursor: string | undefined
  for (;;) {
    const tail = await backend.streams.tail({
      namespace,
      executionId,
      acrossAttempts: true,
      cursor,
      limit: 1_000,
    })
    frames.push(...tail.frames)
    if (tail.frames.length === 0) return frames
    cursor = tail.cursor
  }
}

export function allWaitpoints(
  suspensions: SuspensionOperations,
  namespace: Namespace,
  executionId: ExecutionId,
): Promise<Waitpoint[]> {
  return allPages((cursor) => suspensions.listWaitpoints({ namespace, executionId, cursor, limit: 1_000 }))
}

export function allSignals(
  suspensions: SuspensionOperations,
  namespace: Namespace,
  executionId: ExecutionId,
): Promise<Signal[]> {
  return allPages((cursor) => suspensions.listSignals({ namespace, executionId, cursor, limit: 1_000 }))
}

/** Every event of the namespace that the feed still holds. */
/** All that are kept, or those after a cursor. */
export async function allEvents(
  backend: FoundationBackend,
  namespace: Namespace,
  since?: string,
): Promise<EngineEvent[]> {
  const events: EngineEvent[] = []
  let cursor = since
  for (;;) {
    const page = await backend.events.read({ namespace, cursor, limit: 1_000 })
    events.push(...page.events)
    // A page without events may still have moved on past other namespaces' ones.
    if (page.events.length === 0 && page.cursor === cursor) return events
    cursor = page.cursor
  }
}
