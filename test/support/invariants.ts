import {
  type AttemptRecord,
  decideGroup,
  type EngineEvent,
  type Execution,
  type ExecutionEvent,
  type Flow,
  type FlowNodeView,
  type FoundationBackend,
  isEngineError,
  type LaneView,
  type Namespace,
  type PartitionTag,
  publicStateOf,
  publicStates,
  terminalPublicStates,
  vectorViolations,
} from '@flowfabric/core'
import { executionOwners } from '../owners.js'
import { projectAll, settle } from './drive.js'
import { allAttempts, allEvents, allExecutions, allFlows, allNodes } from './listing.js'

/** What must hold at every moment, of everything that a test touched; seen through public operations only. */
export interface InvariantScope {
  readonly backend: FoundationBackend
  readonly namespace: Namespace
  readonly partitions: readonly PartitionTag[]
  /** Where the feed was before the first event of the namespace; by default all of it is read. */
  readonly since?: string | undefined
  /** The test planted faults: only what no fault may break is looked at. */
  readonly hasFaults?: boolean | undefined
}

/** The violated rules, as text, and what the nets find; empty when all is well. */
export async function findViolations(scope: InvariantScope): Promise<string[]> {
  const found = await findBrokenRules(scope)
  return scope.hasFaults ? found : [...found, ...(await askReconcilers(scope, [scope.namespace]))]
}

/** The violated rules, as text. Looks at the store as it is, then again when nothing is pending. */
export async function findBrokenRules(scope: InvariantScope): Promise<string[]> {
  const { backend, partitions } = scope
  const first = await takePicture(scope)
  const found = judge(first, rules)
  if (scope.hasFaults) return found
  const hadWork = await settle(backend, partitions)
  // A start alone need not call the projector; its sweep comes round all the same.
  if (first.flows.length > 0) await projectAll(backend, partitions)
  const isAsBefore = !hadWork && first.flows.length === 0
  const last = isAsBefore ? first : await takePicture(scope)
  return [...found, ...judge(last, isAsBefore ? settledRules : [...rules, ...settledRules])]
}

/** One moment's picture of a namespace. */
interface Picture {
  readonly executions: readonly Execution[]
  readonly attempts: ReadonlyMap<Execution['id'], readonly AttemptRecord[]>
  readonly flows: readonly Flow[]
  readonly nodes: ReadonlyMap<Flow['id'], readonly FlowNodeView[]>
  readonly lanes: readonly LaneView[]
  readonly events: readonly EngineEvent[]
  readonly eventsOf: ReadonlyMap<Execution['id'], readonly ExecutionEvent[]>
}

type Rule = (picture: Picture) => string[]

const judge = (picture: Picture, judges: readonly Rule[]) => judges.flatMap((rule) => rule(picture))

async function takePicture({ backend, namespace, partitions, since }: InvariantScope): Promise<Picture> {
  // Some stores number their events after the fact; until then the feed lags, which is no violation.
  for (const partition of partitions) await backend.maintenance.upkeep({ partition, max: 500 })
  const executions = await allExecutions(backend, namespace)
  const attempts = new Map<Execution['id'], AttemptRecord[]>()
  for (const { id } of executions) attempts.set(id, await allAttempts(backend, namespace, id))
  const flows = await allFlows(backend, namespace)
  const nodes = new Map<Flow['id'], FlowNodeView[]>()
  for (const { id } of flows) nodes.set(id, await allNodes(backend, namespace, id))
  const { lanes } = await backend.lanes.list({ namespace })
  const events = await allEvents(backend, namespace, since).catch((fault: unknown) => {
    if (!isEngineError(fault, 'cursor_expired')) throw fault
    return allEvents(backend, namespace)
  })
  const eventsOf = new Map<Execution['id'], ExecutionEvent[]>()
  for (const event of events) {
    if (event.type !== 'execution') continue
    const own = eventsOf.get(event.executionId)
    if (own === undefined) eventsOf.set(event.executionId, [event])
    else own.push(event)
  }
  return { executions, attempts, flows, nodes, lanes, events, eventsOf }
}

const isTerminal = (execution: Execution) =>
  (terminalPublicStates as readonly string[]).includes(execution.publicState)

/** A rule about each execution by itself: the texts of what doesn't hold. */
function perExecution(
  judge: (
    execution: Execution,
    attempts: readonly AttemptRecord[],
    events: readonly ExecutionEvent[],
  ) => string[],
): Rule {
  return ({ executions, attempts, eventsOf }) =>
    executions.flatMap((execution) =>
      judge(execution, attempts.get(execution.id) ?? [], eventsOf.get(execution.id) ?? []).map(
        (text) => `${execution.id}: ${text}`,
      ),
    )
}

const unless = (holds: boolean, text: string) => (holds ? [] : [text])

const rules: readonly Rule[] = [
  perExecution(({ state, publicState }) => [
    ...vectorViolations(state),
    ...unless(publicState === publicStateOf(state), `shown as ${publicState}`),
  ]),
  perExecution(({ state, lease }) =>
    unless((state.lifecyclePhase === 'active') === (lease !== null), 'a lease exactly when active'),
  ),
  perExecution((execution) => [
    ...unless(
      isTerminal(execution) === (execution.terminalAtMs !== null),
      'a terminal time exactly when ended',
    ),
    ...unless(
      (execution.publicState === 'cancelled') === (execution.cancelCause !== null),
      'a cause exactly when cancelled',
    ),
    ...unless(!(isTerminal(execution) && execution.held), 'no hold survives an end'),
    ...unless(
      execution.failure === null || ['failed', 'expired'].includes(execution.publicState),
      'a failure only when failed or expired',
    ),
  ]),
  perExecution((execution, attempts) => [
    ...unless(
      attempts.length === execution.attemptCount,
      `${execution.attemptCount} attempts, ${attempts.length} records`,
    ),
    ...unless(
      attempts.every(({ index }, at) => index === at),
      'attempts are numbered without gaps',
    ),
    ...unless(
      attempts.filter(({ state }) => state === 'started').length === (execution.lease === null ? 0 : 1),
      'one started attempt exactly while leased',
    ),
    ...unless(
      !isTerminal(execution) || attempts.every(({ endedAtMs }) => endedAtMs !== null),
      'no open attempt survives an end',
    ),
    ...unless(
      (attempts.at(-1)?.state === 'suspended') ===
        ['attempt_interrupted', 'pending_resume'].includes(execution.state.attemptState),
      'an attempt is suspended exactly while it is kept',
    ),
    ...unless(
      attempts.every(({ epoch }, at) => epoch > (attempts[at - 1]?.epoch ?? 0) && epoch <= execution.epoch),
      'epochs only rise',
    ),
    ...unless(
      execution.retryCount === countTries(execution, attempts),
      `retryCount is ${execution.retryCount}`,
    ),
  ]),
  perExecution((execution, _, events) => judgeEvents(execution, events)),
  perExecution((execution) => [
    ...unless(
      isTerminal(execution) || executionOwners.some((owner) => owner.covers(execution.state)),
      'a state that nobody owns',
    ),
    ...unless(hasWaker(execution), `nothing wakes it from ${execution.state.eligibilityState}`),
  ]),
  ({ nodes, flows }) =>
    flows.flatMap((flow) => (nodes.get(flow.id) ?? []).flatMap((node) => judgeNode(flow, node))),
  ({ flows, nodes }) =>
    flows.flatMap((flow) => {
      const members = nodes.get(flow.id) ?? []
      const hasEnded = ['completed', 'failed', 'cancelled'].includes(flow.state)
      const isOver = members.every(({ execution }) => isTerminal(execution))
      return [
        ...unless(
          !hasEnded || isOver || flow.cancel?.policy === 'flow_only',
          `${flow.id}: ended before its members`,
        ),
        ...unless(
          hasEnded === (flow.terminalAtMs !== null),
          `${flow.id}: a terminal time exactly when ended`,
        ),
      ]
    }),
  ({ lanes, executions }) =>
    lanes.flatMap(({ lane, depth }) =>
      publicStates.flatMap((state) => {
        const counted = executions.filter((each) => each.lane === lane && each.publicState === state).length
        return unless(
          depth[state] === counted,
          `lane ${lane}: depth ${state} is ${depth[state]}, recounted ${counted}`,
        )
      }),
    ),
  ({ events }) => judgeNumbers(events),
]

/** What it waits for is there: a time, an operator's hold, a flow, a place in the queue. */
function hasWaker({ state, notBeforeMs, delayReason, held, flowId, readyAtMs }: Execution): boolean {
  switch (state.eligibilityState) {
    case 'not_eligible_until_time':
      return notBeforeMs !== null && delayReason !== null
    case 'blocked_by_operator':
      return held
    case 'blocked_by_dependencies':
      return flowId !== null
    case 'eligible_now':
      return readyAtMs !== null && notBeforeMs === null
    default:
      return true
  }
}

function countTries(execution: Execution, attempts: readonly AttemptRecord[]): number {
  return attempts.filter(({ generation, type }) => generation === execution.generation && type !== 'reclaim')
    .length
}

/** One terminal event per terminal transition and generation, and the last one says what is. */
function judgeEvents(execution: Execution, shown: readonly ExecutionEvent[]): string[] {
  const ends = shown.filter(({ publicState }) =>
    (terminalPublicStates as readonly string[]).includes(publicState),
  )
  const generations = ends.map(({ generation }) => generation)
  const last = shown.at(-1)
  const isChained = shown.every(
    (event, at) => execution.flowId === null || event.previousState === (shown[at - 1]?.publicState ?? null),
  )
  return [
    ...unless(new Set(generations).size === generations.length, 'two terminal events of one generation'),
    ...unless(
      last === undefined || execution.flowId === null || last.publicState === execution.publicState,
      'the feed lags',
    ),
    ...unless(isChained, 'an event skipped a state'),
  ]
}

function judgeNode(flow: Flow, { execution, incoming, group }: FlowNodeView): string[] {
  const name = `${flow.id} ${execution.name ?? execution.id}`
  if (group === null) return unless(incoming.length === 0, `${name}: edges without a group`)
  const { counters, join, state, released } = group
  const count = (wanted: string) => incoming.filter((edge) => edge.state === wanted).length
  const isWaiting = execution.state.eligibilityState === 'blocked_by_dependencies'
  return [
    ...unless(counters.n === incoming.length, `${name}: n is ${counters.n} of ${incoming.length} edges`),
    ...unless(counters.succeeded === count('satisfied'), `${name}: succeeded is not the satisfied edges`),
    ...unless(
      counters.failed + counters.skipped === count('impossible'),
      `${name}: lost is not the impossible edges`,
    ),
    ...unless(
      flow.state === 'draft' || join === null || state === decideGroup(join, counters),
      `${name}: ${state}, but its counters decide otherwise`,
    ),
    ...unless(
      isTerminal(execution) || isWaiting === !released,
      `${name}: waits exactly until it is released`,
    ),
  ]
}

/** Numbers rise within a partition, in the order of reading. */
function judgeNumbers(events: readonly EngineEvent[]): string[] {
  const last = new Map<PartitionTag, number>()
  return events.flatMap(({ partition, number }) => {
    const before = last.get(partition) ?? 0
    last.set(partition, number)
    return unless(number > before, `${partition}: event ${number} after ${before}`)
  })
}

/** What holds once nothing is pending. */
const settledRules: readonly Rule[] = [
  ({ flows, nodes }) =>
    flows.flatMap((flow) => {
      if (flow.state === 'draft') return []
      const byId = new Map((nodes.get(flow.id) ?? []).map((node) => [node.execution.id, node]))
      return [...byId.values()].flatMap(({ incoming, group }) => [
        ...incoming.flatMap((edge) => {
          const upstream = byId.get(edge.from)
          const isLeft = edge.state === 'pending' && upstream !== undefined && isTerminal(upstream.execution)
          return unless(!isLeft, `${flow.id}: the edge from ${edge.from} was left behind`)
        }),
        ...unless(!group?.cancelPending, `${flow.id}: a sibling cancel was left behind`),
        ...unless(
          group === null || group.released || incoming.some(({ state }) => state === 'pending'),
          `${flow.id}: a node waits although all its upstreams have ended`,
        ),
      ])
    }),
  ({ flows, nodes }) =>
    flows.flatMap((flow) => {
      const members = nodes.get(flow.id) ?? []
      const isOver = members.length > 0 && members.every(({ execution }) => isTerminal(execution))
      const recounted = publicStates.filter(
        (state) =>
          flow.summary.counts[state] !==
          members.filter(({ execution }) => execution.publicState === state).length,
      )
      return [
        ...unless(
          !isOver || !['open', 'cancelling', 'replaying'].includes(flow.state),
          `${flow.id}: over, but ${flow.state}`,
        ),
        ...unless(recounted.length === 0, `${flow.id}: the summary miscounts ${recounted.join(', ')}`),
        ...unless(flow.summary.totalMembers === members.length, `${flow.id}: the summary's total is wrong`),
      ]
    }),
]

/** In a healthy store the nets are empty. Edges are asked for in these namespaces: elsewhere tests break them on purpose. */
export async function askReconcilers(
  { backend, partitions }: Pick<InvariantScope, 'backend' | 'partitions'>,
  namespaces: readonly Namespace[],
): Promise<string[]> {
  const found: string[] = []
  const own = new Set<string>()
  for (const namespace of namespaces) for (const { id } of await allFlows(backend, namespace)) own.add(id)
  for (const partition of partitions) {
    const indexes = await backend.maintenance.reconcileIndexes({ partition, max: 500 })
    found.push(...indexes.items.map(({ id, finding }) => `index of ${id}: ${finding}`))
    const edges = await backend.resolution.reconcileDependencies({ partition, max: 100 })
    found.push(
      ...edges.items
        .filter(({ flowId, outcome }) => own.has(flowId) && outcome !== 'unknown_policy')
        .map(({ outcome, executionId }) => `dependency of ${executionId}: ${outcome}`),
    )
  }
  return found
}
