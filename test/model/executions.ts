import {
  type CancelExecution,
  type CancelExecutionOutcome,
  type ChangePriority,
  checkCancelExecution,
  checkChangePriority,
  checkCountExecutions,
  checkGetExecution,
  checkGetResults,
  checkHoldExecution,
  checkListExecutions,
  checkReplayExecution,
  checkSetTags,
  checkSubmitExecutions,
  countApart,
  type ExecutionOperations,
  type ExecutionSubmission,
  type ExecutionTerminal,
  engineError,
  hashInput,
  isEngineError,
  limits,
  type Namespace,
  type ReplayExecution,
  type ReplayExecutionOutcome,
  type ResultOutcome,
  type SetTags,
  type SubmitExecutionOutcome,
  type Tags,
} from '@flowfabric/core'
import { claimNext } from './claim.js'
import { createExecution, isSameExecution } from './creation.js'
import { explainFacts } from './explain-facts.js'
import { findExecution, isActive, isTerminal, publicStateOfRecord, recordedOutcomeOf } from './facts.js'
import { hint } from './feed.js'
import { requireDemands } from './holdings.js'
import { lookUpKey, recordKey } from './idempotency.js'
import { findClosedLane, findCrowdedLane } from './lane-records.js'
import { orError } from './or-error.js'
import { pageNewestFirst } from './pages.js'
import type { ExecutionRecord } from './records.js'
import { reopen, replayFlow } from './replay.js'
import { selectExecutions } from './select.js'
import { step } from './step.js'
import { type Model, operate } from './store.js'
import { resume } from './suspending.js'
import { cancelExecution, rejudgeBlocks, transition, writeScore } from './transition.js'
import { viewExecution } from './views.js'

export function createExecutions(model: Model): ExecutionOperations {
  const find = ({ namespace, id }: { namespace: Namespace; id: ExecutionRecord['id'] }) =>
    findExecution(model, namespace, id)
  return {
    submit: (params) =>
      operate(model, () => {
        const errors = checkSubmitExecutions(params, model.partitions)
        const items = params.items.map((item, index): SubmitExecutionOutcome => {
          const error = errors[index]
          return error ? { outcome: 'error', error } : submitExecution(model, params.namespace, item)
        })
        return { items, claimed: claimNext(model, params.next) }
      }),

    get: (params) =>
      operate(model, () => {
        checkGetExecution(params, model.partitions)
        return { outcome: 'found' as const, execution: viewExecution(find(params)) }
      }),

    getResult: (params) =>
      operate(model, () => {
        const errors = checkGetResults(params, model.partitions)
        const items = params.ids.map((id, index): ResultOutcome => {
          const x = model.executions.get(id)
          const error = errors[index]
          if (error) return { outcome: 'error', error }
          if (x?.namespace === params.namespace) return viewResult(x)
          return { outcome: 'error', error: engineError('execution_not_found', `no execution ${id}`) }
        })
        return { items }
      }),

    list: (params) =>
      operate(model, () => {
        checkListExecutions(params)
        const page = pageNewestFirst(selectExecutions(model, params.namespace, params.filter), params)
        return { ...page, items: page.items.map(viewExecution) }
      }),

    count: (params) =>
      operate(model, () => {
        checkCountExecutions(params)
        const found = selectExecutions(model, params.namespace, params.filter)
        const { by } = params
        if (by === undefined) return { outcome: 'counted' as const, count: found.length }
        return countApart(found.map((x) => [by === 'state' ? publicStateOfRecord(x) : x[by], 1]))
      }),

    cancel: (params) =>
      operate(model, () => {
        checkCancelExecution(params, model.partitions)
        return step(model, () => cancel(model, find(params), params))
      }),

    replay: (params) =>
      operate(model, () => {
        checkReplayExecution(params, model.partitions)
        return step(model, () => replay(model, find(params), params))
      }),

    hold: (params) =>
      operate(model, () => {
        checkHoldExecution(params, model.partitions)
        const x = find(params)
        if (isTerminal(x)) return terminal(x)
        if (isActive(x)) return { outcome: 'execution_active' as const }
        if (x.held) return { outcome: 'already_held' as const }
        x.held = true
        if (x.state.lifecyclePhase === 'runnable') rejudgeBlocks(model, x)
        return { outcome: 'held' as const }
      }),

    release: (params) =>
      operate(model, () => {
        checkGetExecution(params, model.partitions)
        const x = find(params)
        if (isTerminal(x)) return terminal(x)
        const isEscalated = x.suspension?.escalated === true
        if (!x.held && !isEscalated) return { outcome: 'not_held' as const }
        x.held = false
        if (isEscalated) resume(model, x, 'operator')
        else if (x.state.lifecyclePhase === 'runnable') rejudgeBlocks(model, x)
        return { outcome: 'released' as const }
      }),

    changePriority: (params: ChangePriority) =>
      operate(model, () => {
        checkChangePriority(params, model.partitions)
        const x = find(params)
        if (isTerminal(x)) return terminal(x)
        x.priority = params.priority
        writeScore(model, x)
        return { outcome: 'changed' as const }
      }),

    setTags: (params) =>
      operate(model, () => {
        checkSetTags(params, model.partitions)
        const x = find(params)
        x.tags = changeTags(x.tags, params)
        return { outcome: 'changed' as const, tags: x.tags }
      }),

    explainFacts: (params) =>
      operate(model, () => {
        checkGetExecution(params, model.partitions)
        return explainFacts(model, find(params))
      }),
  }
}

export function submitExecution(
  model: Model,
  namespace: Namespace,
  item: ExecutionSubmission,
): SubmitExecutionOutcome {
  const unknown = orError(() => requireDemands(model, namespace, item))
  if (isEngineError(unknown)) return { outcome: 'error', error: unknown }
  const content = { target: item.id, kind: item.kind, content: item.inputHash ?? hashInput(item.input) }
  const known = lookUpKey(model, namespace, item.idempotencyKey, content)
  if (known === 'conflict') return { outcome: 'idempotency_conflict' }
  const id = known.target as ExecutionRecord['id']
  const present = model.executions.get(id)
  if (present !== undefined) {
    if (!isSameExecution(present, namespace, item)) return { outcome: 'execution_conflict' }
    recordKey(model, namespace, item, content)
    return { outcome: 'duplicate', id }
  }
  const closed = findClosedLane(model, namespace, [item.lane])
  if (closed !== undefined) return { outcome: 'lane_not_accepting', ...closed }
  const crowded = findCrowdedLane(model, namespace, [item])
  if (crowded !== undefined) return { outcome: 'too_many_routes', lane: crowded }
  createExecution(model, namespace, { ...item, id }, null)
  recordKey(model, namespace, item, content)
  return { outcome: 'accepted', id }
}

function viewResult(x: ExecutionRecord): ResultOutcome {
  const { id } = x
  if (!isTerminal(x)) return { outcome: 'pending', id, publicState: publicStateOfRecord(x) }
  const outcome = recordedOutcomeOf(x)
  if (outcome === 'success') return { outcome, id, result: x.result }
  return { outcome, id, failure: x.failure, cancelCause: x.cancelCause }
}

function cancel(model: Model, x: ExecutionRecord, params: CancelExecution): CancelExecutionOutcome {
  if (isTerminal(x)) return terminal(x)
  const graceMs = params.graceMs ?? 0
  if (graceMs === 0 || !isActive(x)) {
    cancelExecution(model, x, 'operator')
    return { outcome: 'cancelled' }
  }
  const asked = model.clock.nowMs() + graceMs
  const graceEndsAtMs = Math.min(asked, x.cancelRequested?.graceEndsAtMs ?? asked)
  x.cancelRequested = { graceEndsAtMs, cause: x.cancelRequested?.cause ?? 'operator' }
  // The vector stays; the call re-arms the timer and makes the holder look.
  transition(model, x, x.state)
  hint(model, { type: 'attention', executionId: x.id })
  return { outcome: 'cancelling', graceEndsAtMs }
}

function replay(model: Model, x: ExecutionRecord, params: ReplayExecution): ReplayExecutionOutcome {
  if (x.flowId !== null) {
    const inputs = params.input === undefined ? [] : [{ id: x.id, input: params.input }]
    const outcome = replayFlow(model, { namespace: x.namespace, flowId: x.flowId, from: [x.id], inputs })
    if (outcome.outcome === 'replayed') return { outcome: 'replayed', generation: x.generation }
    if (outcome.outcome === 'nothing_to_replay')
      throw new Error('a named member is always something to replay')
    return outcome
  }
  if (!isTerminal(x)) return { outcome: 'replay_conflict', ids: [x.id] }
  if (x.replayCount >= limits.replaysMax) return { outcome: 'max_replays_exceeded', ids: [x.id] }
  reopen(model, x, params.input)
  return { outcome: 'replayed', generation: x.generation }
}

function changeTags(tags: Tags, { set = {}, remove = [] }: SetTags): Tags {
  const kept = Object.entries(tags).filter(([key]) => !remove.includes(key))
  const changed = { ...Object.fromEntries(kept), ...set }
  const actual = Object.keys(changed).length
  if (actual <= limits.tagsMax) return changed
  throw engineError('too_many_tags', `${actual} tags, at most ${limits.tagsMax}`, {
    max: limits.tagsMax,
    actual,
  })
}

function terminal(x: ExecutionRecord): ExecutionTerminal {
  return { outcome: 'execution_terminal', terminalOutcome: recordedOutcomeOf(x) }
}
