import {
  engineError,
  type FlowCancelPolicy,
  type FlowState,
  type GroupDecision,
  type JoinPolicy,
  type OnDecided,
  type RunOn,
} from '@flowfabric/core'

/** Letters of flows and their joins, as `layouts.mjs` has them. Letters are never given another meaning. */

const stateLetters: Readonly<Record<FlowState, string>> = {
  draft: 'd',
  open: 'o',
  replaying: 'p',
  cancelling: 'l',
  completed: 'c',
  failed: 'f',
  cancelled: 'x',
}

export const joinKindLetters: Readonly<Record<JoinPolicy['kind'], string>> = {
  all_of: 'a',
  any_of: 'n',
  quorum: 'q',
}

export const onDecidedLetters: Readonly<Record<OnDecided, string>> = { cancel_remaining: 'c', let_run: 'l' }

export const ancestorsLetters: Readonly<Record<'cancel' | 'let_run', string>> = { cancel: 'c', let_run: 'l' }

export const runOnLetters: Readonly<Record<RunOn, string>> = {
  groupSatisfied: 's',
  groupImpossible: 'i',
  always: 'a',
}

export const decisionLetters: Readonly<Record<GroupDecision, string>> = {
  pending: 'p',
  satisfied: 's',
  impossible: 'i',
}

const cancelPolicyLetters: Readonly<Record<FlowCancelPolicy, string>> = {
  cancel_all: 'a',
  cancel_pending: 'p',
  flow_only: 'f',
}

const states = inverted(stateLetters)
const cancelPolicies = inverted(cancelPolicyLetters)

/** Throws `corruption` for a letter that stands for nothing. */
export function readFlowState(letter: unknown): FlowState {
  const state = states.get(String(letter))
  if (state !== undefined) return state
  throw engineError('corruption', `${String(letter)} is no state of a flow`, { subject: 'flow state' })
}

export function writeFlowState(state: FlowState): string {
  return stateLetters[state]
}

/** `null` for none. Throws `corruption` for a letter that stands for nothing. */
export function readCancelPolicy(letter: unknown): FlowCancelPolicy | null {
  if (letter === '') return null
  const policy = cancelPolicies.get(String(letter))
  if (policy !== undefined) return policy
  throw engineError('corruption', `${String(letter)} is no policy of a cancel`, { subject: 'cancel policy' })
}

export function writeCancelPolicy(policy: FlowCancelPolicy): string {
  return cancelPolicyLetters[policy]
}

/** Which word a letter stands for, where it stands for one. */
export function inverted<Word extends string>(
  letters: Readonly<Record<Word, string>>,
): ReadonlyMap<string, Word> {
  return new Map(Object.entries(letters).map(([word, letter]) => [letter as string, word as Word]))
}
