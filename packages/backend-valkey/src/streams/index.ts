import {
  attemptNotFound,
  checkReadFrames,
  checkReadSummary,
  checkTailFrames,
  createFrameAppender,
  createFrameWaiters,
  type FrameRange,
  partitionIndexOf,
  type ReadStreamSummary,
  rangeToRead,
  type StreamOperations,
  type StreamSummary,
  tailFrames,
  toFramePage,
  uuidOf,
} from '@flowfabric/core'
import { bytesAt } from '../channel/handed-out.js'
import type { ValkeyContext } from '../context.js'
import { executionNotFound } from '../executions/get.js'
import { orNotFound } from '../library/not-found.js'
import { copyOf } from '../records/stored-step.js'
import { lookAtFrames } from './look.js'
import { createFrameWriter } from './write-frames.js'

export function createStreams(ctx: ValkeyContext): StreamOperations {
  const waiters = createFrameWaiters(ctx.hints, (onEnd, ms) => {
    const timer = setTimeout(onEnd, ms)
    return () => clearTimeout(timer)
  })
  return {
    append: createFrameAppender(createFrameWriter(ctx)),
    async read(params) {
      checkReadFrames(params, await ctx.partitions())
      const range = rangeToRead(params)
      return toFramePage(params.executionId, range, await lookAtFrames(ctx, params, range))
    },
    async tail(params) {
      checkTailFrames(params, await ctx.partitions())
      // Others' hints are heard only where somebody waits for them.
      if ((params.waitMs ?? 0) > 0) await ctx.readyMap()
      const look = (range: FrameRange) => lookAtFrames(ctx, params, range)
      return tailFrames(params, { look, waiters, closing: ctx.closing })
    },
    readSummary: (params) => readSummary(ctx, params),
  }
}

async function readSummary(ctx: ValkeyContext, params: ReadStreamSummary): Promise<StreamSummary> {
  checkReadSummary(params, await ctx.partitions())
  const { namespace, executionId, attemptIndex } = params
  const { reply, bytes } = await orNotFound(
    ctx.invoke({
      name: 'streams_summary',
      tag: `fp:${partitionIndexOf(executionId)}`,
      args: [namespace, uuidOf(executionId), attemptIndex === undefined ? 0 : attemptIndex + 1],
    }),
    () => executionNotFound(executionId),
  )
  const [attemptCount, index, patchCount, patchedAt, place] = reply
  if (attemptIndex !== undefined && attemptIndex >= attemptCount) throw attemptNotFound(attemptIndex)
  const document = bytesAt(bytes, place)
  return {
    outcome: 'summary',
    attemptIndex: index,
    document: document === null ? new TextEncoder().encode('{}') : copyOf(document),
    patchCount,
    updatedAtMs: patchedAt === 0 ? null : patchedAt,
  }
}
