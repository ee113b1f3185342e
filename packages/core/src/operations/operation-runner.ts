import type { OperationAdvanceItem } from '../contract/operations.js'
import type { DueRecords } from '../due-records/due-records.js'
import { engineError, isEngineError } from '../errors/engine-error.js'
import type { OperationId } from '../ids/index.js'
import { limits } from '../limits.js'
import { countItems, deedOf, lookOn } from './looking.js'
import type { OperationParts } from './operation-parts.js'
import type { ItemOutcome, OperationName } from './operation-store.js'
import {
  dueAtOf,
  isPastRetention,
  noTally,
  settle,
  sumOf,
  type Tally,
  takeBatch,
  tallyOf,
} from './progress.js'
import type { OperationItem, OperationProgress, StoredOperation } from './record.js'
import { operationText } from './record-text.js'

export interface TakenOn {
  readonly item: OperationAdvanceItem | undefined
  /** When it is due next, as far as this runner knows; `null` is never. */
  readonly dueAtMs: number | null
  /** It stopped at its bound. */
  readonly isMore: boolean
}

/**
 * Takes a job on, at most `room` executions of it. Each turn is one conditional write, which settles the batch in hand and
 * takes the next one: what is in the record is carried out, by whoever meets it, before anything else is decided.
 */
export async function takeOn(
  parts: OperationParts,
  first: StoredOperation,
  firstNowMs: number,
  room: number,
): Promise<TakenOn> {
  let operation = first
  let nowMs = firstNowMs
  let left = room
  let tally = noTally
  for (let turn = 0; ; turn += 1) {
    if (isPastRetention(operation, nowMs)) return remove(parts, operation)
    const outcomes = await carryOut(parts, operation)
    let next = settle(operation.progress, outcomes)
    if (next.state === 'running' && left > 0 && turn < TURNS_MAX) {
      next = await lookFurther(parts, operation, next, left, nowMs)
      left -= next.batch?.items.length ?? 0
    }
    if (next === operation.progress) return answer(operation, 'advanced', tally)
    // A batch stands before anybody begins it. What came of one is found again by who carries it out once more.
    const written = await advance(parts.store, operation, next, nowMs, { mayBeLost: next.batch === null })
    tally = sumOf(tally, tallyOf(outcomes))
    if (written.operation === undefined) {
      await settleLate(parts.store, operation, outcomes)
      return answer(operation, 'lost_race', tally)
    }
    operation = written.operation
    nowMs = written.nowMs
    if (next.batch !== null) continue
    return answer(operation, next.state === 'completed' ? 'completed' : 'advanced', tally)
  }
}

/** The item of a job that could not be looked at. */
export function failedItem(operationId: OperationId, error: unknown): OperationAdvanceItem {
  if (!isEngineError(error)) throw error
  return { outcome: 'error', operationId, ...noTally, code: error.code }
}

/** Writes how far a job has come, on condition that nobody else has. */
export async function advance(
  store: DueRecords,
  operation: StoredOperation,
  progress: OperationProgress,
  nowMs: number,
  { mayBeLost = false } = {},
): Promise<{ readonly nowMs: number; readonly operation: StoredOperation | undefined }> {
  const { namespace, operationId, version: expected } = operation
  const dueAtMs = dueAtOf(progress, nowMs)
  const text = operationText.ofProgress(progress)
  const written = await store.write({
    namespace,
    id: operationId,
    expected,
    dueAtMs,
    progress: text,
    mayBeLost,
  })
  return {
    nowMs: written.nowMs,
    operation: written.isWritten ? { ...operation, version: expected + 1, dueAtMs, progress } : undefined,
  }
}

/** Reads a job, or nothing where there is none. */
export async function readOperation(
  store: DueRecords,
  { namespace, operationId }: OperationName,
): Promise<{ readonly nowMs: number; readonly operation: StoredOperation | undefined }> {
  const { nowMs, row } = await store.read({ namespace, id: operationId })
  return { nowMs, operation: row === undefined ? undefined : operationText.read(row) }
}

/** Tries a conditional write until nobody was quicker. Throws `contention`. */
export async function untilWritten<Answer>(
  { operationId }: OperationName,
  attempt: () => Promise<Answer | undefined>,
): Promise<Answer> {
  for (let tries = 0; tries < limits.operationTriesMax; tries += 1) {
    const answered = await attempt()
    if (answered !== undefined) return answered
  }
  throw engineError('contention', `Others changed operation ${operationId} at the same time, again and again`)
}

function carryOut(
  { targets }: OperationParts,
  { namespace, definition, progress }: StoredOperation,
): Promise<readonly ItemOutcome[]> | readonly ItemOutcome[] {
  if (progress.batch === null) return []
  return targets.carryOut({ namespace, deed: deedOf(definition.work), items: progress.batch.items })
}

async function lookFurther(
  parts: OperationParts,
  operation: StoredOperation,
  progress: OperationProgress,
  room: number,
  nowMs: number,
): Promise<OperationProgress> {
  const counted = progress.isCounted
    ? progress
    : { ...progress, isCounted: true, total: await tryToCount(parts, operation) }
  const max = Math.min(room, limits.operationBatchMax)
  const items: OperationItem[] = []
  let { place, isWalked } = counted
  for (let looks = 0; looks < LOOKS_MAX && items.length < max && !isWalked; looks += 1) {
    const found = await lookOn(parts, operation, place, max - items.length)
    items.push(...found.items)
    place = found.place
    isWalked = place === null
  }
  return takeBatch(counted, { items, place, isWalked }, nowMs)
}

/** A job whose items are too many to be counted goes on without. */
async function tryToCount(parts: OperationParts, operation: StoredOperation): Promise<number | null> {
  try {
    return await countItems(parts, operation)
  } catch (error) {
    if (isEngineError(error)) return null
    throw error
  }
}

/** Somebody changed the record while its batch was carried out, such as who paused the job: what came of it counts even so. */
async function settleLate(
  store: DueRecords,
  { namespace, operationId, progress }: StoredOperation,
  outcomes: readonly ItemOutcome[],
): Promise<void> {
  const number = progress.batch?.number
  if (number === undefined) return
  await untilWritten({ namespace, operationId }, async () => {
    const { nowMs, operation } = await readOperation(store, { namespace, operationId })
    // Another runner has settled it, or it is gone.
    if (operation?.progress.batch?.number !== number) return true
    const { operation: written } = await advance(
      store,
      operation,
      settle(operation.progress, outcomes),
      nowMs,
    )
    return written && true
  })
}

async function remove({ store }: OperationParts, operation: StoredOperation): Promise<TakenOn> {
  const { namespace, operationId, version: expected } = operation
  const isRemoved = await store.remove({ namespace, id: operationId, expected })
  const item = { outcome: isRemoved ? 'removed' : 'lost_race', operationId, ...noTally } as const
  return { item, dueAtMs: null, isMore: false }
}

function answer(
  { operationId, dueAtMs, progress }: StoredOperation,
  outcome: OperationAdvanceItem['outcome'],
  tally: Tally,
): TakenOn {
  if (outcome === 'lost_race')
    return { item: { outcome, operationId, ...tally }, dueAtMs: null, isMore: true }
  const isMore = progress.state === 'running' && progress.batch === null
  return { item: { outcome, operationId, ...tally }, dueAtMs, isMore }
}

/** Looks of one turn that may find nothing, such as in partitions that hold nothing of the namespace. */
const LOOKS_MAX = 64
/** Batches of one call, whose items may be few. */
const TURNS_MAX = 16
