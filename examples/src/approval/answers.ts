import { createInterface } from 'node:readline'
import type { Client, ExecutionHandle } from '@flowfabric/sdk'

/**
 * Answers typed here, such as `ann approve` or `bob reject too dear`: sent as that person, with a token of theirs and nothing
 * else, as their link would. Answers what ends it.
 */
export function takeAnswers(
  order: ExecutionHandle,
  visitor: Client,
  say: (text: string) => void,
): () => void {
  const lines = createInterface({ input: process.stdin })
  lines.on('line', (line) => {
    answer(order, visitor, line).then(say, (error: unknown) => say(String(error)))
  })
  return () => lines.close()
}

async function answer(order: ExecutionHandle, visitor: Client, line: string): Promise<string> {
  const [who = '', what, ...words] = line.trim().split(/\s+/)
  if (what !== 'approve' && what !== 'reject') return 'Type a name, approve or reject, and if you like why'
  const point = await order.waitpoint('approval')
  const bearer = { waitpointId: point.id, token: await point.tokenFor(who) }
  const payload = words.length === 0 ? undefined : { because: words.join(' ') }
  const { outcome } = await visitor.signalByToken(bearer, what, payload)
  return `${who}: ${what} (${outcome})`
}
