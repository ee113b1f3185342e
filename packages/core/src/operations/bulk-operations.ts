import type {
  BulkOperations,
  ChangeOperation,
  CreateOperation,
  CreateOperationOutcome,
} from '../contract/operations.js'
import { announceDue } from '../due-records/announce-due.js'
import { readRecordPlace, writeRecordPlace } from '../due-records/record-place.js'
import { engineError } from '../errors/engine-error.js'
import { limits } from '../limits.js'
import {
  checkChangeOperation,
  checkCreateOperation,
  checkGetOperation,
  checkListOperations,
} from '../validation/operations.js'
import { checkScanRequest } from '../validation/scans.js'
import { advanceDue } from './advance-due.js'
import type { OperationParts } from './operation-parts.js'
import { advance, readOperation, untilWritten } from './operation-runner.js'
import type { OperationName } from './operation-store.js'
import { showOperation } from './operation-views.js'
import { dueAtOf, firstProgress } from './progress.js'
import type { OperationProgress, StoredOperation } from './record.js'
import { operationText } from './record-text.js'

/**
 * The role `operations` over any store: what a job does next is decided here, and a store keeps records that it writes on
 * condition, looks at executions, and changes them.
 */
export function createBulkOperations(parts: OperationParts): BulkOperations {
  const { store } = parts
  return {
    async create(params) {
      checkCreateOperation(params)
      return untilWritten(params, () => createOnce(parts, params))
    },

    async get(params) {
      checkGetOperation(params)
      const { operation } = await requireOperation(parts, params)
      return { outcome: 'found', operation: showOperation(operation) }
    },

    async list(params) {
      checkListOperations(params)
      const limit = params.limit ?? limits.pageSizeDefault
      const after = params.cursor === undefined ? undefined : readRecordPlace(params.cursor)
      const rows = await store.list({ namespace: params.namespace, after, limit: limit + 1 })
      const page = rows.slice(0, limit)
      const last = page.at(-1)
      return {
        items: page.map((row) => showOperation(operationText.read(row))),
        nextCursor: rows.length > limit && last !== undefined ? writeRecordPlace(last) : null,
      }
    },

    pause: (params) =>
      change(parts, params, ({ progress }) => {
        if (progress.state === 'running') return ['paused', { ...progress, state: 'paused' }]
        return [progress.state === 'paused' ? 'already_paused' : 'already_ended']
      }),

    resume: (params) =>
      change(parts, params, ({ progress }) => {
        if (progress.state === 'paused') return ['resumed', { ...progress, state: 'running' }]
        return [progress.state === 'running' ? 'not_paused' : 'already_ended']
      }),

    stop: (params) =>
      change(parts, params, ({ progress }, nowMs) => {
        if (progress.endedAtMs !== null) return ['already_ended']
        return ['stopped', { ...progress, state: 'stopped', endedAtMs: nowMs }]
      }),

    async advance(params) {
      const partition = checkScanRequest(params, await parts.partitions(), 'quota')
      return advanceDue(parts, partition, params)
    },
  }
}

/** One try: nothing where somebody else was quicker. */
async function createOnce(
  parts: OperationParts,
  { namespace, operationId, work }: CreateOperation,
): Promise<CreateOperationOutcome | undefined> {
  const { store, targets } = parts
  const { nowMs, operation: known } = await readOperation(store, { namespace, operationId })
  if (known !== undefined) {
    if (!isSameWork(known.definition.work, work)) return { outcome: 'operation_conflict' }
    return { outcome: 'duplicate', operation: showOperation(known) }
  }
  const definition = { work, beganAtMs: nowMs, boundsMs: await targets.clocks() }
  const dueAtMs = dueAtOf(firstProgress, nowMs)
  const { isWritten } = await store.write({
    namespace,
    id: operationId,
    expected: null,
    dueAtMs,
    progress: operationText.ofProgress(firstProgress),
    definition: operationText.ofDefinition(definition),
    createdAtMs: nowMs,
  })
  if (!isWritten) return undefined
  const created = { namespace, operationId, version: 1, createdAtMs: nowMs, dueAtMs, definition }
  await announceDue(parts, { namespace, id: operationId }, dueAtMs)
  return { outcome: 'created', operation: showOperation({ ...created, progress: firstProgress }) }
}

async function change<Outcome extends string>(
  parts: OperationParts,
  params: ChangeOperation,
  decide: (
    operation: StoredOperation,
    nowMs: number,
  ) => readonly [outcome: Outcome, progress?: OperationProgress],
): Promise<{ readonly outcome: Outcome }> {
  checkChangeOperation(params)
  return untilWritten(params, async () => {
    const { nowMs, operation } = await requireOperation(parts, params)
    const [outcome, progress] = decide(operation, nowMs)
    if (progress === undefined) return { outcome }
    const { operation: written } = await advance(parts.store, operation, progress, nowMs)
    if (written === undefined) return undefined
    await announceDue(parts, { namespace: written.namespace, id: written.operationId }, written.dueAtMs)
    return { outcome }
  })
}

async function requireOperation({ store }: OperationParts, { namespace, operationId }: OperationName) {
  const { nowMs, operation } = await readOperation(store, { namespace, operationId })
  if (operation !== undefined) return { nowMs, operation }
  throw engineError('operation_not_found', `There is no operation ${operationId} in ${namespace}`)
}

/** Whatever order the caller wrote its fields in. */
function isSameWork(one: object, other: object): boolean {
  return canonicalText(one) === canonicalText(other)
}

function canonicalText(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  )
}
