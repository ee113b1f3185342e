import type { Frame, FramesTail, ReadFrames, TailFrames } from '@flowfabric/core'
import type { TestStore } from './use-store.js'

type Ask<Params> = Omit<Params, 'namespace'>

/** Reads streams of the test's namespace. */
export function framesOf(store: () => TestStore) {
  const streams = () => store().backend.streams
  const scoped = <Params extends object>(params: Params) => ({ namespace: store().namespace, ...params })
  return {
    read: (params: Ask<ReadFrames>) => streams().read(scoped(params)),
    tail: (params: Ask<TailFrames>): Promise<FramesTail> => streams().tail(scoped(params)),
    summary: async (executionId: TailFrames['executionId'], attemptIndex?: number) => {
      const answer = await streams().readSummary(scoped({ executionId, attemptIndex }))
      return { ...answer, document: textOf(answer.document) }
    },
  }
}

export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

/** What was emitted, without where and when. */
export function textsOf(frames: readonly Frame[]): readonly string[] {
  return frames.map(({ frame }) => textOf(frame))
}
