import { checkRecordProgress, must, type RecordProgress, type RecordProgressOutcome } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import type { LibraryFunctions } from '../generated/functions.js'
import { readRefusal } from '../leases/refusal.js'
import { writeEach } from '../leases/write-each.js'
import { asList } from '../library/as-list.js'

type Item = LibraryFunctions['attempts_record_progress']['args'][1][number]

/** Records how far attempts have come; the last one wins. */
export async function recordProgress(
  ctx: ValkeyContext,
  params: RecordProgress,
): Promise<{ readonly items: readonly RecordProgressOutcome[] }> {
  const items = await writeEach(ctx, checkRecordProgress(params), async (tag, placed) => {
    const { reply } = await ctx.invoke({
      name: 'attempts_record_progress',
      tag,
      args: [
        [...params.namespaces],
        placed.map(({ handle, index }): Item => {
          const { percent, message } = must(params.items[index], 'an item')
          return [...handle, percent, message ?? false]
        }),
      ],
    })
    return asList(reply).map(toOutcome)
  })
  return { items }
}

function toOutcome(answer: readonly unknown[]): RecordProgressOutcome {
  const [outcome] = answer
  return outcome === 'recorded' ? { outcome } : readRefusal(answer)
}
