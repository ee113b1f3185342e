import { isEngineError } from '@flowfabric/core'

/** What two stores answer differently by right: drawn ids, opaque texts, guesses. Everything else must be equal. */
const masked = new Set([
  'handle',
  'deliveryId',
  'nextDueAtMs',
  'cursor',
  'nextCursor',
  'roundTripMs',
  'message',
  'version',
  'number',
])

/** Carries out a call and turns its answer, or what it throws, into what can be compared. */
export async function answerOf(call: () => Promise<unknown>): Promise<unknown> {
  try {
    return await call()
  } catch (error) {
    // A fault of the store's own is no answer: its cause is what must be seen.
    if (isEngineError(error) && error.code !== 'internal_error') return { thrown: error.code }
    throw error
  }
}

/** The same value for answers that mean the same. */
export function normalize(value: unknown, key = ''): unknown {
  if (isEngineError(value)) return { code: value.code }
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (Array.isArray(value)) {
    const items = value.map((item) => normalize(item))
    // Sets that an answer lists in no promised order.
    return unordered.has(key) ? items.map((item) => JSON.stringify(item)).sort() : items
  }
  if (value === null || typeof value !== 'object') return value
  const entries = Object.entries(value)
    .filter(([name, each]) => each !== undefined && !masked.has(name))
    .map(([name, each]) => [name, normalize(each, name)] as const)
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

const unordered = new Set(['ids', 'failures', 'workers', 'pendingUpstreams', 'incoming', 'engines'])

/** The names under which an answer is counted: its outcome, or those of its items. */
export function outcomesOf(answer: unknown): string[] {
  if (typeof answer !== 'object' || answer === null) return ['answered']
  if ('thrown' in answer) return [String(answer.thrown)]
  if ('items' in answer && Array.isArray(answer.items)) {
    const items: unknown[] = answer.items
    return items.length === 0 ? ['empty'] : items.map(outcomeOfItem)
  }
  return ['outcome' in answer ? String(answer.outcome) : 'answered']
}

function outcomeOfItem(item: unknown): string {
  if (typeof item !== 'object' || item === null || !('outcome' in item)) return 'listed'
  if (item.outcome === 'error' && 'error' in item && isEngineError(item.error)) return item.error.code
  return String(item.outcome)
}
