import {
  checkReadFrames,
  checkTailFrames,
  createFrameAppender,
  createFrameWaiters,
  rangeToRead,
  type StreamOperations,
  tailFrames,
  toFramePage,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { lookAtFrames } from './look.js'
import { readSummary } from './read-summary.js'
import { createFrameWriter } from './write-frames.js'

export function createStreams(ctx: PostgresContext): StreamOperations {
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
      const look = (range: Parameters<typeof lookAtFrames>[2]) => lookAtFrames(ctx, params, range)
      return tailFrames(params, { look, waiters, closing: ctx.closing })
    },
    readSummary: (params) => readSummary(ctx, params),
  }
}
