import type { ExecutionHandle } from '@flowfabric/sdk'
import type { Screen } from './screen.js'

/** Shows what the parts of an order emit, as it comes, one part after the other. */
export async function watchOrder(
  parts: readonly ExecutionHandle[],
  screen: Screen,
  signal: AbortSignal,
): Promise<void> {
  for (const part of parts) {
    for await (const { type, data } of part.stream({ signal })) {
      if (type === 'token') screen.word(String(data))
      else screen.line(`● ${data}`)
    }
  }
}
