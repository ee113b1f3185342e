import { completeCounts } from '@flowfabric/core'
import { normalize } from './answers.js'

/** A lane that only refused submissions named is the same as one that isn't there. */
export function withoutUnusedLanes<Answer extends { readonly lanes: readonly unknown[] }>(
  answer: Answer,
): Answer {
  const isUsed = (lane: unknown) =>
    JSON.stringify(normalize({ ...(lane as object), namespace: null, lane: null })) !== unusedLane
  return { ...answer, lanes: answer.lanes.filter(isUsed) }
}

const unusedLane = JSON.stringify(
  normalize({
    namespace: null,
    lane: null,
    state: 'active',
    shards: 1,
    concurrency: null,
    ageingMs: null,
    weight: 1,
    retentionMs: 86_400_000,
    eventLevel: 'terminal',
    depth: completeCounts({}),
    oldestReadyAtMs: null,
  }),
)
