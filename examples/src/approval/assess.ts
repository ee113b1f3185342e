import type { Amounts } from '@flowfabric/core'
import { defineTask, type HandlerContext, type } from '@flowfabric/sdk'
import type { Order } from './order.js'

/** What the model takes for a word, in millionths of a dollar. */
const USD_MICROS_A_WORD = 15

/** More than it has ever said: reserved while it speaks, so that all who ask it at once cannot overspend. */
export const estimate: Amounts = { tokens: 40, usd_micros: 40 * USD_MICROS_A_WORD }

/** Asks the model for its opinion. Whoever cancels the order in the middle has paid for what was said, and for nothing else. */
export function defineAssessment(modelUrl: string) {
  return defineTask({
    kind: 'assess',
    lane: 'orders',
    input: type<Order>(),
    handler: (ctx) => listenTo(ctx, modelUrl),
  })
}

/** Emits and pays for each word as it comes. A budget that is past its limit ends it by an error. */
async function listenTo(
  { input, emit, spend, signal }: HandlerContext<Order>,
  modelUrl: string,
): Promise<string> {
  const response = await fetch(modelUrl, { method: 'POST', body: JSON.stringify(input), signal })
  if (!response.ok || response.body === null) throw new Error(`the model answered ${response.status}`)
  const decoder = new TextDecoder()
  let opinion = ''
  for await (const chunk of response.body) {
    const words = decoder.decode(chunk, { stream: true })
    opinion += words
    // Lost words would only spoil the show: what counts is the result.
    void emit(words, { type: 'token', mode: 'best_effort' })
    await spend(priceOf(words))
  }
  return opinion.trim()
}

function priceOf(words: string): Amounts {
  const tokens = words.split(' ').filter((word) => word !== '').length
  return { tokens, usd_micros: tokens * USD_MICROS_A_WORD }
}
