import { createInterface } from 'node:readline'
import type { StartedOrder } from './start-order.js'

/** Takes what is typed here, line by line. Answers what ends it. */
export function takeAnswers(order: StartedOrder, say: (text: string) => void): () => void {
  const lines = createInterface({ input: process.stdin })
  lines.on('line', (line) => {
    order.answer(line).then(say, (error: unknown) => say(String(error)))
  })
  return () => lines.close()
}
