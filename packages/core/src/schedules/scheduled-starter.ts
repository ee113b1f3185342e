import type { ExecutionOperations } from '../contract/executions.js'
import type { FlowOperations, FlowState } from '../contract/flows.js'
import type { ScheduledId, ScheduledWork } from '../contract/schedules.js'
import { type EngineError, isEngineError } from '../errors/engine-error.js'
import type { FlowId } from '../ids/index.js'
import type { Namespace } from '../names.js'
import type { PartitionConfig } from '../partitions/index.js'
import type { ScheduledStart } from './record.js'
import { isScheduledExecution, type ScheduleName } from './scheduled-ids.js'
import { executionOfTick, flowOfTick } from './scheduled-work.js'

/** The operations by which a store itself starts, cancels and looks at what its schedules began. */
export interface ScheduledRoles {
  readonly executions: Pick<ExecutionOperations, 'submit' | 'getResult' | 'cancel'>
  readonly flows: Pick<FlowOperations, 'submit' | 'get' | 'cancel'>
  partitions(): Promise<PartitionConfig>
}

/** What became of a start: it stands, it was refused for good, or nobody knows and somebody has to try again. */
export type StartOutcome =
  | { readonly outcome: 'started' }
  | { readonly outcome: 'refused' | 'unsure'; readonly code: string }

const started: StartOutcome = { outcome: 'started' }

/** Starts what ticks are about. Repeatable: what stands under a tick's id is that tick's, whatever its work was then. */
export async function startTicks(
  roles: ScheduledRoles,
  name: ScheduleName,
  work: ScheduledWork,
  starts: readonly ScheduledStart[],
): Promise<readonly StartOutcome[]> {
  if (work.kind === 'flow') {
    const { flow } = await roles.partitions()
    return Promise.all(
      starts.map(async ({ id, tickMs }) => {
        try {
          const answer = await roles.flows.submit(flowOfTick(name, work, id as FlowId, tickMs, flow))
          return outcomeOf(answer.outcome)
        } catch (error) {
          return faultOf(error)
        }
      }),
    )
  }
  const items = starts.flatMap(({ id, tickMs }) =>
    isScheduledExecution(id) ? [executionOfTick(name, work, id, tickMs)] : [],
  )
  const answer = await roles.executions.submit({ namespace: name.namespace, items })
  return answer.items.map((item) =>
    item.outcome === 'error' ? faultOf(item.error) : outcomeOf(item.outcome),
  )
}

/** Cancels earlier work for a tick that is to run alone. Repeatable; what has ended or gone needs none. */
export async function cancelEarlier(
  roles: ScheduledRoles,
  namespace: Namespace,
  ids: readonly ScheduledId[],
): Promise<void> {
  await Promise.all(
    ids.map(async (id) => {
      try {
        if (isScheduledExecution(id)) await roles.executions.cancel({ namespace, id, reason })
        else await roles.flows.cancel({ namespace, flowId: id as FlowId, policy: 'cancel_all', reason })
      } catch (error) {
        if (!isGone(error)) throw error
      }
    }),
  )
}

/** Which of them have ended, by their records; what retention has removed has. */
export async function findEnded(
  roles: ScheduledRoles,
  namespace: Namespace,
  ids: readonly ScheduledId[],
): Promise<ReadonlySet<ScheduledId>> {
  const executions = ids.filter(isScheduledExecution)
  const flows = ids.filter((id): id is FlowId => !isScheduledExecution(id))
  const [results, flowEnds] = await Promise.all([
    executions.length === 0
      ? []
      : roles.executions.getResult({ namespace, ids: executions }).then(({ items }) => items),
    Promise.all(flows.map((flowId) => hasFlowEnded(roles, namespace, flowId))),
  ])
  const ended = new Set<ScheduledId>()
  for (const [place, id] of executions.entries()) {
    const item = results[place]
    if (item === undefined || item.outcome === 'pending') continue
    if (item.outcome === 'error' && !isGone(item.error)) throw item.error
    ended.add(id)
  }
  for (const [place, id] of flows.entries()) if (flowEnds[place]) ended.add(id)
  return ended
}

async function hasFlowEnded(roles: ScheduledRoles, namespace: Namespace, flowId: FlowId): Promise<boolean> {
  try {
    const { flow } = await roles.flows.get({ namespace, flowId })
    return terminalFlowStates.has(flow.state)
  } catch (error) {
    if (isGone(error)) return true
    throw error
  }
}

function outcomeOf(outcome: string): StartOutcome {
  // A conflict is an earlier start of the same tick, by what the schedule was about then.
  return startedOutcomes.has(outcome) ? started : { outcome: 'refused', code: outcome }
}

/** Refused for good, unless another try may succeed or this one may have. */
function faultOf(error: unknown): StartOutcome {
  if (!isEngineError(error)) throw error
  const isOpen = error.retry === 'safe' || error.mayHaveCommitted === true
  return { outcome: isOpen ? 'unsure' : 'refused', code: error.code }
}

function isGone(error: unknown): error is EngineError {
  return isEngineError(error) && error.kind === 'not_found'
}

const reason = 'a later tick of its schedule'
const startedOutcomes: ReadonlySet<string> = new Set([
  'accepted',
  'duplicate',
  'execution_conflict',
  'flow_conflict',
])
const terminalFlowStates: ReadonlySet<FlowState> = new Set(['completed', 'failed', 'cancelled'])
