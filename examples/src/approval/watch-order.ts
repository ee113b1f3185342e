import type { ExecutionHandle } from '@flowfabric/sdk'
import type { Screen } from './screen.js'

/** Shows what the order emits, as it comes. */
export async function watchOrder(order: ExecutionHandle, screen: Screen, signal: AbortSignal): Promise<void> {
  for await (const { type, data } of order.stream({ signal })) {
    if (type === 'token') screen.word(String(data))
    else screen.line(`● ${data}`)
  }
}
