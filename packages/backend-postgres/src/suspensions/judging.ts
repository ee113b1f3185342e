import {
  type ConditionState,
  conditionHolds,
  engineError,
  evidenceOf,
  limits,
  type ResumeCondition,
} from '@flowfabric/core'
import type { EndFacts } from '../leases/after-end.js'

/** What a function answers that wants a verdict on the suspension that stands, or on the one that stands by now. */
export interface ToJudge {
  readonly outcome: 'judge'
  /** Names this state of this suspension. */
  readonly revision: string
  readonly condition: string
  readonly state: string
}

/** What the store is told of a state: the text that it keeps, and what it goes by itself. */
export interface Verdict {
  readonly state: string
  readonly holds: boolean
  readonly signals: readonly number[]
  readonly ends: readonly object[]
}

export function verdictOf(condition: ResumeCondition, state: ConditionState): Verdict {
  const { signals, children } = evidenceOf(condition, state)
  return { state: JSON.stringify(state), holds: conditionHolds(condition, state), signals, ends: children }
}

/** Where an answer moved an execution. */
export interface Moving {
  readonly moved?: EndFacts | null
}

/** Judges and applies until nothing changes in between. Throws `retry_exhausted`. */
export async function untilJudged<Answer extends { readonly outcome: string }>(
  call: (verdict: object | null, state: string | null) => Promise<Answer | ToJudge>,
  judge: (
    condition: ResumeCondition,
    state: ConditionState,
    toJudge: ToJudge,
  ) => { readonly verdict: object; readonly state: string } | { readonly answer: Answer },
  guess?: { readonly verdict: object; readonly state: string },
): Promise<Answer> {
  let answer = await call(guess?.verdict ?? null, guess?.state ?? null)
  for (let tries = 1; isToJudge(answer); tries += 1) {
    if (tries >= limits.signalTriesMax) {
      throw engineError('retry_exhausted', `A suspension was changed by others ${tries} times in a row`, {
        tries,
      })
    }
    const condition = JSON.parse(answer.condition) as ResumeCondition
    const judged = judge(condition, JSON.parse(answer.state) as ConditionState, answer)
    if ('answer' in judged) return judged.answer
    answer = await call({ ...judged.verdict, revision: answer.revision }, judged.state)
  }
  return answer
}

function isToJudge(answer: { readonly outcome: string }): answer is ToJudge {
  return answer.outcome === 'judge'
}
