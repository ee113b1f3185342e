import type { ScanRequest, ScanResult } from '../contract/conventions.js'
import type { OperationAdvanceItem } from '../contract/operations.js'
import type { DueRow } from '../due-records/due-records.js'
import { isEngineError } from '../errors/engine-error.js'
import type { OperationId } from '../ids/index.js'
import { limits } from '../limits.js'
import type { OperationParts } from './operation-parts.js'
import { failedItem, type TakenOn, takeOn } from './operation-runner.js'
import { operationText } from './record-text.js'

/** Takes on what is due in a partition, one job after the other: what each finds follows from those before it. */
export async function advanceDue(
  parts: OperationParts,
  partition: number,
  { max }: ScanRequest,
): Promise<ScanResult<OperationAdvanceItem>> {
  const rowsMax = Math.min(max, limits.operationsPerCall)
  const { nowMs, rows, nextDueAtMs } = await parts.store.due({ partition, max: rowsMax })
  const room = Math.max(Math.floor(max / Math.max(rows.length, 1)), 1)
  const taken: TakenOn[] = []
  for (const row of mostUrgentFirst(rows)) taken.push(await takeRowOn(parts, row, nowMs, room))
  const dueTimes = [nextDueAtMs, ...taken.map(({ dueAtMs }) => dueAtMs)].filter((atMs) => atMs !== null)
  return {
    items: taken.flatMap(({ item }) => (item === undefined ? [] : [item])),
    ...(dueTimes.length === 0 ? {} : { nextDueAtMs: Math.min(...dueTimes) }),
    more: rows.length === rowsMax || taken.some(({ isMore }) => isMore),
  }
}

/** What a breach left stops what is being spent, so it comes before the rest; such jobs in the order of their budgets. */
function mostUrgentFirst(rows: readonly DueRow[]): readonly DueRow[] {
  const ranked = rows.map((row) => ({ row, rank: operationText.budgetOf(row) ?? BEHIND_ALL_IDS }))
  return ranked.sort((a, b) => (a.rank === b.rank ? 0 : a.rank < b.rank ? -1 : 1)).map(({ row }) => row)
}

const BEHIND_ALL_IDS = '~'

/** One job that fails leaves its neighbours unharmed, and stands behind them for a while. */
async function takeRowOn(parts: OperationParts, row: DueRow, nowMs: number, room: number): Promise<TakenOn> {
  try {
    return await takeOn(parts, operationText.read(row), nowMs, room)
  } catch (error) {
    const item = failedItem(row.id as OperationId, error)
    return { item, dueAtMs: await putOff(parts, row, nowMs, item.code), isMore: false }
  }
}

/** Its texts stay. What does not decode is looked at seldom. */
async function putOff(
  { store }: OperationParts,
  { namespace, id, version: expected, progress }: DueRow,
  nowMs: number,
  code: string | undefined,
): Promise<number | null> {
  const pauseMs = code === 'corruption' ? BROKEN_AGAIN_MS : limits.operationBatchRepeatMs
  try {
    await store.write({ namespace, id, expected, dueAtMs: nowMs + pauseMs, progress, mayBeLost: true })
  } catch (error) {
    // A record that cannot even be written is left as it is; the others are not.
    if (!isEngineError(error)) throw error
  }
  return nowMs + pauseMs
}

const BROKEN_AGAIN_MS = 60_000
