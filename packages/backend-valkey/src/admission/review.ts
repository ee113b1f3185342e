import type { ExecutionId, ParkedBy } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { settleHolders } from './due.js'
import { readHolder, readResourceName } from './resource-names.js'
import { wakeAndForget } from './wake.js'

interface Finding {
  readonly outcome: 'released' | 'drift'
  readonly by: ParkedBy
  readonly executionId: ExecutionId | null
  readonly finding: string
}

/** What was reviewed is reviewed again after this, as far as a pass gets to it. */
const AGAIN_MS = 30_000

/** Counts what is held again, and looks at the executions that hold it. */
export async function reviewIn(
  ctx: ValkeyContext,
  tag: string,
  max: number,
): Promise<{ readonly findings: readonly Finding[]; readonly more: boolean }> {
  const { reply } = await ctx.invoke({ name: 'admission_review', tag, args: [max, AGAIN_MS] })
  const [drift, holders, more] = reply
  const released = await settleHolders(ctx, tag, asList(holders))
  if (asList(drift).length + released.length > 0) await wakeAndForget(ctx, tag)
  return {
    findings: [
      ...asList(drift).map(([name, finding]): Finding => {
        return { outcome: 'drift', by: readResourceName(name), executionId: null, finding }
      }),
      ...released.map(([name, holder]): Finding => {
        const executionId = readHolder(holder).executionId as ExecutionId
        const finding = 'its holder does not run under the lease that took it'
        return { outcome: 'released', by: readResourceName(name), executionId, finding }
      }),
    ],
    more,
  }
}
