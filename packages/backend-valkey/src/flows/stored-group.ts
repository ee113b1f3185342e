import type { GroupView, Join, JoinPolicy, OnDecided } from '@flowfabric/core'
import { groupFields as G } from '../generated/layouts.js'
import { unpack } from '../records/packing.js'
import { numberAt, textAt } from '../records/stored-execution.js'
import {
  ancestorsLetters,
  decisionLetters,
  inverted,
  joinKindLetters,
  onDecidedLetters,
  runOnLetters,
} from './flow-letters.js'

/** A group as it is stored: its fields by place. */
export type StoredGroup = readonly unknown[]

const kinds = inverted(joinKindLetters)
const onDecideds = inverted(onDecidedLetters)
const runOns = inverted(runOnLetters)
const ancestors = inverted(ancestorsLetters)
const decisions = inverted(decisionLetters)

/** Throws `corruption`. */
export function readGroup(bytes: Uint8Array, where: string): StoredGroup {
  return unpack(bytes, where) as StoredGroup
}

export function toGroupView(group: StoredGroup): GroupView {
  return {
    join: toJoin(group),
    counters: {
      n: numberAt(group, G.n),
      succeeded: numberAt(group, G.ok),
      failed: numberAt(group, G.failed),
      skipped: numberAt(group, G.skipped),
    },
    state: decisions.get(textAt(group, G.state)) ?? 'pending',
    released: group[G.released] === 1,
    cancelReason: reasonOf(textAt(group, G.reason)),
    cancelPending: group[G.pending] === 1,
  }
}

/** The state of the edge at this place of a group, from 0. */
export function edgeStateAt(group: StoredGroup, place: number): GroupView['state'] {
  const letter = textAt(group, G.cells)[place]
  if (letter === undefined || letter === 'p') return 'pending'
  return letter === 's' ? 'satisfied' : 'impossible'
}

/** Decoded strictly: a policy that this version doesn't know is `null`, never another one. */
function toJoin(group: StoredGroup): Join | null {
  const policy = toPolicy(group)
  const runOn = runOns.get(textAt(group, G.run_on))
  const ofAncestors = ancestors.get(textAt(group, G.ancestors))
  if (policy === null || runOn === undefined || ofAncestors === undefined) return null
  return {
    policy,
    runOn,
    settled: group[G.settled] === 1,
    cancelShared: group[G.shared] === 1,
    ancestors: ofAncestors,
  }
}

/** The kind of the stored policy, also of one that isn't known. */
export function describePolicy(group: StoredGroup): string {
  const letter = textAt(group, G.kind)
  return kinds.get(letter) ?? letter
}

/** One that is stored without a kind is `all_of`; one that says nothing of the others does by default what its kind does. */
function toPolicy(group: StoredGroup): JoinPolicy | null {
  const kindLetter = textAt(group, G.kind)
  const kind = kindLetter === '' ? 'all_of' : kinds.get(kindLetter)
  const letter = textAt(group, G.on_decided)
  const unsaid: OnDecided = kind === 'all_of' ? 'let_run' : 'cancel_remaining'
  const onDecided = letter === '' ? unsaid : onDecideds.get(letter)
  if (onDecided === undefined) return null
  switch (kind) {
    case 'all_of':
      return { kind, onImpossible: onDecided }
    case 'any_of':
      return { kind, onSatisfied: onDecided }
    case 'quorum': {
      const k = numberAt(group, G.k)
      return k >= 1 && k <= numberAt(group, G.n) ? { kind, k, onSatisfied: onDecided } : null
    }
    default:
      return null
  }
}

function reasonOf(letter: string): GroupView['cancelReason'] {
  if (letter === 's') return 'sibling_quorum_satisfied'
  return letter === 'i' ? 'sibling_quorum_impossible' : null
}
