import { type Address, nameOf } from './address.js'
import { judgeFault } from './fault.js'
import type { Node, Nodes } from './node.js'
import type { ConnectionSettings } from './options.js'
import { type ClusterView, readShards, readSlots } from './shards.js'
import { SLOT_COUNT } from './slots.js'
import { LOOK_WITHIN_MS, scheduleLooks, type Topology } from './topology.js'

/** What one node said of one slot; a view of another may be older for as long as nodes take to tell each other. */
interface Lesson {
  readonly node: Node
  readonly holdsUntil: number
}

const LESSON_HOLDS_MS = 2_000

/** The primaries of a Cluster as its nodes tell of them, put right by every `MOVED`. */
export function createCluster(settings: ConnectionSettings, nodes: Nodes, onChange: () => void): Topology {
  const { seeds, tls } = settings
  for (const seed of seeds) nodes.at(seed)
  const owners: (Node | undefined)[] = new Array(SLOT_COUNT).fill(undefined)
  let primaries: readonly Node[] = []
  const lessons = new Map<number, Lesson>()
  /** Who was named as the owner of a slot last: it knows of the change that others may not have heard of. */
  let witness: string | undefined

  const adopt = (view: ClusterView): void => {
    const seen = view.primaries.map((address) => nodes.at(address))
    for (let slot = 0; slot < SLOT_COUNT; slot += 1) owners[slot] = seen[view.owners[slot] ?? -1]
    const all = new Set(seen)
    for (const [slot, { node, holdsUntil }] of lessons) {
      if (holdsUntil < performance.now() || node.socket === undefined) {
        lessons.delete(slot)
      } else {
        owners[slot] = node
        all.add(node)
      }
    }
    primaries = [...all]
    nodes.keep(new Set(primaries.map(({ name }) => name)))
    onChange()
  }

  const looks = scheduleLooks(async () => {
    const connected = nodes.all().filter(({ socket }) => socket !== undefined)
    if (connected.length === 0) {
      // All that were known are gone. They are still tried; so are those by which everything began.
      for (const seed of seeds) nodes.at(seed)
      return
    }
    for (const node of inOrder(connected, witness)) {
      const view = await askView(node, tls !== undefined)
      if (view === undefined) continue
      witness = undefined
      adopt(view)
      return
    }
  })

  return {
    primaryOf: (slot) => owners[slot],
    primaries: () => primaries,
    get absence() {
      return primaries.length === 0
        ? `The Cluster of ${seeds.map(nameOf).join(', ')} has not told who serves what`
        : 'The Cluster has no primary for this slot'
    },
    notice() {
      if (primaries.length === 0) looks.now()
      else if (primaries.some(({ socket }) => socket === undefined)) looks.suspect()
    },
    learn(slot, address) {
      const node = nodes.at(address)
      if (owners[slot] !== node) {
        owners[slot] = node
        if (!primaries.includes(node)) primaries = [...primaries, node]
        onChange()
      }
      lessons.set(slot, { node, holdsUntil: performance.now() + LESSON_HOLDS_MS })
      witness = node.name
      looks.suspect()
    },
    suspect: looks.suspect,
    close: looks.close,
  }
}

/** The witness first, the others by chance, so that not all processes ask the same one. */
function inOrder(nodes: readonly Node[], witness: string | undefined): readonly Node[] {
  const weighted = nodes.map((node) => ({ node, weight: node.name === witness ? -1 : Math.random() }))
  return weighted.sort((one, other) => one.weight - other.weight).map(({ node }) => node)
}

async function askView(node: Node, hasTls: boolean): Promise<ClusterView | undefined> {
  const { host }: Address = node.address
  try {
    return readShards(await node.send(['CLUSTER', 'SHARDS'], LOOK_WITHIN_MS), host, hasTls)
  } catch (fault) {
    // A server that does not know the one command may know the other; one that did not answer knows neither.
    if (judgeFault(fault).kind !== 'refused') return undefined
  }
  try {
    return readSlots(await node.send(['CLUSTER', 'SLOTS'], LOOK_WITHIN_MS), host)
  } catch {
    return undefined
  }
}
