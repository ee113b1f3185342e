import { type ExtendFlow, type FlowNode, hashInput, uuidOf } from '@flowfabric/core'
import type { ExtendReading, KnownNode } from './extend-reading.js'

/** Whether the call was carried out before (`duplicate`), or clashes with what is there (`conflict`). */
export function judgeRepeat(
  { nodes, edges }: Pick<ExtendFlow, 'nodes' | 'edges'>,
  reading: ExtendReading,
): 'duplicate' | 'conflict' | undefined {
  const there = nodes.map((node, place) => judgeNode(node, reading.nodes[place] ?? 'new'))
  const areEdgesThere = () => {
    const upstreams = new Map([...reading.upstreams].map(([id, links]) => [id, new Map(links)] as const))
    return edges.every(({ from, to, as = '' }) => upstreams.get(to)?.get(uuidOf(from)) === as)
  }
  if (there.every((each) => each === 'same') && areEdgesThere()) return 'duplicate'
  return there.every((each) => each === 'new') ? undefined : 'conflict'
}

function judgeNode(node: FlowNode, known: KnownNode): 'new' | 'same' | 'other' {
  if (known === 'new') return 'new'
  const isSame =
    known.isOurs && known.name === (node.name ?? '') && known.kind === node.kind && isSameInput(node, known)
  return isSame ? 'same' : 'other'
}

/** Bytes are compared where both are there, since hashing costs more. */
function isSameInput(
  { input, inputHash }: FlowNode,
  known: { readonly hash: string; readonly input: Uint8Array | null },
): boolean {
  if (inputHash === undefined && known.hash === '') {
    if (input === null || known.input === null) return input === known.input
    return Buffer.compare(input, known.input) === 0
  }
  return (inputHash ?? hashInput(input)) === (known.hash || hashInput(known.input))
}
