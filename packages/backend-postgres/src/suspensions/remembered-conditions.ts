import { createHash } from 'node:crypto'
import type { ConditionState, ResumeCondition } from '@flowfabric/core'

/** A suspension as this process has seen it last. */
export interface RememberedCondition {
  readonly executionId: string
  /** Of this state, as the store names it. */
  readonly revision: string
  readonly condition: ResumeCondition
  readonly state: ConditionState
  /** Where it becomes claimable at once when the condition holds; `null` when it has to wait then. */
  readonly laneId: number | null
  /** Of both as the store keeps them: it applies a verdict only to what was judged. */
  readonly of: string
}

/**
 * What the suspensions wait for that this process has put aside, by their waitpoints: a signal on one of them is judged
 * before the store is asked, and goes there with its verdict. Only guesses, which the store compares with what stands.
 */
export interface RememberedConditions {
  remember(waitpointIds: readonly string[], condition: RememberedCondition): void
  at(waitpointId: string): RememberedCondition | undefined
  /** The sequence that the next signal of an execution would have. */
  nextSequence(executionId: string): number
  /** A signal was kept, and the suspension has resumed or has another state: what was known of it holds no more. */
  delivered(waitpointId: string, executionId: string, sequence: number): void
}

const rememberedMax = 20_000

export function createRememberedConditions(): RememberedConditions {
  const conditions = new Map<string, RememberedCondition>()
  const sequences = new Map<string, number>()
  return {
    remember(waitpointIds, condition) {
      if (conditions.size + waitpointIds.length > rememberedMax) conditions.clear()
      for (const id of waitpointIds) conditions.set(id, condition)
    },
    at: (waitpointId) => conditions.get(waitpointId),
    nextSequence: (executionId) => (sequences.get(executionId) ?? 0) + 1,
    delivered(waitpointId, executionId, sequence) {
      conditions.delete(waitpointId)
      if (sequences.size >= rememberedMax) sequences.clear()
      sequences.set(executionId, sequence)
    },
  }
}

/** As `deliver_signal` makes it. */
export function digestOf(condition: string, state: string): string {
  return createHash('sha256').update(condition).update(state).digest('hex')
}
