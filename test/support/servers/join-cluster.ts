import { until } from '../until.js'
import { withClient } from './valkey-client.js'
import type { ValkeyPorts } from './valkey-process.js'

const slotCount = 16_384

/**
 * Makes empty nodes one Cluster: the slots go to the first of them in equal parts, the rest copy those in
 * turns. They may not see each other yet when it is done.
 */
export async function joinCluster(nodes: readonly ValkeyPorts[], primaries: number): Promise<void> {
  const ids = await Promise.all(nodes.map(({ port }) => ask(port, 'MYID')))
  await Promise.all(
    nodes.map(async ({ port }, index) => {
      // Only a node that knows no other may be given an epoch. Without, all begin with the same, and
      // have to settle whose is whose.
      await ask(port, 'SET-CONFIG-EPOCH', index + 1)
      if (index >= primaries) return
      const first = Math.ceil((index * slotCount) / primaries)
      const last = Math.ceil(((index + 1) * slotCount) / primaries) - 1
      await ask(port, 'ADDSLOTSRANGE', first, last)
    }),
  )
  const [seed, ...others] = nodes
  for (const { port, busPort } of others) await ask(seed?.port ?? 0, 'MEET', '127.0.0.1', port, busPort)
  await Promise.all(
    nodes.slice(primaries).map(({ port }, index) => {
      const primaryId = ids[index % primaries] ?? ''
      const isTaken = () =>
        ask(port, 'REPLICATE', primaryId).then(
          () => true,
          (error: Error) => {
            // Until it has heard of that primary.
            if (/unknown node/i.test(error.message)) return false
            throw error
          },
        )
      return until(`node ${port} copies its primary`, isTaken, 10_000)
    }),
  )
}

async function ask(port: number, subcommand: string, ...args: (string | number)[]): Promise<string> {
  return String(await withClient(port, (client) => client.call('CLUSTER', subcommand, ...args)))
}
