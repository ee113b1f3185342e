import type { Redis } from 'iovalkey'
import { holderOf, selfIn, type viewOf } from './cluster-view.js'
import { withClient } from './valkey-client.js'

const keysAtOnce = 100
const migrateWithinMs = 5_000

/**
 * Moves a slot with all its keys to the primary on that port, while clients go on: they are sent after the
 * keys that have gone. `views` are of all running nodes.
 */
export async function moveSlot(
  slot: number,
  toPort: number,
  views: readonly Awaited<ReturnType<typeof viewOf>>[],
): Promise<void> {
  const from = holderOf(slot, views)
  const selves = views.map(selfIn)
  const to = selves.find(({ port }) => port === toPort)
  if (to === undefined || to.primaryId !== undefined) throw new Error(`node ${toPort} is no running primary`)
  if (from.id === to.id) return

  await onNode(to.port, (client) => client.cluster('SETSLOT', slot, 'IMPORTING', from.id))
  await onNode(from.port, async (client) => {
    await client.cluster('SETSLOT', slot, 'MIGRATING', to.id)
    await moveKeys(client, slot, to.port)
  })
  // First who gets it, then who has had it: in between, both would send clients to each other. The other
  // primaries would hear of it later by themselves.
  const others = selves.filter(
    ({ id, primaryId }) => primaryId === undefined && id !== to.id && id !== from.id,
  )
  for (const { port } of [to, from, ...others]) {
    await onNode(port, (client) => client.cluster('SETSLOT', slot, 'NODE', to.id))
  }
}

async function moveKeys(from: Redis, slot: number, toPort: number): Promise<void> {
  for (;;) {
    const keys = (await from.cluster('GETKEYSINSLOT', slot, keysAtOnce)) as string[]
    if (keys.length === 0) return
    // A copy that an interrupted move has left is older than what is still here, and is replaced.
    await from.migrate('127.0.0.1', toPort, '', 0, migrateWithinMs, 'REPLACE', 'KEYS', ...keys)
  }
}

function onNode<Answer>(port: number, work: (client: Redis) => Promise<Answer>): Promise<Answer> {
  return withClient(port, work, { answerWithinMs: 2 * migrateWithinMs })
}
