import {
  checkListSignals,
  type ListSignals,
  type Page,
  partitionIndexOf,
  type Signal,
  uuidOf,
} from '@flowfabric/core'
import { readPage } from '../attempts/position-page.js'
import type { ValkeyContext } from '../context.js'
import { executionNotFound } from '../executions/get.js'
import { asList } from '../library/as-list.js'
import { orNotFound } from '../library/not-found.js'
import { bareOf, tagOf } from './ids.js'
import { readSignal } from './told-signals.js'

/** The signals of an execution in the order of their arrival. */
export async function listSignals(ctx: ValkeyContext, params: ListSignals): Promise<Page<Signal>> {
  checkListSignals(params, await ctx.partitions())
  const { namespace, executionId, waitpointId, suspensionId } = params
  const partition = partitionIndexOf(executionId)
  // Ids of other partitions are nobody's here.
  const isElsewhere = [waitpointId, suspensionId].some(
    (id) => id !== undefined && partitionIndexOf(id) !== partition,
  )
  return readPage(params, async (from, limit) => {
    const { reply, bytes } = await orNotFound(
      ctx.invoke({
        name: 'suspensions_list_signals',
        tag: tagOf(executionId),
        args: [
          namespace,
          uuidOf(executionId),
          isElsewhere ? 'none' : bareOf(waitpointId),
          bareOf(suspensionId),
          from,
          limit,
        ],
      }),
      () => executionNotFound(executionId),
    )
    const [told, total] = reply
    return { items: asList(told).map((each) => readSignal(partition, each, bytes)), total }
  })
}
