import type { ExecutionHandle } from '@flowfabric/sdk'

/** Shows what the order emits, as it comes: words run on in one line, all else has lines of its own. */
export async function watchOrder(
  order: ExecutionHandle,
  write: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  let isInLine = false
  for await (const { type, data } of order.stream({ signal })) {
    if (type === 'token') {
      write(isInLine ? String(data) : `✎ ${data}`)
      isInLine = true
      continue
    }
    write(`${isInLine ? '\n' : ''}● ${data}\n`)
    isInLine = false
  }
  if (isInLine) write('\n')
}
