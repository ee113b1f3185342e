import {
  type AttemptRecord,
  type EngineEvent,
  type Execution,
  type ExecutionId,
  type Failure,
  type Flow,
  type FlowId,
  type FlowNodeView,
  type FoundationBackend,
  isEngineError,
  type LaneView,
  type Namespace,
  type ResultOutcome,
} from '@flowfabric/core'
import {
  allAttempts,
  allEvents,
  allExecutions,
  allFlows,
  allFrames,
  allNodes,
  allSignals,
  allSteps,
  allWaitpoints,
} from './listing.js'

/**
 * A canonical picture of a namespace, taken through public operations only, the same on every store. Left out is what two
 * stores may answer differently without meaning something different: ids of leases and edges, the words of the engine's
 * own failures, drawn pauses, and how the events of one partition are numbered.
 */
export interface Snapshot {
  readonly executions: readonly unknown[]
  readonly flows: readonly unknown[]
  readonly lanes: readonly unknown[]
}

export interface SnapshotOptions {
  /** Events are compared where the feed is drained; not every store numbers them at once. */
  readonly events?: boolean | undefined
}

export async function takeSnapshot(
  backend: FoundationBackend,
  namespace: Namespace,
  { events = true }: SnapshotOptions = {},
): Promise<Snapshot> {
  const [executions, flows, lanes, feed] = await Promise.all([
    allExecutions(backend, namespace),
    allFlows(backend, namespace),
    backend.lanes.list({ namespace }),
    events ? allEvents(backend, namespace) : [],
  ])
  const ids = executions.map(({ id }) => id)
  const results = await readResults(backend, namespace, ids)
  const pictures = executions.map(async (execution) => {
    const { id } = execution
    const [attempts, steps, frames, summary] = await Promise.all([
      allAttempts(backend, namespace, id),
      allSteps(backend, namespace, id),
      allFrames(backend, namespace, id),
      backend.streams.readSummary({ namespace, executionId: id }),
    ])
    return {
      ...pictureExecution(execution),
      result: pictureResult(results.get(id)),
      attempts: attempts.map(pictureAttempt),
      steps: steps.map((step) => ({ ...step, result: hex(step.result) })),
      frames: frames.map((frame) => ({ ...frame, frame: hex(frame.frame) })),
      summary: { ...summary, document: hex(summary.document) },
      ...(await pictureSuspensions(backend, namespace, id)),
      events: feed.filter((event) => 'executionId' in event && event.executionId === id).map(pictureEvent),
    }
  })
  const graphs = flows.map(async (flow) => ({
    ...pictureFlow(flow),
    nodes: (await allNodes(backend, namespace, flow.id)).map(pictureNode),
    events: feed.filter((event) => event.type === 'flow' && event.flowId === flow.id).map(pictureEvent),
  }))
  const [shownExecutions, shownFlows] = await Promise.all([Promise.all(pictures), Promise.all(graphs)])
  return {
    executions: shownExecutions.sort(byId),
    flows: shownFlows.sort(byId),
    lanes: lanes.lanes.map(pictureLane),
  }
}

/** The states alone, in a few reads: what a comparison after every step can afford. */
export async function takeStates(backend: FoundationBackend, namespace: Namespace): Promise<Snapshot> {
  const [executions, flows] = await Promise.all([
    allExecutions(backend, namespace),
    allFlows(backend, namespace),
  ])
  const graphs = []
  for (const flow of flows)
    graphs.push({
      ...pictureFlow(flow),
      nodes: (await allNodes(backend, namespace, flow.id)).map(pictureNode),
    })
  return { executions: executions.map(pictureExecution).sort(byId), flows: graphs.sort(byId), lanes: [] }
}

/** What a comparison of a few objects looks at. */
export interface Selection {
  readonly executions: readonly ExecutionId[]
  readonly flows: readonly FlowId[]
  readonly attemptsOf: readonly ExecutionId[]
  readonly resultsOf: readonly ExecutionId[]
  readonly lanes: boolean
}

/** Pictures by id. */
export interface PartSnapshot
  extends Readonly<Record<'executions' | 'flows' | 'attempts' | 'results', object>> {
  readonly lanes: readonly unknown[]
}

/** The picture of some objects; one that isn't there is shown by the code that says so. */
export async function takePart(
  backend: FoundationBackend,
  namespace: Namespace,
  { executions, flows, attemptsOf, resultsOf, lanes }: Selection,
): Promise<PartSnapshot> {
  const [solos, graphs, attempts, results, listed] = await Promise.all([
    each(executions, async (id) =>
      pictureExecution((await backend.executions.get({ namespace, id })).execution),
    ),
    each(flows, async (flowId) => ({
      ...pictureFlow((await backend.flows.get({ namespace, flowId })).flow),
      nodes: (await allNodes(backend, namespace, flowId)).map((node) => ({
        ...pictureExecution(node.execution),
        ...pictureNode(node),
      })),
    })),
    each(attemptsOf, async (id) => (await allAttempts(backend, namespace, id)).map(pictureAttempt)),
    readResults(backend, namespace, resultsOf),
    lanes ? backend.lanes.list({ namespace }) : { lanes: [] },
  ])
  return {
    executions: solos,
    flows: graphs,
    attempts,
    results: Object.fromEntries([...results].map(([id, result]) => [id, pictureResult(result)])),
    lanes: listed.lanes.map(pictureLane),
  }
}

async function each<Id extends string, Picture>(
  ids: readonly Id[],
  look: (id: Id) => Promise<Picture>,
): Promise<Readonly<Record<string, Picture | { readonly refused: string }>>> {
  const pictures = ids.map(async (id) => {
    try {
      return [id, await look(id)] as const
    } catch (error) {
      if (isEngineError(error) && error.kind === 'not_found') return [id, { refused: error.code }] as const
      throw error
    }
  })
  return Object.fromEntries(await Promise.all(pictures))
}

async function readResults(
  backend: FoundationBackend,
  namespace: Namespace,
  ids: readonly ExecutionId[],
): Promise<ReadonlyMap<ExecutionId, ResultOutcome>> {
  const results = new Map<ExecutionId, ResultOutcome>()
  for (let at = 0; at < ids.length; at += RESULTS_PER_CALL) {
    const some = ids.slice(at, at + RESULTS_PER_CALL)
    const { items } = await backend.executions.getResult({ namespace, ids: some })
    for (const [index, id] of some.entries()) {
      const item = items[index]
      if (item !== undefined) results.set(id, item)
    }
  }
  return results
}

const RESULTS_PER_CALL = 100

/** Nothing of an execution that has no waitpoints and no signals. */
async function pictureSuspensions(
  backend: FoundationBackend,
  namespace: Namespace,
  executionId: ExecutionId,
) {
  const { suspensions } = backend
  const [waitpoints, signals] = await Promise.all([
    allWaitpoints(suspensions, namespace, executionId),
    allSignals(suspensions, namespace, executionId),
  ])
  if (waitpoints.length + signals.length === 0) return {}
  return { waitpoints, signals: signals.map((signal) => ({ ...signal, payload: hex(signal.payload) })) }
}

function pictureExecution(execution: Execution) {
  const isDrawn = execution.delayReason === 'reclaim_backoff' || isJittered(execution)
  return {
    ...execution,
    tags: sortKeys(execution.tags),
    notBeforeMs: isDrawn ? 'drawn' : execution.notBeforeMs,
    failure: pictureFailure(execution.failure),
  }
}

/** The pause before a retry is uniform where the policy says so; it is not the same draw on two stores. */
function isJittered({ delayReason, retry }: Execution): boolean {
  return delayReason === 'retry_backoff' && retry.backoff.jitter
}

const engineCategories = ['timeout', 'deadline', 'queue_ttl', 'max_reclaims_exceeded']

function pictureFailure(failure: Failure | null) {
  if (failure === null) return null
  const { category, message, details } = failure
  if (engineCategories.includes(category)) return { category }
  return details === undefined ? { category, message } : { category, message, details }
}

function pictureResult(outcome: ResultOutcome | undefined) {
  if (outcome === undefined) return null
  if (outcome.outcome === 'error') return { error: outcome.error.code }
  return outcome.outcome === 'success' ? { success: hex(outcome.result) } : outcome.outcome
}

function pictureAttempt(attempt: AttemptRecord) {
  return { ...attempt, failure: pictureFailure(attempt.failure) }
}

function pictureEvent(event: EngineEvent) {
  const { number: _number, namespace: _namespace, ...rest } = event
  return rest
}

function pictureFlow({ summary, ...flow }: Flow) {
  // A summary is as of its last projection, and says so; its counts are judged by the invariants.
  return { ...flow, tags: sortKeys(flow.tags), totalMembers: summary.totalMembers }
}

function pictureNode({ execution, incoming, group }: FlowNodeView) {
  const edges = incoming.map(({ id: _id, ...edge }) => edge)
  return { id: execution.id, incoming: edges.sort((a, b) => (a.from < b.from ? -1 : 1)), group }
}

function pictureLane({ version: _version, ...lane }: LaneView) {
  return lane
}

function sortKeys<Value>(record: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : 1
}

function hex(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('hex')
}
