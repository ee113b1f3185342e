import type { HandlerContext } from '@flowfabric/sdk'
import type { Order } from './order.js'

/**
 * Asks the model for its opinion, and emits each word as it comes. In a step: a later run has the opinion from the journal,
 * and asks nobody.
 */
export async function assess(
  { emit, signal }: Pick<HandlerContext<Order>, 'emit' | 'signal'>,
  modelUrl: string,
  order: Order,
): Promise<string> {
  const response = await fetch(modelUrl, { method: 'POST', body: JSON.stringify(order), signal })
  if (!response.ok || response.body === null) throw new Error(`the model answered ${response.status}`)
  const decoder = new TextDecoder()
  let opinion = ''
  for await (const chunk of response.body) {
    const words = decoder.decode(chunk, { stream: true })
    opinion += words
    // Lost words would only spoil the show: what counts is the step's result.
    void emit(words, { type: 'token', mode: 'best_effort' })
  }
  // What the model cost is booked to a budget here.
  return opinion.trim()
}
