import type { ExecutionSpec } from '../contract/executions.js'
import {
  type GetSchedule,
  type ListSchedules,
  overlapPolicies,
  type PauseSchedule,
  type PutSchedule,
  type ScheduledFlow,
  type ScheduledWork,
  type TriggerSchedule,
} from '../contract/schedules.js'
import { checkGraph } from '../decisions/graph.js'
import { engineError } from '../errors/engine-error.js'
import { type FlowId, parseScheduleId } from '../ids/index.js'
import { limits } from '../limits.js'
import { requireFreeName } from '../names.js'
import type { PartitionConfig } from '../partitions/index.js'
import { recordText } from '../schedules/record-text.js'
import { isScheduledExecution, type ScheduleName, tickId } from '../schedules/scheduled-ids.js'
import { executionOfTick, flowOfTick, scheduleTagKeys } from '../schedules/scheduled-work.js'
import { checkTiming } from '../schedules/ticks.js'
import { checkExecutionSpec } from './execution-spec.js'
import {
  checkInteger,
  checkList,
  checkObject,
  checkOptionalInteger,
  checkOptionalWord,
  checkReason,
  checkText,
  checkWord,
  invalidParam,
} from './fields.js'
import { checkSubmitFlow } from './flows.js'
import { checkPageRequest, checkScoped } from './scope.js'

/** Checks all of a schedule, and that what it starts would be accepted. */
export function checkPutSchedule(params: PutSchedule, counts: PartitionConfig): void {
  checkGetSchedule(params)
  requireFreeName(params.label, 'schedule')
  checkObject(params.timing, 'timing')
  checkWord(params.timing.kind, 'timing.kind', ['cron', 'interval'])
  checkTiming(params.timing)
  checkOptionalWord(params.overlap, 'overlap', overlapPolicies)
  checkOptionalInteger(params.jitterMs, 'jitterMs', 0, limits.scheduleJitterMsMax)
  checkOptionalInteger(params.catchUpMs, 'catchUpMs', limits.scheduleCatchUpMsMin, limits.durationMsMax)
  checkObject(params.work, 'work')
  checkWord(params.work.kind, 'work.kind', ['execution', 'flow'])
  checkWork(params, params.work, counts)
  // What is too large to be stored is refused here, as by every store.
  recordText.ofWork(params.work)
}

/** For `get` and `delete`. */
export function checkGetSchedule(params: GetSchedule): void {
  checkScoped(params)
  parseScheduleId(params.scheduleId)
}

export function checkListSchedules(params: ListSchedules): void {
  checkScoped(params)
  checkPageRequest(params)
}

export function checkPauseSchedule(params: PauseSchedule): void {
  checkGetSchedule(params)
  if (typeof params.paused !== 'boolean') throw invalidParam('paused', 'must be true or false')
  checkReason(params.reason)
}

/** That a range lies in the past is the store's to see. */
export function checkTriggerSchedule(params: TriggerSchedule): void {
  checkGetSchedule(params)
  checkText(params.triggerKey, 'triggerKey', limits.idempotencyKeyBytesMax, 1)
  if (params.backfill === undefined) return
  checkObject(params.backfill, 'backfill')
  const { fromMs, toMs } = params.backfill
  checkInteger(fromMs, 'backfill.fromMs', 0, limits.timeMsMax)
  checkInteger(toMs, 'backfill.toMs', fromMs, limits.timeMsMax)
}

/** As for one tick: what it would submit has to be sound. */
function checkWork(name: ScheduleName, work: ScheduledWork, counts: PartitionConfig): void {
  const id = tickId(name, work.kind, 0, SOME_TICK_MS)
  if (work.kind === 'execution') {
    checkPart(work.spec, 'work.spec')
    if (isScheduledExecution(id)) checkExecutionSpec(executionOfTick(name, work, id, SOME_TICK_MS), counts)
    return
  }
  checkFlowParts(work)
  const flow = flowOfTick(name, work, id as FlowId, SOME_TICK_MS, counts.flow)
  checkSubmitFlow(flow, counts)
  checkGraph(flow)
}

/** What ids are made of must be there before there are any. */
function checkFlowParts({ nodes, edges, tags }: ScheduledFlow): void {
  checkList(nodes, 'work.nodes', limits.nodesPerCallMax)
  checkList(edges, 'work.edges', limits.edgesPerCallMax)
  if (tags !== undefined) checkOwnTags(tags, 'work.tags')
  const names = new Set<string>()
  for (const node of nodes) {
    checkPart(node, 'work.nodes')
    const name = requireFreeName(node.name, 'node')
    if (names.has(name)) throw engineError('duplicate_name', `The name ${name} occurs twice`, { name })
    names.add(name)
  }
  for (const edge of edges) checkObject(edge, 'work.edges')
}

function checkPart(part: Pick<ExecutionSpec, 'tags'>, path: string): void {
  checkObject(part, path)
  // A time that is fixed for once means nothing to what starts again and again.
  if ('startAtMs' in part && part.startAtMs !== undefined)
    throw invalidParam(`${path}.startAtMs`, 'is not for schedules; delayMs is')
  if (part.tags !== undefined) checkOwnTags(part.tags, `${path}.tags`)
}

function checkOwnTags(tags: unknown, path: string): void {
  checkObject(tags, path)
  for (const key of Object.values(scheduleTagKeys)) {
    if (Object.hasOwn(tags as object, key)) throw invalidParam(path, `${key} is the schedule's own`)
  }
}

const SOME_TICK_MS = 0
