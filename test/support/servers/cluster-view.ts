import { fieldOf, withClient } from './valkey-client.js'

/** How one node sees another, or itself: a line of its `CLUSTER NODES`. */
export interface SeenNode {
  id: string
  port: number
  /** `master`, `slave`, `myself`, `fail?`, `fail`, `handshake`, … */
  flags: string[]
  /** Whom it copies; absent for a primary. */
  primaryId?: string
  configEpoch: number
  isLinked: boolean
  /** First and last, both included. */
  ranges: [first: number, last: number][]
}

/** How one node sees the Cluster. */
export interface ClusterView {
  nodes: SeenNode[]
  isOk: boolean
  /** Of a replica: its copy is up to date and follows; always true for a primary. */
  isInSync: boolean
}

export async function viewOf(port: number): Promise<ClusterView> {
  return withClient(port, async (client) => {
    const nodes = String(await client.cluster('NODES'))
    const cluster = String(await client.cluster('INFO'))
    const replication = await client.info('replication')
    return {
      nodes: parseNodes(nodes),
      isOk: fieldOf(cluster, 'cluster_state') === 'ok',
      isInSync:
        fieldOf(replication, 'role') === 'master' ||
        (fieldOf(replication, 'master_link_status') === 'up' &&
          fieldOf(replication, 'master_sync_in_progress') === '0'),
    }
  })
}

export function parseNodes(text: string): SeenNode[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [id = '', address = '', flags = '', primaryId = '-', , , epoch, link, ...slots] = line.split(' ')
      return {
        id,
        port: Number(/:(\d+)/.exec(address)?.[1]),
        flags: flags.split(','),
        ...(primaryId === '-' ? {} : { primaryId }),
        configEpoch: Number(epoch),
        isLinked: link === 'connected',
        // In brackets: slots that are on their way, which still belong to whom they come from.
        ranges: slots
          .filter((slot) => !slot.startsWith('['))
          .map((slot): [number, number] => {
            const [first, last = first] = slot.split('-')
            return [Number(first), Number(last)]
          }),
      }
    })
}

/** How the node sees itself. */
export function selfIn({ nodes }: ClusterView): SeenNode {
  const self = nodes.find(({ flags }) => flags.includes('myself'))
  if (self === undefined) throw new Error('a node that does not see itself')
  return self
}

const unsettled = ['handshake', 'noaddr', 'fail?', 'fail']

/**
 * Why the nodes whose views these are do not make a whole Cluster yet; undefined when they do: each says ok,
 * each sees each other as that one sees itself, no slot is left with a node that is not among them, and the
 * replicas follow. Only then may any primary be lost: a replica is elected by nodes that know whom it copies.
 */
export function whatIsMissing(views: readonly ClusterView[]): string | undefined {
  const selves = new Map(views.map((view) => [selfIn(view).port, selfIn(view)]))
  for (const view of views) {
    const { port } = selfIn(view)
    if (!view.isOk) return `node ${port}: cluster_state is not ok`
    if (!view.isInSync) return `node ${port}: its copy is not up to date`
    for (const self of selves.values()) {
      const seen = view.nodes.find(({ id }) => id === self.id)
      if (seen === undefined) return `node ${port} does not know node ${self.port}`
      const isSettled = seen.isLinked && !seen.flags.some((flag) => unsettled.includes(flag))
      if (!isSettled || seen.primaryId !== self.primaryId || String(seen.ranges) !== String(self.ranges)) {
        return `node ${port} does not see node ${self.port} as it is`
      }
    }
    const lost = view.nodes.find((seen) => seen.ranges.length > 0 && !selves.has(seen.port))
    if (lost !== undefined) return `node ${port} sees slots at node ${lost.port}, which does not run`
  }
  return undefined
}

/** The node that holds a slot, by what the nodes say of themselves: the newest claim counts. */
export function holderOf(slot: number, views: readonly ClusterView[]): SeenNode {
  const [holder] = views
    .map(selfIn)
    .filter(({ ranges }) => ranges.some(([first, last]) => first <= slot && slot <= last))
    .sort((a, b) => b.configEpoch - a.configEpoch)
  if (holder === undefined) throw new Error(`no running node holds slot ${slot}`)
  return holder
}
