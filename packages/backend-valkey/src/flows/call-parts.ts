import type { Bytes } from '@flowfabric/core'
import type { LibraryFunctions } from '../generated/functions.js'
import { interned } from '../library/interned.js'
import type { Route } from '../routes/catalogue.js'
import type { Link, PackedGraph, PackedNode } from './pack-graph.js'

type SubmitArgs = LibraryFunctions['flows_submit']['args']
type NodeArgs = SubmitArgs[1][number][3][number]
type ExtendArgs = LibraryFunctions['flows_extend']['args']

/** What the nodes of a call share: routes, payloads, and the ids that edges name by their place. */
export interface CallParts {
  readonly bytes: readonly Uint8Array[]
  readonly routes: SubmitArgs[0]
  /** The nodes and their ids, which come first, for one flow of the call. */
  pack(nodes: readonly PackedNode[]): { readonly ids: string[]; readonly nodes: NodeArgs[] }
  /** The same with what is done to nodes that are there already. */
  packGrowth(graph: PackedGraph): {
    readonly ids: string[]
    readonly nodes: NodeArgs[]
    readonly targets: ExtendArgs[10]
    readonly upstreams: ExtendArgs[11]
  }
}

export function createCallParts(): CallParts {
  const bytes: Uint8Array[] = []
  const routes = interned<Route>(({ rid }) => rid)
  const placeBytes = (payload: Bytes | null): number => (payload === null ? 0 : bytes.push(payload))

  const packWith = (nodes: readonly PackedNode[]) => {
    const ids = interned<string>((id) => id)
    for (const { id } of nodes) ids.placeOf(id)
    const placed = <Second>(links: readonly Link<Second>[]): [number, Second][] =>
      links.map(([id, second]) => [ids.placeOf(id), second])
    const packed = nodes.map(
      (node): NodeArgs => [
        routes.placeOf(node.route),
        node.priority,
        node.startMs,
        node.delayMs,
        node.policy,
        node.spec,
        node.hash,
        placeBytes(node.input),
        node.name,
        node.join,
        placed(node.ins),
        placed(node.outs),
      ],
    )
    return { ids, placed, packed }
  }

  return {
    bytes,
    get routes() {
      return routes.list.map(({ rid, text, laneKey }): SubmitArgs[0][number] => [rid, text, laneKey])
    },
    pack(nodes) {
      const { ids, packed } = packWith(nodes)
      return { ids: ids.list, nodes: packed }
    },
    packGrowth({ nodes, targets, upstreams }) {
      const { ids, placed, packed } = packWith(nodes)
      return {
        nodes: packed,
        targets: targets.map(({ id, known, ins }) => [ids.placeOf(id), known, placed(ins)]),
        upstreams: upstreams.map(({ id, outs }) => [ids.placeOf(id), placed(outs)]),
        ids: ids.list,
      }
    },
  }
}
