import {
  checkAttemptPage,
  checkRecordSteps,
  type LoadSteps,
  limits,
  must,
  type Page,
  type RecordStepOutcome,
  type RecordSteps,
  type StepRecord,
  type StepType,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { Executor } from '../db/database.js'
import { requireExecution } from './list.js'
import { readPositionPage, toPositionPage } from './position-page.js'
import { writeUnderLeases } from './write-under-lease.js'

interface StepRow {
  readonly name: string
  readonly type: StepType
  readonly result: Uint8Array | null
  readonly attempt_index: number
  readonly recorded_at: number
}

const stepColumns = 'name, type, result, attempt_index, recorded_at'

/** Appends to journals. The execution's row is locked, so that ordinals and bounds hold. */
export async function recordSteps(
  ctx: PostgresContext,
  params: RecordSteps,
): Promise<{ readonly items: readonly RecordStepOutcome[] }> {
  const items = await writeUnderLeases(ctx, params.namespaces, checkRecordSteps(params), (tx, key, index) =>
    recordStep(tx, key, must(params.items[index], 'an item')),
  )
  return { items }
}

async function recordStep(
  tx: Executor,
  key: readonly [number, string],
  { name, type, result }: RecordSteps['items'][number],
): Promise<RecordStepOutcome> {
  const [known] = await tx.query<StepRow>(
    `select ${stepColumns} from ff.step where partition_key = $1 and execution_id = $2 and name = $3`,
    [...key, name],
  )
  if (known !== undefined) {
    return known.type === type
      ? { outcome: 'already_recorded', step: toStep(known) }
      : { outcome: 'journal_mismatch', recordedType: known.type }
  }
  const [recorded] = await tx.query<StepRow>(
    `insert into ff.step (partition_key, execution_id, ordinal, name, type, result, attempt_index, recorded_at)
     select e.partition_key, e.id, s.entries + 1, $3, $4, $5::bytea, e.attempt_count - 1, ff.now_ms()
     from ff.execution e, (
       select count(*)::integer as entries, coalesce(sum(length(result)), 0) as bytes
       from ff.step where partition_key = $1 and execution_id = $2
     ) s
     where e.partition_key = $1 and e.id = $2 and s.entries < $6::integer and s.bytes + coalesce(length($5::bytea), 0) <= $7::bigint
     returning ${stepColumns}`,
    [...key, name, type, result, limits.journalEntriesMax, limits.journalBytesMax],
  )
  return recorded === undefined
    ? { outcome: 'journal_full' }
    : { outcome: 'recorded', step: toStep(recorded) }
}

export async function loadSteps(ctx: PostgresContext, params: LoadSteps): Promise<Page<StepRecord>> {
  checkAttemptPage(params, await ctx.partitions())
  const page = readPositionPage(params)
  const key = await requireExecution(ctx, params)
  const rows = await ctx.db.query<StepRow>(
    `select ${stepColumns} from ff.step where partition_key = $1 and execution_id = $2 order by ordinal offset $3 limit $4`,
    [...key, page.offset, page.limit + 1],
  )
  return toPositionPage(rows.map(toStep), page)
}

function toStep({ name, type, result, attempt_index, recorded_at }: StepRow): StepRecord {
  return { name, type, result, attemptIndex: attempt_index, recordedAtMs: recorded_at }
}
