import {
  checkScanRequest,
  type ExecutionId,
  type FlowId,
  must,
  type NextTimer,
  type PartitionTag,
  partitionTagOf,
  type ScanRequest,
  type ScanResult,
  type TimerItem,
} from '@flowfabric/core'
import { loseLease, timeOutAttempt } from './attempt-ends.js'
import { openMembersOf, timerOf } from './facts.js'
import { flowTagOf } from './feed.js'
import { cancelDraft } from './flow-cancel.js'
import type { ExecutionRecord, FlowRecord } from './records.js'
import { step } from './step.js'
import type { Model } from './store.js'
import { timeOutSuspension } from './suspending.js'
import { cancelExecution, endExecution, rejudgeBlocks } from './transition.js'

interface Due {
  readonly timer: NextTimer
  readonly id: ExecutionId | FlowId
  readonly apply: () => void
}

/** The timers of a partition: those of flows before those of executions, each earliest first. */
function timersIn(model: Model, partition: PartitionTag): Due[] {
  const executions = [...model.executions.values()].flatMap((x): Due[] => {
    const timer = partitionTagOf(x.id) === partition ? timerOf(x) : null
    return timer === null ? [] : [{ timer, id: x.id, apply: () => applyTimer(model, x, timer) }]
  })
  const flows = [...model.flows.values()].flatMap((flow): Due[] => {
    const timer = flowTagOf(model, flow) === partition ? flowTimerOf(model, flow) : null
    return timer === null ? [] : [{ timer, id: flow.id, apply: () => applyFlowTimer(model, flow) }]
  })
  const byTime = (a: Due, b: Due) => a.timer.dueAtMs - b.timer.dueAtMs
  return [...flows.sort(byTime), ...executions.sort(byTime)]
}

export function nextTimerIn(model: Model, partition: PartitionTag): number | null {
  const times = timersIn(model, partition).map(({ timer }) => timer.dueAtMs)
  return times.length === 0 ? null : Math.min(...times)
}

/** Applies what is due, one timer per execution and call; what a flow waits for first, since it may end its members. */
export function drainTimers(model: Model, params: ScanRequest): ScanResult<TimerItem> {
  checkScanRequest(params, model.partitions)
  const due = timersIn(model, params.partition).filter(({ timer }) => timer.dueAtMs <= model.clock.nowMs())
  const drained = due.slice(0, params.max)
  const ofFlows = drained.filter(({ timer }) => isFlowTimer(timer))
  const ofExecutions = drained.filter(({ timer }) => !isFlowTimer(timer))
  const items = [ofFlows, ofExecutions].flatMap((list) => applyTogether(model, list))
  const nextDueAtMs = nextTimerIn(model, params.partition)
  return { items, more: due.length > params.max, ...(nextDueAtMs === null ? {} : { nextDueAtMs }) }
}

/** What one call ends is carried on together. */
function applyTogether(model: Model, list: readonly Due[]): TimerItem[] {
  return step(model, () =>
    list.flatMap(({ timer, id, apply }): TimerItem[] => {
      // What was applied before it may have ended it: the timer went with the state.
      if (!isStillDue(model, id, timer)) return []
      apply()
      return [{ outcome: 'applied', timer: timer.kind, id, dueAtMs: timer.dueAtMs }]
    }),
  )
}

function isFlowTimer({ kind }: NextTimer): boolean {
  return kind === 'flow_deadline' || kind === 'draft_expiry'
}

function isStillDue(model: Model, id: ExecutionId | FlowId, timer: NextTimer): boolean {
  const x = model.executions.get(id as ExecutionId)
  const now = x === undefined ? flowTimerOf(model, must(model.flows.get(id as FlowId), id)) : timerOf(x)
  return now !== null && now.kind === timer.kind && now.dueAtMs === timer.dueAtMs
}

function applyTimer(model: Model, x: ExecutionRecord, timer: NextTimer): void {
  switch (timer.kind) {
    case 'cancel_grace':
      cancelExecution(model, x, 'operator')
      return
    case 'execution_deadline':
      expire(model, x, 'deadline')
      return
    case 'queue_ttl':
      expire(model, x, 'queue_ttl')
      return
    case 'attempt_timeout':
      timeOutAttempt(model, x)
      return
    case 'lease_expiry':
      loseLease(model, x, 'lease_expiry')
      return
    case 'suspension_timeout':
      timeOutSuspension(model, x)
      return
    case 'delayed_promotion':
      rejudgeBlocks(model, x, timer.dueAtMs)
      return
    case 'flow_deadline':
    case 'draft_expiry':
      throw new Error(`${timer.kind} is no timer of an execution`)
  }
}

function expire(model: Model, x: ExecutionRecord, category: 'deadline' | 'queue_ttl'): void {
  const failure = {
    category,
    message: category === 'deadline' ? 'its deadline passed' : 'it was not started in time',
  }
  endExecution(model, x, { outcome: 'expired', failure, endedBy: 'deadline' })
}

function flowTimerOf(model: Model, flow: FlowRecord): NextTimer | null {
  if (flow.state === 'draft' && flow.draftExpiresAtMs !== null) {
    return { kind: 'draft_expiry', dueAtMs: flow.draftExpiresAtMs }
  }
  if (flow.state !== 'open' && flow.state !== 'cancelling') return null
  if (flow.deadlineAtMs === null || openMembersOf(model, flow).length === 0) return null
  return { kind: 'flow_deadline', dueAtMs: flow.deadlineAtMs }
}

function applyFlowTimer(model: Model, flow: FlowRecord): void {
  if (flow.state === 'draft') cancelDraft(model, flow, 'draft_expired')
  else for (const x of openMembersOf(model, flow)) expire(model, x, 'deadline')
}
