import { z } from 'zod'
import type { ItemError } from '../contract/conventions.js'
import type { EngineError } from '../errors/engine-error.js'
import { fromProblem, toProblem } from '../errors/problem.js'
import { readEach, readWire } from './read.js'

/** A problem document, as an item of a batch carries it. */
export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number(),
    detail: z.string(),
    code: z.string(),
    details: z.record(z.string(), z.unknown()),
    retry: z.enum(['never', 'safe', 'after_refresh']),
    retryAfterMs: z.number().optional(),
    mayHaveCommitted: z.boolean().optional(),
  })
  .meta({ id: 'Problem', description: 'A problem document (RFC 9457).' })

/** The outcome of an item that was refused as bad input, or could not be carried out. */
export const itemErrorSchema = z.object({ outcome: z.literal('error'), error: problemSchema })

export function writeItemError(error: EngineError): {
  outcome: 'error'
  error: ReturnType<typeof toProblem>
} {
  return { outcome: 'error', error: toProblem(error) }
}

export function readItemError(wire: z.infer<typeof itemErrorSchema>): ItemError {
  return { outcome: 'error', error: fromProblem(wire.error) }
}

export interface ReadBatch<Envelope, Item> {
  readonly envelope: Envelope
  /** The items that could be read, in order. */
  readonly items: readonly Item[]
  /** The errors of those that could not, by their place in the batch. */
  readonly refused: ReadonlyMap<number, EngineError>
}

/**
 * Reads batches: the envelope as a whole, each item for itself, so that one bad item leaves its neighbours unharmed.
 * `toItem` may refuse an item too. Made once for all calls: a schema costs more to make than to read by.
 */
export function batchReader<Envelope extends z.ZodObject, Wire>(
  envelope: Envelope,
  itemSchema: z.ZodType<Wire>,
): <Item>(body: unknown, toItem: (wire: Wire) => Item) => ReadBatch<z.infer<Envelope>, Item> {
  const schema = envelope.extend({ items: z.array(z.unknown()) })
  return (body, toItem) => {
    const { items, ...rest } = readWire(schema, body) as { items: readonly unknown[] }
    return { envelope: rest as z.infer<Envelope>, ...readItems(itemSchema, items, toItem) }
  }
}

function readItems<Wire, Item>(
  itemSchema: z.ZodType<Wire>,
  values: readonly unknown[],
  toItem: (wire: Wire) => Item,
): Omit<ReadBatch<unknown, Item>, 'envelope'> {
  const items: Item[] = []
  const refused = new Map<number, EngineError>()
  for (const [place, read] of readEach(itemSchema, values).entries()) {
    if ('error' in read) {
      refused.set(place, read.error)
      continue
    }
    try {
      items.push(toItem(read.item))
    } catch (error) {
      if (!isRefusal(error)) throw error
      refused.set(place, error)
    }
  }
  return { items, refused }
}

/** Puts the outcomes of the accepted items and the errors of the refused ones back into the order of the batch. */
export function mergeRefused<Outcome>(
  outcomes: readonly Outcome[],
  refused: ReadonlyMap<number, EngineError>,
): readonly (Outcome | ItemError)[] {
  if (refused.size === 0) return outcomes
  const merged: (Outcome | ItemError)[] = [...outcomes]
  for (const [place, error] of [...refused].sort(([a], [b]) => a - b))
    merged.splice(place, 0, { outcome: 'error', error })
  return merged
}

function isRefusal(error: unknown): error is EngineError {
  return error instanceof Error && error.name === 'EngineError'
}
