import {
  type AttemptRecord,
  checkAttemptPage,
  type ExecutionId,
  type ListAttempts,
  type Page,
  partitionIndexOf,
  uuidOf,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { executionNotFound } from '../executions/get.js'
import { orNotFound } from '../library/not-found.js'
import { unpack } from '../records/packing.js'
import { toAttempt } from '../records/stored-attempt.js'
import { readPage } from './position-page.js'

/** All attempts, oldest first, the running one included. */
export async function listAttempts(ctx: ValkeyContext, params: ListAttempts): Promise<Page<AttemptRecord>> {
  checkAttemptPage(params, await ctx.partitions())
  const { executionId, namespace } = params
  return readPage(params, async (from, limit) => {
    const { reply, bytes } = await orNotFound(
      ctx.invoke({
        name: 'attempts_list',
        tag: `fp:${partitionIndexOf(executionId)}`,
        args: [namespace, uuidOf(executionId), from, limit],
      }),
      () => executionNotFound(executionId),
    )
    return {
      items: bytes.map((packed) => toAttempt(executionId, readFields(packed, executionId))),
      total: reply[0],
    }
  })
}

function readFields(packed: Uint8Array, executionId: ExecutionId): readonly unknown[] {
  return unpack(packed, `an attempt of ${executionId}`) as readonly unknown[]
}
