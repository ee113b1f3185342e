import { nameOf } from './address.js'
import type { Node, Nodes } from './node.js'
import type { ConnectionSettings } from './options.js'
import { LOOK_WITHIN_MS, scheduleLooks, type Topology } from './topology.js'

/** One primary serves all slots; it is found among the configured servers by what they say of themselves. */
export function createStandalone(
  { seeds }: ConnectionSettings,
  nodes: Nodes,
  onChange: () => void,
): Topology {
  const candidates = seeds.map((seed) => nodes.at(seed))
  let primary = choosePrimary(candidates, undefined)

  const notice = (): void => {
    const chosen = choosePrimary(candidates, primary)
    if (chosen === primary) return
    primary = chosen
    onChange()
  }
  const looks = scheduleLooks(async () => {
    await Promise.all(candidates.map((node) => node.look(LOOK_WITHIN_MS).then(notice)))
    // Behind a name that always leads to the primary: a new connection gets to the one that took over.
    const [only] = candidates
    if (candidates.length === 1 && only?.socket !== undefined && primary === undefined) only.reopen()
  })

  return {
    primaryOf: () => primary,
    primaries: () => (primary === undefined ? [] : [primary]),
    get absence() {
      return `No primary among ${seeds.map(nameOf).join(', ')}: nobody answers, or who does is a replica`
    },
    notice,
    learn() {},
    suspect: looks.suspect,
    close: looks.close,
  }
}

/**
 * Of several connected servers that say that they are primaries, as after a fail-over of which one has not heard yet, the
 * one that more replicas follow. One that was the primary remains it while it cannot be reached and nobody took its place.
 */
function choosePrimary(candidates: readonly Node[], current: Node | undefined): Node | undefined {
  let best: Node | undefined
  for (const node of candidates) {
    if (node.socket === undefined || node.facts?.role !== 'primary') continue
    const isAhead = (node.facts?.followers ?? 0) - (best?.facts?.followers ?? -1)
    if (isAhead > 0 || (isAhead === 0 && node === current)) best = node
  }
  if (best !== undefined) return best
  if (current !== undefined && current.facts?.role !== 'replica') return current
  // Nobody has answered yet: the first one has at least a reason to tell.
  return candidates.find((node) => node.facts === undefined)
}
