import { checkRecordProgress, must, type RecordProgress, type RecordProgressOutcome } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { writeUnderLeases } from './write-under-lease.js'

/** Records how far attempts have come; the last one wins. */
export async function recordProgress(
  ctx: PostgresContext,
  params: RecordProgress,
): Promise<{ readonly items: readonly RecordProgressOutcome[] }> {
  const items = await writeUnderLeases(
    ctx,
    params.namespaces,
    checkRecordProgress(params),
    async (tx, key, index) => {
      const { percent, message } = must(params.items[index], 'an item')
      await tx.query(
        'update ff.execution_info set progress_percent = $3, progress_message = $4 where partition_key = $1 and id = $2',
        [...key, percent, message ?? null],
      )
      return { outcome: 'recorded' as const }
    },
  )
  return { items }
}
