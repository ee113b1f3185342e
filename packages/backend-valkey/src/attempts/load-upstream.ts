import {
  checkAttemptPage,
  type LoadUpstream,
  type Page,
  partitionIndexOf,
  type UpstreamResult,
  uuidOf,
} from '@flowfabric/core'
import { readUpstream } from '../channel/handed-out.js'
import type { ValkeyContext } from '../context.js'
import { executionNotFound } from '../executions/get.js'
import { toUpstream } from '../leases/claimed.js'
import { asList } from '../library/as-list.js'
import { orNotFound } from '../library/not-found.js'
import { readPage } from './position-page.js'

/** By `as` name, as the step that decided the group saw them: every attempt sees the same. */
export async function loadUpstream(ctx: ValkeyContext, params: LoadUpstream): Promise<Page<UpstreamResult>> {
  checkAttemptPage(params, await ctx.partitions())
  const { executionId, namespace } = params
  const partition = partitionIndexOf(executionId)
  return readPage(params, async (from, limit) => {
    const { reply, bytes } = await orNotFound(
      ctx.invoke({
        name: 'attempts_load_upstream',
        tag: `fp:${partition}`,
        args: [namespace, uuidOf(executionId), from, limit],
      }),
      () => executionNotFound(executionId),
    )
    const [total, rows] = reply
    return { items: asList(rows).map((row) => toUpstream(partition, readUpstream(row, bytes))), total }
  })
}
