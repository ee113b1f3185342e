import {
  type CreateWaitpointOutcome,
  checkCreateWaitpoint,
  checkDeliverSignal,
  checkFindWaitpoint,
  checkGetWaitpoint,
  checkListSignals,
  checkListWaitpoints,
  checkSuspend,
  type ExecutionId,
  type LeaseHandle,
  type NewWaitpoint,
  type SuspensionOperations,
} from '@flowfabric/core'
import { findExecution, isTerminal, recordedOutcomeOf } from './facts.js'
import { pageByPosition } from './pages.js'
import type { ExecutionRecord } from './records.js'
import { deliverSignal } from './signals.js'
import { step } from './step.js'
import { type Model, operate } from './store.js'
import { suspend } from './suspending.js'
import { viewSignal, viewWaitpoint } from './views.js'
import {
  addWaitpoint,
  conflictOf,
  findWaitpoint,
  lookUpWaitpoint,
  requireRoom,
  stateOfWaitpoint,
} from './waitpoints.js'
import { write } from './worker-writes.js'

export function createSuspensions(model: Model): SuspensionOperations {
  return {
    suspend: (params) =>
      operate(model, () => {
        const handles = checkSuspend(params, model.partitions)
        const items = step(model, () =>
          params.items.map((item, index) =>
            write(model, params.namespaces, handles[index], 'suspend', ({ x, attempt }) =>
              suspend(model, x, attempt, item),
            ),
          ),
        )
        return { items }
      }),

    createWaitpoint: (params) =>
      operate(model, () => {
        const handle = checkCreateWaitpoint(params, model.partitions)
        const x = findExecution(model, params.namespace, params.executionId)
        if (handle !== undefined) return createByHolder(model, x, handle, params)
        if (isTerminal(x)) {
          return { outcome: 'execution_terminal' as const, terminalOutcome: recordedOutcomeOf(x) }
        }
        return create(model, x, params)
      }),

    closeWaitpoint: (params) =>
      operate(model, () => {
        checkGetWaitpoint(params, model.partitions)
        const { x, waitpoint } = findWaitpoint(model, params.namespace, params.waitpointId)
        const previous = stateOfWaitpoint(model, x, waitpoint)
        if (previous !== 'expired') waitpoint.closed = true
        return { outcome: 'set' as const, previous }
      }),

    findWaitpoint: (params) =>
      operate(model, () => {
        checkFindWaitpoint(params, model.partitions)
        const { x, waitpoint } = lookUpWaitpoint(model, params.waitpointId)
        return {
          outcome: 'found' as const,
          namespace: x.namespace,
          waitpoint: viewWaitpoint(model, x, waitpoint),
        }
      }),

    listWaitpoints: (params) =>
      operate(model, () => {
        checkListWaitpoints(params, model.partitions)
        const x = findExecution(model, params.namespace, params.executionId)
        return pageByPosition(
          x.waitpoints.map((waitpoint) => viewWaitpoint(model, x, waitpoint)),
          params,
        )
      }),

    deliverSignal: (params) =>
      operate(model, () => {
        checkDeliverSignal(params, model.partitions)
        return deliverSignal(model, params)
      }),

    listSignals: (params) =>
      operate(model, () => {
        checkListSignals(params, model.partitions)
        const { waitpointId, suspensionId } = params
        const listed = findExecution(model, params.namespace, params.executionId).signals.filter(
          (signal) =>
            (waitpointId === undefined || signal.waitpointId === waitpointId) &&
            (suspensionId === undefined || signal.suspensionId === suspensionId),
        )
        return pageByPosition(listed.map(viewSignal), params)
      }),
  }
}

function createByHolder(
  model: Model,
  x: ExecutionRecord,
  handle: LeaseHandle,
  params: NewWaitpoint & { readonly executionId: ExecutionId },
): CreateWaitpointOutcome {
  const answer = write(model, [x.namespace], handle, 'waitpoint', ({ attempt }) => {
    const created = create(model, x, params)
    if (created.outcome === 'created') attempt.hasEffects = true
    return created
  })
  if (answer.outcome !== 'error') return answer
  throw answer.error
}

function create(
  model: Model,
  x: ExecutionRecord,
  params: NewWaitpoint,
): Extract<CreateWaitpointOutcome, { readonly outcome: 'created' | 'duplicate' | 'waitpoint_conflict' }> {
  if (conflictOf(model, x, params)) return { outcome: 'waitpoint_conflict' }
  const present = x.waitpoints.find(({ id }) => id === params.waitpointId)
  if (present !== undefined) return { outcome: 'duplicate', waitpoint: viewWaitpoint(model, x, present) }
  const full = requireRoom(x, 1)
  if (full !== undefined) throw full
  return { outcome: 'created', waitpoint: viewWaitpoint(model, x, addWaitpoint(model, x, params)) }
}
