import {
  type AttemptOperations,
  checkAttemptPage,
  checkRecordProgress,
  checkRecordSteps,
  limits,
  type RecordStepOutcome,
  type RecordSteps,
} from '@flowfabric/core'
import { findExecution, flowOf } from './facts.js'
import { pageByPosition } from './pages.js'
import type { AttemptEntry, ExecutionRecord } from './records.js'
import { type Model, operate } from './store.js'
import { viewAttempt, viewUpstream } from './views.js'
import { write } from './worker-writes.js'

export function createAttempts(model: Model): AttemptOperations {
  return {
    list: (params) =>
      operate(model, () => {
        checkAttemptPage(params, model.partitions)
        const x = findExecution(model, params.namespace, params.executionId)
        return pageByPosition(
          x.attempts.map((attempt) => viewAttempt(x, attempt)),
          params,
        )
      }),

    recordProgress: (params) =>
      operate(model, () => {
        const handles = checkRecordProgress(params)
        const items = params.items.map(({ percent, message }, index) =>
          write(model, params.namespaces, handles[index], 'progress', ({ x, attempt }) => {
            attempt.hasEffects = true
            x.progress = { percent, message: message ?? null }
            return { outcome: 'recorded' as const }
          }),
        )
        return { items }
      }),

    recordStep: (params) =>
      operate(model, () => {
        const handles = checkRecordSteps(params)
        const items = params.items.map((item, index) =>
          write(model, params.namespaces, handles[index], 'step', ({ x, attempt }) =>
            recordStep(model, x, attempt, item),
          ),
        )
        return { items }
      }),

    loadSteps: (params) =>
      operate(model, () => {
        checkAttemptPage(params, model.partitions)
        return pageByPosition(findExecution(model, params.namespace, params.executionId).steps, params)
      }),

    loadUpstream: (params) =>
      operate(model, () => {
        checkAttemptPage(params, model.partitions)
        const x = findExecution(model, params.namespace, params.executionId)
        return pageByPosition(viewUpstream(model, flowOf(model, x), x), params)
      }),
  }
}

function recordStep(
  model: Model,
  x: ExecutionRecord,
  attempt: AttemptEntry,
  { name, type, result }: RecordSteps['items'][number],
): Exclude<RecordStepOutcome, { readonly outcome: 'error' }> {
  const known = x.steps.find((step) => step.name === name)
  if (known !== undefined) {
    if (known.type === type) return { outcome: 'already_recorded', step: known }
    return { outcome: 'journal_mismatch', recordedType: known.type }
  }
  const bytes = [...x.steps, { result }].reduce((sum, step) => sum + (step.result?.byteLength ?? 0), 0)
  if (x.steps.length >= limits.journalEntriesMax || bytes > limits.journalBytesMax) {
    return { outcome: 'journal_full' }
  }
  attempt.hasEffects = true
  const recorded = { name, type, result, attemptIndex: attempt.index, recordedAtMs: model.clock.nowMs() }
  x.steps.push(recorded)
  return { outcome: 'recorded', step: recorded }
}
