import type { Client, FlowHandle } from '@flowfabric/sdk'
import type { Display } from './display/display.js'

/**
 * Follows a flow on the change feed and shows what happens, until the signal is aborted. The graph is read again when it
 * has grown, and when something has failed, for the reason. What an earlier process saw is taken over in silence.
 */
export async function watchFlow(
  client: Client,
  flow: FlowHandle<unknown>,
  display: Display,
  signal: AbortSignal,
): Promise<void> {
  const { board } = display
  const sinceMs = Date.now()
  const read = async () => board.read(await flow.graph())
  await read()
  for await (const { events } of client.events({ filter: { flowId: flow.id }, from: 'oldest', signal })) {
    const grew = events.some((event) => event.type === 'flow' && event.graphRevision > board.graphRevision)
    const failed = events.some((event) => event.type === 'execution' && event.publicState === 'failed')
    if (grew || failed) await read()
    for (const event of events) {
      if (event.type === 'flow') board.graphRevision = Math.max(board.graphRevision, event.graphRevision)
      const row = board.apply(event)
      if (row !== undefined && event.atMs >= sinceMs) display.show(row)
    }
  }
}
