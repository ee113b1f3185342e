import type { Bytes } from '../contract/conventions.js'
import type { ChildEnd, ResumeCondition, SignalMatch } from '../contract/suspensions.js'
import type { WaitpointId } from '../ids/index.js'
import { matchesPayload, readPayloadJson } from './payload-matcher.js'

/**
 * How a resume condition is judged: here, for every store, which keeps the state as the JSON that it is and applies the
 * verdict in one step, unless something else changed the suspension meanwhile.
 */

type Leaf = Extract<ResumeCondition, { readonly kind: 'signal' | 'count' | 'child' }>

/**
 * What counts at one leaf of the tree. Leaves are numbered depth first, and each keeps its own: what one counts is no
 * concern of another, though a signal may count at several. One that has what it needs takes no more.
 */
export interface LeafState {
  /** Places of signals in the order of the execution's signals, rising. */
  readonly signals: readonly number[]
  /** What a `count` counts once: the waitpoint or source of each of its signals. */
  readonly keys: readonly (string | null)[]
  /** Of a `child`. */
  readonly end: ChildEnd | null
}

/** One state for each leaf, depth first. */
export type ConditionState = readonly LeafState[]

/** A signal as a condition sees it. */
export interface JudgedSignal {
  /** Its place among the signals of the execution, from 1. */
  readonly sequence: number
  readonly waitpointId: WaitpointId
  readonly name: string
  readonly source: string | null
  readonly payload: Bytes | null
}

/**
 * `counted` at one leaf at least. `not_needed`: it matches, but where it does nothing more is needed. `opaque`: it could
 * only match by its payload, which is no JSON. `not_matched`: no leaf of its waitpoint wants such a signal. `elsewhere`:
 * no leaf is about its waitpoint.
 */
export type SignalVerdict = 'counted' | 'not_needed' | 'opaque' | 'not_matched' | 'elsewhere'

const untouched: LeafState = { signals: [], keys: [], end: null }

/** The state in which nothing has come. */
export function startCondition(condition: ResumeCondition): ConditionState {
  return leavesOf(condition).map(() => untouched)
}

/** Counts a signal where it is wanted. Signals come in the order of their sequence. */
export function judgeSignal(
  condition: ResumeCondition,
  state: ConditionState,
  signal: JudgedSignal,
): { readonly state: ConditionState; readonly verdict: SignalVerdict } {
  const leaves = leavesOf(condition)
  const verdicts = leaves.map((leaf, at) => judgeAtLeaf(leaf, leafState(state, at), signal))
  const verdict = strongest.find((each) => verdicts.includes(each)) ?? 'elsewhere'
  if (verdict !== 'counted') return { state, verdict }
  const next = leaves.map((leaf, at) => {
    const before = leafState(state, at)
    if (verdicts[at] !== 'counted') return before
    const signals = [...before.signals, signal.sequence]
    return leaf.kind === 'count' && leaf.of !== 'signals'
      ? { ...before, signals, keys: [...before.keys, keyOf(leaf, signal)] }
      : { ...before, signals }
  })
  return { state: next, verdict }
}

const strongest: readonly SignalVerdict[] = ['counted', 'not_needed', 'opaque', 'not_matched']

/** Notes a child's end. The first that is told counts: a later one of the same child changes nothing. */
export function judgeChildEnd(
  condition: ResumeCondition,
  state: ConditionState,
  end: ChildEnd,
): { readonly state: ConditionState; readonly counted: boolean } {
  let counted = false
  const next = leavesOf(condition).map((leaf, at) => {
    const before = leafState(state, at)
    if (leaf.kind !== 'child' || leaf.id !== end.id || before.end !== null) return before
    counted = true
    return { ...before, end }
  })
  return counted ? { state: next, counted } : { state, counted }
}

/** What came before a suspension, or since it was looked at last. */
export interface Arrivals {
  readonly children: readonly ChildEnd[]
  /** In the order of their sequence. */
  readonly signals: readonly JudgedSignal[]
}

/** Judges what came, ends of children first, until the condition holds. */
export function judgeArrivals(
  condition: ResumeCondition,
  state: ConditionState,
  { children, signals }: Arrivals,
): { readonly state: ConditionState; readonly holds: boolean } {
  let judged = state
  for (const end of children) judged = judgeChildEnd(condition, judged, end).state
  for (const signal of signals) {
    if (conditionHolds(condition, judged)) break
    judged = judgeSignal(condition, judged, signal).state
  }
  return { state: judged, holds: conditionHolds(condition, judged) }
}

export function conditionHolds(condition: ResumeCondition, state: ConditionState): boolean {
  return walk(condition, state).holds
}

/** By what a condition holds; while it doesn't, what has counted so far. In the order of arrival, and of the tree. */
export function evidenceOf(
  condition: ResumeCondition,
  state: ConditionState,
): { readonly signals: readonly number[]; readonly children: readonly ChildEnd[] } {
  const walked = walk(condition, state)
  const leaves = walked.holds ? walked.leaves : state
  const signals = new Set(leaves.flatMap((leaf) => leaf.signals))
  const children = new Map(leaves.flatMap(({ end }) => (end === null ? [] : [[end.id, end] as const])))
  return { signals: [...signals].sort((a, b) => a - b), children: [...children.values()] }
}

/** The waitpoints that a condition names, each once. */
export function waitpointsOf(condition: ResumeCondition): readonly WaitpointId[] {
  const named = leavesOf(condition).flatMap((leaf): readonly WaitpointId[] =>
    leaf.kind === 'signal' ? [leaf.waitpointId] : leaf.kind === 'count' ? leaf.waitpointIds : [],
  )
  return [...new Set(named)]
}

/** The children that a condition names, each once. */
export function childrenOf(condition: ResumeCondition): readonly ChildEnd['id'][] {
  return [...new Set(leavesOf(condition).flatMap((leaf) => (leaf.kind === 'child' ? [leaf.id] : [])))]
}

/** Whether a verdict on a signal can depend on its payload. */
export function looksIntoPayloads(condition: ResumeCondition): boolean {
  return leavesOf(condition).some((leaf) => leaf.kind !== 'child' && leaf.match?.payload !== undefined)
}

function judgeAtLeaf(leaf: Leaf, state: LeafState, signal: JudgedSignal): SignalVerdict {
  if (!isAbout(leaf, signal.waitpointId)) return 'elsewhere'
  const match = judgeMatch(leaf.match, signal)
  if (match !== 'matched') return match
  if (leafHolds(leaf, state)) return 'not_needed'
  if (leaf.kind === 'signal' || leaf.of === 'signals') return 'counted'
  return state.keys.includes(keyOf(leaf, signal)) ? 'not_needed' : 'counted'
}

function isAbout(leaf: Leaf, waitpointId: WaitpointId): leaf is Exclude<Leaf, { readonly kind: 'child' }> {
  if (leaf.kind === 'child') return false
  return leaf.kind === 'signal' ? leaf.waitpointId === waitpointId : leaf.waitpointIds.includes(waitpointId)
}

function judgeMatch(
  match: SignalMatch | undefined,
  signal: JudgedSignal,
): 'matched' | 'not_matched' | 'opaque' {
  if (match?.name !== undefined && match.name !== signal.name) return 'not_matched'
  if (match?.payload === undefined) return 'matched'
  const payload = readPayloadJson(signal.payload)
  if (payload.kind === 'opaque') return 'opaque'
  return matchesPayload(match.payload, payload) ? 'matched' : 'not_matched'
}

function keyOf(leaf: Extract<Leaf, { readonly kind: 'count' }>, signal: JudgedSignal): string | null {
  return leaf.of === 'waitpoints' ? signal.waitpointId : signal.source
}

function leafHolds(leaf: Leaf, state: LeafState): boolean {
  if (leaf.kind === 'child') return state.end !== null
  return state.signals.length >= (leaf.kind === 'signal' ? 1 : leaf.n)
}

/** Whether a node holds, and by which leaves; `next` is the number of the leaf after it. */
interface Walked {
  readonly holds: boolean
  readonly leaves: readonly LeafState[]
  readonly next: number
}

function walk(node: ResumeCondition, state: ConditionState, at = 0): Walked {
  if (node.kind !== 'all_of' && node.kind !== 'any_of') {
    const leaf = leafState(state, at)
    const holds = leafHolds(node, leaf)
    return { holds, leaves: holds ? [leaf] : [], next: at + 1 }
  }
  const children: Walked[] = []
  let next = at
  for (const child of node.of) {
    const walked = walk(child, state, next)
    children.push(walked)
    next = walked.next
  }
  const holds =
    node.kind === 'all_of' ? children.every((child) => child.holds) : children.some((child) => child.holds)
  return { holds, leaves: holds ? children.flatMap((child) => (child.holds ? child.leaves : [])) : [], next }
}

function leavesOf(node: ResumeCondition): readonly Leaf[] {
  return node.kind === 'all_of' || node.kind === 'any_of' ? node.of.flatMap(leavesOf) : [node]
}

function leafState(state: ConditionState, at: number): LeafState {
  return state[at] ?? untouched
}
