import { operationStates } from '../contract/operations.js'
import type { DueRow } from '../due-records/due-records.js'
import { engineError } from '../errors/engine-error.js'
import { type BudgetId, isExecutionId, isFlowId, type OperationId } from '../ids/index.js'
import type { OperationDefinition, OperationItem, OperationProgress, StoredOperation } from './record.js'

/**
 * The parts of a job's record as the texts that a store keeps. What does not decode is `corruption`: nothing is decided from
 * it.
 */
export const operationText = {
  ofDefinition: (definition: OperationDefinition): string => JSON.stringify(definition),

  ofProgress: (progress: OperationProgress): string => JSON.stringify(progress),

  /** The budget whose breach left the job; nothing for others, and for what does not decode. */
  budgetOf({ definition }: DueRow): BudgetId | undefined {
    try {
      const { work } = toDefinition(JSON.parse(definition))
      return work.kind === 'budget_breach' ? work.budgetId : undefined
    } catch {
      return undefined
    }
  },

  read(row: DueRow): StoredOperation {
    const { namespace, id, version, createdAtMs, dueAtMs } = row
    return {
      namespace,
      operationId: id as OperationId,
      version,
      createdAtMs,
      dueAtMs,
      definition: decode(row, 'definition', row.definition, toDefinition),
      progress: decode(row, 'progress', row.progress, toProgress),
    }
  },
}

function decode<Part>(row: DueRow, part: string, text: string, read: (value: unknown) => Part): Part {
  try {
    return read(JSON.parse(text))
  } catch (cause) {
    const subject = `operation ${row.namespace}/${row.id} ${part}`
    throw engineError('corruption', `The stored ${subject} does not decode`, { subject }, { cause })
  }
}

function toDefinition(value: unknown): OperationDefinition {
  const definition = value as OperationDefinition
  const { work, beganAtMs, boundsMs } = definition
  need(areWhole(beganAtMs, ...boundsMs) && boundsMs.length > 0)
  if (work.kind === 'budget_breach') need(typeof work.budgetId === 'string')
  else need((work.kind === 'cancel' || work.kind === 'replay') && typeof work.filter === 'object')
  return definition
}

function toProgress(value: unknown): OperationProgress {
  const progress = value as OperationProgress
  const { state, endedAtMs, total, done, unchanged, failed, failures, place, batch, batches } = progress
  need(operationStates.includes(state) && areWhole(done, unchanged, failed, batches))
  need((endedAtMs === null || areWhole(endedAtMs)) && (total === null || areWhole(total)))
  need(place === null || typeof place === 'string')
  need(typeof progress.isWalked === 'boolean' && typeof progress.isCounted === 'boolean')
  need(failures.every(({ executionId, code }) => isExecutionId(executionId) && typeof code === 'string'))
  if (batch !== null) need(areWhole(batch.number) && batch.items.every(isItem))
  return progress
}

function isItem({ id, generation, flowId }: OperationItem): boolean {
  return isExecutionId(id) && areWhole(generation) && (flowId === null || isFlowId(flowId))
}

function areWhole(...values: readonly unknown[]): boolean {
  return values.every((value) => Number.isSafeInteger(value))
}

function need(isSound: boolean): void {
  if (!isSound) throw new Error('a field is missing or of another type')
}
