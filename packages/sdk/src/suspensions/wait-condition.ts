import {
  deriveWaitpointId,
  type ExecutionId,
  type FlowId,
  isWaitpointId,
  type NewWaitpoint,
  type ResumeCondition,
  type SignalMatch,
  type WaitpointId,
} from '@flowfabric/core'

/** A waitpoint of the execution that waits: its name (it is created if it isn't there), its id, or what `ctx.waitpoint` gave. */
export type WaitpointRef = string | { readonly id: WaitpointId }

/** What a suspension waits for: one tree, at most 4 deep and 64 nodes. */
export type WaitCondition =
  /** A signal, whichever. */
  | WaitpointRef
  /** A signal that matches. */
  | { readonly signal: WaitpointRef; readonly match?: SignalMatch | undefined }
  | { readonly allOf: readonly WaitCondition[] }
  | { readonly anyOf: readonly WaitCondition[] }
  /** So many signals, so many of the waitpoints, or signals of so many different sources. */
  | {
      readonly count: number
      readonly of: 'signals' | 'waitpoints' | 'sources'
      readonly on: WaitpointRef | readonly WaitpointRef[]
      readonly match?: SignalMatch | undefined
    }
  /** The end of an execution or a flow, whatever it is. */
  | { readonly child: ExecutionId | FlowId }

/** A condition as the contract has it, and the waitpoints that it names. */
export interface ReadCondition {
  readonly condition: ResumeCondition
  readonly waitpoints: readonly NewWaitpoint[]
}

export function readCondition(executionId: ExecutionId, asked: WaitCondition): ReadCondition {
  const named = new Map<WaitpointId, NewWaitpoint>()
  const idOf = (ref: WaitpointRef): WaitpointId => {
    if (typeof ref !== 'string') return ref.id
    if (isWaitpointId(ref)) return ref
    const waitpointId = deriveWaitpointId(executionId, ref)
    named.set(waitpointId, { waitpointId, name: ref })
    return waitpointId
  }
  const read = (node: WaitCondition): ResumeCondition => {
    if (typeof node === 'string' || 'id' in node) return { kind: 'signal', waitpointId: idOf(node) }
    if ('signal' in node) return { kind: 'signal', waitpointId: idOf(node.signal), match: node.match }
    if ('allOf' in node) return { kind: 'all_of', of: node.allOf.map(read) }
    if ('anyOf' in node) return { kind: 'any_of', of: node.anyOf.map(read) }
    if ('child' in node) return { kind: 'child', id: node.child }
    const refs: readonly WaitpointRef[] = isList(node.on) ? node.on : [node.on]
    return { kind: 'count', n: node.count, of: node.of, waitpointIds: refs.map(idOf), match: node.match }
  }
  const condition = read(asked)
  return { condition, waitpoints: [...named.values()] }
}

function isList(on: WaitpointRef | readonly WaitpointRef[]): on is readonly WaitpointRef[] {
  return Array.isArray(on)
}
